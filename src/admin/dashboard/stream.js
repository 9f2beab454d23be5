// The event stream that the page lives on, and what of it is kept.

/** Rates are taken over this much time: shards add up once a second. */
const WINDOW_MS = 10_000;

/** As long as nothing is heard, what is shown is said to be old. */
const SILENCE_MS = 10_000;

/** After a refusal, which an EventSource does not try again. */
const AGAIN_MS = 10_000;

/** Points of an hour, and some. */
const POINTS_MAX = 400;

const known = { overviews: [], points: [], source: undefined, heard: Date.now(), isNew: false };
let stream = null;

/** The source whose page is shown; null: the first screen. */
function chosen() {
  const [, name] = location.hash.match(/^#\/source\/(.*)$/) ?? [];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return null;
  }
}

function open() {
  stream?.close();
  stream = null;
  if (document.hidden) return;
  // What let the page in by its query lets the stream in.
  const query = new URLSearchParams(location.search);
  if (chosen() !== null) query.set("source", chosen());
  stream = new EventSource(`/status/stream?${query}`);
  const on = (type, take) => stream.addEventListener(type, (event) => {
    known.heard = Date.now();
    take(JSON.parse(event.data));
  });
  stream.addEventListener("open", () => {
    known.isNew = true;
  });
  stream.addEventListener("error", failed);
  on("overview", heard);
  on("source", (source) => {
    known.source = source;
    show();
  });
  on("history", (points) => {
    known.points = [...(known.isNew ? [] : known.points), ...points].slice(-POINTS_MAX);
    known.isNew = false;
    show();
  });
  on("trouble", ({ detail }) => trouble(`What is shown is old: ${detail}.`));
  on("full", () => trouble("Too many others are looking at this page; it is tried again every 10 seconds."));
}

function failed() {
  if (stream?.readyState === EventSource.CLOSED) {
    trouble("The relay does not show this page (any more): another login may be needed, or it is not there. It is tried again.");
    setTimeout(open, AGAIN_MS);
  } else trouble("The connection to the relay is gone; what is shown is old. It is tried again.");
}

function heard(overview) {
  const before = known.overviews.at(-1);
  // A stream that is opened anew begins with the look that the one before ended with.
  if (before?.at === overview.at) known.overviews.pop();
  // Another process counts anew.
  if (before && overview.uptime_seconds < before.uptime_seconds) known.overviews = [];
  known.overviews.push(overview);
  const recent = known.overviews.filter(({ at }) => overview.at - at <= WINDOW_MS);
  known.overviews = recent.length > 1 ? recent : known.overviews.slice(-2);
  trouble(null);
  show();
}

function trouble(text) {
  const node = document.getElementById("trouble");
  node.hidden = text === null;
  become(node, text ?? "");
}

/** How much something has grown per second; null: it can't be known yet. */
function growth(of) {
  const [first, last] = [known.overviews[0], known.overviews.at(-1)];
  const [from, to] = [of(first), of(last)];
  if (first === last || from === undefined || to === undefined || to < from) return null;
  return ((to - from) * 1000) / (last.at - first.at);
}

function show() {
  const overview = known.overviews.at(-1);
  if (!overview) return;
  const name = chosen();
  document.getElementById("overview").hidden = name !== null;
  document.getElementById("source").hidden = name === null;
  // Until there are two looks, the last point of the history says it.
  const last = known.points.at(-1);
  const rates = {
    deliveries: growth(({ totals }) => totals.deliveries) ?? last?.[POINT.deliveries] ?? null,
    events: growth(({ totals }) => totals.events_received) ?? last?.[POINT.events] ?? null,
    bytes: growth(({ totals }) => totals.bytes_sent) ?? last?.[POINT.bytes] ?? null,
    cpu: growth(({ process }) => process.cpu_seconds),
  };
  showVerdict(overview, known.points);
  showOverview(overview, known.points, rates);
  const of = (source, key) => growth(({ sources }) => sources.find((row) => row.name === source)?.[key]);
  if (name === null) {
    // One look into each overview for all sources.
    const first = new Map(known.overviews[0].sources.map((row) => [row.name, row]));
    const seconds = (overview.at - known.overviews[0].at) / 1000;
    const grown = (row, key) => {
      const before = first.get(row.name)?.[key];
      return seconds === 0 || before === undefined || row[key] < before ? null : (row[key] - before) / seconds;
    };
    showSources(overview.sources.map((row) => ({ ...row, rates: { deliveries: grown(row, "deliveries"), events: grown(row, "events") } })));
  } else {
    const told = known.source && known.source.source.name !== name ? undefined : known.source;
    showSource(name, told, { deliveries: of(name, "deliveries"), events: of(name, "events") }, overview.at);
  }
}

listenToTable(show);
addEventListener("hashchange", () => {
  if (!/^#(\/|$)/.test(location.hash)) return;
  known.source = undefined;
  open();
  show();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
});
// The page's own part of the address stays as it is.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
// A page that nobody sees costs the relay nothing.
document.addEventListener("visibilitychange", open);
setInterval(() => {
  if (stream?.readyState === EventSource.OPEN && Date.now() - known.heard > SILENCE_MS) trouble("Nothing has been heard from the relay for a while; what is shown is old.");
}, 1000);
open();
