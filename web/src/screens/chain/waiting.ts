/** What waits, cut into the blocks that it would make. */

import type { Waiting } from "../../live/types";
import type { Language } from "../../settings.svelte";
import type { Words } from "../../words/en";
import { whole } from "../../format";

export interface Group {
  /** The block that would have them; `null` if none is known to. */
  readonly block: number | null;
  readonly transactions: readonly Waiting[];
}

/** In the order of the blocks; those that no block would have come last. */
export function group(waiting: readonly Waiting[]): readonly Group[] {
  const groups = new Map<number | null, Waiting[]>();
  for (const each of waiting) {
    const block = each.waits.block;
    const own = groups.get(block);
    if (own) own.push(each);
    else groups.set(block, [each]);
  }
  return [...groups]
    .sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity))
    .map(([block, transactions]) => ({ block, transactions }));
}

/** When the turn of a transaction comes, and why not sooner. */
export function reason(of: Waiting, next: number, words: Words, language: Language): string {
  const { block, why, nonce } = of.waits;
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
