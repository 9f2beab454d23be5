// Elements are made anew at each look and merged into those that are there, so that focus, selection and scrolling stay.
// Whatever comes from the relay is set as text: names, ids and errors of an origin may hold markup.

function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Makes the children of `node` those of `wanted`, by as few changes as need be. */
function become(node, ...wanted) {
  const children = wanted.flat().filter((child) => child !== null && child !== undefined);
  children.forEach((child, n) => {
    const there = node.childNodes[n];
    if (!there) node.append(child);
    else merge(there, child);
  });
  while (node.childNodes.length > children.length) node.lastChild.remove();
}

function merge(there, wanted) {
  if (!(wanted instanceof Node)) wanted = document.createTextNode(wanted);
  if (there.nodeName !== wanted.nodeName) return there.replaceWith(wanted);
  if (there.nodeType === Node.TEXT_NODE) {
    if (there.data !== wanted.data) there.data = wanted.data;
    return undefined;
  }
  for (const { name } of [...there.attributes]) if (!wanted.hasAttribute(name)) there.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  return become(there, [...wanted.childNodes]);
}

function state(word) {
  const [colour, mark, said] = STATES[word] ?? ["wait", "?", word];
  return el("span", { class: `state ${colour}` }, el("span", { "aria-hidden": "true" }, `${mark} `), said);
}

function fact(name, value, small) {
  return el("div", { class: "fact" }, el("span", { class: "soft" }, name), el("br"), el("strong", null, value), small ? el("small", null, small) : null);
}

/** `columns`: names; one that begins with # holds numbers, with + long text. The first cell of a row is its head. */
function table(caption, columns, rows) {
  const kind = (column) => (columns[column].startsWith("#") ? "num" : columns[column].startsWith("+") ? "long" : null);
  const heads = columns.map((name, n) => el("th", { scope: "col", class: kind(n) }, name.replace(/^[#+]/, "")));
  const body = rows.map((row) =>
    el("tr", null, row.map((value, n) => (n === 0 ? el("th", { scope: "row" }, value) : el("td", { class: kind(n) }, value)))),
  );
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", null, el("thead", null, el("tr", null, heads)), el("tbody", null, body)));
}
