/** The store against a real node: what it knows is what the API says. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NoAnswer, Problem, TooLong, client, paths, type Client } from "../../../src/api/client";
import { elements, members } from "../../../src/api/text";
import { Follower } from "../../../src/live/follower";
import { older } from "../../../src/live/older";
import { readingOf } from "../../../src/live/summary";
import type { BlockSummary, Happening } from "../../../src/live/types";

const PROGRAM =
  process.env.BLOCKSMITH ?? resolve(import.meta.dirname, "../../../../target/release/blocksmith");

interface Running {
  readonly client: Client;
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

let directory: string;
const running: ChildProcess[] = [];

async function run(...flags: string[]): Promise<Running> {
  const all = ["dev", "--nodes", "1", "--no-mining", "--json", ...flags];
  const child = spawn(PROGRAM, all, { stdio: ["ignore", "pipe", "ignore"] });
  running.push(child);
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line", { signal: AbortSignal.timeout(20_000) })) as [string];
  const said = JSON.parse(line) as { nodes: { url: string }[] };
  const url = said.nodes[0]?.url ?? "";
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  return { client: client(url), url, port: Number(new URL(url).port), stop };
}

function follow(node: Running) {
  const happened: Happening[] = [];
  const states: string[] = [];
  const times = new Map<string, number>();
  const follower = new Follower(node.client, ({ changed, told }) => {
    if (changed.state) states.push(changed.state);
    for (const block of changed.blocks ?? []) {
      if (!times.has(block.hash)) times.set(block.hash, performance.now());
    }
    for (const event of told) if (event.kind === "happening") happened.push(event.data);
  });
  follower.start();
  return { follower, happened, states, times };
}

async function until(told: string, holds: () => boolean | Promise<boolean>, most = 15_000) {
  const end = performance.now() + most;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it does not come: ${told}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What the API says, read as plainly as can be: one call for each block. */
async function expected(client: Client): Promise<BlockSummary[]> {
  const status = await client.status();
  const found: BlockSummary[] = [];
  const isOpen = !status.signed;
  let parentProof: string | null = null;
  for (let index = Math.max(1, status.index - 60); index <= status.index; index++) {
    const text = await client.blockText(index);
    const entry = JSON.parse(text) as { hash: string; block: Record<string, unknown> };
    const {
      transactions = [],
      previous_hash: previous,
      timestamp,
    } = entry.block as {
      transactions: { sender: unknown; recipient: unknown; amount: unknown }[];
      previous_hash: unknown;
      timestamp: number;
    };
    const last = transactions.at(-1);
    const coin = index > 1 && last?.sender === "0" ? last : null;
    const proof = members(members(text).get("block") ?? "").get("proof") ?? null;
    found.push({
      index,
      hash: entry.hash,
      previousHash: typeof previous === "string" ? previous : null,
      time: timestamp,
      payments: transactions.length - (coin ? 1 : 0),
      miner: coin ? String(coin.recipient) : null,
      coin: coin ? String(coin.amount) : null,
      proof,
      parentProof: isOpen ? parentProof : null,
      fresh: false,
    });
    parentProof = proof;
  }
  return found.slice(-60);
}

const old = (blocks: readonly BlockSummary[]) =>
  blocks.map((block) => ({ ...block, fresh: false }));

/** The store's state becomes what the API says, and is live. */
async function expectSame({ follower }: { follower: Follower }, client: Client): Promise<void> {
  const blocks = await expected(client);
  const waiting = await client.waiting();
  const branches = await client.branches();
  const isRead = () =>
    follower.view.blocks.every((block) => block.payments !== null) &&
    follower.view.blocks.at(-1)?.hash === blocks.at(-1)?.hash &&
    follower.view.waiting.count === waiting.queued &&
    !follower.view.waiting.stale &&
    follower.view.lost.length === branches.branches.length &&
    follower.view.status?.tip === blocks.at(-1)?.hash;
  await until("the store has read all", isRead);
  expect(follower.view.state).toBe("live");
  expect(old(follower.view.blocks)).toEqual(blocks);
  expect(follower.view.waiting.transactions.map(({ id }) => id)).toEqual(waiting.ids);
  expect(follower.view.waiting.transactions.map(({ transaction }) => transaction)).toEqual(
    waiting.transactions,
  );
  expect(follower.view.status).toMatchObject({
    index: blocks.at(-1)?.index,
    queued: waiting.queued,
  });
  const lost = follower.view.lost.map(({ fork, length, why, blocks }) => {
    const end = blocks.at(-1);
    return { fork, length, lost: why, tip: { index: end?.index, hash: end?.hash } };
  });
  expect(lost).toEqual(
    branches.branches.map(({ fork, length, lost: why, tip }) => ({ fork, length, lost: why, tip })),
  );
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "blocksmith-live-"));
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

/** One of those that every dev chain has. */
const ADDRESS = "forge133luv4f27suy5ymere3m43ul7270am03gw5g6mwykcyq4zpfehqsdsuhw0";

const forge = ["--chain", "forge"];

// The program is built by `cargo xtask web` and by CI; without it there is no node to follow.
describe.skipIf(!existsSync(PROGRAM))("the store and a real node", { timeout: 60_000 }, () => {
  test("agree while it mines, replaces blocks, stops, and comes back", async () => {
    const flags = [...forge, "--data-dir", directory];
    let node = await run(...flags, "--port", "0");
    const { client } = node;
    await client.dev.mine(70);
    const page = follow(node);
    await expectSame(page, client);
    expect(page.states).toEqual(["live"]);

    // Ten at once, and each with a payment to a stranger.
    await client.faucet(ADDRESS);
    await until("the payment waits", () => page.follower.view.waiting.count === 1);
    await client.dev.mine(10);
    await expectSame(page, client);
    expect(page.follower.view.blocks.slice(-10).map(({ fresh }) => fresh)).toEqual(
      Array(10).fill(true),
    );

    const before = page.follower.view.blocks;
    const { left_count: left, joined_count: joined } = await client.dev.reorg(3);
    await until("the reorg", () => page.happened.some(({ kind }) => kind === "reorg"));
    await expectSame(page, client);
    const reorg = page.happened.find(({ kind }) => kind === "reorg");
    expect(reorg).toMatchObject({ left, joined });
    expect(old(page.follower.view.lost[0]?.blocks ?? [])).toEqual(old(before.slice(-3)));
    expect(page.follower.view.lost[0]?.leftAt).not.toBeNull();

    // It stops; the page says so, and comes back to another chain of the same tree.
    await node.stop();
    await until("reconnecting", () => page.follower.view.state === "reconnecting");
    const other = await run(...flags, "--port", "0");
    await other.client.dev.reorg(5);
    await other.client.dev.mine(7);
    await other.stop();
    node = await run(...flags, "--port", String(node.port));
    await until("live again", () => page.follower.view.state === "live");
    await expectSame(page, client);
    expect(page.happened.at(-1)).toMatchObject({ kind: "caught-up", replaced: 5, blocks: 13 });
    page.follower.stop();
    await node.stop();
  });

  test("agree on branches and blocks when many blocks come", async () => {
    const node = await run(...forge, "--port", "0");
    const page = follow(node);
    await node.client.dev.mine(150);
    await node.client.dev.reorg(30);
    await node.client.dev.reorg(2);
    await node.client.dev.reorg(40);
    await expectSame(page, node.client);
    const reading = readingOf(await node.client.status());
    const blocks = await older(node.client, reading, 101, 60);
    expect(blocks.map(({ index }) => index)).toEqual(
      Array.from({ length: 60 }, (_, at) => 41 + at),
    );
    const one = JSON.parse(await node.client.blockText(70)) as { hash: string };
    expect(blocks[29]?.hash).toBe(one.hash);
    expect(await older(node.client, reading, 1, 60)).toEqual([]);
    page.follower.stop();
  });

  test("drop all when dev begins anew on the same port", async () => {
    const first = await run(...forge, "--port", "0");
    await first.client.dev.mine(30);
    await first.client.faucet(ADDRESS);
    const page = follow(first);
    await expectSame(page, first.client);
    expect(page.follower.view.waiting.count).toBe(1);
    await first.stop();
    const second = await run(...forge, "--port", String(first.port));
    await second.client.dev.mine(3);
    await until("another chain", () => page.happened.at(-1)?.kind === "other-chain");
    await expectSame(page, second.client);
    expect(page.follower.view.blocks).toHaveLength(4);
    await second.stop();
    const third = await run("--chain", "lecture", "--zeros", "2", "--port", String(first.port));
    await until("the lecture's", () => page.follower.view.status?.name === "lecture");
    await expectSame(page, third.client);
    page.follower.stop();
  });

  test("agree on an open chain, where numbers keep their digits", async () => {
    const node = await run("--chain", "lecture", "--zeros", "2", "--port", "0");
    const page = follow(node);
    await until("live", () => page.follower.view.state === "live");
    const headers = { "content-type": "application/json" };
    const amount = "123456789012345678901234567890.5";
    for (let block = 0; block < 5; block++) {
      const body = `{"sender": "a", "recipient": "b", "amount": ${amount}}`;
      await fetch(`${node.url}/transactions/new`, { method: "POST", headers, body });
      await until("it waits", () => page.follower.view.waiting.count === 1);
      const [waits] = page.follower.view.waiting.transactions;
      const told = await node.client.text(paths.waiting({ limit: 9 }));
      expect(waits?.text).toBe(elements(members(told).get("transactions") ?? "")[0]);
      await fetch(`${node.url}/mine`);
      await until("it is mined", () => page.follower.view.waiting.count === 0);
    }
    await expectSame(page, node.client);
    expect(page.follower.view.blocks.at(-1)?.parentProof).toBe(
      page.follower.view.blocks.at(-2)?.proof,
    );
    const [third] = await older(node.client, readingOf(await node.client.status()), 5, 2);
    expect(third?.index).toBe(3);
    expect(third?.parentProof).toBe(page.follower.view.blocks[1]?.proof);
    page.follower.stop();
  });

  test("show a block without its details where it is too long to be read", async () => {
    const node = await run("--chain", "lecture", "--zeros", "2", "--port", "0");
    const page = follow(node);
    const headers = { "content-type": "application/json" };
    await fetch(`${node.url}/mine`);
    for (let count = 0; count < 12; count++) {
      const body = JSON.stringify({ sender: "a", recipient: "b".repeat(99_000), amount: count });
      const answer = await fetch(`${node.url}/transactions/new`, { method: "POST", headers, body });
      expect(answer.status).toBe(201);
    }
    await fetch(`${node.url}/mine`);
    await fetch(`${node.url}/mine`);
    const payments = (of: typeof page) => of.follower.view.blocks.map((block) => block.payments);
    const isRead = (of: typeof page) => payments(of).join() === [0, 0, null, 0].join();
    await until("all blocks but the long one", () => isRead(page));
    await expect(node.client.blockText(3, { limit: 1 << 20 })).rejects.toBeInstanceOf(TooLong);
    const later = follow(node);
    await until("read anew", () => isRead(later));
    // It is not asked for again and again.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { text } = node.client;
    const calls: string[] = [];
    node.client.text = (path, ...more) => (calls.push(path), text(path, ...more));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(calls.filter((path) => path.startsWith("blocks"))).toEqual([]);
    page.follower.stop();
    later.follower.stop();
  });

  test("show a block soon after its commit", async () => {
    const node = await run(...forge, "--port", "0");
    const page = follow(node);
    await until("live", () => page.follower.view.state === "live");
    const took: number[] = [];
    for (let count = 0; count < 20; count++) {
      const { tip } = await node.client.dev.mine(1);
      const answered = performance.now();
      await until("shown", () => page.times.has(tip.hash));
      took.push((page.times.get(tip.hash) ?? Infinity) - answered);
    }
    took.sort((one, two) => one - two);
    console.log(`after the answer of dev/mine, median of 20: ${took[10]?.toFixed(1)} ms`);
    expect(took[10]).toBeLessThan(300);
    page.follower.stop();
  });

  test("tell refusals, silence and length apart", async () => {
    const node = await run(...forge, "--port", "0");
    const { client: api } = node;
    const refused: unknown = await api.block(99).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Problem);
    expect(refused).toMatchObject({ status: 404, rule: null });
    expect(String(refused)).toContain("block 99");
    const payment: unknown = await api.submit({ nonsense: 1 }).catch((error: unknown) => error);
    expect(payment).toMatchObject({ status: 422, rule: "transaction" });
    await expect(api.status({ limit: 10 })).rejects.toBeInstanceOf(TooLong);
    const ended = AbortSignal.abort(new Error("enough"));
    await expect(api.status({ signal: ended })).rejects.toThrow("enough");
    const work = await api.work(ADDRESS);
    await expect(api.work(ADDRESS, work.id, { timeout: 50 })).rejects.toBeInstanceOf(NoAnswer);
    // What a node doesn't take as a proof, and a proof of more digits than a number has.
    const unproven: unknown = await api
      .submitWork(work.id, "9".repeat(15))
      .catch((error: unknown) => error);
    expect(unproven).toMatchObject({ status: 409, rule: "proof" });
    const answers = [
      await api.headers({ from: 1, limit: 1 }).then(({ headers }) => headers.length),
      await api.search("1").then(({ matches }) => matches[0]?.kind),
      await api.leaderboard().then(({ miners }) => miners.length),
      await api.history(2).then(({ points }) => points.length >= 0),
      await api.peers().then(({ peers }) => peers.length),
      await api.supply().then(({ mined }) => mined),
      await api.fees(300).then(({ next_block: fee }) => fee),
      await api.dev.miners().then(({ miners }) => miners.length),
    ];
    expect(answers).toEqual([1, "block", 0, true, 0, 0, 0, 1]);
    const { id } = await api.faucet(ADDRESS);
    expect(await api.transaction(id)).toMatchObject({ status: "queued" });
    await api.dev.mine(1);
    expect(await api.proof(id)).toMatchObject({ block: 2, position: 0 });
    const [place] = (await api.accountTransactions(ADDRESS)).transactions;
    expect(place).toMatchObject({ block: 2 });
    await node.stop();
    await expect(api.status()).rejects.toBeInstanceOf(NoAnswer);
  });

  test("ask for parties that no path can name", async () => {
    const node = await run("--chain", "lecture", "--zeros", "2", "--port", "0");
    for (const party of ["", "..", "transactions", "a/b?c=d&e#f %", "\u202eü"]) {
      expect(await node.client.account(party), party).toMatchObject({ party });
      const { transactions } = await node.client.accountTransactions(party);
      expect(transactions, party).toEqual([]);
    }
  });
});
