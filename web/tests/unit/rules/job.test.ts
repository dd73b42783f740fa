import { describe, expect, it } from "vitest";
import { openHash, readBlock, type Block } from "../../../src/rules/block";
import { hashHex, taggedHash, utf8ToBytes } from "../../../src/rules/hash";
import {
  digestOf,
  EASIEST,
  expectedTries,
  leadingZeroBits,
  leadingZeros,
  meets,
  odds,
  openJob,
  targetOf,
  targetOfZeros,
  targetText,
  workOf,
  zerosOf,
  type Puzzle,
} from "../../../src/rules/job";
import { canonical, elements, parse, text, type Json } from "../../../src/rules/json";
import { get, vectors } from "./support";

const LECTURE = parse(vectors("lecture.json"));
const RULES = parse(vectors("rules.json"));

function puzzleOf(name: string): Puzzle {
  switch (name) {
    case "lecture":
    case "last_proof":
      return "last_proof";
    case "course":
    case "last_block":
      return "last_block";
    case "dvf":
    case "last_proof_and_hash":
      return "last_proof_and_hash";
    default:
      throw new Error(`no such puzzle: ${name}`);
  }
}

function open(value: Json): Block {
  const block = readBlock("open", value);
  if (block.family === "bad") throw new Error(`no block: ${canonical(value)}`);
  return block;
}

describe("the course's chains", () => {
  it("have the hashes that the notes print", () => {
    for (const [chain, list, hashes] of [
      ["lecture_1", "currentChain", "hashes_1"],
      ["lecture_2", "chain", "hashes_2"],
    ] as const) {
      const found = elements(get(get(LECTURE, chain), list)).map(openHash);
      expect(found).toEqual(elements(get(LECTURE, hashes)).map(text));
      expect(found).toHaveLength(3);
    }
  });

  it("have the first proofs that are found when counting up from 0", () => {
    for (const walk of elements(get(LECTURE, "walks"))) {
      const target = targetOfZeros(Number(canonical(get(walk, "zeros"))));
      const proofs = elements(get(walk, "proofs")).map(canonical);
      for (const [at, last] of proofs.slice(0, -1).entries()) {
        const job = openJob("last_proof", { text: "", hash: "", proof: last }, target);
        const proof = Number(proofs[at + 1]);
        expect(meets(digestOf(job, String(proof)), target)).toBe(true);
        // The long walks are only ended here; miners' tests walk them.
        for (let tried = Math.max(0, proof - 30_000); tried < proof; tried++) {
          const digest = digestOf(job, String(tried));
          if (meets(digest, target)) expect.fail(`${last}: ${tried} was a proof before ${proof}`);
        }
      }
    }
  });

  it("that Python mined are linked by proofs", () => {
    let links = 0;
    for (const chain of elements(get(RULES, "chains"))) {
      const puzzle = puzzleOf(text(get(chain, "name")) ?? "");
      const target = targetOfZeros(Number(canonical(get(chain, "zeros"))));
      const blocks = elements(get(chain, "chain")).map(open);
      expect(blocks.map(({ hash }) => hash)).toEqual(elements(get(chain, "hashes")).map(text));
      for (const [at, parent] of blocks.slice(0, -1).entries()) {
        const block = blocks[at + 1];
        const job = openJob(puzzle, parent, target);
        expect(block?.parent).toBe(parent.hash);
        expect(meets(digestOf(job, block?.proof ?? ""), target)).toBe(true);
        expect(meets(digestOf(job, `${block?.proof}0`), target)).toBe(false);
        links++;
      }
    }
    expect(links).toBe(10);
  });

  it("have the digests of odd proofs that Python computes", () => {
    const cases = elements(get(RULES, "digests"));
    for (const found of cases) {
      const parent = open(
        parse(
          `{"index": 7, "note": "ü", "previous_hash": "x", "proof": ${canonical(get(found, "last"))}, "timestamp": 0}`,
        ),
      );
      const proof = get(found, "proof");
      const job = openJob(puzzleOf(text(get(found, "puzzle")) ?? ""), parent, EASIEST);
      const digest = digestOf(job, text(proof) ?? canonical(proof));
      expect(digest, canonical(found).slice(0, 200)).toBe(text(get(found, "digest")));
    }
    expect(cases.length).toBeGreaterThan(500);
  });
});

describe("targets", () => {
  const cases = elements(get(RULES, "targets"));

  it("have the work and the zeros of Python's integers", () => {
    for (const found of cases) {
      const written = text(get(found, "target")) ?? "";
      const target = targetOf(written);
      if (target === undefined) throw new Error(written);
      expect(targetText(target)).toBe(written);
      expect(targetText(workOf(target))).toBe(text(get(found, "work")));
      const zeros = canonical(get(found, "zeros"));
      expect(zerosOf(target)).toBe(zeros === "null" ? undefined : Number(zeros));
      if (zeros !== "null") expect(targetOfZeros(Number(zeros))).toBe(target);
      expect(meets(written, target)).toBe(true);
      if (target < EASIEST) expect(meets(targetText(target + 1n), target)).toBe(false);
      const ratio = expectedTries(target) / Number((1n << 256n) / (target + 1n));
      expect(ratio).toBeGreaterThanOrEqual(1 - 1e-12);
      expect(ratio).toBeLessThanOrEqual(2);
    }
    expect(cases.length).toBeGreaterThan(350);
    expect(targetOfZeros(65)).toBe(0n);
  });

  it("are 64 lower-case hex digits", () => {
    const wrong = ["", "0", "0x00", "F".repeat(64), "f".repeat(63), "f".repeat(65), "+".repeat(64)];
    for (const text of [...wrong, `${"f".repeat(63)}\n`]) expect(targetOf(text)).toBeUndefined();
    expect(targetOf(undefined)).toBeUndefined();
  });

  it("count zeros of a digest in digits and bits", () => {
    for (const [digest, digits, bits] of [
      [targetText(EASIEST), 0, 0],
      [targetText(EASIEST >> 1n), 0, 1],
      [targetText(EASIEST >> 19n), 4, 19],
      [targetText(1n), 63, 255],
      [targetText(0n), 64, 256],
    ] as const) {
      expect([leadingZeros(digest), leadingZeroBits(digest)]).toEqual([digits, bits]);
    }
  });
});

describe("odds", () => {
  it("fall as (1 - p)^tries, whatever was tried before", () => {
    const target = targetOfZeros(4);
    expect(odds(0, target)).toBe(1);
    expect(odds(65_536, target)).toBeCloseTo(Math.exp(-1), 4);
    expect(odds(65_536, target)).toBeCloseTo((1 - 1 / 65_536) ** 65_536, 12);
    expect(odds(30_000n, target) * odds(40_000, target)).toBeCloseTo(odds(70_000, target), 12);
    expect([odds(0, EASIEST), odds(1, EASIEST)]).toEqual([1, 0]);
    expect(odds(1, 0n)).toBe(1);
    expect(odds(2n ** 256n, 0n)).toBeCloseTo(Math.exp(-1), 6);
  });

  it("are those of a real search", () => {
    // Of the digests of many numbers as many are late as the odds say: 4 sigma at 2,000 searches.
    const target = targetOfZeros(1);
    const tries = Array.from({ length: 2_000 }, (_, search) => {
      for (let proof = 0; ; proof++) {
        if (meets(hashHex(`odds ${search} ${proof}`), target)) return proof + 1;
      }
    });
    for (const mark of [4, 11, 16, 37]) {
      const late = tries.filter((count) => count > mark).length / tries.length;
      expect(Math.abs(late - odds(mark, target))).toBeLessThan(0.045);
    }
  });
});

it("a tagged hash is that of BIP-340", () => {
  const [tag, message] = [hashHex("tag"), utf8ToBytes("message")];
  const bytes = Buffer.concat([Buffer.from(tag + tag, "hex"), message]);
  expect(taggedHash("tag", message)).toBe(hashHex(new Uint8Array(bytes)));
});
