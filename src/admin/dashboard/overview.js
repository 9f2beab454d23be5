// The first screen but for the table: charts, reasons, process, configuration.

/** Columns of a point of the history, as the relay writes it. */
const POINT = { at: 0, clients: 1, events: 2, deliveries: 3, bytes: 4, evictions: 5, gaps: 6, refused: 7 };

function column(points, name) {
  return points.map((point) => [point[POINT.at], point[POINT[name]]]);
}

function showOverview(overview, points, rates) {
  const { clients, limits, hour, at, version, uptime_seconds: uptime } = overview;
  const now = at / 1000;
  become(document.getElementById("about"), `version ${version}, up ${duration(uptime)}${overview.draining ? ", leaving" : ""}`);
  const lost = sum(hour.evictions) + sum(hour.gaps);
  become(document.getElementById("charts"),
    chart("Clients", limits.clients ? `${count(clients)} of ${count(limits.clients)}` : count(clients), column(points, "clients"), now, count),
    chart("Deliveries per second", rate(rates.deliveries), column(points, "deliveries"), now, rate),
    chart("Events per second", rate(rates.events), column(points, "events"), now, rate),
    chart("Evictions and gaps", count(lost), points.map((point) => [point[POINT.at], point[POINT.evictions] + point[POINT.gaps]]), now, count, lost > 0 ? "bad" : null));
  become(document.getElementById("reasons"),
    reasons("Evictions", "evictions", overview), reasons("Gaps", "gaps", overview), reasons("Refusals", "refused", overview),
    reasons("Resumes", "resumes", overview), reasons("Streams that ended", "closed", overview));
  become(document.getElementById("process"), processCard(overview, rates), reloadCard(overview), upgradeCard(overview), leavingCard(overview));
}

/** A card with what has happened by reason, within the hour and since the start. `hour` may be missing. */
function reasons(title, kind, { hour, totals }) {
  const happened = Object.entries(totals[kind]).filter(([, n]) => n > 0);
  const rows = happened.map(([reason, n]) => [
    [el("span", null, reason), el("br"), el("small", null, REASONS[kind][reason] ?? "")],
    ...(hour ? [count(hour[kind][reason])] : []),
    count(n),
  ]);
  const columns = ["reason", ...(hour ? ["#1 h"] : []), "#since the start"];
  return el("div", { class: "card" }, el("h3", null, title),
    rows.length > 0 ? table(title, columns, rows) : el("p", { class: "soft" }, "None since the start."));
}

function processCard({ process, limits, totals }, rates) {
  const of = (most) => (most ? `of ${count(most)}` : null);
  return el("div", { class: "card" }, el("h3", null, "Process"),
    el("div", { class: "facts" },
      fact("CPU", rates.cpu === null ? "–" : `${(100 * rates.cpu).toFixed(rates.cpu < 0.1 ? 1 : 0)} %`, "of one core"),
      fact("Memory", bytes(process.resident_bytes), "resident"),
      fact("Open files", count(process.open_descriptors), of(limits.descriptors)),
      fact("Sent", rates.bytes === null ? "–" : `${bytes(rates.bytes)}/s`, `${bytes(totals.bytes_sent)} since the start`)));
}

const OUTCOMES = {
  applied: ["good", "Applied"],
  unchanged: ["soft", "Read again, unchanged"],
  rejected: ["bad", "Rejected: the one before is in force"],
};

function reloadCard({ reload, not_in_force: waiting }) {
  const card = (...content) => el("div", { class: "card" }, el("h3", null, "Last reload"), content);
  if (!reload) return card(el("p", { class: "soft" }, "None since the start."));
  const [colour, outcome] = OUTCOMES[reload.outcome] ?? ["wait", reload.outcome];
  return card(
    el("p", null, el("strong", { class: colour }, outcome), " ", el("time", { datetime: reload.at }, new Date(reload.at).toLocaleString())),
    reload.said.length > 0 ? el("ul", { class: "said" }, reload.said.map((line) => el("li", null, line))) : null,
    waiting.length > 0 ? el("p", { class: "wait" }, `Not in force before a restart: ${waiting.join(", ")}`) : null);
}

const UPGRADES = {
  handed_over: ["good", "This process took over"],
  failed: ["bad", "Failed: this process serves on"],
};

function upgradeCard({ upgrade }) {
  const card = (...content) => el("div", { class: "card" }, el("h3", null, "Last upgrade"), content);
  if (!upgrade) return card(el("p", { class: "soft" }, "None since the start."));
  const [colour, outcome] = UPGRADES[upgrade.outcome] ?? ["wait", upgrade.outcome];
  return card(
    el("p", null, el("strong", { class: colour }, outcome), " ", el("time", { datetime: upgrade.at }, new Date(upgrade.at).toLocaleString())),
    el("p", null, upgrade.said),
    upgrade.outcome === "handed_over" ? el("p", { class: "soft" }, `${counted(upgrade.clients, "stream")} went on here.`) : null);
}

function leavingCard({ draining, clients, totals }) {
  return el("div", { class: "card" }, el("h3", null, "Leaving"),
    el("p", { class: draining ? "wait" : "soft" }, draining ? `Draining: ${counted(clients, "client")} still connected.` : "Not leaving."),
    el("p", { class: "soft" }, `${counted(totals.closed.drained, "stream")} ended by a drain so far.`));
}
