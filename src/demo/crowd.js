
// The crowd: what the relay and the crowd's own process say, twice a second, and in words what has changed.
const LOOK_MS = 500, STORY_SHOWN = 40, CHART_POINTS = 120;
const number = new Intl.NumberFormat("en"), thousands = (n) => number.format(Math.round(n));
const rates = [];
let before = null, connectingSince = null;

function tell(text, kind) {
  const item = el("li", undefined, kind);
  item.append(el("time", time()), el("span", text));
  byId("story").prepend(item);
  while (byId("story").childElementCount > STORY_SHOWN) byId("story").lastElementChild.remove();
}

async function press(what) {
  try {
    const answer = await fetch("/demo/" + what, { method: "POST", headers: { "fanfare-demo": "1" } });
    const said = await answer.json();
    if (answer.ok) show(said); else tell(said.detail || "refused: " + answer.status, "bad");
    return answer.ok;
  } catch (error) {
    tell("the demo does not answer", "bad");
    return false;
  }
}

function offer(crowd) {
  if (byId("sizes").childElementCount) return;
  byId("fits").textContent = thousands(crowd.fits) + " fit under the limit on open files.";
  for (const clients of [...crowd.offers, 0]) {
    const button = el("button", clients ? thousands(clients) + " clients" : "None");
    button.type = "button";
    button.dataset.crowd = clients;
    button.onclick = async () => {
      if (!(await press("crowd/" + clients))) return;
      connectingSince = clients ? performance.now() : null;
      tell(clients ? thousands(clients) + " clients are asked for" : "the crowd goes home");
    };
    byId("sizes").append(button);
  }
}

const text = (id, words) => { byId(id).textContent = words; };
const since = (now, then, key) => (now && then ? now[key] - then[key] : 0);
const are = (n) => thousands(n) + (n === 1 ? " client" : " clients");

function milliseconds(micros) {
  return micros < 10000 ? (micros / 1000).toFixed(1) + " ms" : micros < 1e6 ? thousands(micros / 1000) + " ms" : (micros / 1e6).toFixed(1) + " s";
}

// Of the crowd's process.
function showCrowd(crowd, then) {
  const report = crowd.report, old = then && then.report;
  for (const button of byId("sizes").children) button.setAttribute("aria-pressed", String(Number(button.dataset.crowd) === crowd.wanted));
  for (const button of document.querySelectorAll("[data-do]")) button.disabled = !report || report.live === 0;
  text("n-live", thousands(report ? report.live : 0));
  text("n-connecting", report && report.live < crowd.wanted ? "of " + thousands(crowd.wanted) : report && report.stalled ? report.stalled + " takes nothing" : "");
  if (crowd.events_per_second) text("n-events", crowd.events_per_second);
  if (!report) return;
  const { delivered, lost, doubled, disordered, gap_lost } = report.counts;
  const seconds = since(report, old, "at_ns") / 1e9;
  if (seconds > 0) {
    const rate = (delivered - old.counts.delivered) / seconds;
    text("n-rate", thousands(rate));
    rates.push(rate);
    if (rates.length > CHART_POINTS) rates.shift();
    const most = Math.max(1, ...rates);
    byId("line").setAttribute("points", rates.map((r, i) => ((i + CHART_POINTS - rates.length) * 600 / (CHART_POINTS - 1)).toFixed(1) + "," + (58 - r / most * 54).toFixed(1)).join(" "));
  }
  text("n-total", thousands(delivered) + " in all");
  const wrong = lost + doubled + disordered;
  text("n-lost", thousands(wrong));
  byId("n-lost").className = wrong ? "bad" : "";
  text("n-checked", gap_lost ? thousands(gap_lost) + " announced by gap events" : "each was counted");
  if (report.latency_us) {
    text("n-median", milliseconds(report.latency_us[0]));
    text("n-p99", "p99 " + milliseconds(report.latency_us[1]));
  }
  if (connectingSince !== null && crowd.wanted > 0 && report.live >= crowd.wanted) {
    tell(are(report.live) + " are connected, after " + ((performance.now() - connectingSince) / 1000).toFixed(1) + " s", "good");
    connectingSince = null;
  }
  const ended = since(report, old, "ended_by_server");
  if (ended > 0) tell(are(ended) + (ended === 1 ? " sees" : " see") + " the stream end, and will come back", "wait");
}

// Of the relay's metrics.
function showRelay(relay, then, alone, live) {
  if (!relay) return;
  text("n-resident", (relay.resident_bytes / 1048576).toFixed(1) + " MiB in all");
  const more = alone ? relay.resident_bytes - alone.resident_bytes : 0;
  text("n-memory", alone && live >= 100 ? (Math.max(0, more) / live / 1024).toFixed(2) + " KiB" : "–");
  const seconds = since(relay, then, "at_ns") / 1e9;
  if (seconds > 0) {
    const cpu = since(relay, then, "cpu_seconds");
    text("n-cpu", (cpu / seconds * 100).toFixed(0) + " %");
    text("n-delivery", "of a core");
    const deliveries = since(relay, then, "deliveries");
    if (deliveries > 0) text("n-delivery", "of a core, " + (cpu * 1e6 / deliveries).toFixed(1) + " µs per delivery");
  }
  const [evicted, exact, late] = ["evictions", "resumes_exact", "resumes_gap"].map((key) => since(relay, then, key));
  if (evicted > 0) tell(are(evicted) + " evicted: took nothing for too long. The others go on", "wait");
  if (exact > 0) tell(are(exact) + " resumed exactly where " + (exact === 1 ? "it was" : "they were") + ": what was missed came first", "good");
  if (late > 0) tell(are(late) + " came back after the log had moved on: a gap event told " + (late === 1 ? "it" : "them"), "wait");
  if (then && then.upstreams > 0 && relay.upstreams === 0) tell("the relay has lost the origin, keeps its clients, and tries again", "wait");
  if (then && then.upstreams === 0 && relay.upstreams > 0) tell("the relay has the origin again, and passes on first what it has missed", "good");
}

function show(status) {
  byId("crowd").hidden = !status.crowd;
  if (!status.crowd) return;
  offer(status.crowd);
  const then = before;
  before = status;
  const live = status.crowd.report ? status.crowd.report.live : 0;
  showCrowd(status.crowd, then && then.crowd);
  showRelay(status.relay, then && then.relay, status.relay_without_crowd, live);
  text("origin", status.origin_lives ? "Kill the origin" : "Bring the origin back");
  if (then && then.origin_lives !== status.origin_lives) tell(status.origin_lives ? "the origin is back" : "the origin is dead: it refuses connections", status.origin_lives ? "good" : "bad");
}

byId("origin").onclick = () => press(before && !before.origin_lives ? "revive" : "kill");
for (const button of document.querySelectorAll("[data-do]")) {
  button.onclick = async () => {
    if (await press(button.dataset.do)) tell(button.dataset.do === "slow/1" ? "one client takes nothing any more" : "one client in ten has left", "wait");
  };
}

async function look() {
  try {
    if (!document.hidden) show(await (await fetch("/demo/status")).json());
  } catch (error) {
    text("n-rate", "–");
  }
  setTimeout(look, LOOK_MS);
}
look();
