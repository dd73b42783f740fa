/** Blocks before those that the store keeps, as far as the visitor went back. */

import { untrack } from "svelte";
import { live } from "../../live/index.svelte";
import type { BlockSummary } from "../../live/types";
import { isFirst } from "../../parts/first";

/** How many blocks one step goes back, and how many are kept at most: each is drawn. */
const STEP = 60;
const MOST = 300;

/** What of `past` lies right below `now`: nothing if its end is no longer the parent of what follows. */
export function below(
  past: readonly BlockSummary[],
  now: readonly BlockSummary[],
): readonly BlockSummary[] {
  const [first] = now;
  if (first === undefined) return [];
  const earlier = past.filter((block) => block.index < first.index);
  return earlier.at(-1)?.hash === first.previousHash ? earlier.slice(-MOST) : [];
}

/** The chain as far as it is shown, for as long as the component lives that calls this. */
export function followPast(): {
  readonly chain: readonly BlockSummary[];
  /** Whether there are older blocks that can be shown. */
  readonly hasMore: boolean;
  readonly more: () => Promise<void>;
} {
  let past = $state.raw<readonly BlockSummary[]>([]);
  let busy = $state(false);
  let before: readonly BlockSummary[] = [];

  $effect.pre(() => {
    const now = live.blocks;
    untrack(() => {
      // Blocks that the store lets go of stay, once somebody went back.
      const end = past.at(-1)?.index;
      const left = end === undefined ? [] : before.filter((block) => block.index > end);
      if (past.length > 0) past = below([...past, ...left], now);
      before = now;
    });
  });

  const chain = $derived(
    past.length === 0 ? live.blocks : [...below(past, live.blocks), ...live.blocks],
  );
  return {
    get chain() {
      return chain;
    },
    get hasMore() {
      const [first] = chain;
      return first !== undefined && !isFirst(live.status, first) && past.length < MOST && !busy;
    },
    async more() {
      const [first] = chain;
      if (first === undefined || busy) return;
      busy = true;
      try {
        const older = await live.older(first.index, STEP);
        past = below([...older, ...past], live.blocks);
      } catch {
        // The dot says that the node does not answer; the button is there for another try.
      } finally {
        busy = false;
      }
    },
  };
}
