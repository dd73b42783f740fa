/** What waits, cut into the blocks that it would make. */

import { entryOf, type Entry } from "../block/entry";
import type { WaitingTransaction } from "../../live/types";
import type { Language } from "../../settings.svelte";
import type { Words } from "../../words/en";
import { whole } from "../../format";

/** A transaction that waits, as its text has it. */
export interface WaitingRow extends Entry {
  /** What tells it from the others: equal transactions of an open chain have one id. */
  readonly key: string;
  readonly id: string;
  readonly waits: WaitingTransaction["waits"];
}

/** Reads them, in their order. */
export function rows(waiting: readonly WaitingTransaction[]): readonly WaitingRow[] {
  const seen = new Map<string, number>();
  return waiting.map(({ id, waits, text }) => {
    const before = seen.get(id) ?? 0;
    seen.set(id, before + 1);
    return { ...entryOf(text), id, waits, key: `${id} ${before}` };
  });
}

export interface Group {
  /** The block that would have them; `null` if none is known to. */
  readonly block: number | null;
  readonly transactions: readonly WaitingRow[];
}

/** In the order of the blocks; those that no block would have come last. */
export function group(waiting: readonly WaitingRow[]): readonly Group[] {
  const groups = new Map<number | null, WaitingRow[]>();
  for (const each of waiting) {
    const block = each.waits.block ?? null;
    const own = groups.get(block);
    if (own) own.push(each);
    else groups.set(block, [each]);
  }
  return [...groups]
    .sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity))
    .map(([block, transactions]) => ({ block, transactions }));
}

/** When the turn of a transaction comes, and why not sooner. */
export function reason(of: WaitingRow, next: number, words: Words, language: Language): string {
  const { block = null, why = null, nonce = null } = of.waits;
  const chain = words.chain;
  const when =
    block === null
      ? chain.waitingStuck
      : block === next
        ? chain.waitingNext
        : chain.waitingLater(whole(block, language));
  switch (why) {
    case null:
      return when;
    case "nonce":
      return `${when}: ${chain.whys.nonce(nonce === null ? "" : whole(nonce, language))}`;
    default:
      return `${when}: ${chain.whys[why]}`;
  }
}
