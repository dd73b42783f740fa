/** A chain's rules as data, read from what `GET status` says. As crates/consensus/src/rules.rs. */

import type { Difficulty } from "./difficulty";
import { targetOf, type Puzzle } from "./job";
import { canonical, field, integer, text, tryParse, type Json } from "./json";
import type { Emission } from "./payment";

/** The longest canonical text of a block, in bytes, where the rules don't say less. */
export const MAX_BLOCK_BYTES = 16_000_000n;

/** Blocks are free text, transactions are unsigned, and the proof is for the last block. */
export interface OpenRules {
  readonly family: "open";
  readonly puzzle: Puzzle;
  readonly target: bigint;
  readonly genesis: OpenGenesis;
  readonly maxBlockBytes: bigint;
}

/** Where an open chain starts: in one block, or in any of a shape. */
export type OpenGenesis =
  | { readonly kind: "fixed"; readonly hash: string }
  | {
      readonly kind: "any";
      readonly index: bigint;
      /** Canonical JSON, as the previous hash. */
      readonly proof: string;
      readonly previousHash: string;
    };

/** Blocks have fixed fields, payments are signed, and the proof is for the block that has it. */
export interface SealedRules {
  readonly family: "sealed";
  readonly difficulty: Difficulty;
  /** The hash of the first block. */
  readonly genesis: string;
  /** What addresses start with, before the 1. */
  readonly hrp: string;
  readonly emission: Emission;
  readonly maxBlockBytes: bigint;
}

export type ChainRules = OpenRules | SealedRules;

/** What a node says of its chain. */
export interface Status {
  /** The chain's id, as the node says. */
  readonly chainId: string;
  readonly rules: ChainRules;
  /** The rules as they came. */
  readonly rulesJson: Json;
}

/** Reads the answer to `GET status`; `undefined` if it has no rules that are known here. */
export function readStatus(answer: string): Status | undefined {
  const status = tryParse(answer);
  const [rulesJson, chainId] = [field(status, "rules"), text(field(status, "chain_id"))];
  const rules = rulesJson && readRules(rulesJson);
  if (rules === undefined || rulesJson === undefined || targetOf(chainId) === undefined) {
    return undefined;
  }
  return { chainId: chainId ?? "", rules, rulesJson };
}

/** Reads the `rules` of `GET status`; `undefined` if they are not known here. */
export function readRules(rules: Json): ChainRules | undefined {
  const difficulty = readDifficulty(field(rules, "difficulty"));
  const maxBlockBytes = integer(field(rules, "max_block_bytes")) ?? MAX_BLOCK_BYTES;
  const puzzle = text(field(rules, "puzzle"));
  if (difficulty === undefined) return undefined;
  if (puzzle === "seal") {
    const genesis = text(field(rules, "genesis"));
    const signed = field(field(rules, "spending"), "signed");
    const hrp = text(field(signed, "addresses"));
    const first = integer(field(signed, "first_subsidy"));
    const halving = integer(field(signed, "halving_blocks"));
    if (genesis === undefined || hrp === undefined || first === undefined) return undefined;
    if (halving === undefined || halving < 1n) return undefined;
    const emission = { first, halving };
    return { family: "sealed", difficulty, genesis, hrp, emission, maxBlockBytes };
  }
  const genesis = readOpenGenesis(field(rules, "genesis"));
  if (genesis === undefined || difficulty.kind !== "fixed" || !isPuzzle(puzzle)) return undefined;
  return { family: "open", puzzle, target: difficulty.target, genesis, maxBlockBytes };
}

function isPuzzle(name: string | undefined): name is Puzzle {
  return name === "last_proof" || name === "last_block" || name === "last_proof_and_hash";
}

function readOpenGenesis(value: Json | undefined): OpenGenesis | undefined {
  const hash = text(value);
  if (hash !== undefined) return { kind: "fixed", hash };
  const any = field(value, "any");
  const index = integer(field(any, "index"));
  const [proof, previous] = [field(any, "proof"), field(any, "previous_hash")];
  if (index === undefined || proof === undefined || previous === undefined) return undefined;
  return { kind: "any", index, proof: canonical(proof), previousHash: canonical(previous) };
}

/** Reads a difficulty rule, as in `{"fixed": "0000ff…"}`; `undefined` if it is not known here. */
export function readDifficulty(value: Json | undefined): Difficulty | undefined {
  const fixed = targetOf(text(field(value, "fixed")));
  if (fixed !== undefined) return { kind: "fixed", target: fixed };
  const [asert, epoch] = [field(value, "asert"), field(value, "epoch")];
  const rule = asert ?? epoch;
  const spacing = integer(field(rule, "spacing_s"));
  const easiest = targetOf(text(field(rule, "easiest")));
  if (spacing === undefined || easiest === undefined) return undefined;
  if (asert !== undefined) {
    const halfLife = integer(field(rule, "half_life_s"));
    const longestGap = integer(field(rule, "longest_gap_s"));
    if (halfLife === undefined || longestGap === undefined) return undefined;
    return { kind: "asert", spacing, halfLife, longestGap, easiest };
  }
  const [blocks, clamp] = [integer(field(rule, "blocks")), integer(field(rule, "clamp"))];
  if (blocks === undefined || clamp === undefined) return undefined;
  return { kind: "epoch", blocks, spacing, clamp, easiest };
}
