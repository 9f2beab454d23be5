// The demo's crowd in Chromium: has one, kills the origin and brings it back, makes a client slow, has a tenth leave. Tells what the
// page shows of it, and what axe-core finds in it.
// Usage: node crowd.js '{"browser": ENDPOINT, "page": URL, "pictures": FOLDER | null}'. It tells
//   {"kind": "offers", "clients": [...]}, {"kind": "shown", "after": STEP, "live": ..., "lost": ..., "story": [...]} for each step, and
//   {"kind": "judged", "as": ..., "violations": [...], "errors": [...], "foreign": [...], "wider": [...]}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { tell, untilInputEnds } from "./tell.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESK = { width: 1280, height: 1000 };
const PHONE = { width: 390, height: 844 };

const wanted = JSON.parse(process.argv[2]);
// The time limits are the story's own: the machine may be busy.
const browser = await chromium.connect(wanted.browser, { timeout: 0 });
untilInputEnds(() => browser.close());
tell({ kind: "started" });

const { page, errors, foreign } = await opened({ viewport: DESK });
const number = (text) => Number(text.replaceAll(",", ""));
const clients = (await page.locator("#sizes button").evaluateAll((all) => all.map((b) => Number(b.dataset.crowd))));
tell({ kind: "offers", clients });

// By the keyboard alone.
await press(`[data-crowd="${clients[0]}"]`);
await page.waitForFunction((n) => document.getElementById("n-live").textContent === n.toLocaleString("en"), clients[0]);
await flows();
await shown("crowd");

await press("#origin");
await says("the relay has lost the origin");
await shown("killed");
await press("#origin");
await says("the relay has the origin again");
await flows();
await shown("revived");

await press('[data-do="slow/1"]');
// Its slow connection is one that it has opened anew: only what comes behind the eviction counts. The newest stands first.
await page.waitForFunction(() => {
  const told = [...document.querySelectorAll("#story span")].map((span) => span.textContent);
  const evicted = told.findIndex((text) => text.includes("1 client evicted"));
  return told.slice(0, Math.max(evicted, 0)).some((text) => /resumed exactly|gap event/.test(text));
});
await shown("slow");

await press('[data-do="leave/3"]');
await says(" clients resumed exactly");
await shown("left");

for (const colorScheme of ["light", "dark"]) {
  for (const [width, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await judge(`${colorScheme}-${width}`);
  }
}

async function opened(options) {
  const page = await (await browser.newContext(options)).newPage();
  const [errors, foreign] = [[], []];
  page.setDefaultTimeout(0);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => new URL(request.url()).hostname !== new URL(wanted.page).hostname && foreign.push(request.url()));
  await page.goto(wanted.page);
  await page.waitForSelector("#crowd:not([hidden]) #sizes button");
  return { page, errors, foreign };
}

async function press(selector) {
  await page.waitForSelector(`${selector}:enabled`);
  await page.focus(selector);
  await page.keyboard.press("Enter");
}

function flows() {
  return page.waitForFunction(() => Number(document.getElementById("n-rate").textContent.replaceAll(",", "")) > 0);
}
function story() {
  return page.locator("#story span").allTextContents();
}
function says(text) {
  return page.waitForFunction((text) => [...document.querySelectorAll("#story span")].some((s) => s.textContent.includes(text)), text);
}

async function shown(after) {
  const text = (id) => page.locator(id).textContent();
  tell({
    kind: "shown",
    after,
    live: number(await text("#n-live")),
    lost: number(await text("#n-lost")),
    memory: await text("#n-memory"),
    cpu: await text("#n-cpu"),
    origin: await text("#origin"),
    story: await story(),
  });
  if (wanted.pictures) await page.screenshot({ path: join(wanted.pictures, `crowd-${after}.png`) });
}

async function judge(as) {
  if (wanted.pictures) await page.screenshot({ path: join(wanted.pictures, `crowd-${as}.png`), fullPage: true });
  await page.evaluate(AXE);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  const wider = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const beyond = [...document.body.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > width);
    return document.documentElement.scrollWidth > width ? beyond.map((element) => element.outerHTML.slice(0, 200)) : [];
  });
  const said = violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) }));
  tell({ kind: "judged", as, violations: said, errors, foreign, wider });
}
