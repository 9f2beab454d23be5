// Does with the demo's page what it tells people to: disconnect, publish, connect. Tells what the page shows then.
// Usage: node demo.js '{"browser": ENDPOINT, "page": URL, "titles": [...]}'
import { chromium } from "playwright-core";
import { tell, untilInputEnds } from "./tell.js";

const wanted = JSON.parse(process.argv[2]);
// The time limits are the story's own: the machine may be busy.
const browser = await chromium.connect(wanted.browser, { timeout: 0 });
untilInputEnds(() => browser.close());
const page = await (await browser.newContext()).newPage();
page.setDefaultTimeout(0);
page.on("pageerror", (error) => console.error(error));
await page.goto(wanted.page);
await page.waitForSelector("#state.open");
tell({ kind: "open" });
for (const title of wanted.titles) {
  await page.click("#toggle");
  await page.waitForSelector("#state.closed");
  await page.fill("#title", title);
  await page.click("button[name=section]");
  await page.waitForFunction((title) => document.getElementById("published").textContent.endsWith(title), title);
  await page.click("#toggle");
  await page.waitForFunction((title) => [...document.querySelectorAll("#events b")].some((b) => b.textContent === title), title);
  tell({ kind: "shown", titles: await page.locator("#events b").allTextContents() });
  for (const note of await page.locator("#events li.note").allTextContents()) {
    if (note.includes("gap:")) tell({ kind: "gap", note });
  }
}
