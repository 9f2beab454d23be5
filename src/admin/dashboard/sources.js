// The table of sources: filter, sort, and those folded in which nothing happens.

/** Name, class, key, value to sort by, and what stands in the cell. Rates come first from the page itself. */
const COLUMNS = [
  { name: "Source", key: "name", by: ({ name }) => name },
  { name: "State", key: "state", by: ({ state }) => SEVERITY.indexOf(state) },
  { name: "Clients", key: "clients", by: ({ clients }) => -clients, kind: "num", cell: ({ clients }) => count(clients) },
  { name: "Deliveries/s", key: "deliveries", by: (row) => -(row.rates.deliveries ?? 0), kind: "num", cell: ({ rates }) => rate(rates.deliveries) },
  { name: "Events/s", key: "events", by: (row) => -(row.rates.events ?? 0), kind: "num wide", cell: ({ rates }) => rate(rates.events) },
  { name: "Lag, at most", key: "lag", by: (row) => -row.lag_max, kind: "num wide", cell: (row) => count(row.lag_max) },
  { name: "Evictions", key: "evictions", by: (row) => -row.evictions, kind: "num wide", cell: (row) => count(row.evictions) },
  { name: "Gaps", key: "gaps", by: (row) => -row.gaps, kind: "num wide", cell: (row) => count(row.gaps) },
  { name: "Last event", key: "age", by: (row) => row.age_seconds ?? Infinity, kind: "num wide", cell: (row) => (row.age_seconds === null ? "–" : `${duration(row.age_seconds)} ago`) },
];

/** So many are shown without being asked for. */
const FOLD_FROM = 12;

const table_ = { sort: "state", descending: false, filter: "", unfolded: false, order: [] };

/** Nothing comes, nothing goes, nobody is there, and nothing is wrong. */
function isIdle({ state, clients, rates }) {
  return ["live", "idle", "ended"].includes(state) && clients === 0 && !rates.events && !rates.deliveries;
}

function showSources(rows) {
  const wanted = table_.filter.trim().toLowerCase();
  const fits = rows.filter(({ name, state }) => name.toLowerCase().includes(wanted) || state === wanted);
  const idle = wanted === "" && rows.length > FOLD_FROM ? fits.filter(isIdle) : [];
  const shown = ordered(table_.unfolded ? fits : fits.filter((row) => !idle.includes(row)));
  const body = document.getElementById("rows");
  become(body, shown.length > 0 ? shown.map(sourceRow) : el("tr", null, el("td", { colspan: COLUMNS.length, class: "soft" }, "No source to show.")));
  const fold = document.getElementById("fold");
  fold.hidden = idle.length === 0;
  become(fold, `${table_.unfolded ? "Hide" : "Show"} ${counted(idle.length, "idle source")}`);
  fold.setAttribute("aria-expanded", String(table_.unfolded));
  // Said aloud to one who filters; else it changes whenever a source falls idle.
  document.getElementById("shown").setAttribute("aria-live", wanted === "" ? "off" : "polite");
  become(document.getElementById("shown"), `${count(shown.length)} of ${count(rows.length)} shown`);
}

/** In the chosen order; but while a link of the table has the focus no row moves away from under it. */
function ordered(rows) {
  const { by } = COLUMNS.find(({ key }) => key === table_.sort);
  const sign = table_.descending ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [by(a), by(b)];
    return sign * (x < y ? -1 : x > y ? 1 : 0) || b.clients - a.clients || (a.name < b.name ? -1 : 1);
  };
  let sorted = [...rows].sort(compare);
  if (document.getElementById("rows").contains(document.activeElement)) {
    const place = new Map(table_.order.map((name, n) => [name, n]));
    sorted = sorted.sort((a, b) => (place.get(a.name) ?? Infinity) - (place.get(b.name) ?? Infinity) || 0);
  }
  table_.order = sorted.map(({ name }) => name);
  return sorted;
}

function sourceRow(row) {
  const [name, , ...others] = COLUMNS;
  return el("tr", { "data-source": row.name },
    el("th", { scope: "row" }, el("a", { href: linkTo(row.name) }, row[name.key]), row.required ? null : el("small", null, " (not required)")),
    el("td", null, state(row.state), row.trouble ? [el("br"), el("small", null, row.trouble)] : null),
    others.map(({ kind, cell }) => el("td", { class: kind }, cell(row))));
}

function linkTo(source) {
  return `#/source/${encodeURIComponent(source)}`;
}

function showColumns() {
  const heads = COLUMNS.map(({ name, key, kind }) => {
    const sorted = table_.sort === key ? (table_.descending ? "descending" : "ascending") : null;
    const mark = sorted ? el("span", { "aria-hidden": "true" }, table_.descending ? " ▲" : " ▼") : null;
    return el("th", { scope: "col", class: kind, "aria-sort": sorted }, el("button", { type: "button", "data-sort": key }, name, mark));
  });
  become(document.getElementById("columns"), heads);
}

/** `again`: shows the table as it is to be from now on. */
function listenToTable(again) {
  document.getElementById("columns").addEventListener("click", ({ target }) => {
    const key = target.closest("button")?.dataset.sort;
    if (!key) return;
    table_.descending = table_.sort === key && !table_.descending;
    table_.sort = key;
    showColumns();
    again();
  });
  document.getElementById("filter").addEventListener("input", ({ target }) => {
    table_.filter = target.value;
    again();
  });
  document.getElementById("fold").addEventListener("click", () => {
    table_.unfolded = !table_.unfolded;
    again();
  });
  showColumns();
}
