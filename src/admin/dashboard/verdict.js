// Is it well? One sentence, and what it rests on.

/** What counts as just now, for what has gone wrong. */
const RECENT_SECONDS = 300;

/** From here on a limit is said to be near. */
const NEAR = 0.9;

/** So much is said at one time: the table has the rest. */
const SAID_MAX = 8;

/** [level, sentence, what there is to say]; the level is `good`, `wait` or `bad`. */
function verdict(overview, points) {
  const said = [...notReady(overview), ...near(overview), ...recent(overview, points), ...configuration(overview)];
  if (overview.draining) return ["wait", `Leaving: ${counted(overview.clients, "client")} still connected.`, said];
  if (!overview.ready) return ["bad", "Not ready: new clients should not come.", said];
  if (said.length > 0) return ["wait", "Ready, and worth a look.", said];
  return ["good", "All is well.", [`Ready, ${counted(overview.clients, "client")}, ${counted(overview.sources.length, "source")}.`]];
}

function notReady({ reasons, sources }) {
  const said = reasons.map(({ source, upstream, reason, detail }) => [[source, upstream].filter(Boolean).join(", "), `${reason}: ${detail}`].filter(Boolean).join(": "));
  const others = sources.filter(({ required, state }) => !required && (state === "away" || state === "partial"));
  if (others.length > 0) said.push(`${counted(others.length, "source")} that need not be there: ${others.slice(0, 5).map(({ name }) => name).join(", ")}${others.length > 5 ? ", …" : ""}.`);
  return said;
}

function near({ clients, limits, process }) {
  const said = [];
  const look = (name, n, most) => {
    if (most && n >= NEAR * most) said.push(`${count(n)} of ${count(most)} ${name}.`);
  };
  look("clients that there may be", clients, limits.clients);
  look("open files that there may be", process.open_descriptors, limits.descriptors);
  return said;
}

function recent({ hour }, points) {
  const now = Date.now() / 1000;
  const within = points.filter(([at]) => now - at <= RECENT_SECONDS);
  const total = (column) => within.reduce((all, point) => all + point[column], 0);
  const said = [];
  const [evicted, gaps] = [total(POINT.evictions), total(POINT.gaps)];
  if (evicted > 0) said.push(`${counted(evicted, "client")} evicted within 5 minutes, for being too slow.`);
  if (gaps > 0) said.push(`${counted(gaps, "gap")} within 5 minutes: events could not be delivered.`);
  const full = FULL.filter((reason) => hour.refused[reason] > 0);
  if (full.length > 0) said.push(`Refused within the hour, because something is full: ${full.map((reason) => `${reason} ${count(hour.refused[reason])}`).join(", ")}.`);
  return said;
}

function configuration({ reload, upgrade, not_in_force: waiting }) {
  const said = [];
  if (upgrade?.outcome === "failed") said.push(`An upgrade has failed (${upgrade.at}): ${upgrade.said}`);
  if (reload?.outcome === "rejected") said.push(`The configuration was rejected (${reload.at}); the one before is in force.`);
  if (waiting.length > 0) said.push(`Not in force before a restart: ${waiting.join(", ")}.`);
  return said;
}

function showVerdict(overview, points) {
  const [level, sentence, said] = verdict(overview, points);
  const node = document.getElementById("verdict");
  node.className = level;
  const more = said.length - SAID_MAX;
  if (more > 0) said.splice(SAID_MAX, more, `And ${count(more)} more.`);
  // The sentence alone is said aloud when it changes: the numbers change all the time.
  become(document.getElementById("sentence"), sentence);
  become(document.getElementById("said"), said.map((line) => el("li", null, line)));
  document.getElementById("said").hidden = said.length === 0;
  document.title = `${{ good: "", wait: "◐ ", bad: "✕ " }[level]}fanfare`;
}
