/**
 * What the page knows of the chain, as a value, and how it follows from what the node tells. Nothing here
 * asks anybody, and nothing grows: 60 blocks, 50 branches of 20 blocks each, however many came.
 */

import type { Branches, ReorgEvent, TipEvent } from "../api/client";
import type { Details } from "./summary";
import type { BlockSummary, Happening, LostBranch } from "./types";

export const MAX_BLOCKS = 60;
export const MAX_LOST = 50;
export const MAX_LOST_BLOCKS = 20;

/** Which chain on which node: where one of these differs, nothing that was known counts. */
export interface Identity {
  readonly chainId: string;
  readonly firstHash: string;
  readonly node: string;
}

export interface Chain {
  readonly identity: Identity | null;
  /** The run of the node, and the number of the last event that is included. */
  readonly instance: string;
  readonly sequence: number;
  /** The newest blocks of the best chain, the oldest first. */
  readonly blocks: readonly BlockSummary[];
  /** What lost, the one that ends highest first. */
  readonly lost: readonly LostBranch[];
}

export const NOTHING: Chain = { identity: null, instance: "", sequence: 0, blocks: [], lost: [] };

/** An event as its stream has it; `null` where an id came without data. */
export type NodeEvent =
  | { readonly kind: "tip"; readonly data: TipEvent }
  | { readonly kind: "reorg"; readonly data: ReorgEvent }
  | { readonly kind: "other" };

export interface Step {
  readonly chain: Chain;
  readonly happened: Happening | null;
}

/** A block's place and what it names as its parent, as `headers` has it. */
export interface Link {
  readonly index: number;
  readonly hash: string;
  readonly previousHash: string | null;
}

export function tipOf(chain: Chain): BlockSummary | null {
  return chain.blocks.at(-1) ?? null;
}

/** An id of an event in its two parts, or `null` if it is none. */
export function eventId(
  id: string,
): { readonly instance: string; readonly sequence: number } | null {
  const hyphen = id.lastIndexOf("-");
  const number = id.slice(hyphen + 1);
  if (hyphen < 0 || !/^[0-9]+$/.test(number)) return null;
  return { instance: id.slice(0, hyphen), sequence: Number(number) };
}

function unread(link: Link, fresh: boolean): BlockSummary {
  return {
    index: link.index,
    hash: link.hash,
    previousHash: link.previousHash,
    time: null,
    payments: null,
    miner: null,
    coin: null,
    proof: null,
    parentProof: null,
    fresh,
  };
}

/**
 * Follows what one frame of the stream says. Returns `null` if an event was missed before it: events are
 * numbered without gaps, and each names the block that it is about.
 */
export function follow(chain: Chain, id: string, event: NodeEvent | null, at: number): Step | null {
  const here = eventId(id);
  if (here?.instance !== chain.instance) return null;
  if (!event) return here.sequence === chain.sequence ? { chain, happened: null } : null;
  if (here.sequence !== chain.sequence + 1) return null;
  const counted = { ...chain, sequence: here.sequence };
  if (event.kind === "tip") return followTip(counted, event.data, at);
  if (event.kind === "reorg") return followReorg(counted, event.data, at);
  return { chain: counted, happened: null };
}

function followTip(chain: Chain, tip: TipEvent, at: number): Step | null {
  const last = tipOf(chain);
  const previousHash = tip.previous_hash ?? null;
  if (!last || tip.index !== last.index + 1 || previousHash !== last.hash) return null;
  const block = tipSummary(tip);
  const blocks = [...chain.blocks, block].slice(-MAX_BLOCKS);
  return {
    chain: { ...chain, blocks },
    happened: { kind: "tip", at, block },
  };
}

/** A tip as its event has it. What the event counts is not what a summary says, and is read. */
function tipSummary(tip: TipEvent): BlockSummary {
  const link = { index: tip.index, hash: tip.hash, previousHash: tip.previous_hash ?? null };
  return { ...unread(link, true), miner: tip.miner ?? null };
}

function followReorg(chain: Chain, reorg: ReorgEvent, at: number): Step | null {
  const last = tipOf(chain);
  const fork = reorg.fork ?? null;
  if (!last || reorg.left[0]?.hash !== last.hash) return null;
  const forkIndex = fork?.index ?? 0;
  const known = chain.blocks.find((block) => block.index === forkIndex);
  if (known && known.hash !== fork?.hash) return null;
  // The node lists the lowest 1,000: of a longer branch the newest are not among them.
  if (reorg.joined.length !== reorg.joined_count) return null;

  const kept = chain.blocks.filter((block) => block.index <= forkIndex);
  const left = chain.blocks.filter((block) => block.index > forkIndex);
  const joined: BlockSummary[] = [];
  let previousHash = fork?.hash ?? null;
  for (const place of reorg.joined) {
    const isTip = place.hash === reorg.tip.hash;
    joined.push(isTip ? tipSummary(reorg.tip) : unread({ ...place, previousHash }, true));
    previousHash = place.hash;
  }
  const now: LostBranch = {
    fork,
    blocks: left.slice(-MAX_LOST_BLOCKS),
    length: reorg.left_count,
    leftAt: at,
    waiting: reorg.waiting,
    why: "less_work",
  };
  const moved = chain.lost.map((branch) => forkedLower(branch, fork, left));
  const blocks = [...kept, ...joined].slice(-MAX_BLOCKS);
  const lost = highestFirst([now, ...withoutJoined(moved, joined)]);
  return {
    chain: { ...chain, blocks, lost },
    happened: {
      kind: "reorg",
      at,
      fork: fork?.index ?? null,
      left: reorg.left_count,
      joined: reorg.joined_count,
      waiting: reorg.waiting,
    },
  };
}

/** A branch that began on blocks that left is longer now: it begins where those do. */
function forkedLower(
  branch: LostBranch,
  fork: LostBranch["fork"],
  left: readonly BlockSummary[],
): LostBranch {
  const before = branch.fork?.index ?? 0;
  const now = fork?.index ?? 0;
  if (before <= now) return branch;
  // Between them there may be blocks that were not read yet; these are read downwards.
  const known = left.filter((block) => block.index <= before);
  const shared = branch.blocks[0]?.previousHash === known.at(-1)?.hash ? known : [];
  return {
    ...branch,
    fork,
    length: branch.length + before - now,
    blocks: [...shared, ...branch.blocks].slice(-MAX_LOST_BLOCKS),
  };
}

/** The branches without those that are on the chain, and without those blocks of them that are. */
function withoutJoined(lost: readonly LostBranch[], joined: readonly BlockSummary[]): LostBranch[] {
  if (lost.length === 0) return [];
  const hashes = new Set(joined.map((block) => block.hash));
  return lost.flatMap((branch) => {
    const at = branch.blocks.findLastIndex((block) => hashes.has(block.hash));
    const shared = branch.blocks[at];
    if (!shared) return [branch];
    const blocks = branch.blocks.slice(at + 1);
    if (blocks.length === 0) return [];
    const fork = { index: shared.index, hash: shared.hash };
    return [
      {
        ...branch,
        fork,
        blocks,
        length: branch.length - (shared.index - (branch.fork?.index ?? 0)),
      },
    ];
  });
}

const endOf = (branch: LostBranch): number => (branch.fork?.index ?? 0) + branch.length;

function highestFirst(lost: readonly LostBranch[]): LostBranch[] {
  const newest = (one: LostBranch, two: LostBranch) => (two.leftAt ?? 0) - (one.leftAt ?? 0);
  const order = (one: LostBranch, two: LostBranch) => endOf(two) - endOf(one) || newest(one, two);
  return [...lost].sort(order).slice(0, MAX_LOST);
}

/** The chain as it was read, instead of followed. */
export interface Found {
  readonly identity: Identity;
  readonly instance: string;
  readonly sequence: number;
  /** Its newest blocks, the lowest first, at most `MAX_BLOCKS`, and at least the tip. */
  readonly links: readonly Link[];
  /** Those of its blocks that stand where the page had others or the same: of any length. */
  readonly where: readonly Link[];
  /** For how many seconds nothing was heard. */
  readonly silent: number;
}

/** What reading instead of following is worth telling, if nothing else happened. */
const LONG_SILENCE = 5;

/** Takes the chain as it was read, and finds what happened meanwhile by comparing the hashes. */
export function catchUp(chain: Chain, found: Found, at: number): Step {
  const { identity, instance, sequence } = found;
  const known = chain.identity;
  const isOther =
    known !== null &&
    (known.chainId !== identity.chainId ||
      known.firstHash !== identity.firstHash ||
      known.node !== identity.node);
  if (!known || isOther) {
    const blocks = found.links.map((link) => unread(link, false)).slice(-MAX_BLOCKS);
    return {
      chain: { identity, instance, sequence, blocks, lost: [] },
      happened: isOther ? { kind: "other-chain", at } : null,
    };
  }

  const now = new Map([...found.where, ...found.links].map((link) => [link.hash, link]));
  const had = new Map(chain.blocks.map((block) => [block.hash, block]));
  const forkAt = chain.blocks.findLastIndex((block) => now.has(block.hash));
  const fork = chain.blocks[forkAt] ?? null;
  const left = chain.blocks.slice(forkAt + 1);
  const blocks = found.links.map((link) => had.get(link.hash) ?? unread(link, false));
  const tip = blocks.at(-1);

  // Where none of the blocks is left, the fork is deeper than what is known; the branches say where.
  const lowest = left[0];
  const forkPlace = fork ? { index: fork.index, hash: fork.hash } : null;
  const base =
    forkPlace ??
    (lowest?.previousHash ? { index: lowest.index - 1, hash: lowest.previousHash } : null);
  const gone: LostBranch[] =
    left.length === 0
      ? []
      : [
          {
            fork: base,
            blocks: left.slice(-MAX_LOST_BLOCKS),
            length: left.length,
            leftAt: at,
            waiting: null,
            why: "less_work",
          },
        ];
  const moved =
    left.length === 0 ? chain.lost : chain.lost.map((branch) => forkedLower(branch, base, left));
  const lost = highestFirst([...gone, ...withoutJoined(moved, blocks)]);
  const came = Math.max(0, (tip?.index ?? 0) - (fork?.index ?? (lowest ? lowest.index - 1 : 0)));
  const isWorthTelling = came > 0 || left.length > 0 || found.silent >= LONG_SILENCE;
  return {
    chain: { identity, instance, sequence, blocks: blocks.slice(-MAX_BLOCKS), lost },
    happened: isWorthTelling
      ? { kind: "caught-up", at, silent: found.silent, blocks: came, replaced: left.length }
      : null,
  };
}

/** Which blocks are to be read: `count` of them from index `from` on; `null` if none. */
export interface Wanted {
  readonly from: number;
  readonly count: number;
}

/** What is missing of the newest blocks: those not `given` up, and blocks from the index `lowest` on. */
export function wanted(chain: Chain, given: ReadonlySet<string>, lowest = 1): Wanted | null {
  const isMissing = (block: BlockSummary) => block.payments === null && !given.has(block.hash);
  const from = chain.blocks.find(isMissing);
  const to = chain.blocks.findLast(isMissing);
  if (from && to) return { from: from.index, count: to.index - from.index + 1 };
  const first = chain.blocks[0]?.index ?? 1;
  const count = Math.min(MAX_BLOCKS - chain.blocks.length, first - lowest);
  return count > 0 ? { from: first - count, count } : null;
}

/** Takes what was read of blocks, where it is about the blocks that are known, or about those just below. */
export function withDetails(chain: Chain, read: readonly Details[]): Chain {
  const byHash = new Map(read.map((details) => [details.hash, details]));
  const fill = (block: BlockSummary): BlockSummary => {
    const details = byHash.get(block.hash);
    return details && block.payments === null ? { ...details, fresh: block.fresh } : block;
  };
  let blocks = chain.blocks.map(fill);
  for (let lowest = blocks[0]; lowest && blocks.length < MAX_BLOCKS; lowest = blocks[0]) {
    const below = lowest.previousHash === null ? undefined : byHash.get(lowest.previousHash);
    if (below?.index !== lowest.index - 1) break;
    blocks = [{ ...below, fresh: false }, ...blocks];
  }
  const lost = chain.lost.map((branch) =>
    branch.blocks.some((block) => block.payments === null && byHash.has(block.hash))
      ? { ...branch, blocks: branch.blocks.map(fill) }
      : branch,
  );
  return { ...chain, blocks, lost };
}

/**
 * Takes the branches as the node has them. What the page saw of a branch stays with it. Returns `null` if
 * the answer is about another tip: then it is older or newer than what is known.
 */
export function withBranches(chain: Chain, answer: Branches): Chain | null {
  if (answer.tip.hash !== tipOf(chain)?.hash) return null;
  const seen = new Map(chain.lost.map((branch) => [branch.blocks.at(-1)?.hash, branch]));
  const isWhole = answer.count === answer.branches.length;
  const listed = answer.branches.map((branch): LostBranch => {
    const known = seen.get(branch.tip.hash);
    seen.delete(branch.tip.hash);
    const tip = {
      ...unread({ ...branch.tip, previousHash: null }, false),
      miner: branch.miner ?? null,
    };
    const forkIndex = branch.fork?.index ?? 0;
    return {
      fork: branch.fork ?? null,
      blocks: known?.blocks.filter((block) => block.index > forkIndex) ?? [tip],
      length: branch.length,
      leftAt: known?.leftAt ?? null,
      waiting: known?.waiting ?? null,
      why: branch.lost,
    };
  });
  const others = isWhole ? [] : [...seen.values()];
  return { ...chain, lost: highestFirst([...listed, ...others]) };
}

/** Takes a block that was read for a lost branch: one that is known by its hash, or the one below those. */
export function withLostBlock(chain: Chain, details: Details): Chain {
  const filled = (block: BlockSummary): BlockSummary =>
    block.hash === details.hash ? { ...details, fresh: block.fresh } : block;
  const lost = chain.lost.map((branch) => {
    const blocks = branch.blocks.map(filled);
    const lowest = blocks[0];
    const isBelow = lowest?.index === details.index + 1 && lowest.previousHash === details.hash;
    const belongs = blocks.length < MAX_LOST_BLOCKS && details.index > (branch.fork?.index ?? 0);
    if (isBelow && belongs) blocks.unshift({ ...details, fresh: false });
    return { ...branch, blocks };
  });
  return { ...chain, lost };
}

/** The hash of a block of a lost branch that is to be read. */
export function wantedLost(chain: Chain, given: ReadonlySet<string>): string | null {
  const first = chain.blocks[0]?.index ?? 0;
  for (const branch of chain.lost) {
    // Those below the newest blocks are listed, and are not drawn.
    if ((branch.fork?.index ?? 0) + 1 < first) continue;
    const unread = branch.blocks.findLast(
      (block) => block.payments === null && !given.has(block.hash),
    );
    if (unread) return unread.hash;
    const below = branch.blocks[0]?.previousHash ?? null;
    const isWhole = branch.blocks.length >= Math.min(branch.length, MAX_LOST_BLOCKS);
    if (!isWhole && below !== null && !given.has(below)) return below;
  }
  return null;
}
