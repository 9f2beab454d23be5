// How numbers and reasons are said.

const wholeNumber = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function count(n) {
  return n === null || n === undefined ? "–" : wholeNumber.format(n);
}

function rate(n) {
  if (n === null || n === undefined) return "–";
  return n > 0 && n < 10 ? n.toFixed(1) : wholeNumber.format(n);
}

function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 || n >= 100 ? wholeNumber.format(n) : n.toFixed(1)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** `3 clients`, `1 client`. */
function counted(n, what) {
  return `${count(n)} ${what}${n === 1 ? "" : "s"}`;
}

function sum(numbers) {
  return Object.values(numbers).reduce((total, n) => total + n, 0);
}

// A colour never says something alone: each state is a word and a mark.
const STATES = {
  live: ["good", "●", "live"],
  connected: ["good", "●", "connected"],
  partial: ["wait", "◐", "partly connected"],
  connecting: ["wait", "◌", "connecting"],
  waiting: ["wait", "◌", "waiting to reconnect"],
  away: ["bad", "✕", "away"],
  idle: ["soft", "○", "idle"],
  ended: ["soft", "■", "ended"],
};

/** The worst first, for sorting. */
const SEVERITY = ["away", "partial", "connecting", "live", "ended", "idle"];

const REASONS = {
  evictions: {
    stall: "took nothing for too long: a dead peer, mostly",
    events: "too many events behind",
    bytes: "too many bytes behind",
    log: "the log let go what it still needed: enlarge the log",
    pause: "held the upstream longer than pause_max",
  },
  gaps: {
    unknown_id: "the last event ID is not one that the log knows",
    evicted: "away for longer than the log reaches back",
    upstream_reconnected: "the origin gave no id to resume by",
    oversized_event: "an event over event_bytes_max was dropped",
    skipped: "a slow client jumped to the newest event, or a shared log was away for too long",
    log_lost: "the shared log came back with less than it had",
  },
  refused: {
    clients: "limits.clients is reached",
    clients_per_ip: "one address has too many streams",
    clients_per_user: "one user has too many streams",
    rate: "more than limits.accepts_per_second",
    descriptors: "no open file is left: raise LimitNOFILE",
    passes: "too many requests are being passed on",
    handshakes: "too many TLS handshakes at one time",
    memory: "limits.memory is reached",
    draining: "the process is leaving",
    channels: "limits.channels is reached",
    filters: "a source has as many different filters as it allows",
    log: "the shared log was not within reach when they came",
    not_found: "no source serves that path",
    method: "another method than GET, HEAD, OPTIONS",
    not_acceptable: "asks for neither a stream nor JSON",
    bad_request: "no request that can be read",
    header_timeout: "its head did not come in time",
    origin: "the origin's own answer, or that it gave none",
  },
  resumes: {
    exact: "went on exactly where they were",
    gap: "went on after a gap",
  },
  closed: {
    client: "left",
    error: "the connection was reset or failed",
    evicted: "were too slow",
    drained: "the process was leaving",
    max_age: "were as old as max_age allows",
    ended: "their stream had ended for good",
    expired: "what let them in had expired",
    removed: "their source is gone from the configuration",
    handed_over: "went on in another process",
  },
};

/** Refusals that say that something is full. */
const FULL = ["clients", "clients_per_ip", "clients_per_user", "rate", "descriptors", "passes", "handshakes", "memory", "channels", "filters"];
