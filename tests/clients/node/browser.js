// The Chromium that all stories share: starting it is what costs. Usage: node browser.js PATH START_MS; tells where it listens.
import { chromium } from "playwright-core";
import { tell, untilInputEnds } from "./tell.js";

const [executablePath, start] = process.argv.slice(2);
const browser = await chromium.launchServer({ executablePath, timeout: Number(start), host: "127.0.0.1" });
untilInputEnds(() => browser.close());
tell({ kind: "browser", endpoint: browser.wsEndpoint() });
