/** A transaction of a block, as its text has it. */

import { members, partyOf, stringOf } from "../../api/text";

export interface Entry {
  readonly text: string;
  readonly sender: string | null;
  readonly recipient: string | null;
  readonly amount: string | null;
  readonly fee: string | null;
  readonly nonce: string | null;
  readonly memo: string | null;
  /** Whether it is how a block brings new coins. */
  readonly isCoin: boolean;
}

/** Reads a transaction; on an open chain it can be any JSON value. */
export function entryOf(text: string): Entry {
  const fields = text.startsWith("{") ? members(text) : new Map<string, string>();
  const party = (name: string): string | null => {
    const value = fields.get(name);
    return value === undefined ? null : partyOf(value);
  };
  const number = (name: string): string | null => fields.get(name) ?? null;
  const sender = party("sender");
  return {
    text,
    sender,
    recipient: party("recipient"),
    amount: number("amount"),
    fee: number("fee"),
    nonce: number("nonce"),
    memo: stringOf(fields.get("memo")),
    // Both families write it so: the last transaction of a block whose sender is "0".
    isCoin: sender === "0",
  };
}
