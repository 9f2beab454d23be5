// What a source's page says of a log that is shared with other instances.

/** Without a sign of life for so long, the engine is away. */
const SILENT_SECONDS = 15;

function sharedLog({ fleet }) {
  if (!fleet) return null;
  const { is_leader: leads, leader, term, lag_events: lag, buffered_events: waiting, heard_seconds: heard, error } = fleet;
  const isSilent = heard === null || heard >= SILENT_SECONDS;
  const [colour, mark, said] = isSilent ? ["bad", "✕", "out of reach"] : leads ? ["good", "●", "this instance leads"] : ["good", "○", "this instance follows"];
  return [
    el("h2", null, "Shared log"),
    el("p", null, el("span", { class: `state ${colour}` }, el("span", { "aria-hidden": "true" }, `${mark} `), said),
      error ? el("span", { class: "bad" }, `: ${error}`) : null),
    el("div", { class: "facts" },
      fact("Leader", leader ?? "not known", term > 0 ? `term ${count(term)}` : null),
      fact("Not read here", counted(lag, "message"), "behind the end of the log"),
      fact("Not in the log", counted(waiting, "event"), leads ? "read from the origin, not acknowledged" : "the leader knows"),
      fact("Sign of life", heard === null ? "never" : `${duration(heard)} ago`, "of the engine")),
  ];
}
