// As many EventSources as a user has tabs, in one page, and a site that is loaded meanwhile, in Chromium or Firefox.
// Usage: node tabs.js '{"chromium": ENDPOINT | "firefox": PATH, "page": URL, "stream": URL, "count": N, "open": N, "last": DATA,
// "resources": [URL, ...], "stuck": MS, "patience": MS}'
import { chromium } from "playwright-core";
import { startFirefox } from "./marionette.js";
import { tell, untilInputEnds } from "./tell.js";

const wanted = JSON.parse(process.argv[2]);
const browser = await (wanted.firefox ? startFirefox(wanted.firefox) : inChromium(wanted.chromium));
untilInputEnds(() => browser.close());
await browser.goto(wanted.page);
tell({ kind: "open", open: await browser.run(open, wanted) });
tell({ kind: "loaded", resources: await browser.run(load, { ...wanted, patience: wanted.stuck }) });
if (wanted.last) tell({ kind: "heard", tabs: await browser.run(hear, wanted) });
await browser.run(closeOne, wanted);
tell({ kind: "reloaded", resources: await browser.run(load, wanted) });

async function inChromium(endpoint) {
  const browser = await chromium.connect(endpoint, { timeout: 0 });
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  page.setDefaultTimeout(0);
  return {
    close: () => browser.close(),
    goto: (url) => page.goto(url),
    run: (body, argument) => page.evaluate(`(${body})(${JSON.stringify(argument)})`),
  };
}

// What follows runs in the page, as text: it sees nothing of this file.

/** Opens `count` event sources; says how many are open when `open` are. */
function open({ stream, count, open }) {
  window.tabs = [];
  return new Promise((resolve) => {
    let opened = 0;
    for (let tab = 0; tab < count; tab += 1) {
      const source = new EventSource(stream);
      const heard = [];
      window.tabs.push({ source, heard });
      source.onmessage = ({ data }) => heard.push(data);
      source.onopen = () => {
        opened += 1;
        if (opened === open) resolve(opened);
      };
    }
  });
}

/** Loads all resources; for each its status and protocol, or null if it didn't come in time. */
async function load({ resources, patience }) {
  performance.clearResourceTimings();
  const one = async (url) => {
    try {
      const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(patience) });
      await answer.arrayBuffer();
      return { url: answer.url, status: answer.status };
    } catch {
      return null;
    }
  };
  const answers = await Promise.all(resources.map(one));
  // An entry may come after the answer's end.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const entries = new Map(performance.getEntriesByType("resource").map((entry) => [entry.name, entry.nextHopProtocol]));
  return answers.map((answer) => answer && { status: answer.status, protocol: entries.get(answer.url) });
}

/** What each event source has heard, once all have heard `last`. */
async function hear({ last }) {
  while (!window.tabs.every(({ heard }) => heard.at(-1) === last)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return window.tabs.map(({ heard }) => heard);
}

/** Closes the first event source that is open. */
async function closeOne() {
  window.tabs.find(({ source }) => source.readyState === EventSource.OPEN).source.close();
}
