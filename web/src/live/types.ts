/** What the live store tells the screens. All times are seconds by the node's clock. */

import type {
  PeerEvent,
  ReorgEvent,
  TipEvent,
  TransactionEvent,
  Waits,
  Written,
} from "../api/client";

/** A block in a few words. Texts of more than 5,000 characters are left out, as if they were not read. */
export interface BlockSummary {
  readonly index: number;
  readonly hash: string;
  /** The hash that it names as its parent's; `null` for the first block. */
  readonly previousHash: string | null;
  /** When it was made, as it says itself; `null` until it was read, and where it says none. */
  readonly time: number | null;
  /** How many transactions it has, its coin not counted; `null` until it was read. */
  readonly payments: number | null;
  /** Who got its coin; `null` if nobody did, or the name is longer than a summary takes. */
  readonly miner: string | null;
  /** The amount of its coin, as its text has it; `null` until it was read, and without a coin. */
  readonly coin: string | null;
  /** Its proof, as its text has it; `null` until it was read. */
  readonly proof: string | null;
  /** The proof of its parent, as its text has it, where the work is for that one. */
  readonly parentProof: string | null;
  /** Whether it came while the page was watching, and not when it caught up. */
  readonly fresh: boolean;
}

/** A branch that lost against the best chain. */
export interface LostBranch {
  /** The last block that it shares with the chain; `null` if there is none. */
  readonly fork: { readonly index: number; readonly hash: string } | null;
  /** Its blocks, the oldest first: those of its newest 20 that the page knows, the last one always. */
  readonly blocks: readonly BlockSummary[];
  readonly length: number;
  /** When it was left, if it once was the best chain and the page saw that. */
  readonly leftAt: number | null;
  /** How many transactions waited again when it was left. */
  readonly waiting: number | null;
  readonly why: "less_work" | "came_later";
}

/** How it stands with the connection. */
export type LiveState =
  /** Nothing is known yet. */
  | "loading"
  /** All that the node has told is on the page, and it was heard of in the last 20 s. */
  | "live"
  /** The node answers, and what was missed is being read. */
  | "catching-up"
  /** The node does not answer; the page keeps trying. */
  | "reconnecting"
  /** The page no longer tries, since the visitor stopped it. */
  | "stopped";

/** What happened last, so that the page can say it. */
export type Happening =
  | { readonly kind: "tip"; readonly at: number; readonly block: BlockSummary }
  | {
      readonly kind: "reorg";
      readonly at: number;
      readonly fork: number | null;
      readonly left: number;
      readonly joined: number;
      readonly waiting: number;
    }
  | {
      readonly kind: "caught-up";
      readonly at: number;
      /** For how many seconds nothing was heard. */
      readonly silent: number;
      readonly blocks: number;
      readonly replaced: number;
    }
  /** Another chain runs here, or another node, or the chain began again: all that was known is dropped. */
  | { readonly kind: "other-chain"; readonly at: number };

/** A transaction that waits. */
export interface WaitingTransaction {
  readonly id: string;
  readonly waits: Waits;
  readonly transaction: Written;
  /** Its text as the node sent it, in which all numbers have their digits. */
  readonly text: string;
}

/** What waits for a block. */
export interface Waiting {
  readonly count: number;
  /** The first 500 of them, in the order in which they would be mined. */
  readonly transactions: readonly WaitingTransaction[];
  /** Whether something changed since they were read; they are read again within a second, or five times as long as that takes. */
  readonly stale: boolean;
}

/** What a screen can subscribe to, and what it is told. */
export interface Told {
  readonly tip: TipEvent;
  readonly reorg: ReorgEvent;
  /** `text` is the event as it was sent: the numbers of `transaction` have all their digits there. */
  readonly transaction: TransactionEvent & { readonly text: string };
  readonly peer: PeerEvent;
  /** Events were missed. Who keeps something up to date by events reads it again. */
  readonly missed: null;
  /** Each of what `last` is in turn: where several things happen at once, `last` is the last of them. */
  readonly happening: Happening;
}
