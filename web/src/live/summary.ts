/** What the summary of a block takes from the block's text. */

import type { Status } from "../api/client";
import { elements, members, partyOf, stringOf } from "../api/text";

/** A block as it was read: all that its text says for a summary. */
export interface Details {
  readonly index: number;
  readonly hash: string;
  readonly previousHash: string | null;
  readonly time: number | null;
  readonly payments: number;
  readonly miner: string | null;
  readonly coin: string | null;
  readonly proof: string | null;
  readonly parentProof: string | null;
}

/** How the chain's blocks are to be read. */
export interface Reading {
  /** The party that is the sender of coins. */
  readonly mint: string;
  /** Whether the first block's transactions are what it gives, and no coin of a miner. */
  readonly firstGives: boolean;
  /** Whether the work of a block is for the proof of its parent. */
  readonly needsParentProof: boolean;
}

export function readingOf(status: Status): Reading {
  const { coin, puzzle } = status.rules;
  const sender: unknown = coin instanceof Object && "sender" in coin ? coin.sender : "0";
  return {
    mint: typeof sender === "string" ? sender : JSON.stringify(sender),
    firstGives: status.signed ?? false,
    needsParentProof: typeof puzzle === "string" && puzzle.startsWith("last_proof"),
  };
}

/** Proofs of 4,300 digits are allowed, and fit. */
const LONGEST = 5_000;

const short = (text: string | null | undefined): string | null =>
  text !== null && text !== undefined && text.length <= LONGEST ? text : null;

/** An entry of `blocks`, from its text. */
export function detailsOf(text: string, reading: Reading, parentProof: string | null): Details {
  const entry = members(text);
  const block = members(entry.get("block") ?? "{}");
  const transactions = elements(block.get("transactions") ?? "[]");
  const index = Number(entry.get("index"));
  const coin = index === 1 && reading.firstGives ? null : coinOf(transactions.at(-1), reading.mint);
  const time = Number(block.get("timestamp") ?? "NaN");
  return {
    index,
    hash: stringOf(entry.get("hash")) ?? "",
    previousHash: short(stringOf(block.get("previous_hash"))),
    time: Number.isFinite(time) ? time : null,
    payments: transactions.length - (coin ? 1 : 0),
    miner: short(coin?.miner),
    coin: short(coin?.amount),
    proof: short(block.get("proof")),
    parentProof: reading.needsParentProof ? parentProof : null,
  };
}

/** What the last transaction of a block pays its miner, if the mint is its sender. */
function coinOf(last: string | undefined, mint: string) {
  if (last?.[0] !== "{") return null;
  const fields = members(last);
  const sender = fields.get("sender");
  const recipient = fields.get("recipient");
  if (sender === undefined || recipient === undefined || partyOf(sender) !== mint) return null;
  return { miner: partyOf(recipient), amount: fields.get("amount") ?? null };
}

/**
 * The entries of a page of `blocks`, the lowest first. Of the first one the parent's proof is as it is
 * given.
 */
export function pageDetails(text: string, reading: Reading, parentProof: string | null): Details[] {
  const found: Details[] = [];
  let before = parentProof;
  for (const entry of elements(members(text).get("blocks") ?? "[]")) {
    const details = detailsOf(entry, reading, before);
    before = details.proof;
    found.push(details);
  }
  return found;
}
