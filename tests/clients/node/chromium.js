// The EventSource of a page in Chromium. Usage: node chromium.js '{"browser": ENDPOINT, "page": URL, "url": ..., "types": [...]}'
import { chromium } from "playwright-core";
import { listen } from "./listen.js";
import { tell, untilInputEnds } from "./tell.js";

const wanted = JSON.parse(process.argv[2]);
// The time limits are the story's own: the machine may be busy.
const browser = await chromium.connect(wanted.browser, { timeout: 0 });
untilInputEnds(() => browser.close());
// A context of its own: nothing is shared with other stories.
const context = await browser.newContext();
if (wanted.cookie) await context.addCookies([{ ...wanted.cookie, url: wanted.page }]);
const page = await context.newPage();
page.setDefaultTimeout(0);
page.on("pageerror", (error) => console.error(error));
await page.exposeFunction("tell", tell);
await page.goto(wanted.page);
await page.evaluate(`(${listen})(EventSource, ${JSON.stringify(wanted)}, tell)`);
