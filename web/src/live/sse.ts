/**
 * Server-sent events (WHATWG HTML 9.2.6), from chunks of text that are cut anywhere.
 *
 * It is our own because of one difference: an id without data is told too. It is how the node says that it
 * is alive, and which event was the latest; libraries, as the standard has it for `EventSource`, keep that
 * to themselves.
 */

export interface Sent {
  /** The id of the event, or the latest one where this has none. */
  readonly id: string;
  /** `null` for an id without data. */
  readonly event: { readonly kind: string; readonly data: string } | null;
}

/** The longest event that is taken: what waits on a node has 8 MB together, and ids are in every event. */
const LONGEST = 32 << 20;

/** Returns a function that takes the next chunk, and tells what became whole with it. */
export function sseParser(tell: (sent: Sent) => void): (chunk: string) => void {
  let id = "";
  let hasId = false;
  let kind = "";
  let data: string[] = [];
  /** The beginning of a line whose end has not come, in pieces. */
  let begun: string[] = [];
  let held = 0;
  let afterReturn = false;
  let first = true;

  function field(line: string): void {
    if (line === "") return dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (name === "event") kind = value;
    else if (name === "data") data.push(value);
    else if (name === "id" && !value.includes("\0")) {
      id = value;
      hasId = true;
    }
  }

  function dispatch(): void {
    const event = data.length > 0 ? { kind: kind || "message", data: data.join("\n") } : null;
    const isTold = event !== null || hasId;
    kind = "";
    data = [];
    hasId = false;
    held = 0;
    if (isTold) tell({ id, event });
  }

  return (chunk) => {
    let at = 0;
    if (first && chunk !== "") {
      first = false;
      if (chunk.startsWith("\ufeff")) at = 1;
    }
    const ends = /\r\n|\r|\n/g;
    for (;;) {
      // A line end of two characters can be cut between them.
      if (afterReturn && at < chunk.length) {
        afterReturn = false;
        if (chunk[at] === "\n") at++;
      }
      ends.lastIndex = at;
      const end = ends.exec(chunk);
      const piece = chunk.slice(at, end?.index);
      held += piece.length;
      if (held > LONGEST) throw new RangeError("an event is too long");
      if (!end) {
        if (piece !== "") begun.push(piece);
        return;
      }
      const line = begun.length > 0 ? begun.join("") + piece : piece;
      begun = [];
      at = end.index + end[0].length;
      afterReturn = end[0] === "\r" && at === chunk.length;
      field(line);
    }
  };
}
