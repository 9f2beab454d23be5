// Opens an EventSource and tells all that it dispatches. Runs in Node and, as text, in a page: no imports.

/**
 * @param {typeof EventSource} Source
 * @param {{url: string, types: string[], init?: object, reopen?: number}} wanted `reopen`: opens another one, which goes on where
 * this one was, so many milliseconds after it has given up
 * @param {(said: object) => void} tell
 */
export function listen(Source, { url, types, init, reopen }, tell) {
  const at = () => performance.now();
  let last = "";
  const open = () => {
    const source = new Source(last ? `${url}?lastEventId=${encodeURIComponent(last)}` : url, init);
    source.addEventListener("open", () => tell({ kind: "open", state: source.readyState, at: at() }));
    source.addEventListener("error", () => {
      tell({ kind: "error", state: source.readyState, at: at() });
      if (reopen && source.readyState === Source.CLOSED) setTimeout(open, reopen);
    });
    for (const type of types) {
      source.addEventListener(type, (event) => {
        last = event.lastEventId || last;
        tell({ kind: "event", type: event.type, data: event.data, id: event.lastEventId });
      });
    }
  };
  open();
}
