"use strict";
const SHOWN = 100;
const byId = (id) => document.getElementById(id);
const stream = new URL(document.body.dataset.stream, location.href);
let source = null, wanted = false, attempts = 0, lastEventId = null, events = 0;

function el(tag, text, name) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;   // titles are other people's text, never markup
  if (name) node.className = name;
  return node;
}

function list(node) {
  byId("events").prepend(node);
  while (byId("events").childElementCount > SHOWN) byId("events").lastElementChild.remove();
}

const time = () => new Date().toTimeString().slice(0, 8);

function note(text) {
  const item = el("li", undefined, "note");
  item.append(el("time", time()), el("span", text));
  list(item);
}

function showState() {
  const words = { 0: "connecting", 1: "open", 2: "closed" };
  const word = source ? words[source.readyState] : wanted ? "connecting" : "closed";
  byId("state").textContent = word;
  byId("state").className = word;
  byId("last").textContent = lastEventId === null ? "none" : lastEventId;
  byId("toggle").textContent = word === "closed" ? "Connect" : "Disconnect";
}

// An event is a hint: the data is the address of a change log, and its title is read there.
async function arrived(event) {
  events++;
  if (event.lastEventId !== "") lastEventId = event.lastEventId;
  byId("count").textContent = events;
  byId("last").textContent = lastEventId === null ? "none" : lastEventId;
  const item = el("li", undefined, "new"), title = el("b", "…");
  item.append(el("time", time()), title, el("small", "id " + (event.lastEventId || "none") + " · " + event.data));
  list(item);
  title.textContent = await titleOf(event).catch(() => "(the change log did not answer)");
}

async function titleOf(event) {
  const path = new URL(event.data, location.href).pathname, number = Number(event.lastEventId);
  const feed = await fetch(number > 0 ? path + "/before/" + (number + 1) : path);
  const xml = new DOMParser().parseFromString(await feed.text(), "application/xml");
  const entry = [...xml.querySelectorAll("entry")].find((entry) =>
    !(number > 0) || entry.querySelector("id").textContent.endsWith("/" + number));
  return entry ? entry.querySelector("title").textContent : "(not kept any more)";
}

// Before its first event a page doesn't know the id of its place, and what is published while it is disconnected would
// be lost to it. A poll that doesn't wait (the stream's own path, asked for JSON) names the place.
async function placeOf(url) {
  url.searchParams.set("wait", "0");
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  return (await answer.json()).last_event_id || null;
}

async function connect() {
  const attempt = ++attempts, url = new URL(stream);
  wanted = true;
  showState();
  if (lastEventId === null) lastEventId = await placeOf(new URL(stream)).catch(() => null);
  if (attempt !== attempts) return;   // disconnected meanwhile, or connected anew
  // A new EventSource can't set the header; the browser's own reconnects do.
  if (lastEventId !== null) url.searchParams.set("lastEventId", lastEventId);
  source = new EventSource(url);
  source.onopen = showState;
  source.onerror = showState;
  source.onmessage = arrived;
  source.addEventListener("fanfare.gap", (event) => note("gap: " + event.data));
  showState();
}

function disconnect() {
  attempts++;
  wanted = false;
  if (source) source.close();
  source = null;
  note("disconnected");
  showState();
}

byId("toggle").onclick = () => {
  if (wanted && !(source && source.readyState === EventSource.CLOSED)) return disconnect();
  note(lastEventId === null ? "connecting" : "connecting, after " + lastEventId);
  connect();
};

byId("publish").onsubmit = async (event) => {
  event.preventDefault();
  const section = event.submitter ? event.submitter.value : "22";
  const said = byId("published");
  try {
    const answer = await fetch("/changelog/section/" + section, { method: "POST", body: byId("title").value });
    said.textContent = answer.ok ? (await answer.text()).trim() : "refused: " + answer.status;
    if (answer.ok) byId("title").value = "";
  } catch (error) {
    said.textContent = "the origin does not answer";
  }
};

byId("stream").textContent = stream.href;
connect();
