import { expect, test } from "vitest";
import type { BlockSummary, LostBranch } from "../../src/live/types";
import { asOf, draw } from "../../src/screens/chain/tree";

/** A block that says nothing but where it stands. */
function block(
  index: number,
  hash: string,
  previousHash: string | null,
  time = index,
): BlockSummary {
  const none = { payments: null, miner: null, coin: null, proof: null, parentProof: null };
  return { index, hash, previousHash, time, fresh: false, ...none };
}

function lost(blocks: readonly BlockSummary[], leftAt: number | null = null): LostBranch {
  const [first] = blocks;
  const fork = first?.previousHash ? { index: first.index - 1, hash: first.previousHash } : null;
  return { fork, blocks, length: blocks.length, leftAt, waiting: null, why: "less_work" };
}

/** A generator of numbers below `of`; its seed is printed where a tree is not drawn well. */
function numbers(seed: number): (of: number) => number {
  let state = seed * 2654435761 + 1;
  return (of) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * of);
  };
}

test("200 random trees are drawn with each block once, beside its parent, and without overlaps", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const below = numbers(seed);
    const all = new Map<string, BlockSummary>([["0", block(1, "0", null)]]);
    for (let made = 1; made < 40; made += 1) {
      const parents = [...all.values()].slice(-1 - below(8));
      const parent = parents[0];
      if (parent === undefined) throw new Error("no parent");
      all.set(`${made}`, block(parent.index + 1, `${made}`, parent.hash));
    }
    const way = (from: BlockSummary | undefined): BlockSummary[] => {
      const blocks: BlockSummary[] = [];
      for (let at = from; at; at = all.get(at.previousHash ?? "")) blocks.unshift(at);
      return blocks;
    };
    const best = [...all.values()].reduce((a, b) => (b.index > a.index ? b : a));
    const chain = way(best);
    const isBest = new Set(chain.map(({ hash }) => hash));
    const parents = new Set([...all.values()].map(({ previousHash }) => previousHash));
    const branches = [...all.values()]
      .filter(({ hash }) => !parents.has(hash) && !isBest.has(hash))
      .map((tip) => lost(way(tip).filter(({ hash }) => !isBest.has(hash))));

    const { cells, columns, lanes } = draw(chain, branches);
    const said = `seed ${seed}`;
    expect(cells.map(({ block: { hash } }) => hash).sort(), said).toEqual([...all.keys()].sort());
    const places = new Map(cells.map((cell) => [`${cell.column} ${cell.lane}`, cell]));
    expect(places.size, said).toBe(cells.length);
    const at = new Map(cells.map((cell) => [cell.block.hash, cell]));
    for (const cell of cells) {
      expect(cell.column, said).toBe(cell.block.index - 1);
      expect(cell.lane === 0, said).toBe(isBest.has(cell.block.hash));
      const parent = at.get(cell.block.previousHash ?? "");
      expect(cell.parentLane, said).toBe(parent?.lane ?? null);
      if (parent) expect(parent.lane, said).toBeLessThanOrEqual(cell.lane);
    }
    expect(columns, said).toBe(best.index);
    expect(lanes, said).toBe(Math.max(...cells.map(({ lane }) => lane)) + 1);
  }
});

test("an hour ago the branch that lost later was the chain", () => {
  const one = block(1, "a", null, 10);
  const loser = block(2, "b", "a", 20);
  const [two, three] = [block(2, "c", "a", 21), block(3, "d", "c", 40)];
  const left = lost([loser], 40);
  const hashes = (time: number): unknown => {
    const then = asOf([one, two, three], [left], time);
    return [
      then.chain.map(({ hash }) => hash),
      then.lost.map(({ blocks }) => blocks.map(({ hash }) => hash)),
    ];
  };
  expect(hashes(15)).toEqual([["a"], []]);
  expect(hashes(20)).toEqual([["a", "b"], []]);
  expect(hashes(30)).toEqual([["a", "b"], [["c"]]]);
  expect(hashes(40)).toEqual([["a", "c", "d"], [["b"]]]);
});
