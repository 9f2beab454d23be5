// Opens an EventSource and tells all that it dispatches. Runs in Node and, as text, in a page: no imports.

/**
 * @param {typeof EventSource} Source
 * @param {{url: string, types: string[], init?: object}} wanted
 * @param {(said: object) => void} tell
 */
export function listen(Source, { url, types, init }, tell) {
  const source = new Source(url, init);
  const at = () => performance.now();
  source.addEventListener("open", () => tell({ kind: "open", state: source.readyState, at: at() }));
  source.addEventListener("error", () => tell({ kind: "error", state: source.readyState, at: at() }));
  for (const type of types) {
    source.addEventListener(type, (event) =>
      tell({ kind: "event", type: event.type, data: event.data, id: event.lastEventId }),
    );
  }
}
