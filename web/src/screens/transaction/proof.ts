/**
 * What the page recomputes of a transaction: its id, its signature, and on sealed chains the way from it
 * up to the Merkle root of its block, whose header gives the block's hash.
 */

import { elements, members, stringOf } from "../../api/text";
import { openHash, readBlock } from "../../rules/block";
import { canonical, tryParse, withFields, type Json } from "../../rules/json";
import { climb, leafHash, type Step } from "../../rules/merkle";
import { readEntry, transactionId } from "../../rules/payment";
import type { Curve } from "../../rules/verify";

export type CheckId = "id" | "signature" | "root" | "hash";

/** What one check found, in the manner of rules/verify.ts. */
export interface Check {
  readonly id: CheckId;
  readonly state: "ok" | "wrong" | "unknown";
  readonly inputs: Readonly<Record<string, string>>;
  readonly expected?: string;
  readonly found?: string;
  readonly fault?: string;
}

/** A row of the drawn tree. */
export interface Level {
  /** The hash on the way from the transaction to the root, computed here. */
  readonly own: string;
  /** The hash beside it, as the node gave it; `null` where there is none. */
  readonly sibling: string | null;
  /** On which side of the pair the own hash is. */
  readonly side: "left" | "right" | "alone";
}

export interface Checked {
  readonly checks: readonly Check[];
  /** The root first, the transaction last; none if no proof was given, or it has another form. */
  readonly levels: readonly Level[];
}

/** What the node says of where a transaction is, as it was sent. */
export interface Inclusion {
  /** The hash of its block, by the answer that named the place. */
  readonly block: string;
  /** The answer to `GET transactions/{id}/proof`. */
  readonly proof: string;
  /** The answer to `GET headers` of that block alone. */
  readonly headers: string;
}

/** Checks a transaction of an open chain, whose blocks are hashed whole: there is no short proof. */
export function checkOpen(id: string, text: string): Checked {
  const value = tryParse(text);
  if (value === undefined) return { checks: [wrong("id", {}, "unreadable")], levels: [] };
  const inputs = { text: canonical(value) };
  return { checks: [compared("id", inputs, openHash(value), id)], levels: [] };
}

/** Checks a transaction of a sealed chain. A signature is checked if there is a curve. */
export function checkSealed(
  chainId: string,
  hrp: string,
  id: string,
  text: string,
  inclusion: Inclusion | null,
  curve: Curve | undefined,
): Checked {
  const value = tryParse(text);
  if (value === undefined) return { checks: [wrong("id", {}, "unreadable")], levels: [] };
  const checks: Check[] = [];
  const entry = readEntry(value, hrp);
  if (entry.kind === "bad") {
    checks.push(wrong("id", { text: canonical(value) }, `${entry.field} ${entry.fault}`));
  } else {
    const hashed = entry.kind === "coin" ? entry.text : entry.unsigned;
    const made = transactionId(chainId, hashed);
    checks.push(compared("id", { chain_id: chainId, text: hashed }, made, id));
    if (entry.kind === "payment") {
      const inputs = { public_key: entry.senderKey, message: made, signature: entry.signature };
      if (curve === undefined) checks.push({ id: "signature", state: "unknown", inputs });
      else if (curve.hasSigned(entry.senderKey, made, entry.signature))
        checks.push({ id: "signature", state: "ok", inputs });
      else checks.push(wrong("signature", inputs, "not_signed"));
    }
  }
  if (inclusion === null) return { checks, levels: [] };
  const { found, levels } = climbed(canonical(value), inclusion);
  return { checks: [...checks, ...found], levels };
}

/** The rows of the tree that these steps climb, the root first. */
export function levelsOf(leaf: string, steps: readonly Step[]): readonly Level[] {
  let own = leaf;
  const rows = steps.map(({ side, sibling, hash }): Level => {
    const row: Level = {
      own,
      sibling: sibling ?? null,
      side: side === "none" ? "alone" : side === "left" ? "right" : "left",
    };
    own = hash;
    return row;
  });
  return [...rows, { own, sibling: null, side: "alone" as const }].reverse();
}

function climbed(leaf: string, { block, proof, headers }: Inclusion) {
  const text = headerIn(headers);
  const header = text === undefined ? undefined : tryParse(text);
  const read = header && readBlock("sealed", withFields(header, { transactions: EMPTY }));
  if (header === undefined || read?.family !== "sealed") {
    return { found: [wrong("root", {}, "no_header"), wrong("hash", {}, "no_header")], levels: [] };
  }
  const hash = compared("hash", { header: canonical(header), seal: read.seal }, read.hash, block);
  const of = members(proof);
  const [position, leaves] = [Number(of.get("position")), Number(of.get("leaves"))];
  const path = elements(of.get("path") ?? "[]").map((each) => stringOf(each) ?? "");
  const inputs = { position: String(position), leaves: String(leaves) };
  const steps = climb(leaf, position, leaves, path);
  if (steps === undefined)
    return { found: [wrong("root", inputs, "path_length"), hash], levels: [] };
  const levels = levelsOf(leafHash(leaf), steps);
  const root = compared("root", inputs, levels[0]?.own ?? "", read.merkleRoot);
  return { found: [root, hash], levels };
}

const EMPTY: Json = { kind: "array", elements: [] };

/** The text of the header in an answer to `GET headers` of one block. */
export function headerIn(headers: string): string | undefined {
  const [entry] = elements(members(headers).get("headers") ?? "[]");
  const header = entry === undefined ? undefined : members(entry).get("header");
  return header?.startsWith("{") ? header : undefined;
}

/** `expected` was computed here; the node states `found`. */
function compared(
  id: CheckId,
  inputs: Readonly<Record<string, string>>,
  expected: string,
  found: string,
): Check {
  return expected === found
    ? { id, state: "ok", inputs: { ...inputs, result: expected } }
    : { id, state: "wrong", inputs, expected, found };
}

function wrong(id: CheckId, inputs: Readonly<Record<string, string>>, fault: string): Check {
  return { id, state: "wrong", inputs, fault };
}
