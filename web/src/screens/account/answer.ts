/** An account as the answer to `GET accounts` has it: sums as texts, since they can have any digits. */

import { members, stringOf } from "../../api/text";
import { readWaiting, type Waiting } from "./history";

export interface Shown {
  /** As the node names it: an address given in capitals is one in small letters. */
  readonly party: string;
  readonly balance: string;
  readonly transactions: string;
  /** Transactions that change no sum. */
  readonly uncounted: string;
  readonly outgoing: readonly Waiting[];
  readonly incoming: readonly Waiting[];
  /** Where payments are signed; else `null`, as `open` where they are. */
  readonly signed: { readonly nonce: string; readonly nextNonce: string } | null;
  readonly open: {
    readonly sent: string;
    readonly received: string;
    readonly mined: string;
    readonly blocks: string;
    readonly lastBlock: number | null;
  } | null;
  /** The last block that counts, where an index counts. */
  readonly indexed: number | null;
}

export function readAccount(fields: ReadonlyMap<string, string>): Shown {
  const number = (name: string): string => fields.get(name) ?? "0";
  const last = fields.get("last_block") ?? "null";
  const indexed = fields.get("indexed");
  return {
    party: stringOf(fields.get("party")) ?? "",
    balance: number("balance"),
    transactions: number("transactions"),
    uncounted: number("uncounted"),
    outgoing: readWaiting(fields.get("outgoing")),
    incoming: readWaiting(fields.get("incoming")),
    signed: fields.has("nonce")
      ? { nonce: number("nonce"), nextNonce: number("next_nonce") }
      : null,
    open: fields.has("sent")
      ? {
          sent: number("sent"),
          received: number("received"),
          mined: number("mined"),
          blocks: number("blocks"),
          lastBlock: last === "null" ? null : Number(last),
        }
      : null,
    indexed: indexed?.startsWith("{") ? Number(members(indexed).get("index")) : null,
  };
}
