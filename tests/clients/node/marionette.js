// Firefox over Marionette, its own remote protocol: it needs no driver beside the browser. A message is LENGTH:JSON, a command
// [0, ID, NAME, PARAMETERS], its answer [1, ID, ERROR, RESULT].
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How often Firefox is looked at until it listens. */
const LOOK_MS = 50;

/** The time limits are the story's own: the machine may be busy. */
const PATIENCE_MS = 300_000;

/** Nothing but what a page asks for: no updates, no lists, no looks at whether there is a network. */
const PREFERENCES = {
  // Any free port, which it writes into its profile.
  "marionette.port": 0,
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.safebrowsing.update.enabled": false,
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,none",
  "toolkit.telemetry.server": "",
};

/** Ends the browser with the program that started it, even if that is killed: its end of the pipe is closed then. */
const GUARD = `"$1" --headless --no-remote --marionette --profile "$2" & browser=$!
cat >/dev/null; kill "$browser"; wait "$browser"; rm -rf "$2"`;

/** Starts a Firefox of its own that takes any certificate. */
export async function startFirefox(path) {
  const profile = mkdtempSync(join(tmpdir(), "fanfare-firefox-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const child = spawn("/bin/sh", ["-c", GUARD, "sh", path, profile], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  const session = await Session.open(await port(profile));
  await session.send("WebDriver:NewSession", { acceptInsecureCerts: true });
  await session.send("WebDriver:SetTimeouts", { script: PATIENCE_MS, pageLoad: PATIENCE_MS });
  return {
    close,
    goto: (url) => session.send("WebDriver:Navigate", { url }),
    /** Runs a function of one argument in the page, and returns what its promise becomes. */
    async run(body, argument) {
      const script = `const done = arguments[arguments.length - 1];
        (${body})(${JSON.stringify(argument)}).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
      const said = await session.send("WebDriver:ExecuteAsyncScript", { script, args: [], sandbox: null });
      if (said.value.error) throw new Error(said.value.error);
      return said.value.value;
    },
  };
}

/** The port that it has chosen. A browser that doesn't start is for the story to give up on. */
async function port(profile) {
  for (;;) {
    try {
      const chosen = Number(readFileSync(join(profile, "MarionetteActivePort"), "utf8"));
      if (chosen > 0) return chosen;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

class Session {
  #socket;
  #unread = Buffer.alloc(0);
  #waiting = new Map();
  #id = 0;

  /** Connects, and waits for the greeting. */
  static open(port) {
    return new Promise((resolve, reject) => {
      const session = new Session();
      session.#socket = connect(port, "127.0.0.1");
      session.#socket.once("error", reject);
      session.#waiting.set("greeting", { resolve: () => resolve(session), reject });
      session.#socket.on("data", (bytes) => session.#take(bytes));
      session.#socket.on("close", () => {
        for (const { reject } of session.#waiting.values()) reject(new Error("firefox has gone"));
      });
    });
  }

  send(name, parameters) {
    const id = ++this.#id;
    const message = JSON.stringify([0, id, name, parameters]);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
  }

  #take(bytes) {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      const colon = this.#unread.indexOf(":");
      const end = colon + 1 + Number(this.#unread.subarray(0, Math.max(colon, 0)).toString());
      if (colon < 0 || this.#unread.length < end) return;
      const message = JSON.parse(this.#unread.subarray(colon + 1, end).toString());
      this.#unread = this.#unread.subarray(end);
      // The greeting alone is an object.
      const [, id, error, result] = Array.isArray(message) ? message : [1, "greeting", null, message];
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(`${error.error}: ${error.message}`));
      else resolve(result);
    }
  }
}
