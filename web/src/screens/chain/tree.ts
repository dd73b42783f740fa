/** Where blocks stand in the drawing: a column for each index, a lane for each branch. */

import type { BlockSummary, LostBranch } from "../../live/types";

export interface Cell {
  readonly block: BlockSummary;
  /** 0 is the oldest column. */
  readonly column: number;
  /** 0 is the best chain, 1 and more are branches that lost. */
  readonly lane: number;
  /** The lane of its parent in the column before; `null` if that is not drawn. */
  readonly parentLane: number | null;
}

export interface Drawing {
  readonly cells: readonly Cell[];
  readonly columns: number;
  readonly lanes: number;
}

/**
 * Draws a stretch of the best chain, the oldest block first, and the branches beside it. Blocks that
 * several branches share are drawn once; a branch keeps to the lowest lane that is free for all of it.
 */
export function draw(chain: readonly BlockSummary[], lost: readonly LostBranch[]): Drawing {
  const first = chain[0]?.index ?? 0;
  const lanes = new Map<string, number>();
  const cells: Cell[] = chain.map((block, column) => {
    lanes.set(block.hash, 0);
    return { block, column, lane: 0, parentLane: column === 0 ? null : 0 };
  });

  const side = new Map<string, BlockSummary>();
  for (const branch of lost) {
    for (const block of branch.blocks) {
      if (block.index >= first && !lanes.has(block.hash)) side.set(block.hash, block);
    }
  }
  const children = new Map<string, BlockSummary[]>();
  const roots: BlockSummary[] = [];
  for (const block of side.values()) {
    const parent = block.previousHash ?? "";
    if (!side.has(parent)) roots.push(block);
    else children.set(parent, [...(children.get(parent) ?? []), block]);
  }

  /** The blocks from one to the end of the longest way on, and the others at its sides. */
  const path = (from: BlockSummary): BlockSummary[] => {
    const way = [from];
    for (let at = from; ;) {
      const next = longest(children.get(at.hash) ?? [], children);
      if (next === undefined) return way;
      way.push(next);
      at = next;
    }
  };

  const taken: [number, number][][] = [];
  const waiting = roots.sort((a, b) => a.index - b.index || (a.hash < b.hash ? -1 : 1));
  for (let root = waiting.shift(); root !== undefined; root = waiting.shift()) {
    const way = path(root);
    // The way to its parent needs the gap before it.
    const span: [number, number] = [root.index - 1, way[way.length - 1]?.index ?? root.index];
    // Below its parent, so that the line between them goes down.
    let lane = (lanes.get(root.previousHash ?? "") ?? 0) + 1;
    while ((taken[lane] ?? []).some(([from, to]) => span[0] <= to && from <= span[1])) lane += 1;
    taken[lane] = [...(taken[lane] ?? []), span];
    for (const block of way) {
      const parentLane = lanes.get(block.previousHash ?? "") ?? null;
      lanes.set(block.hash, lane);
      cells.push({ block, column: block.index - first, lane, parentLane });
      for (const other of children.get(block.hash) ?? []) {
        if (!way.includes(other)) waiting.push(other);
      }
    }
  }

  const columns = cells.reduce((most, cell) => Math.max(most, cell.column + 1), 0);
  return { cells, columns, lanes: Math.max(1, taken.length) };
}

function longest(
  of: readonly BlockSummary[],
  children: ReadonlyMap<string, readonly BlockSummary[]>,
): BlockSummary | undefined {
  const depth = (block: BlockSummary): number => {
    // Level by level: a branch may be long.
    let level: readonly BlockSummary[] = [block];
    let levels = 0;
    while (level.length > 0) {
      levels += 1;
      level = level.flatMap((each) => children.get(each.hash) ?? []);
    }
    return levels;
  };
  return [...of].sort((a, b) => depth(b) - depth(a) || (a.hash < b.hash ? -1 : 1))[0];
}

/**
 * What was the best chain, and what had lost, at some time by the node's clock, as far as the times
 * of the blocks and of the reorgs that were seen tell.
 */
export function asOf(
  chain: readonly BlockSummary[],
  lost: readonly LostBranch[],
  time: number,
): { chain: readonly BlockSummary[]; lost: readonly LostBranch[] } {
  const was = (block: BlockSummary): boolean => (block.time ?? 0) <= time;
  const then = chain.filter(was);
  const best = lost.find(
    (branch) => branch.leftAt !== null && branch.leftAt > time && branch.blocks.some(was),
  );
  const others = lost
    .filter((branch) => branch !== best && branch.blocks.some(was))
    .map((branch) => ({ ...branch, blocks: branch.blocks.filter(was) }));
  if (best === undefined) return { chain: then, lost: others };
  const fork = best.fork?.index ?? -1;
  const came = then.filter((block) => block.index > fork);
  const later: LostBranch[] =
    came.length === 0
      ? []
      : [
          {
            fork: best.fork,
            blocks: came,
            length: came.length,
            leftAt: null,
            waiting: null,
            why: "less_work",
          },
        ];
  return {
    chain: [...then.filter((block) => block.index <= fork), ...best.blocks.filter(was)],
    lost: [...later, ...others],
  };
}
