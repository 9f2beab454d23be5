// Lines over the last hour, drawn from what the relay has kept.

/** What is kept. */
const HOUR_SECONDS = 3600;
/** A relay that has just been started shows at least this much. */
const SPAN_SECONDS_MIN = 600;
const WIDTH = 600;
const HEIGHT = 100;

/** How much time a chart shows. */
function span(points, now) {
  const age = points.length > 0 ? now - points[0][0] : 0;
  return Math.min(HOUR_SECONDS, Math.max(SPAN_SECONDS_MIN, age));
}

/** `points`: [seconds since the epoch, value], the oldest first. `now`: the right edge. */
function line(points, now, top) {
  const seconds = span(points, now);
  const x = (at) => ((1 - (now - at) / seconds) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - 2 - ((HEIGHT - 6) * value) / top).toFixed(1);
  const shown = points.filter(([at]) => now - at <= seconds);
  if (shown.length === 0) return [];
  const along = shown.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
  const [first, last] = [shown[0][0], shown[shown.length - 1][0]];
  return [
    svg("polygon", { class: "area", points: `${x(first)},${HEIGHT} ${along} ${x(last)},${HEIGHT}` }),
    svg("polyline", { class: "line", points: along }),
  ];
}

/** A chart with its name, the value of now, and the greatest one of the hour. */
function chart(name, value, points, now, format, kind) {
  const greatest = points.reduce((most, [, n]) => Math.max(most, n), 0);
  const said = `${name}: ${value} now, at most ${format(greatest)} within the last hour`;
  return el("figure", { class: kind },
    el("figcaption", null, el("span", null, name), el("strong", null, value)),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
      line(points, now, greatest || 1)),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", null, `${Math.round(span(points, now) / 60)} min ago`), el("span", null, `at most ${format(greatest)}`), el("span", null, "now")));
}

/** A bar of this part of its width. */
function bar(part) {
  return svg("svg", { class: "bar", viewBox: "0 0 100 5", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "rect", width: (100 * part).toFixed(1), height: 5 }));
}
