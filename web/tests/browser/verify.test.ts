import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { browser, closeAll, complaints, open } from "./browser";
import { Liar } from "./liar";
import { dev, get, Node, post } from "./node";

let chromium: Browser;
beforeAll(async () => {
  chromium = await browser();
});
afterAll(() => chromium.close());
afterEach(() => {
  expect(complaints.splice(0)).toEqual([]);
});

/** An answer to `GET blocks/{id}`, as a value whose fields a lie changes. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answer = any;

const flip = (hex: string): string => hex.slice(0, -1) + (hex.endsWith("0") ? "1" : "0");

/** Each kind of lie, and a check that must not hold. */
const LIES: readonly [string, string, (answer: Answer) => void][] = [
  ["the hash", "hash", (answer) => (answer.hash = flip(answer.hash))],
  ["the index of the answer", "index", (answer) => (answer.index += 1)],
  ["the index", "index", ({ block }) => (block.index += 1)],
  ["the parent", "previous", ({ block }) => (block.previous_hash = flip(block.previous_hash))],
  ["the proof", "proof", ({ block }) => (block.proof += 1)],
  ["the target", "target", ({ block }) => (block.target = `0${block.target.slice(0, -1)}`)],
  ["the time", "hash", ({ block }) => (block.timestamp += 1)],
  ["a time before the parent's", "time", ({ block }) => (block.timestamp = 1)],
  ["the Merkle root", "merkle", ({ block }) => (block.merkle_root = flip(block.merkle_root))],
  ["an amount", "signatures", ({ block }) => (block.transactions[0].amount += 1)],
  ["a fee", "signatures", ({ block }) => (block.transactions[0].fee += 1)],
  ["a nonce", "signatures", ({ block }) => (block.transactions[0].nonce += 1)],
  [
    "a recipient",
    "signatures",
    ({ block }) => (block.transactions[0].recipient = block.transactions[0].sender),
  ],
  [
    "a signature",
    "signatures",
    ({ block }) => (block.transactions[0].signature = flip(block.transactions[0].signature)),
  ],
  ["a payment that is missing", "merkle", ({ block }) => block.transactions.shift()],
  ["coins from nothing", "coin", ({ block }) => (block.transactions.at(-1).amount += 1)],
  ["a coin that is missing", "transactions", ({ block }) => block.transactions.pop()],
];

test("each kind of lie about a block turns a check red, and none does without one", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  const liar = await Liar.before(url);
  try {
    await post(url, "dev/mine", { blocks: 3 });
    await post(url, "faucet", { recipient: network.accounts[1]?.address });
    const { tip } = await post(url, "dev/mine", { blocks: 1 });
    await post(url, "dev/mine", { blocks: 1 });
    expect((await get(url, `blocks/${tip.index}`)).block.transactions.length).toBe(2);
    const path = `/api/v1/blocks/${tip.hash}`;
    const page = await open(chromium, `${liar.url}/block/${tip.hash}`, {}, /404/);
    const checked = page.locator(".card [role=status]");
    await checked.waitFor();
    expect(await page.locator('[data-state="ok"]').count()).toBe(14);
    expect(await page.locator('[data-state="wrong"]').count()).toBe(0);
    for (const [what, check, tell] of LIES) {
      liar.lie = (asked, answer) => {
        if (asked !== path) return answer;
        const told: Answer = JSON.parse(answer);
        tell(told);
        return JSON.stringify(told);
      };
      await page.reload();
      await checked.waitFor();
      const wrong = await page
        .locator('[data-state="wrong"]')
        .evaluateAll((all) => all.map((each) => (each as HTMLElement).dataset["check"]));
      expect(wrong, what).toContain(check);
      expect(await checked.textContent(), what).toContain("does not hold");
    }
  } finally {
    await closeAll(chromium);
    await liar.stop();
    await network.stop();
  }
});

test("a block that is looked at is not read again with each new one", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    await post(url, "dev/mine", { blocks: 3 });
    const page = await open(chromium, `${url}/block/3`);
    await page.locator(".card [role=status]").waitFor();
    await page.waitForTimeout(1_500);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    for (let block = 0; block < 5; block += 1) await post(url, "dev/mine", { blocks: 1 });
    // The clock of the page moves meanwhile.
    await page.getByText("7 confirmations").waitFor();
    await page.waitForTimeout(2_500);
    expect(asked.filter((path) => path.startsWith("/api/v1/blocks/"))).toEqual([]);
    expect(await page.locator('[data-state="ok"]').count()).toBe(14);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});

test("honest blocks of open chains are checked without a word against them", async () => {
  for (const chain of ["lecture", "course", "dvf"]) {
    const node = await new Node(["--chain", chain, "--zeros", "1"]).start();
    try {
      for (let block = 0; block < 3; block += 1) await fetch(`${node.url}/mine`);
      const { index } = await get(node.url, "status");
      for (let at = 1; at <= index; at += 1) {
        const page = await open(chromium, `${node.url}/block/${at}`);
        await page.locator(".card [role=status]").waitFor();
        const wrong = await page.locator('[data-state="wrong"]').allTextContents();
        expect(wrong, `block ${at} of ${chain}`).toEqual([]);
        expect(await page.locator('[data-state="ok"]').count()).toBeGreaterThan(4);
      }
    } finally {
      await closeAll(chromium);
      await node.remove();
    }
  }
});
