// The admin's dashboard in Chromium: judged by axe-core as each kind of viewer sees it, then watched.
// Usage: node dashboard.js '{"browser": ENDPOINT, "page": URL, "source": NAME, "pictures": FOLDER | null}'. It tells
//   {"kind": "judged", "as": ..., "violations": [...], "errors": [...], "foreign": [...], "wider": BOOL} for each viewer and page,
//   {"kind": "keys", ...} of what the keyboard alone reaches, and
//   {"kind": "shows", ...} whenever what is shown has changed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { tell, untilInputEnds } from "./tell.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const LOOK_MS = 50;

const wanted = JSON.parse(process.argv[2]);
// The time limits are the story's own: the machine may be busy.
const browser = await chromium.connect(wanted.browser, { timeout: 0 });
untilInputEnds(() => browser.close());
tell({ kind: "started" });

for (const colorScheme of ["light", "dark"]) {
  for (const [width, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    await judge(`${colorScheme}-${width}`, { colorScheme, viewport });
  }
}
await keys();
await watch();

/** A page in a context of its own, and what has gone wrong in it. */
async function opened(options) {
  const page = await (await browser.newContext(options)).newPage();
  const [errors, foreign] = [[], []];
  page.setDefaultTimeout(0);
  page.on("pageerror", (error) => errors.push(String(error)));
  // A breach of the policy is said there too; so is that the relay has gone, which the story means.
  const isMeant = (text) => /^Failed to load resource: net::ERR_(INCOMPLETE_CHUNKED_ENCODING|CONNECTION_\w+|EMPTY_RESPONSE)/.test(text);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && !isMeant(message.text()) && errors.push(message.text()));
  page.on("request", (request) => new URL(request.url()).origin !== new URL(wanted.page).origin && foreign.push(request.url()));
  await page.goto(wanted.page);
  await page.waitForSelector("#sentence:not(:empty)");
  return { page, errors, foreign };
}

async function judge(as, options) {
  const { page, errors, foreign } = await opened(options);
  const one = async (name) => {
    if (wanted.pictures) await page.screenshot({ path: join(wanted.pictures, `${name}.png`), fullPage: true });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    const wider = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
    const said = violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) }));
    tell({ kind: "judged", as: name, violations: said, errors, foreign, wider });
  };
  await one(as);
  await page.goto(`${wanted.page}#/source/${encodeURIComponent(wanted.source)}`);
  await page.waitForSelector("#source:not([hidden]) .facts");
  await one(`${as}-source`);
  await page.context().close();
}

/** From the top by the Tab key alone: the content, the filter, sorting, a source, and back. */
async function keys() {
  const { page } = await opened({ viewport: DESK });
  const focused = () => page.evaluate("document.activeElement.id || document.activeElement.textContent");
  const reach = async (text) => {
    for (let n = 0; n < 100; n += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).startsWith(text)) return;
    }
    throw new Error(`the keyboard does not reach ${text}`);
  };
  await reach("To the content");
  await page.keyboard.press("Enter");
  const skipped = await focused();
  await reach("filter");
  await page.keyboard.type(wanted.source);
  const rows = await page.locator("#rows tr").count();
  await reach("Clients");
  await page.keyboard.press("Enter");
  const sorted = await page.locator("th[aria-sort]").innerText();
  await reach(wanted.source);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#source:not([hidden]) .facts");
  const source = await page.locator("#source h2").first().innerText();
  await reach("← All sources");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#overview:not([hidden])");
  tell({ kind: "keys", skipped, rows, sorted, source });
  await page.context().close();
}

/** What the first screen shows, and the source's own page, for as long as the story goes on. */
async function watch() {
  const { page, errors } = await opened({ viewport: DESK });
  const source = await opened({ viewport: DESK });
  await source.page.goto(`${wanted.page}#/source/${encodeURIComponent(wanted.source)}`);
  const facts = `Object.fromEntries([...document.querySelectorAll("#source .fact")].map((fact) => [fact.firstChild.textContent, [...fact.children].slice(2).map((part) => part.textContent).join(" ")]))`;
  const log = `[...document.querySelectorAll("#source h2")].find((head) => head.textContent === "Shared log")?.nextSibling.textContent ?? null`;
  const look = `(() => {
    const text = (node) => node?.textContent ?? null;
    const cells = [...document.querySelectorAll("#rows tr")].find((row) => row.dataset.source === ${JSON.stringify(wanted.source)})?.cells ?? [];
    const card = (title) => [...document.querySelectorAll(".card")].find((card) => text(card.querySelector("h3")) === title);
    return {
      level: document.getElementById("verdict").className,
      verdict: text(document.getElementById("verdict")),
      trouble: document.getElementById("trouble").hidden ? null : text(document.getElementById("trouble")),
      figures: Object.fromEntries([...document.querySelectorAll("figcaption")].map((caption) => [text(caption.firstChild), text(caption.lastChild)])),
      row: [...cells].map(text),
      evictions: text(card("Evictions")),
      reload: text(card("Last reload")),
      scripts: document.scripts.length,
    };
  })()`;
  for (let last = ""; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    const [first, ofSource, ofLog] = await Promise.all([page.evaluate(look), source.page.evaluate(facts), source.page.evaluate(log)]);
    const shows = { kind: "shows", ...first, facts: ofSource, log: ofLog, errors: [...errors, ...source.errors] };
    const text = JSON.stringify(shows);
    if (text !== last) tell(shows);
    last = text;
  }
}
