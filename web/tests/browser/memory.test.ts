import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  canonical,
  digestOf,
  meets,
  openHash,
  openJob,
  parse,
  targetOfZeros,
} from "../../src/rules";
import { browser, closeAll, complaints, isLive, open } from "./browser";
import { get, Node } from "./node";

/** How many blocks come until the first look, and until the second one. */
const [FIRST, LAST] = (process.env["BLOCKSMITH_PAGE_BLOCKS"] ?? "600,1800").split(",").map(Number);
/** How many blocks there are for each reorg. */
const FOR_A_REORG = 20;

const ZEROS = 1;

let chromium: Browser;
beforeAll(async () => {
  chromium = await browser();
});
afterAll(() => chromium.close());

interface Block {
  readonly index: number;
  readonly previous_hash: string;
  readonly proof: number;
  readonly timestamp: number;
  readonly transactions: readonly unknown[];
}

/** A block on top of one with this hash and proof. */
function on(index: number, hash: string, proof: number, time: number): Block {
  const target = targetOfZeros(ZEROS);
  const job = openJob("last_proof", { proof: `${proof}`, hash: "", text: "" }, target);
  let found = 0;
  while (!meets(digestOf(job, `${found}`), target)) found += 1;
  return { index, previous_hash: hash, proof: found, timestamp: time, transactions: [] };
}

const hashOf = (block: Block): string => openHash(parse(JSON.stringify(block)));

async function send(node: Node, block: Block): Promise<void> {
  const body = canonical(parse(JSON.stringify(block)));
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${node.url}/api/v1/blocks`, { method: "POST", body, headers });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Replaces the newest block by two others. */
async function reorg(node: Node, round: number): Promise<void> {
  const { index } = await get(node.url, "status");
  const below = await get(node.url, `blocks/${index - 1}`);
  const one = on(index, below.hash, below.block.proof, 1_000_000 + round);
  const two = on(index + 1, hashOf(one), one.proof, 1_000_000 + round);
  await send(node, one);
  await send(node, two);
  expect((await get(node.url, "status")).tip).toBe(hashOf(two));
}

async function grow(node: Node, until: number): Promise<void> {
  let index: number = (await get(node.url, "status")).index;
  let round = 0;
  while (index < until) {
    const some = Math.min(FOR_A_REORG - 2, until - index);
    for (let block = 0; block < some; block += 1) await fetch(`${node.url}/mine`);
    await reorg(node, index + (round += 1));
    index += some + 1;
  }
}

/** The heap in bytes after a collection, and how many elements the document has. */
async function weight(page: Page): Promise<{ readonly heap: number; readonly nodes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  return { heap: usedSize, nodes };
}

test("a page that stays open for many blocks and reorgs does not grow", async () => {
  const node = await new Node(["--chain", "lecture", "--zeros", `${ZEROS}`]).start();
  try {
    const page = await open(chromium, node.url);
    await isLive(page);
    const settled = async (): Promise<Awaited<ReturnType<typeof weight>>> => {
      const { tip } = await get(node.url, "status");
      await page.locator(`.newest[data-hash="${tip}"]`).waitFor({ timeout: 20_000 });
      await page.waitForTimeout(6_000);
      return weight(page);
    };
    await grow(node, FIRST ?? 0);
    const first = await settled();
    await grow(node, LAST ?? 0);
    const last = await settled();
    console.log(`${FIRST} blocks: ${JSON.stringify(first)}; ${LAST}: ${JSON.stringify(last)}`);
    expect(last.heap - first.heap).toBeLessThan(5_000_000);
    expect(last.nodes - first.nodes).toBeLessThan(200);
    expect(complaints.splice(0)).toEqual([]);
  } finally {
    await closeAll(chromium);
    await node.remove();
  }
}, 3_600_000);
