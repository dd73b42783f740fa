/**
 * The target of the next block: fixed, Bitcoin's epochs, or ASERT. As crates/consensus/src/difficulty.rs,
 * which says why; here in integers of any size, so that nothing overflows.
 */

import { EASIEST } from "./job";

/** The rule for how small the digest of a proof must be. Times are in seconds. */
export type Difficulty =
  | { readonly kind: "fixed"; readonly target: bigint }
  | {
      readonly kind: "epoch";
      /** Intervals in an epoch. */
      readonly blocks: bigint;
      readonly spacing: bigint;
      /** An epoch counts as at most this many times longer or shorter than it should have been. */
      readonly clamp: bigint;
      /** No target is above this one. */
      readonly easiest: bigint;
    }
  | {
      readonly kind: "asert";
      readonly spacing: bigint;
      /** Ahead of or behind the schedule by this, the target halves or doubles. */
      readonly halfLife: bigint;
      /** A longer gap between two blocks counts as this. */
      readonly longestGap: bigint;
      readonly easiest: bigint;
    };

/** The part of a chain's past that decides the next target. */
export interface DifficultyState {
  /** The number of blocks after the first one: the index less 1. */
  readonly height: bigint;
  /** The block's time. */
  readonly timestamp: bigint;
  /** Under ASERT the sum of the gaps since block 2, each up to the limit; under epochs that of the epoch. */
  readonly elapsed: bigint;
  /** The block's own target. */
  readonly target: bigint;
}

/** The state of a first block. */
export function firstState(target: bigint, timestamp: bigint): DifficultyState {
  return { height: 0n, timestamp, elapsed: 0n, target };
}

/** The target of the block after the one with this state, where the first block has the target `genesis`. */
export function targetAfter(rule: Difficulty, genesis: bigint, state: DifficultyState): bigint {
  switch (rule.kind) {
    case "fixed":
      return rule.target;
    case "epoch":
      if (!endsEpoch(state.height, rule.blocks)) return within(state.target, rule.easiest);
      return afterEpoch(rule, state.target, state.elapsed);
    case "asert":
      return asertTarget(rule, genesis, state.elapsed, atLeast(state.height - 1n, 0n));
  }
}

/** The state of a block at `timestamp` on the one with the state `parent`. */
export function stateAfter(
  rule: Difficulty,
  genesis: bigint,
  parent: DifficultyState,
  timestamp: bigint,
): DifficultyState {
  const time = atLeast(timestamp, parent.timestamp);
  return {
    height: parent.height + 1n,
    timestamp: time,
    elapsed: parent.height === 0n ? 0n : elapsedAfter(rule, parent, time - parent.timestamp),
    target: targetAfter(rule, genesis, parent),
  };
}

/** Whether the block at this height is the last one of an epoch. */
export function endsEpoch(height: bigint, blocks: bigint): boolean {
  return height > 1n && (height - 1n) % atLeast(blocks, 1n) === 0n;
}

/** The target after an epoch with this one, which took so many seconds. */
export function afterEpoch(
  { blocks, spacing, clamp, easiest }: Difficulty & { kind: "epoch" },
  target: bigint,
  took: bigint,
): bigint {
  const expected = atLeast(blocks * spacing, 1n);
  const most = atLeast(clamp, 1n);
  const counted = atMost(atLeast(took, expected / most), expected * most);
  return within((target * counted) / expected, easiest);
}

/**
 * anchor · 2^((elapsed − spacing · blocks) / half-life), as aserti3-2d of Bitcoin Cash reckons it: the
 * exponent has 16 bits behind the point and is rounded towards zero, and a cubic gives the power of
 * its fraction.
 */
export function asertTarget(
  rule: { readonly spacing: bigint; readonly halfLife: bigint; readonly easiest: bigint },
  anchor: bigint,
  elapsed: bigint,
  blocks: bigint,
): bigint {
  const behind = elapsed - rule.spacing * blocks;
  const exponent = (behind << 16n) / atLeast(rule.halfLife, 1n);
  const [shift, fraction] = [exponent >> 16n, exponent & 0xffffn];
  const cubic =
    195_766_423_245_049n * fraction +
    971_821_376n * fraction ** 2n +
    5_127n * fraction ** 3n +
    (1n << 47n);
  const factor = (1n << 16n) + (cubic >> 48n);
  // Beyond 256 bits either way the target is at an end; no huge number is made for that.
  if (shift > 256n) return within(EASIEST, rule.easiest);
  const target =
    shift >= 0n
      ? ((anchor << shift) * factor) >> 16n
      : (anchor * factor) >> (16n + atMost(-shift, 300n));
  return within(atMost(target, EASIEST), rule.easiest);
}

/**
 * The elapsed times, from the least to the most, with which `asertTarget` gives `target` after so many
 * blocks; `undefined` if none does. A target says how far its chain is behind the schedule, so that a
 * reader who has only the last blocks can check the next target.
 */
export function elapsedOf(
  rule: Difficulty & { kind: "asert" },
  anchor: bigint,
  target: bigint,
  blocks: bigint,
): readonly [least: bigint, most: bigint] | undefined {
  const end = rule.longestGap * blocks;
  const at = (elapsed: bigint) => asertTarget(rule, anchor, elapsed, blocks);
  const least = firstThat((elapsed) => at(elapsed) >= target, end + 1n);
  const above = firstThat((elapsed) => at(elapsed) > target, end + 1n);
  return least < above ? [least, above - 1n] : undefined;
}

/** The first number below `end` for which `holds` is true, as it is for all above; else `end`. */
function firstThat(holds: (number: bigint) => boolean, end: bigint): bigint {
  let [low, high] = [0n, end];
  while (low < high) {
    const middle = (low + high) / 2n;
    if (holds(middle)) high = middle;
    else low = middle + 1n;
  }
  return low;
}

function elapsedAfter(rule: Difficulty, parent: DifficultyState, gap: bigint): bigint {
  switch (rule.kind) {
    case "fixed":
      return 0n;
    case "epoch":
      return endsEpoch(parent.height, rule.blocks) ? gap : parent.elapsed + gap;
    case "asert":
      return parent.elapsed + atMost(gap, rule.longestGap);
  }
}

/** The target, at least 1 and at most `easiest`. */
function within(target: bigint, easiest: bigint): bigint {
  return atLeast(atMost(target, easiest), 1n);
}

function atLeast(number: bigint, least: bigint): bigint {
  return number < least ? least : number;
}

function atMost(number: bigint, most: bigint): bigint {
  return number > most ? most : number;
}

/** The sign bit of a compact target. */
const COMPACT_SIGN = 0x0080_0000n;

/** Bitcoin's compact form ("nBits"), rounded down to the highest three bytes. */
export function toCompact(target: bigint): number {
  const bits = target === 0n ? 0 : target.toString(2).length;
  const bytes = BigInt(Math.ceil(bits / 8));
  const digits = bytes <= 3n ? target << (8n * (3n - bytes)) : target >> (8n * (bytes - 3n));
  const compact =
    (digits & COMPACT_SIGN) === 0n
      ? (bytes << 24n) | digits
      : ((bytes + 1n) << 24n) | (digits >> 8n);
  return Number(compact);
}

/** The target with this compact form; `undefined` for a negative one and one of more than 256 bits. */
export function fromCompact(compact: number): bigint | undefined {
  const bits = BigInt(compact);
  const [bytes, digits] = [bits >> 24n, bits & 0x007f_ffffn];
  const number = bytes <= 3n ? digits >> (8n * (3n - bytes)) : digits << (8n * (bytes - 3n));
  if (number > EASIEST || ((bits & COMPACT_SIGN) !== 0n && number !== 0n)) return undefined;
  return number;
}
