/** What the follower tells the pages that look: all of it at first, then what changed. */

import type { Status } from "../api/client";
import type { BlockSummary, Happening, LiveState, LostBranch, Told, Waiting } from "./types";

export interface View {
  readonly state: LiveState;
  /** When that state began; 0 as long as no time is known. */
  readonly since: number;
  readonly status: Status | null;
  readonly blocks: readonly BlockSummary[];
  readonly lost: readonly LostBranch[];
  readonly waiting: Waiting;
  readonly last: Happening | null;
}

/** The node's time, when the message was made: the clocks of a page and a worker don't begin together. */
export interface NodeTime {
  readonly time: number | null;
}

/** An event that a screen may have subscribed to. */
type ByKind = {
  readonly [Kind in keyof Told]: { readonly kind: Kind; readonly data: Told[Kind] };
};
export type ToldEvent = ByKind[keyof Told];

export interface Update extends NodeTime {
  readonly changed: Partial<View>;
  readonly told: readonly ToldEvent[];
}

export const EMPTY: View = {
  state: "loading",
  since: 0,
  status: null,
  blocks: [],
  lost: [],
  waiting: { count: 0, transactions: [], stale: false },
  last: null,
};
