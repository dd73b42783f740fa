import { describe, expect, test } from "vitest";
import { sseParser, type Sent } from "../../../src/live/sse";
import { below, random } from "./random";

function parse(chunks: readonly string[]): Sent[] {
  const found: Sent[] = [];
  const take = sseParser((sent) => found.push(sent));
  for (const chunk of chunks) take(chunk);
  return found;
}

/** As a node sends it: a heartbeat, an event, one without an id, comments, and every end of a line. */
const TEXT =
  "id: run-1\n: \nretry: 1000\n\n" +
  'id: run-2\nevent: tip\ndata: {"index": 2}\n\n' +
  ": nothing but a comment\n\n" +
  "event: peer\r\ndata: first\r\ndata:second\r\n\r\n" +
  "id: run-3\revent: x\rdata\r\r" +
  "id: run-4\n\n" +
  "data: never finished";

const EXPECTED: Sent[] = [
  { id: "run-1", event: null },
  { id: "run-2", event: { kind: "tip", data: '{"index": 2}' } },
  { id: "run-2", event: { kind: "peer", data: "first\nsecond" } },
  { id: "run-3", event: { kind: "x", data: "" } },
  { id: "run-4", event: null },
];

describe("the parser of server-sent events", () => {
  test("tells events, and ids without data", () => {
    expect(parse([TEXT])).toEqual(EXPECTED);
  });

  test("is the same wherever the text is cut once", () => {
    for (let at = 0; at <= TEXT.length; at++) {
      expect(parse([TEXT.slice(0, at), TEXT.slice(at)]), `cut at ${at}`).toEqual(EXPECTED);
    }
  });

  test("is the same letter by letter, and in random pieces", () => {
    expect(parse([...TEXT])).toEqual(EXPECTED);
    for (let seed = 0; seed < 200; seed++) {
      const next = random(seed);
      const chunks: string[] = [];
      for (let at = 0; at < TEXT.length;) {
        const end = at + below(next, 9);
        chunks.push(TEXT.slice(at, end));
        at = end;
      }
      expect(parse(chunks), `seed ${seed}`).toEqual(EXPECTED);
    }
  });

  test("does not grow with a line that never ends", () => {
    const take = sseParser(() => undefined);
    const piece = "x".repeat(1 << 20);
    expect(() => {
      for (let count = 0; count < 64; count++) take(piece);
    }).toThrow(RangeError);
  });

  test("reads many events that came in one piece in no more than linear time", () => {
    const many = 'id: run-2\nevent: tip\ndata: {"index": 2}\n\n'.repeat(50_000);
    const begun = performance.now();
    expect(parse([many])).toHaveLength(50_000);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
