/**
 * Blocks and their hashes. The hash of an open block is that of its canonical text; a sealed block's is
 * SHA-256(seal ‖ proof), where the seal is the hash of the text without `proof` and `transactions`.
 * As crates/consensus/src/block.rs and sealed.rs.
 */

import { hashHex, isHash } from "./hash";
import { digestOf, sealedJob, targetOf } from "./job";
import {
  canonical,
  depth,
  elements,
  field,
  integer,
  MAX_DEPTH,
  text,
  withFields,
  type Json,
} from "./json";
import { MAX_INTEGER } from "./payment";

/** The two kinds of blocks. */
export type Family = "open" | "sealed";

interface Common {
  /** The canonical text. */
  readonly text: string;
  readonly hash: string;
  readonly index: bigint;
  /** The proof as Python's `str()` has it, which is hashed. */
  readonly proof: string;
  /** The proof as canonical JSON. */
  readonly proofJson: string;
  /** The hash of the parent; `undefined` if `previous_hash` is no hash. */
  readonly parent: string | undefined;
  /** `previous_hash` as canonical JSON. */
  readonly previousHash: string;
  readonly transactions: readonly Json[];
}

/** A block of an open chain: any object with an index, a previous hash and a proof. */
export interface OpenBlock extends Common {
  readonly family: "open";
}

/** A block of a sealed chain. */
export interface SealedBlock extends Common {
  readonly family: "sealed";
  /** The text that the seal is the hash of. */
  readonly sealedText: string;
  readonly seal: string;
  readonly merkleRoot: string;
  readonly target: bigint;
  readonly timestamp: bigint;
}

export type Block = OpenBlock | SealedBlock;

/** The reason why a value is not a block of a chain. */
export interface BadBlock {
  readonly family: "bad";
  readonly fault: "not_an_object" | "missing" | "unknown" | "field" | "too_deep";
  readonly field: string;
  /** The canonical text of what stands there. */
  readonly found: string;
}

/** Arrays and objects in a block may lie this deep, so that it fits into a document with the chain. */
export const MAX_BLOCK_DEPTH = MAX_DEPTH - 2;

/** The highest index of an open block. */
const MAX_INDEX = 2n ** 64n - 2n;

/** The fields of a sealed block, in the order of its text. */
const SEALED_FIELDS = [
  "index",
  "merkle_root",
  "previous_hash",
  "proof",
  "target",
  "timestamp",
  "transactions",
];

/** Reads a block of a family. */
export function readBlock(family: Family, value: Json): Block | BadBlock {
  if (value.kind !== "object") return bad("not_an_object", "", value);
  return family === "open" ? readOpen(value) : readSealed(value);
}

/** The hash of a block of this family; `undefined` if the value is none. */
export function blockHash(family: Family, value: Json): string | undefined {
  const block = readBlock(family, value);
  return block.family === "bad" ? undefined : block.hash;
}

/** The hash of an open block, or of any other value: SHA-256 of its canonical text. */
export function openHash(value: Json): string {
  return hashHex(canonical(value));
}

/** The text that a seal is the hash of: the block without its proof and transactions. */
export function sealedTextOf(value: Json): string {
  return canonical(withFields(value, { proof: undefined, transactions: undefined }));
}

/** The block without its transactions, for which the Merkle root stands: its header, as nodes send it. */
export function headerOf(value: Json): Json {
  return withFields(value, { transactions: undefined });
}

/** The hash of a sealed block, which is the digest of its proof. */
export function sealedHash(seal: string, proof: string): string {
  return digestOf(sealedJob(seal, 0n), proof);
}

function readOpen(value: Json): OpenBlock | BadBlock {
  const [index, previous, proof] = [
    field(value, "index"),
    field(value, "previous_hash"),
    field(value, "proof"),
  ];
  if (index === undefined) return bad("missing", "index");
  if (previous === undefined) return bad("missing", "previous_hash");
  if (proof === undefined) return bad("missing", "proof");
  const number = integer(index);
  if (number === undefined || number < 1n || number > MAX_INDEX)
    return bad("field", "index", index);
  // Python nodes would hash the text of a float or a list, which differs between programs.
  const proofText = proof.kind === "int" ? proof.text : text(proof);
  if (proofText === undefined) return bad("field", "proof", proof);
  if (depth(value) > MAX_BLOCK_DEPTH) return bad("too_deep", "");
  const canonicalText = canonical(value);
  return {
    family: "open",
    text: canonicalText,
    hash: hashHex(canonicalText),
    index: number,
    proof: proofText,
    proofJson: canonical(proof),
    parent: hashIn(previous),
    previousHash: canonical(previous),
    transactions: elements(field(value, "transactions")),
  };
}

function readSealed(value: Json & { kind: "object" }): SealedBlock | BadBlock {
  for (const name of value.members.keys()) {
    if (!SEALED_FIELDS.includes(name)) return bad("unknown", name, value.members.get(name));
  }
  const missing = SEALED_FIELDS.find((name) => !value.members.has(name));
  if (missing !== undefined) return bad("missing", missing);
  const index = whole(value, "index", 1n);
  if (index === undefined) return bad("field", "index", field(value, "index"));
  const merkleRoot = hashIn(field(value, "merkle_root"));
  if (merkleRoot === undefined) return bad("field", "merkle_root", field(value, "merkle_root"));
  const previous = field(value, "previous_hash");
  const parent = hashIn(previous);
  if (parent === undefined) return bad("field", "previous_hash", previous);
  const proof = whole(value, "proof", 0n);
  if (proof === undefined) return bad("field", "proof", field(value, "proof"));
  const target = targetOf(hashIn(field(value, "target")));
  if (target === undefined) return bad("field", "target", field(value, "target"));
  const timestamp = whole(value, "timestamp", 0n);
  if (timestamp === undefined) return bad("field", "timestamp", field(value, "timestamp"));
  const transactions = field(value, "transactions");
  if (transactions?.kind !== "array") return bad("field", "transactions", transactions);
  // Payments have no lists; the depth keeps what follows from being costly.
  if (depth(value) > MAX_BLOCK_DEPTH) return bad("too_deep", "");
  const sealedText = sealedTextOf(value);
  const seal = hashHex(sealedText);
  return {
    family: "sealed",
    text: canonical(value),
    hash: sealedHash(seal, String(proof)),
    index,
    proof: String(proof),
    proofJson: String(proof),
    parent,
    previousHash: `"${parent}"`,
    transactions: transactions.elements,
    sealedText,
    seal,
    merkleRoot,
    target,
    timestamp,
  };
}

function hashIn(value: Json | undefined): string | undefined {
  const hash = text(value);
  return isHash(hash) ? hash : undefined;
}

function whole(value: Json, name: string, least: bigint): bigint | undefined {
  const number = integer(field(value, name));
  return number !== undefined && number >= least && number <= MAX_INTEGER ? number : undefined;
}

function bad(fault: BadBlock["fault"], name: string, found?: Json): BadBlock {
  return { family: "bad", fault, field: name, found: found === undefined ? "" : canonical(found) };
}
