import { describe, expect, it } from "vitest";
import { readBlock } from "../../../src/rules/block";
import { chainIdOf } from "../../../src/rules/chain-id";
import { targetOfZeros, targetText } from "../../../src/rules/job";
import { parse, withFields } from "../../../src/rules/json";
import { json, vectorsOf } from "./support";

interface Lecture {
  readonly lecture_2: { readonly chain: readonly unknown[] };
  readonly chain_ids: readonly { name: string; zeros: number; id: string }[];
}

interface Forge {
  readonly chain: {
    readonly chain_id: string;
    readonly genesis: string;
    readonly genesis_id: string;
    readonly block: string;
    readonly id: string;
    readonly seal: string;
    readonly merkle_root: string;
  };
}

const LECTURE = vectorsOf<Lecture>("lecture.json");
const { chain } = vectorsOf<Forge>("forge.json");

/** The rules of `GET status`, as a node of forge writes them. */
const FORGE = json({
  difficulty: {
    asert: {
      easiest: `0000${"f".repeat(60)}`,
      half_life_s: 450,
      longest_gap_s: 900,
      spacing_s: 15,
    },
  },
  genesis: chain.genesis_id,
  max_block_bytes: 1_000_000,
  puzzle: "seal",
  spending: {
    signed: { addresses: "forge", first_subsidy: 2_000_000_000, halving_blocks: 2_100_000 },
  },
});

describe("chain ids", () => {
  it("of open chains are those of lecture.json", () => {
    const first = json(LECTURE.lecture_2.chain[0]);
    const block = readBlock("open", first);
    const fixed = block.family === "bad" ? "" : block.hash;
    const shapes: Readonly<Record<string, { puzzle: string; genesis: unknown }>> = {
      lecture: { puzzle: "last_proof", genesis: fixed },
      course: { puzzle: "last_block", genesis: fixed },
      dvf: {
        puzzle: "last_proof_and_hash",
        genesis: { any: { index: 1, previous_hash: "1", proof: 100 } },
      },
      "lecture-1": {
        puzzle: "last_proof",
        genesis: { any: { index: 1, previous_hash: 1, proof: 99 } },
      },
    };
    for (const { name, zeros, id } of LECTURE.chain_ids) {
      const rules = json({
        difficulty: { fixed: targetText(targetOfZeros(zeros)) },
        ...shapes[name],
        max_block_bytes: 16_000_000,
        spending: "unsigned",
      });
      expect(chainIdOf(rules, first), name).toBe(id);
    }
    expect(LECTURE.chain_ids).toHaveLength(7);
  });

  it("of forge is that of forge.json, and covers rules and first block", () => {
    const genesis = parse(chain.genesis);
    expect(chainIdOf(FORGE, genesis)).toBe(chain.chain_id);
    expect(chainIdOf(FORGE, undefined)).toBeUndefined();
    expect(chainIdOf(FORGE, withFields(genesis, { timestamp: parse("1") }))).toBeUndefined();
    // The header does not name the transactions' texts, and the id covers them.
    const other = withFields(genesis, { transactions: parse("[1]") });
    expect(chainIdOf(FORGE, other)).not.toBe(chain.chain_id);
    for (const max of [999_999, 16_000_000]) {
      const changed = withFields(FORGE, { max_block_bytes: json(max) });
      expect(chainIdOf(changed, genesis)).not.toBe(chain.chain_id);
    }
    expect(chainIdOf(json({}), genesis)).toBeUndefined();
  });
});

it("a sealed block has the seal and the hash of forge.json", () => {
  const block = readBlock("sealed", parse(chain.block));
  const { id: hash, seal, merkle_root: merkleRoot } = chain;
  expect(block).toMatchObject({ family: "sealed", hash, seal, merkleRoot, text: chain.block });
});
