// One source's page: upstreams, what happens, lags, slowest clients.

function showSource(name, told, rates, at) {
  const node = document.getElementById("source");
  const back = el("p", null, el("a", { href: "#/" }, "← All sources"));
  if (told === undefined) return become(node, back, el("h2", null, name), el("p", { class: "soft" }, "asking…"));
  if (told === null) return become(node, back, el("h2", null, name), el("p", null, "There is no source of this name (any more)."));
  const { source, points, point_seconds: every } = told;
  const now = at / 1000;
  const series = (column) => points.map((point, n) => [now - (points.length - 1 - n) * every, point[column]]);
  return become(node, back,
    el("h2", null, source.name),
    el("p", null, state(source.state), ` ${source.paths.join(", ")}${source.required ? "" : " (not required)"}`),
    facts(source),
    el("div", { class: "charts" },
      chart("Deliveries per second", rate(rates.deliveries), series(1), now, rate),
      chart("Events per second", rate(rates.events), series(0), now, rate)),
    sharedLog(source),
    el("h2", null, "Upstreams"),
    upstreams(source),
    el("h2", null, "How far clients are behind"),
    lags(source.lag, source.clients.total),
    el("h2", null, "Slowest clients"),
    slowest(source),
    el("h2", null, "What did not go on, and why"),
    el("div", { class: "cards" },
      reasons("Evictions", "evictions", source), reasons("Gaps", "gaps", source),
      reasons("Resumes", "resumes", source), reasons("Streams that ended", "closed", source)));
}

function facts({ clients, log, head, channels, derived_channels: derived, totals }) {
  const protocols = Object.entries(clients).filter(([name, n]) => name !== "total" && n > 0);
  return el("div", { class: "facts" },
    fact("Clients", count(clients.total), protocols.map(([name, n]) => `${name}: ${count(n)}`).join(", ")),
    fact("Last event", head ? `${duration(head.age_seconds)} ago` : "–", head && head.id !== null ? `id ${head.id}` : null),
    fact("Log", counted(log.events, "event"), `${bytes(log.bytes)}, oldest ${duration(log.oldest_age_seconds)}`),
    fact("Events received", count(totals.events_received), bytes(totals.bytes_received)),
    fact("Deliveries", count(totals.deliveries), bytes(totals.bytes_sent)),
    fact("Channels", count(channels), derived > 0 ? `${count(derived)} for filters` : null));
}

function upstreams({ upstreams: all }) {
  return table("Upstreams", ["upstream", "state", "#for", "#reconnects", "+last error"], all.map((upstream) => [
    upstream.name, state(upstream.state), duration(upstream.for_seconds), count(upstream.reconnects), lastError(upstream.last_error)]));
}

function lastError(error) {
  if (!error) return "none";
  return [`${error.reason}: ${error.detail} `, el("small", null, el("time", { datetime: error.at }, new Date(error.at).toLocaleString()))];
}

const SPREAD = [["0", "at the head"], ["1", "1 to 9 events"], ["10", "10 to 99"], ["100", "100 to 999"], ["1000", "1,000 to 9,999"], ["10000", "10,000 and more"]];

function lags({ events, bytes: inBytes, spread }, clients) {
  if (clients === 0) return el("p", { class: "soft" }, "No clients.");
  const rows = SPREAD.map(([key, said]) => [said, count(spread[key]), bar(spread[key] / clients)]);
  return el("div", null,
    el("p", null, `Half of the clients at most ${counted(events.p50, "event")} (${bytes(inBytes.p50)}), 99 of 100 at most ${count(events.p99)} (${bytes(inBytes.p99)}), all at most ${count(events.max)} (${bytes(inBytes.max)}).`),
    table("Clients by how far they are behind", ["behind", "#clients", "share"], rows));
}

function slowest({ slowest: clients }) {
  const slow = clients.filter((client) => client.lag_events > 0 || client.lag_bytes > 0);
  if (slow.length === 0) return el("p", { class: "soft" }, "None is behind.");
  return table("Slowest clients", ["client", "protocol", "#events behind", "#bytes behind", "#taken nothing for", "#connected for"], slow.map((client) => [
    el("a", { href: `/status?client=${encodeURIComponent(client.peer)}` }, client.peer), client.protocol, count(client.lag_events),
    bytes(client.lag_bytes), duration(client.stalled_seconds), duration(client.connected_seconds)]));
}
