// The EventSource of a page in a Firefox of its own. Usage: node firefox.js '{"firefox": PATH, "page": URL, "url": ..., "types": [...]}'
import { listen } from "./listen.js";
import { startFirefox } from "./marionette.js";
import { tell, untilInputEnds } from "./tell.js";

const wanted = JSON.parse(process.argv[2]);
const browser = await startFirefox(wanted.firefox);
untilInputEnds(() => browser.close());
await browser.goto(wanted.page);
await browser.run(`async (wanted) => (${begin})(${listen}, wanted)`, wanted);
for (;;) for (const said of await browser.run(heard)) tell(said);

// What follows runs in the page, as text: it sees nothing of this file.

/** Listens, and keeps what is told until it is asked for. */
function begin(listen, wanted) {
  window.told = [];
  window.wake = () => {};
  listen(EventSource, wanted, (said) => {
    window.told.push(said);
    window.wake();
  });
}

/** What has been told since the last time; waits for something. */
async function heard() {
  if (window.told.length === 0) await new Promise((resolve) => (window.wake = resolve));
  return window.told.splice(0);
}
