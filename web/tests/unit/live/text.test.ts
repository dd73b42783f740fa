import { describe, expect, test } from "vitest";
import { elements, members, partyOf } from "../../../src/api/text";
import { detailsOf, readingOf } from "../../../src/live/summary";
import { below, random } from "./random";

function value(next: () => number, depth: number): unknown {
  const kind = below(next, depth > 4 ? 4 : 6);
  if (kind === 0) return below(next, 1e9);
  if (kind === 1) return ['a"b', "\\", "]},{[", "ü\n\u0000", ""][below(next, 5)];
  if (kind === 2) return null;
  if (kind === 3) return next() < 0.5;
  const many = below(next, 4);
  if (kind === 4) return Array.from({ length: many }, () => value(next, depth + 1));
  return Object.fromEntries(
    Array.from({ length: many }, (_, at) => [`k"${at}\\`, value(next, depth + 1)]),
  );
}

describe("JSON in place", () => {
  test("finds what JSON.parse finds, in 2,000 random texts", () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const next = random(seed);
      const list = [value(next, 0), value(next, 0)];
      const text = JSON.stringify(list, null, seed % 3);
      expect(
        elements(text).map((part) => JSON.parse(part) as unknown),
        `seed ${seed}`,
      ).toEqual(list);
      const object = { one: list[0], two: list[1] };
      const found = members(JSON.stringify(object, null, seed % 3));
      const read = [...found].map(([name, part]) => [name, JSON.parse(part) as unknown]);
      expect(Object.fromEntries(read), `seed ${seed}`).toEqual(object);
    }
  });

  test("keeps every digit", () => {
    const fields = members('{"a": 1.0, "b":-0, "c": 123456789012345678901234567890, "d": 1e400}');
    expect([...fields.values()]).toEqual(["1.0", "-0", "123456789012345678901234567890", "1e400"]);
  });

  test("takes the last of two members, and names that are spelled with escapes", () => {
    expect(members('{"proof": 1, "pr\\u006fof": 2}').get("proof")).toBe("2");
  });

  test("reads 900 levels, and refuses what is cut", () => {
    const deep = "[".repeat(900) + "]".repeat(900);
    expect(elements(deep)).toEqual([deep.slice(1, -1)]);
    for (const text of ['{"a": 1', '{"a" 1}', "[1 2]", '["a]', "", "[1,]x", "{]"]) {
      expect(() => (text.startsWith("{") ? members(text) : elements(text)), text).toThrow();
    }
  });

  test("names parties as nodes do", () => {
    expect([partyOf('"0"'), partyOf("0"), partyOf("1.50"), partyOf("null")]).toEqual([
      "0",
      "0",
      "1.50",
      "null",
    ]);
  });
});

describe("a summary", () => {
  const reading = { mint: "0", firstGives: false, needsParentProof: true };
  const entry = (block: string, index = 2) =>
    `{"index": ${index}, "hash": "ab", "block": ${block}}`;

  test("has the proof and the coin as the text has them", () => {
    const proof = "9".repeat(4_300);
    const block = `{"index": 2, "previous_hash": "aa", "proof": ${proof}, "timestamp": 1.5, "transactions": [{"amount": 5, "recipient": "b", "sender": "a"}, {"amount": 1.0, "recipient": 7, "sender": 0}]}`;
    expect(detailsOf(entry(block), reading, "99")).toEqual({
      index: 2,
      hash: "ab",
      previousHash: "aa",
      time: 1.5,
      payments: 1,
      miner: "7",
      coin: "1.0",
      proof,
      parentProof: "99",
    });
  });

  test("says nothing about what the block does not have", () => {
    const details = detailsOf(entry('{"proof": "x", "timestamp": "noon"}'), reading, null);
    expect(details).toMatchObject({
      time: null,
      payments: 0,
      miner: null,
      coin: null,
      proof: '"x"',
    });
  });

  test("leaves out texts that are too long to keep", () => {
    const long = "a".repeat(5_001);
    const block = `{"proof": "${long}", "transactions": [{"amount": 1, "recipient": "${long}", "sender": "0"}]}`;
    const details = detailsOf(entry(block), reading, null);
    expect(details).toMatchObject({ proof: null, miner: null, payments: 0, coin: "1" });
  });

  test("does not take what a signed chain gives at first for the coin of a miner", () => {
    const block = '{"transactions": [{"amount": 5, "recipient": "a", "sender": "0"}]}';
    const sealed = { mint: "0", firstGives: true, needsParentProof: false };
    expect(detailsOf(entry(block, 1), sealed, "1")).toMatchObject({ payments: 1, miner: null });
    expect(detailsOf(entry(block, 2), sealed, "1")).toMatchObject({
      payments: 0,
      miner: "a",
      parentProof: null,
    });
  });

  test("reads who the mint is from the rules", () => {
    const status = { rules: { puzzle: "last_proof_and_hash", coin: { sender: 0 } } };
    const found = readingOf(status as unknown as Parameters<typeof readingOf>[0]);
    expect(found).toEqual({ mint: "0", firstGives: false, needsParentProof: true });
  });
});
