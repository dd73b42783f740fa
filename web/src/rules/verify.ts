/**
 * Checks a block that a node sent, by computing everything again: nothing that an answer says about
 * itself is believed. As crates/consensus/src/check.rs, one function per rule.
 *
 * What one block cannot show: whether its senders had what they paid, and whether the blocks below it
 * are valid. On open chains, whose proofs do not commit to the block that has them, a newest block that
 * was rewritten together with its hash is caught only by a hash that the reader has from elsewhere
 * (`asked.hash`), or by the block on top of it (`child`).
 */

import { readBlock, type BadBlock, type Block, type SealedBlock } from "./block";
import { chainIdOf } from "./chain-id";
import {
  readStatus,
  type ChainRules,
  type OpenRules,
  type SealedRules,
  type Status,
} from "./chain-rules";
import type * as CurveModule from "./curve";
import {
  afterEpoch,
  asertTarget,
  elapsedOf,
  endsEpoch,
  targetAfter,
  type Difficulty,
  type DifficultyState,
} from "./difficulty";
import { isHash } from "./hash";
import { digestOf, meets, openJob, sealedJob, targetText } from "./job";
import { canonical, field, integer, text, tryParse, type Json } from "./json";
import { rootOf } from "./merkle";
import {
  readEntry,
  subsidy,
  transactionId,
  type BadEntry,
  type Coin,
  type Payment,
} from "./payment";

/** The functions of curve.ts, which is loaded only where signatures are checked. */
export type Curve = Pick<typeof CurveModule, "hasSigned" | "isPublicKey">;

/** The rules that are checked, by their names; the list of checks keeps this order. */
export type CheckId =
  /** The rules of `GET status` and the first block give the chain's id. */
  | "chain"
  /** It is a block of this chain, in the chain's form. */
  | "form"
  | "size"
  /** The hash that the answer states, and the one that was asked for. */
  | "hash"
  /** The index is one more than the parent's, and the one that was asked for. */
  | "index"
  /** It is the first block that the rules name. */
  | "genesis"
  /** `previous_hash` is the hash of the parent. */
  | "previous"
  /** The digest of the proof is at most the target. */
  | "proof"
  /** The target is the one that follows from the blocks before. */
  | "target"
  /** The time is not before the parent's, and not far ahead of the reader's clock. */
  | "time"
  /** The transactions give the Merkle root. */
  | "merkle"
  /** The list has well-formed payments, and one coin at its end. */
  | "transactions"
  /** The coin pays the subsidy and the fees. */
  | "coin"
  | "signatures"
  /** The block after it names its hash. */
  | "next";

/** A check with what it was computed from, so that a reader can compute it again. */
export interface Check {
  readonly id: CheckId;
  /** `unknown`: what it needs was not given, or could not be read. */
  readonly state: "ok" | "wrong" | "unknown";
  readonly inputs: Readonly<Record<string, string>>;
  /** What should stand there, as far as one value should. */
  readonly expected?: string;
  readonly found?: string;
  /** What is wrong, in a word for programs, where a value does not say it. */
  readonly fault?: string;
}

/** What a block is checked with. Answers are raw texts, as the node sent them. */
export interface Evidence {
  /** The answer to `GET status`. */
  readonly status: string;
  /** The answer to `GET blocks/{index or hash}`. */
  readonly block: string;
  /** Those for the blocks that `wanted` names. */
  readonly parent?: string | undefined;
  readonly earlier?: string | undefined;
  readonly genesis?: string | undefined;
  readonly child?: string | undefined;
  /** What was asked for. */
  readonly asked?: { readonly index?: bigint; readonly hash?: string } | undefined;
  /** The parent's difficulty state, if all headers up to it were checked. */
  readonly state?: DifficultyState | undefined;
  /** The reader's clock, in seconds. */
  readonly now?: bigint | undefined;
  /** The chain's id, from a person whom the reader trusts. */
  readonly chainId?: string | undefined;
}

/** The indexes of the blocks that checking a block needs; `undefined` where it needs none. */
export interface Wanted {
  readonly parent: bigint | undefined;
  /** The block that the target depends on besides the parent. */
  readonly earlier: bigint | undefined;
  readonly genesis: bigint | undefined;
}

/** How far ahead of a clock a block's time may be, in seconds: the node's own bound. */
export const MAX_AHEAD_S = 45n;

const OPEN_CHECKS: readonly CheckId[] = [
  "chain",
  "form",
  "size",
  "hash",
  "index",
  "previous",
  "proof",
  "next",
];
const OPEN_FIRST_CHECKS: readonly CheckId[] = [
  "chain",
  "form",
  "size",
  "hash",
  "index",
  "genesis",
  "next",
];
const SEALED_CHECKS: readonly CheckId[] = [
  "chain",
  "form",
  "size",
  "hash",
  "index",
  "previous",
  "proof",
  "target",
  "time",
  "merkle",
  "transactions",
  "coin",
  "signatures",
  "next",
];
const SEALED_FIRST_CHECKS: readonly CheckId[] = [
  "chain",
  "form",
  "size",
  "hash",
  "index",
  "genesis",
  "merkle",
  "transactions",
  "next",
];

/** The blocks that checking the block with this index needs. */
export function wanted(rules: ChainRules, index: bigint): Wanted {
  const first = firstIndex(rules);
  const isFixed = rules.family === "sealed" || rules.genesis.kind === "fixed";
  return {
    parent: index > first ? index - 1n : undefined,
    earlier: rules.family === "sealed" ? earlierIndex(rules.difficulty, index - 1n) : undefined,
    genesis: isFixed ? first : undefined,
  };
}

/**
 * What to ask for as `parent` of the block of this answer: a hash, so that a block beside the best chain
 * gets its own parent. `undefined` for a first block, and for one that names none.
 */
export function parentId(rules: ChainRules, answered: string): string | undefined {
  const block = blockOf(rules, answered);
  return block === undefined || block.index === firstIndex(rules) ? undefined : block.parent;
}

/** What to ask for as `earlier`, by the answer for the parent: a hash where the parent names it, else an index. */
export function earlierId(rules: ChainRules, parentAnswer: string): string | undefined {
  const parent = blockOf(rules, parentAnswer);
  if (parent === undefined || rules.family === "open") return undefined;
  const index = earlierIndex(rules.difficulty, parent.index);
  return index === parent.index - 1n ? parent.parent : index?.toString();
}

/**
 * Makes all checks of a block, in the order of `CheckId`. Without `curve`, signatures are unknown.
 */
export function verify(evidence: Evidence, curve?: Curve): readonly Check[] {
  const status = readStatus(evidence.status);
  if (status === undefined) return [wrong("chain", {}, { fault: "unreadable" })];
  const { rules } = status;
  const found = answer(rules, evidence.block);
  const isFirst = found.index === firstIndex(rules);
  const order =
    rules.family === "open"
      ? isFirst
        ? OPEN_FIRST_CHECKS
        : OPEN_CHECKS
      : isFirst
        ? SEALED_FIRST_CHECKS
        : SEALED_CHECKS;
  const checks = [
    chain(status, evidence),
    form(found),
    ...rest(status, found, isFirst, evidence, curve),
  ];
  const made = new Map(checks.map((check) => [check.id, check]));
  return order.map((id) => made.get(id) ?? unknown(id));
}

/** An answer for a block: what it states, and the block as it was read here. */
interface Answer {
  readonly index: bigint | undefined;
  readonly stated: { readonly index: string; readonly hash: string };
  readonly json: Json | undefined;
  readonly block: Block | BadBlock | undefined;
}

function answer(rules: ChainRules, raw: string): Answer {
  const whole = tryParse(raw);
  const json = field(whole, "block");
  const block = json && readBlock(rules.family, json);
  const shown = (name: string) => {
    const value = field(whole, name);
    return value === undefined ? "" : (text(value) ?? canonical(value));
  };
  return {
    index:
      block !== undefined && block.family !== "bad" ? block.index : integer(field(json, "index")),
    stated: { index: shown("index"), hash: shown("hash") },
    json,
    block,
  };
}

/** The block of an answer, if it could be read. */
function blockOf(rules: ChainRules, raw: string | undefined): Block | undefined {
  const block = raw === undefined ? undefined : answer(rules, raw).block;
  return block?.family === "bad" ? undefined : block;
}

function rest(
  { rules, chainId }: Status,
  found: Answer,
  isFirst: boolean,
  evidence: Evidence,
  curve: Curve | undefined,
): readonly Check[] {
  const { block } = found;
  if (block === undefined || block.family === "bad") return [];
  const parent = blockOf(rules, evidence.parent);
  const asked = evidence.asked ?? {};
  const always = [
    size(rules, block),
    hash(block, found.stated.hash, asked.hash),
    index(block, found.stated.index, asked.index, isFirst ? undefined : parent),
    next(rules, block, evidence.child),
  ];
  if (isFirst) {
    const entries = rules.family === "sealed" ? readEntries(rules, block) : [];
    const body = rules.family === "sealed" ? [merkle(block), allotted(entries)] : [];
    return [...always, genesis(rules, block), ...body];
  }
  const above = [...always, previous(block, evidence.parent, parent)];
  if (rules.family === "open") return [...above, openProof(rules, block, parent)];
  if (block.family === "open") return above;
  const entries = readEntries(rules, block);
  return [
    ...above,
    sealedProof(block),
    target(rules, block, parent, evidence),
    time(block, parent, evidence.now),
    merkle(block),
    transactions(entries),
    coin(rules, block, entries),
    signatures(block, entries, evidence.chainId ?? chainId, curve),
  ];
}

// The rules, one by one.

/** "The rules and the first block are those of the chain with this id." */
function chain({ rules, rulesJson, chainId }: Status, evidence: Evidence): Check {
  const inputs = { rules: canonical(rulesJson), stated: chainId };
  const isFixed = rules.family === "sealed" || rules.genesis.kind === "fixed";
  const expected = evidence.chainId ?? chainId;
  if (expected !== chainId) return wrong("chain", inputs, { expected, found: chainId });
  if (isFixed && evidence.genesis === undefined) return unknown("chain", inputs);
  const first = evidence.genesis === undefined ? undefined : answer(rules, evidence.genesis).json;
  const found = chainIdOf(rulesJson, first);
  if (found === undefined) return wrong("chain", inputs, { expected, fault: "another_genesis" });
  return compared("chain", inputs, expected, found);
}

/** "It has the form of its chain's blocks." */
function form({ block }: Answer): Check {
  if (block === undefined) return wrong("form", {}, { fault: "unreadable" });
  if (block.family !== "bad") return { id: "form", state: "ok", inputs: { text: block.text } };
  return wrong("form", { field: block.field }, { fault: block.fault, found: block.found });
}

/** "Its canonical text is not too long." */
function size({ maxBlockBytes }: ChainRules, { text }: Block): Check {
  // The text is ASCII: a character is a byte.
  const inputs = { bytes: String(text.length), limit: String(maxBlockBytes) };
  if (BigInt(text.length) <= maxBlockBytes) return { id: "size", state: "ok", inputs };
  return wrong("size", inputs, { expected: inputs.limit, found: inputs.bytes });
}

/** "The hash that the answer states is the block's, and so is the one that was asked for." */
function hash(block: Block, stated: string, asked: string | undefined): Check {
  const inputs: Record<string, string> =
    block.family === "open"
      ? { text: block.text }
      : { sealed_text: block.sealedText, seal: block.seal, proof: block.proof };
  if (asked !== undefined) inputs["asked"] = asked;
  const other = [stated, asked ?? block.hash].find((text) => text !== block.hash);
  return compared("hash", inputs, block.hash, other ?? block.hash);
}

/** "Its index is one more than the index of the block before." */
function index(
  block: Block,
  stated: string,
  asked: bigint | undefined,
  parent: Block | undefined,
): Check {
  const found = String(block.index);
  const inputs: Record<string, string> = { stated };
  if (parent !== undefined) inputs["parent"] = String(parent.index);
  if (asked !== undefined) inputs["asked"] = String(asked);
  const wants = [stated];
  if (asked !== undefined) wants.push(String(asked));
  if (parent !== undefined) wants.push(String(parent.index + 1n));
  return compared("index", inputs, wants.find((text) => text !== found) ?? found, found);
}

/** "A chain starts with a genesis block of its rules." */
function genesis(rules: ChainRules, block: Block): Check {
  if (rules.family === "open" && rules.genesis.kind === "any") {
    const { index, proof, previousHash } = rules.genesis;
    const expected = `{"index": ${index}, "previous_hash": ${previousHash}, "proof": ${proof}}`;
    const found = `{"index": ${block.index}, "previous_hash": ${block.previousHash}, "proof": ${block.proofJson}}`;
    return compared("genesis", {}, expected, found);
  }
  const expected = rules.family === "open" ? genesisHash(rules) : rules.genesis;
  return compared("genesis", { text: block.text }, expected, block.hash);
}

function genesisHash({ genesis }: OpenRules): string {
  return genesis.kind === "fixed" ? genesis.hash : "";
}

/** "Its previous_hash is the hash of the block before." */
function previous(block: Block, raw: string | undefined, parent: Block | undefined): Check {
  const found = block.parent ?? block.previousHash;
  if (block.parent === undefined) return wrong("previous", {}, { found, fault: "no_hash" });
  if (raw === undefined) return unknown("previous");
  if (parent === undefined) return wrong("previous", {}, { found, fault: "unreadable_parent" });
  return compared("previous", { parent: parent.text }, parent.hash, found);
}

/** "Its proof is valid on the block before." */
function openProof(rules: OpenRules, block: Block, parent: Block | undefined): Check {
  if (parent === undefined) return unknown("proof");
  const job = openJob(rules.puzzle, parent, rules.target);
  return proven(job.prefix, block.proof, job.suffix, digestOf(job, block.proof), rules.target);
}

/** "Its hash, which is the digest of its proof, is at most the target that it states." */
function sealedProof({ seal, proof, target }: SealedBlock): Check {
  return proven(seal, proof, "", digestOf(sealedJob(seal, target), proof), target);
}

function proven(
  prefix: string,
  proof: string,
  suffix: string,
  digest: string,
  target: bigint,
): Check {
  const inputs = { prefix, proof, suffix, target: targetText(target) };
  const state = meets(digest, target) ? "ok" : "wrong";
  return { id: "proof", state, inputs, expected: inputs.target, found: digest };
}

/** "Its target is the one that follows from the blocks before it." */
function target(
  { difficulty }: SealedRules,
  block: SealedBlock,
  parent: Block | undefined,
  evidence: Evidence,
): Check {
  const found = targetText(block.target);
  const inputs: Record<string, string> = { rule: difficulty.kind };
  if (difficulty.kind === "fixed") {
    return compared("target", inputs, targetText(difficulty.target), found);
  }
  const first = sealedBlock(evidence.genesis);
  if (parent?.family !== "sealed" || first === undefined) return unknown("target", inputs);
  inputs["parent_target"] = targetText(parent.target);
  inputs["parent_time"] = String(parent.timestamp);
  inputs["genesis_target"] = targetText(first.target);
  if (evidence.state !== undefined) {
    const { state } = evidence;
    if (state.height !== parent.index - 1n || state.target !== parent.target) {
      return wrong("target", inputs, { found, fault: "another_parent" });
    }
    return compared(
      "target",
      inputs,
      targetText(targetAfter(difficulty, first.target, state)),
      found,
    );
  }
  const earlier = sealedBlock(evidence.earlier);
  const needed = earlierIndex(difficulty, parent.index);
  if (needed !== undefined) {
    if (earlier === undefined) return unknown("target", inputs);
    inputs["earlier_time"] = String(earlier.timestamp);
    if (!isEarlier(earlier, needed, parent)) {
      return wrong("target", inputs, { found, fault: "another_earlier_block" });
    }
  }
  const range = possibleTargets(difficulty, first.target, parent, earlier);
  if (range === undefined) return wrong("target", inputs, { found, fault: "impossible_parent" });
  const { least, most, has } = range;
  if (least === most) return compared("target", inputs, targetText(least), found);
  inputs["least"] = targetText(least);
  inputs["most"] = targetText(most);
  return has(block.target)
    ? { id: "target", state: "ok", inputs, found }
    : wrong("target", inputs, { found, fault: "out_of_range" });
}

/** "Its time is not before its parent's", nor more than 45 s ahead of the reader's clock. */
function time(block: SealedBlock, parent: Block | undefined, now: bigint | undefined): Check {
  if (parent?.family !== "sealed") return unknown("time");
  const inputs: Record<string, string> = { parent: String(parent.timestamp) };
  if (now !== undefined) inputs["now"] = String(now);
  const found = String(block.timestamp);
  if (block.timestamp < parent.timestamp)
    return wrong("time", inputs, { found, fault: "before_parent" });
  if (now !== undefined && block.timestamp > now + MAX_AHEAD_S) {
    return wrong("time", inputs, { found, fault: "ahead" });
  }
  return { id: "time", state: "ok", inputs, found };
}

/** "Its transactions are those that the work commits to." */
function merkle(block: Block): Check {
  if (block.family !== "sealed") return unknown("merkle");
  const inputs = { leaves: String(block.transactions.length) };
  return compared("merkle", inputs, rootOf(block.transactions.map(canonical)), block.merkleRoot);
}

type Entry = Payment | Coin | BadEntry;

function readEntries(rules: SealedRules, block: Block): readonly Entry[] {
  return block.transactions.map((value) => readEntry(value, rules.hrp));
}

/** "Its transactions are payments and the coin, which is the last; the nonces of a sender count up." */
function transactions(entries: readonly Entry[]): Check {
  const nonces = new Map<string, bigint>();
  for (const [position, entry] of entries.entries()) {
    const inputs = { position: String(position) };
    if (entry.kind === "bad") return badEntry(position, entry);
    if (entry.kind === "coin") {
      if (position < entries.length - 1)
        return wrong("transactions", inputs, { fault: "coin_place" });
      continue;
    }
    const expected = nonces.get(entry.sender) ?? entry.nonce;
    if (entry.nonce !== expected) {
      const [wants, found] = [String(expected), String(entry.nonce)];
      return wrong("transactions", inputs, { expected: wants, found, fault: "nonce" });
    }
    nonces.set(entry.sender, expected + 1n);
  }
  const inputs = { count: String(entries.length) };
  if (entries.at(-1)?.kind !== "coin") return wrong("transactions", inputs, { fault: "no_coin" });
  return { id: "transactions", state: "ok", inputs };
}

/** "A first block has coins alone, and each has its position as its nonce." */
function allotted(entries: readonly Entry[]): Check {
  for (const [position, entry] of entries.entries()) {
    const inputs = { position: String(position) };
    if (entry.kind === "bad") return badEntry(position, entry);
    if (entry.kind === "payment") return wrong("transactions", inputs, { fault: "payment" });
    if (entry.nonce !== BigInt(position)) {
      const found = String(entry.nonce);
      return wrong("transactions", inputs, { expected: inputs.position, found, fault: "nonce" });
    }
  }
  return { id: "transactions", state: "ok", inputs: { count: String(entries.length) } };
}

function badEntry(position: number, { fault, field, found }: BadEntry): Check {
  return wrong("transactions", { position: String(position), field }, { fault, found });
}

/** "A coin is worth the subsidy and the fees, no more and no less"; its nonce is the block's index. */
function coin({ emission }: SealedRules, block: SealedBlock, entries: readonly Entry[]): Check {
  const last = entries.at(-1);
  // Without all fees there is no sum to compare.
  if (last?.kind !== "coin" || entries.some(({ kind }) => kind === "bad")) return unknown("coin");
  const fees = entries.reduce(
    (sum, entry) => sum + (entry.kind === "payment" ? entry.fee : 0n),
    0n,
  );
  const paid = subsidy(emission, block.index);
  const inputs = { subsidy: String(paid), fees: String(fees), nonce: String(last.nonce) };
  if (last.nonce !== block.index) {
    const [expected, found] = [String(block.index), String(last.nonce)];
    return wrong("coin", inputs, { expected, found, fault: "nonce" });
  }
  return compared("coin", inputs, String(paid + fees), String(last.amount));
}

/** "Its payments were signed by their senders for this chain", and all parties have a key. */
function signatures(
  block: SealedBlock,
  entries: readonly Entry[],
  chainId: string,
  curve: Curve | undefined,
): Check {
  const payments = entries.filter((entry) => entry.kind === "payment").length;
  const inputs = { chain_id: chainId, payments: String(payments) };
  // A list that cannot be read has no signatures that can be checked, and without a chain there are none.
  if (curve === undefined || !isHash(chainId) || entries.some(({ kind }) => kind === "bad")) {
    return unknown("signatures", inputs);
  }
  for (const [position, entry] of entries.entries()) {
    if (entry.kind === "bad") continue;
    const at = { ...inputs, position: String(position) };
    if (!curve.isPublicKey(entry.recipientKey)) {
      return wrong("signatures", at, { found: entry.recipient, fault: "no_key" });
    }
    if (entry.kind === "coin") continue;
    const { sender, senderKey, signature, unsigned } = entry;
    const id = transactionId(chainId, unsigned);
    if (!curve.hasSigned(senderKey, id, signature)) {
      const signed = { ...at, text: unsigned, id, sender };
      return wrong("signatures", signed, { found: signature, fault: "signature" });
    }
  }
  return { id: "signatures", state: "ok", inputs: { ...inputs, block: block.hash } };
}

/** "The block after it names its hash." */
function next(rules: ChainRules, block: Block, raw: string | undefined): Check {
  const child = blockOf(rules, raw);
  if (child === undefined) return unknown("next");
  const inputs = { child: String(child.index) };
  if (child.index !== block.index + 1n) {
    const [expected, found] = [String(block.index + 1n), String(child.index)];
    return wrong("next", inputs, { expected, found, fault: "index" });
  }
  return compared("next", inputs, block.hash, child.parent ?? child.previousHash);
}

// What the target follows from.

/** The block besides the parent that the next target depends on; `undefined` if it depends on none. */
function earlierIndex(rule: Difficulty, parent: bigint): bigint | undefined {
  const height = parent - 1n;
  switch (rule.kind) {
    case "fixed":
      return undefined;
    case "asert":
      // The gap before the first mined block does not count.
      return height > 1n ? parent - 1n : undefined;
    case "epoch":
      return endsEpoch(height, rule.blocks) ? parent - rule.blocks : undefined;
  }
}

/** Whether a block may be the one below `parent` that has this index. */
function isEarlier(block: SealedBlock, index: bigint, parent: SealedBlock): boolean {
  if (block.index !== index || block.timestamp > parent.timestamp) return false;
  if (index === parent.index - 1n) return block.hash === parent.parent;
  // The way from the parent down to it is not known here, but what it says took work.
  return meets(block.hash, block.target);
}

interface Range {
  readonly least: bigint;
  readonly most: bigint;
  readonly has: (target: bigint) => boolean;
}

/**
 * The targets that a block may have on this parent. Under ASERT the parent's target says how far the
 * chain was behind its schedule, nearly always to the second.
 */
function possibleTargets(
  rule: Exclude<Difficulty, { kind: "fixed" }>,
  genesis: bigint,
  parent: SealedBlock,
  earlier: SealedBlock | undefined,
): Range | undefined {
  const height = parent.index - 1n;
  const gap = earlier === undefined ? 0n : parent.timestamp - earlier.timestamp;
  if (rule.kind === "epoch") {
    const ends = endsEpoch(height, rule.blocks);
    const state = { height, timestamp: parent.timestamp, elapsed: gap, target: parent.target };
    return exactly(ends ? afterEpoch(rule, parent.target, gap) : targetAfter(rule, genesis, state));
  }
  if (height < 2n) return exactly(asertTarget(rule, genesis, 0n, 0n));
  const before = elapsedOf(rule, genesis, parent.target, height - 2n);
  if (before === undefined) return undefined;
  const counted = gap < rule.longestGap ? gap : rule.longestGap;
  const at = (elapsed: bigint) => asertTarget(rule, genesis, elapsed + counted, height - 1n);
  const has = (target: bigint) => {
    const range = elapsedOf(rule, genesis, target, height - 1n);
    if (range === undefined) return false;
    return range[0] <= before[1] + counted && range[1] >= before[0] + counted;
  };
  return { least: at(before[0]), most: at(before[1]), has };
}

function exactly(target: bigint): Range {
  return { least: target, most: target, has: (found) => found === target };
}

function sealedBlock(raw: string | undefined): SealedBlock | undefined {
  const json = raw === undefined ? undefined : field(tryParse(raw), "block");
  const block = json && readBlock("sealed", json);
  return block?.family === "sealed" ? block : undefined;
}

function firstIndex(rules: ChainRules): bigint {
  return rules.family === "open" && rules.genesis.kind === "any" ? rules.genesis.index : 1n;
}

// Checks as values.

type Finding = { readonly expected?: string; readonly found?: string; readonly fault?: string };

function wrong(id: CheckId, inputs: Readonly<Record<string, string>>, finding: Finding): Check {
  return { id, state: "wrong", inputs, ...finding };
}

function unknown(id: CheckId, inputs: Readonly<Record<string, string>> = {}): Check {
  return { id, state: "unknown", inputs };
}

function compared(
  id: CheckId,
  inputs: Readonly<Record<string, string>>,
  expected: string,
  found: string,
): Check {
  return { id, state: expected === found ? "ok" : "wrong", inputs, expected, found };
}
