import { describe, expect, it } from "vitest";
import { readDifficulty } from "../../../src/rules/chain-rules";
import {
  asertTarget,
  elapsedOf,
  firstState,
  fromCompact,
  stateAfter,
  targetAfter,
  toCompact,
} from "../../../src/rules/difficulty";
import { targetOf, targetText } from "../../../src/rules/job";
import { json, vectorsOf } from "./support";

interface Asert {
  readonly runs: readonly {
    readonly description: string;
    readonly anchor_height: string;
    readonly anchor_parent_time: string;
    readonly anchor_bits: string;
    readonly rows: readonly (readonly [height: string, time: number, bits: string])[];
  }[];
}

interface MadeUp {
  readonly name: string;
  readonly rule: unknown;
  readonly genesis: string;
  readonly start: number;
  readonly gaps: readonly (readonly [gap: number, count: number])[];
  readonly targets: readonly (readonly [block: number, target: string])[];
}

interface Difficulty {
  readonly asert: readonly MadeUp[];
  readonly epoch: readonly MadeUp[];
  readonly compact: readonly (readonly [full: string, bits: string, kept: string])[];
}

const VECTORS = vectorsOf<Difficulty>("difficulty.json");

function number(text: string): bigint {
  const target = targetOf(text);
  if (target === undefined) throw new Error(text);
  return target;
}

function compact(bits: string): bigint {
  return fromCompact(Number(bits)) ?? -1n;
}

it("the published runs of aserti3-2d give the published targets", () => {
  const { runs } = vectorsOf<Asert>("asert.json");
  const rule = { spacing: 600n, halfLife: 172_800n, easiest: compact("0x1d00ffff") };
  for (const run of runs) {
    const [height, start] = [BigInt(run.anchor_height), BigInt(run.anchor_parent_time)];
    for (const [at, time, bits] of run.rows) {
      const blocks = BigInt(at) - height + 1n;
      const target = asertTarget(rule, compact(run.anchor_bits), BigInt(time) - start, blocks);
      expect(toCompact(target), `${run.description}, ${at}`).toBe(Number(bits));
    }
  }
  expect(runs).toHaveLength(12);
});

describe("made-up chains have the targets that Python's fractions give", () => {
  for (const kind of ["asert", "epoch"] as const) {
    it(kind, () => {
      let checked = 0;
      let found = 0;
      for (const { name, rule: values, genesis: written, start, gaps, targets } of VECTORS[kind]) {
        const [rule, genesis] = [readDifficulty(json({ [kind]: values })), number(written)];
        if (rule === undefined) throw new Error(name);
        const states = [firstState(genesis, BigInt(start))];
        for (const gap of gaps.flatMap(([gap, count]) =>
          Array.from({ length: count }, () => gap),
        )) {
          const last = states.at(-1);
          if (last === undefined) throw new Error(name);
          states.push(stateAfter(rule, genesis, last, last.timestamp + BigInt(gap)));
        }
        for (const [block, expected] of targets) {
          const parent = states[block - 2];
          if (parent === undefined) throw new Error(name);
          const target = targetAfter(rule, genesis, parent);
          expect(targetText(target), `${name}, block ${block}`).toBe(expected);
          checked++;
          // What a reader can tell from a target holds the true time.
          if (rule.kind === "asert" && parent.height > 0n && genesis > 0n) {
            const range = elapsedOf(rule, genesis, target, parent.height - 1n);
            expect(range && range[0] <= parent.elapsed && parent.elapsed <= range[1], name).toBe(
              true,
            );
            if (range && range[0] === range[1]) found++;
          }
        }
      }
      expect(checked).toBeGreaterThan(kind === "asert" ? 1_500 : 400);
      if (kind === "asert") expect(found).toBeGreaterThan(500);
    });
  }
});

describe("compact forms", () => {
  it("are those of Python", () => {
    for (const [full, bits, kept] of VECTORS.compact) {
      expect(toCompact(number(full)), full).toBe(Number(bits));
      expect(fromCompact(Number(bits)), bits).toBe(number(kept));
    }
    expect(VECTORS.compact.length).toBeGreaterThan(350);
  });

  it("are refused where negative or too large, as in Bitcoin Core's tests", () => {
    for (const bits of [0x01fedcba, 0x04923456, 0xff123456, 0x21010000, 0x22000100, 0x23000001]) {
      expect(fromCompact(bits), bits.toString(16)).toBeUndefined();
    }
    for (const [bits, expected] of [
      [0x00923456, 0n],
      [0x01803456, 0n],
      [0x01123456, 0x12n],
      [0x05009234, 0x92340000n],
      [0x04123456, 0x12345600n],
      [0xff000000, 0n],
    ] as const) {
      expect(fromCompact(bits), bits.toString(16)).toBe(expected);
    }
  });
});
