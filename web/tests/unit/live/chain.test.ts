import { describe, expect, test } from "vitest";
import * as chains from "../../../src/live/chain";
import type { Details } from "../../../src/live/summary";
import { Model, type Node } from "./model";
import { below, random } from "./random";

const NOW = 1_000;

const identity = (model: Model): chains.Identity => ({
  chainId: "chain",
  firstHash: `${model.name}-0`,
  node: "node",
});

function found(model: Model, known = chains.NOTHING, silent = 0): chains.Found {
  const { instance, sequence, chain } = model;
  const lowest = known.blocks[0]?.index ?? Infinity;
  return {
    identity: identity(model),
    instance,
    sequence,
    links: chain.slice(-chains.MAX_BLOCKS),
    where: chain.filter((node) => node.index >= lowest).slice(0, chains.MAX_BLOCKS),
    silent,
  };
}

const details = ({ index, hash, previousHash }: chains.Link): Details => ({
  index,
  hash,
  previousHash,
  time: index,
  payments: 0,
  miner: null,
  coin: null,
  proof: String(index),
  parentProof: null,
});

/** Reads what is wanted, as the store does, until nothing is. */
function read(model: Model, chain: chains.Chain): chains.Chain {
  for (let count = 0; count < 20; count++) {
    const part = chains.wanted(chain, new Set());
    if (!part) return chain;
    const nodes = model.chain.slice(part.from - 1, part.from - 1 + part.count);
    chain = chains.withDetails(chain, nodes.map(details));
  }
  throw new Error("something is wanted again and again");
}

const hashes = (blocks: readonly chains.Link[]) => blocks.map((block) => block.hash);

/** The best chain is known from some block on, and is what the model has there. */
function expectChain(chain: chains.Chain, model: Model, told: string): void {
  const best = model.chain.slice(-chain.blocks.length);
  expect(chain.blocks.length, told).toBeGreaterThan(0);
  expect(hashes(chain.blocks), told).toEqual(hashes(best));
  expect(
    chain.blocks.map((block) => block.previousHash),
    told,
  ).toEqual(best.map((node) => node.previousHash));
}

const lostOf = (chain: chains.Chain) =>
  chain.lost.map(({ fork, blocks, length }) => ({
    tip: blocks.at(-1)?.hash ?? "",
    fork: fork?.hash ?? null,
    length,
  }));

const sorted = (branches: { tip: string }[]) =>
  [...branches].sort((one, two) => (one.tip < two.tip ? -1 : 1));

describe("what is known of the chain", () => {
  test("is what a naive model has, over 200 random trees", { timeout: 60_000 }, () => {
    let reorgs = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const model = new Model(random(seed), `s${seed}`);
      let chain = chains.catchUp(chains.NOTHING, found(model), NOW).chain;
      const steps = 60 + below(model.next, 60);
      for (let step = 0; step < steps; step++) {
        const event = model.something();
        if (!event) continue;
        const told = `seed ${seed}, step ${step}, ${event.kind}`;
        const next = chains.follow(chain, model.id, event, NOW + step);
        expect(next, told).not.toBeNull();
        if (!next) return;
        chain = next.chain;
        expectChain(chain, model, told);
        if (event.kind === "reorg") {
          reorgs++;
          const { left_count: left, joined_count: joined, fork } = event.data;
          expect(next.happened, told).toMatchObject({ left, joined, fork: fork?.index ?? null });
        }
        if (event.kind === "other") continue;
        expect(sorted(lostOf(chain)), told).toEqual(sorted(model.lost()));
        for (const { blocks, fork } of chain.lost) {
          const links = [...blocks].map((block) => block.previousHash);
          // Without gaps, up to its end.
          expect(links.slice(1), told).toEqual(hashes(blocks).slice(0, -1));
          if (blocks.length < chains.MAX_LOST_BLOCKS)
            expect(links[0], told).toBe(fork?.hash ?? null);
        }
        if (step % 7 === 0) {
          chain = read(model, chain);
          expect(chain.blocks, told).toHaveLength(Math.min(chains.MAX_BLOCKS, model.tip.index));
          expect(
            chain.blocks.every((block) => block.payments === 0),
            told,
          ).toBe(true);
        }
        if (step % 11 === 0) {
          const known = chains.withBranches(chain, model.branches());
          const ends = model.branches().branches.map((branch) => ({
            tip: branch.tip.hash,
            fork: branch.fork?.hash ?? null,
            length: branch.length,
          }));
          expect(sorted(lostOf(known ?? chain)), told).toEqual(sorted(ends));
        }
      }
    }
    console.log(`seeds 1 to 200, ${reorgs} reorgs`);
    expect(reorgs).toBeGreaterThan(1_000);
  });

  test("notices each event that is lost, over 200 random trees", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const model = new Model(random(seed), `s${seed}`);
      const begun = chains.catchUp(chains.NOTHING, found(model), NOW).chain;
      const events: [string, chains.NodeEvent][] = [];
      while (events.length < 30) {
        const event = model.something();
        if (event) events.push([model.id, event]);
      }
      const lost = below(model.next, events.length - 1);
      let chain = begun;
      events.forEach(([id, event], at) => {
        if (at === lost || at > lost + 1) return;
        const next = chains.follow(chain, id, event, NOW);
        expect(next === null, `seed ${seed}, ${at} of ${lost}`).toBe(at === lost + 1);
        if (next) chain = next.chain;
      });
      // Also when nothing follows but a heartbeat.
      const heartbeat = chains.follow(chain, events[lost]?.[0] ?? "", null, NOW);
      expect(heartbeat, `seed ${seed}`).toBeNull();
    }
  });

  test("notices a block that does not fit, although its number does", () => {
    const model = new Model(random(7), "s7");
    const { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    const event = model.mine();
    if (event.kind !== "tip") throw new Error("no tip");
    const strange = { ...event.data, previous_hash: "strange" };
    expect(chains.follow(chain, model.id, { kind: "tip", data: strange }, NOW)).toBeNull();
    const higher = { ...event.data, index: 9 };
    expect(chains.follow(chain, model.id, { kind: "tip", data: higher }, NOW)).toBeNull();
    expect(chains.follow(chain, model.id, event, NOW)).not.toBeNull();
  });

  test("notices another run of the node, and ids that are none", () => {
    const model = new Model(random(7), "s7");
    const { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    const event = model.mine();
    for (const id of ["other-1", "s7run-", "s7run", "", "s7run-1x", "s7run--1"]) {
      expect(chains.follow(chain, id, event, NOW), id).toBeNull();
    }
  });

  test("is right after any silence, over 200 random trees", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const model = new Model(random(seed), `s${seed}`);
      let chain = chains.catchUp(chains.NOTHING, found(model), NOW).chain;
      for (let pass = 0; pass < 5; pass++) {
        chain = read(model, chain);
        const before = model.chain;
        const missed = [3, 30, 150][below(model.next, 3)] ?? 0;
        for (let count = 0; count < missed; count++) model.something();
        if (below(model.next, 2) === 0) {
          model.instance = `${model.instance}x`;
          model.sequence = 0;
        }
        const told = `seed ${seed}, pass ${pass}`;
        const step = chains.catchUp(chain, found(model, chain, 60), NOW);
        chain = step.chain;
        expectChain(chain, model, told);
        const now = new Set(model.chain);
        const replaced = before.filter((node) => !now.has(node)).length;
        const shared = before.length - replaced;
        // What is deeper than the page knew is not counted.
        if (replaced < chains.MAX_BLOCKS) {
          expect(step.happened, told).toEqual({
            kind: "caught-up",
            at: NOW,
            silent: 60,
            blocks: model.chain.length - shared,
            replaced,
          });
        }
        const end = before.at(-1);
        if (replaced > 0 && end)
          expect(
            lostOf(chain).map(({ tip }) => tip),
            told,
          ).toContain(end.hash);
      }
    }
  });

  test("says nothing about a short silence without anything new", () => {
    const model = new Model(random(7), "s7");
    const { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    expect(chains.catchUp(chain, found(model, chain, 1), NOW).happened).toBeNull();
    expect(chains.catchUp(chain, found(model, chain, 60), NOW).happened).not.toBeNull();
  });

  test("keeps nothing of another chain, another first block, or another node", () => {
    const model = new Model(random(7), "s7");
    let { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    for (let count = 0; count < 40; count++) {
      const event = model.something();
      if (event) chain = chains.follow(chain, model.id, event, NOW)?.chain ?? chain;
    }
    expect(chain.lost.length).toBeGreaterThan(0);
    const here = found(model, chain);
    for (const other of [{ chainId: "x" }, { firstHash: "x" }, { node: "x" }]) {
      const changed = {
        ...here,
        identity: { ...here.identity, ...other },
        links: here.links.slice(-2),
      };
      const step = chains.catchUp(chain, changed, NOW);
      expect(step.happened).toEqual({ kind: "other-chain", at: NOW });
      expect(hashes(step.chain.blocks)).toEqual(hashes(changed.links));
      expect(step.chain.lost).toEqual([]);
    }
  });

  test("takes branches only with the tip that it knows", () => {
    const model = new Model(random(7), "s7");
    const { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    model.mine();
    expect(chains.withBranches(chain, model.branches())).toBeNull();
  });

  test("reads the blocks of lost branches that nobody told", () => {
    const model = new Model(random(7), "s7");
    for (let count = 0; count < 8; count++) model.mine();
    let end: Node = model.recent(1).parent ?? model.tip;
    const fork = end;
    for (let count = 0; count < 3; count++) end = model.child(end);
    let { chain } = chains.catchUp(chains.NOTHING, found(model), NOW);
    chain = chains.withBranches(chain, model.branches()) ?? chain;
    const byHash = new Map(model.all.map((node) => [node.hash, node]));
    for (let count = 0; count < 9; count++) {
      const node = byHash.get(chains.wantedLost(chain, new Set()) ?? "");
      if (node) chain = chains.withLostBlock(chain, details(node));
    }
    expect(chain.lost[0]?.fork?.hash).toBe(fork.hash);
    expect(hashes(chain.lost[0]?.blocks ?? [])).toEqual(hashes(model.chainOf(end).slice(-3)));
    expect(chains.wantedLost(chain, new Set())).toBeNull();
  });

  test("stays small over 100,000 blocks and 1,000 reorgs", { timeout: 60_000 }, () => {
    // A model of its own, since the naive one keeps all.
    let chain: chains.Chain = {
      ...chains.NOTHING,
      identity: { chainId: "c", firstHash: "h1", node: "n" },
      instance: "run",
      blocks: [{ ...details({ index: 1, hash: "h1", previousHash: null }), fresh: false }],
    };
    let made = 1;
    let sequence = 0;
    const sizes: number[] = [];
    const size = () => JSON.stringify(chain).length;
    const take = (event: chains.NodeEvent) => {
      const step = chains.follow(chain, `run-${++sequence}`, event, sequence);
      if (!step) throw new Error(`event ${sequence} does not fit`);
      chain = step.chain;
    };
    const tipEvent = (index: number, hash: string, previous: string) => ({
      ...{ index, hash, previous_hash: previous, work: "", transactions: 1, miner: "m".repeat(40) },
    });
    const name = () => `h${String(++made).padStart(63, "0")}`;
    for (let block = 0; block < 100_000; block++) {
      const tip = chain.blocks.at(-1);
      if (!tip) throw new Error("no tip");
      if (block % 100 !== 99) {
        take({ kind: "tip", data: tipEvent(tip.index + 1, name(), tip.hash) });
        continue;
      }
      const depth = 1 + (((block / 100) % 30) | 0);
      const fork = chain.blocks.at(-1 - depth);
      if (!fork) throw new Error("no fork");
      const left = chain.blocks.slice(-depth).reverse();
      const joined = Array.from({ length: depth + 1 }, (_, at) => ({
        index: fork.index + 1 + at,
        hash: name(),
      }));
      const end = joined.at(-1);
      if (!end) throw new Error("no end");
      const data = {
        fork: { index: fork.index, hash: fork.hash },
        left: left.map(({ index, hash }) => ({ index, hash })),
        left_count: depth,
        left_work: "",
        joined,
        joined_count: joined.length,
        waiting: 0,
        tip: tipEvent(end.index, end.hash, joined.at(-2)?.hash ?? fork.hash),
      };
      take({ kind: "reorg", data });
      if (block === 9_999 || block === 99_999) sizes.push(size());
    }
    expect(chain.blocks).toHaveLength(chains.MAX_BLOCKS);
    expect(chain.lost).toHaveLength(chains.MAX_LOST);
    const [early = 0, late = 0] = sizes;
    expect(late).toBeLessThan(early * 1.1);
    expect(late).toBeLessThan(500_000);
  });
});
