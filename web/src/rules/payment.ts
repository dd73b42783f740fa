/**
 * The transactions of sealed chains: signed payments, and the coin that pays a block's miner. One
 * meaning has one text. As crates/consensus/src/payment.rs.
 */

import { readAddress } from "./address";
import { fromHex, taggedHash, utf8ToBytes } from "./hash";
import { canonical, field, integer, isWhole, quoted, text, type Json } from "./json";

/** The largest integer of a sealed block and its transactions. */
export const MAX_INTEGER = 2n ** 53n - 1n;

/** The units of one coin. */
export const UNITS_PER_COIN = 100_000_000n;

/** The longest memo, in bytes of its canonical JSON text with both quotes. */
export const MAX_MEMO_BYTES = 256;

/** The sender of a coin. */
export const COIN_SENDER = "0";

/** What a sender is about to sign. */
export interface Draft {
  readonly sender: string;
  readonly recipient: string;
  /** In units, at least 1. */
  readonly amount: bigint;
  readonly fee: bigint;
  /** How many payments the sender has made before. */
  readonly nonce: bigint;
  readonly memo?: string | undefined;
}

/** A payment that was read and is well formed; its signature is not checked. */
export interface Payment extends Draft {
  readonly kind: "payment";
  readonly senderKey: string;
  readonly recipientKey: string;
  /** 128 hex digits. */
  readonly signature: string;
  /** The canonical text without the signature, which is signed. */
  readonly unsigned: string;
}

/** A coin: it pays a block's miner, or is allotted by a first block. */
export interface Coin {
  readonly kind: "coin";
  readonly recipient: string;
  readonly recipientKey: string;
  readonly amount: bigint;
  /** The index of the block, or the position in a first block. */
  readonly nonce: bigint;
  readonly text: string;
}

/** The reason why a value is no transaction of a sealed chain. */
export interface BadEntry {
  readonly kind: "bad";
  readonly fault:
    | "not_an_object"
    | "missing"
    | "unknown"
    | "number"
    | "sum"
    | "address"
    | "memo"
    | "memo_too_long"
    | "signature";
  readonly field: string;
  /** The start of what stands there. */
  readonly found: string;
}

/** The schedule of new coins. */
export interface Emission {
  /** The subsidy of block 2, in units. */
  readonly first: bigint;
  /** After how many blocks the subsidy is halved. */
  readonly halving: bigint;
}

const PAYMENT_FIELDS = ["amount", "fee", "nonce", "recipient", "sender", "signature"];
const COIN_FIELDS = ["amount", "nonce", "recipient", "sender"];

/** Reads an element of a block's list on a chain whose addresses start with `hrp`. */
export function readEntry(value: Json, hrp: string): Payment | Coin | BadEntry {
  return text(field(value, "sender")) === COIN_SENDER
    ? readCoin(value, hrp)
    : readPayment(value, hrp);
}

/** The text that a sender signs: canonical, without the signature. */
export function unsignedText(draft: Draft): string {
  const { amount, fee, memo, nonce, recipient, sender } = draft;
  const memoText = memo === undefined ? "" : `"memo": ${quoted(memo)}, `;
  return `{"amount": ${amount}, "fee": ${fee}, ${memoText}"nonce": ${nonce}, "recipient": ${quoted(recipient)}, "sender": ${quoted(sender)}}`;
}

/** The text of a payment with its signature, 128 hex digits. */
export function signedText(unsigned: string, signature: string): string {
  return `${unsigned.slice(0, -1)}, "signature": "${signature}"}`;
}

/** The id of a transaction on a chain: what its sender signs, as hex. A coin's is over its whole text. */
export function transactionId(chainId: string, unsigned: string): string {
  const chain = fromHex(chainId);
  if (chain?.length !== 32) throw new TypeError("a chain id has 64 lower-case hex digits");
  return taggedHash("blocksmith/transaction", chain, utf8ToBytes(unsigned));
}

/** What keeps a draft from being a payment, its addresses aside; `undefined` if nothing does. */
export function draftFault(draft: Draft): BadEntry | undefined {
  const { amount, fee, nonce, memo } = draft;
  for (const [name, least, number] of [
    ["amount", 1n, amount],
    ["fee", 0n, fee],
    ["nonce", 0n, nonce],
  ] as const) {
    if (number < least || number > MAX_INTEGER) return bad("number", name, String(number));
  }
  if (amount + fee > MAX_INTEGER) return bad("sum", "amount", String(amount + fee));
  if (memo === undefined) return undefined;
  if (!isWhole(memo)) return bad("memo", "memo", quoted(memo));
  const bytes = quoted(memo).length;
  return bytes > MAX_MEMO_BYTES ? bad("memo_too_long", "memo", String(bytes)) : undefined;
}

/** The subsidy of the block with this index, in units; the first block, whose index is 1, has none. */
export function subsidy({ first, halving }: Emission, index: bigint): bigint {
  if (index < 2n) return 0n;
  const halvings = (index - 2n) / halving;
  return halvings < 64n ? first >> halvings : 0n;
}

function readPayment(value: Json, hrp: string): Payment | BadEntry {
  const odd = oddField(value, PAYMENT_FIELDS, "memo");
  if (odd !== undefined) return odd;
  const [recipient, sender] = [party(value, "recipient", hrp), party(value, "sender", hrp)];
  if (recipient.kind === "bad") return recipient;
  if (sender.kind === "bad") return sender;
  const amount = number(value, "amount");
  if (typeof amount === "object") return amount;
  const fee = number(value, "fee");
  if (typeof fee === "object") return fee;
  const nonce = number(value, "nonce");
  if (typeof nonce === "object") return nonce;
  const memoValue = field(value, "memo");
  const memo = text(memoValue);
  if (memoValue !== undefined && memo === undefined) return badValue("memo", "memo", memoValue);
  const draft: Draft = {
    sender: sender.address,
    recipient: recipient.address,
    amount,
    fee,
    nonce,
    memo,
  };
  const fault = draftFault(draft);
  if (fault !== undefined) return fault;
  const signatureValue = field(value, "signature");
  const signature = text(signatureValue);
  if (signature === undefined || !/^[0-9a-f]{128}$/.test(signature)) {
    return badValue("signature", "signature", signatureValue);
  }
  return {
    kind: "payment",
    ...draft,
    senderKey: sender.key,
    recipientKey: recipient.key,
    signature,
    unsigned: unsignedText(draft),
  };
}

function readCoin(value: Json, hrp: string): Coin | BadEntry {
  const odd = oddField(value, COIN_FIELDS, undefined);
  if (odd !== undefined) return odd;
  const recipient = party(value, "recipient", hrp);
  if (recipient.kind === "bad") return recipient;
  const [amount, nonce] = [number(value, "amount"), number(value, "nonce")];
  if (typeof amount === "object") return amount;
  if (typeof nonce === "object") return nonce;
  const { address, key } = recipient;
  return {
    kind: "coin",
    recipient: address,
    recipientKey: key,
    amount,
    nonce,
    text: canonical(value),
  };
}

/** The first field that is too much or missing. */
function oddField(
  value: Json,
  names: readonly string[],
  optional: string | undefined,
): BadEntry | undefined {
  if (value.kind !== "object") return badValue("not_an_object", "", value);
  for (const name of value.members.keys()) {
    if (!names.includes(name) && name !== optional) return bad("unknown", name, quoted(name));
  }
  const missing = names.find((name) => !value.members.has(name));
  return missing === undefined ? undefined : bad("missing", missing, "");
}

type Party = { readonly kind: "party"; readonly address: string; readonly key: string };

function party(value: Json, name: string, hrp: string): Party | BadEntry {
  const inner = field(value, name);
  const address = text(inner);
  const read = address === undefined ? undefined : readAddress(address, hrp);
  if (read === undefined || !read.ok) return badValue("address", name, inner);
  return { kind: "party", address: read.address, key: read.key };
}

/** An integer of at most 2^53 - 1 that is not negative. */
function number(value: Json, name: string): bigint | BadEntry {
  const inner = field(value, name);
  const read = integer(inner);
  if (read === undefined || read < 0n || read > MAX_INTEGER) return badValue("number", name, inner);
  return read;
}

/** How much of a wrong value is quoted, in characters: as the node does. */
const MAX_QUOTE = 70;

function badValue(fault: BadEntry["fault"], name: string, value: Json | undefined): BadEntry {
  return bad(fault, name, value === undefined ? "" : canonical(value));
}

function bad(fault: BadEntry["fault"], name: string, found: string): BadEntry {
  const short = found.length > MAX_QUOTE ? `${found.slice(0, MAX_QUOTE)}…` : found;
  return { kind: "bad", fault, field: name, found: short };
}
