import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { browser, closeAll, complaints, isLive, median, open } from "./browser";
import { dev, get, Node, post } from "./node";

let chromium: Browser;
beforeAll(async () => {
  chromium = await browser();
});
afterAll(() => chromium.close());
afterEach(() => {
  expect(complaints.splice(0)).toEqual([]);
});

test("a block mined by another process appears within 300 ms of its commit", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    const page = await open(chromium, url);
    await isLive(page);
    // The page notes when a block came into the document; both clocks are this machine's.
    await page.evaluate(() => {
      const came: Record<string, number> = {};
      Object.assign(window, { came });
      new MutationObserver(() => {
        for (const block of document.querySelectorAll<HTMLElement>("[data-hash]")) {
          const hash = block.dataset["hash"];
          if (hash !== undefined) came[hash] ??= performance.timeOrigin + performance.now();
        }
      }).observe(document.body, { childList: true, subtree: true });
    });
    const took: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const { tip } = await post(url, "dev/mine", { blocks: 1 });
      // The answer comes after the commit.
      const committed = performance.timeOrigin + performance.now();
      const block = page.locator(`[data-hash="${tip.hash}"]`);
      await block.waitFor({ timeout: 5_000 });
      const came = await page.evaluate(
        (hash) => (window as unknown as { came: Record<string, number> }).came[hash] ?? NaN,
        tip.hash as string,
      );
      took.push(came - committed);
    }
    console.log(
      `a block is on the page after ${median(took).toFixed(0)} ms, ${took.map(Math.round)}`,
    );
    expect(median(took)).toBeLessThan(300);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});

test("after ten seconds without its node the page catches up, and says what happened", async () => {
  const node = await new Node(["--chain", "lecture", "--zeros", "1"]).start();
  try {
    const page = await open(chromium, node.url, {}, /Failed to load resource|ERR_/);
    await isLive(page);
    await node.stop();
    await page.locator('.live[data-state="reconnecting"]').waitFor({ timeout: 10_000 });
    await page.waitForTimeout(10_000);
    await node.start();
    for (let block = 0; block < 3; block += 1) await fetch(`${node.url}/mine`);
    await isLive(page);
    const { tip, index } = await get(node.url, "status");
    await page.locator(`.newest[data-hash="${tip}"]`).waitFor({ timeout: 5_000 });
    expect(await page.locator("h1").textContent()).toContain(`Block ${index}`);
    expect(await page.locator(".note").textContent()).toMatch(/Nothing was heard of the node/);
  } finally {
    await closeAll(chromium);
    await node.remove();
  }
});

test("a reorg is drawn, and its payment waits again until it is mined", async () => {
  const network = await dev("--nodes", "2");
  const [one = "", two = ""] = network.urls;
  try {
    await post(one, "dev/mine", { blocks: 2 });
    const page = await open(chromium, one);
    await isLive(page);
    await expect.poll(async () => (await get(two, "status")).index, { timeout: 10_000 }).toBe(3);
    await post(one, "dev/cut", { groups: [[1], [2]] });
    const recipient = network.accounts[1]?.address;
    const { id } = await post(one, "faucet", { recipient });
    const waiting = page.getByRole("row").filter({ has: page.locator(`a[href="/tx/${id}"]`) });
    await waiting.waitFor();
    const { tip: loser } = await post(one, "dev/mine", { blocks: 1 });
    await page.locator(`.newest[data-hash="${loser.hash}"]`).waitFor();
    await waiting.waitFor({ state: "detached" });
    const { tip: winner } = await post(two, "dev/mine", { blocks: 2 });
    await post(one, "dev/heal");
    const newest = page.locator(`.newest[data-hash="${winner.hash}"]`);
    await newest.waitFor({ timeout: 20_000 });
    const lost = page.locator(`[data-hash="${loser.hash}"]`);
    expect(await lost.getAttribute("data-lane")).toBe("1");
    expect(await lost.getAttribute("data-parent")).toBe((await get(one, "blocks/3")).hash);
    expect(await page.locator(".note").textContent()).toMatch(
      /1 block was replaced after block 3.*1 transaction waits again/s,
    );
    await waiting.waitFor();
    // The loser's own address keeps the loser.
    const block = await open(chromium, `${one}/block/${loser.hash}`);
    await block.getByText("It is not on the best chain").waitFor();
    expect(await block.locator("dd .hash").first().textContent()).toContain(loser.hash);
    await post(one, "dev/mine", { blocks: 1 });
    await waiting.waitFor({ state: "detached" });
    expect((await get(one, `transactions/${id}`)).status).toBe("confirmed");
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});

test("a browser clock that is two hours off changes no age", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    await post(url, "dev/mine", { blocks: 3 });
    const context = await chromium.newContext({ locale: "en-GB" });
    const page = await context.newPage();
    await page.clock.install({ time: Date.now() + 2 * 3600 * 1000 });
    await page.goto(url);
    await page.clock.resume();
    await isLive(page);
    const ages = await page.locator(".ingot .age").allTextContents();
    expect(ages.length).toBeGreaterThan(2);
    // The time of the first block is in the rules.
    for (const age of ages.slice(1)) expect(age).toMatch(/^(just now|\d+ s ago|nobody has it)/);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});

test("another chain on the same port leaves nothing old on the page", async () => {
  const first = await new Node(["--chain", "lecture", "--zeros", "1"]).start();
  const second = new Node(["--chain", "lecture", "--zeros", "2"]);
  try {
    for (let block = 0; block < 5; block += 1) await fetch(`${first.url}/mine`);
    await fetch(`${first.url}/transactions/new`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sender: "ann", recipient: "bob", amount: 5 }),
    });
    const page = await open(chromium, first.url, {}, /Failed to load resource|ERR_/);
    await isLive(page);
    const row = page.getByRole("row").filter({ hasText: "bob" });
    await row.waitFor();
    const old = await page
      .locator("[data-hash]")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-hash")));
    await first.stop();
    second.url = first.url;
    await second.start();
    await page.locator(".note", { hasText: "Another chain runs here now" }).waitFor();
    const now = await page
      .locator("[data-hash]")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-hash")));
    const genesis = (await get(second.url, "blocks/1")).hash;
    expect(now).toEqual([genesis]);
    expect(old.filter((hash) => hash !== genesis && now.includes(hash))).toEqual([]);
    await row.waitFor({ state: "detached" });
  } finally {
    await closeAll(chromium);
    await first.remove();
    await second.remove();
  }
});

test("the whole hash is found by the browser's search, and copied", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    const { tip } = await post(url, "dev/mine", { blocks: 2 });
    const page = await open(chromium, url);
    await isLive(page);
    await page.locator(`[data-hash="${tip.hash}"]`).waitFor();
    const found = await page.evaluate((hash) => {
      const find = (window as unknown as { find: (text: string) => boolean }).find(hash);
      return [find, getSelection()?.toString()];
    }, tip.hash as string);
    expect(found).toEqual([true, tip.hash]);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});

test("branches that share a block are drawn and listed", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    await post(url, "dev/mine", { blocks: 6 });
    await post(url, "dev/reorg", { depth: 1 });
    await post(url, "dev/reorg", { depth: 4 });
    const page = await open(chromium, url);
    await isLive(page);
    await page.locator('[data-lane="2"]').waitFor();
    const { branches } = await get(url, "branches");
    expect(branches.length).toBe(2);
    expect(await page.locator("#lost ~ .scrolls tbody tr").count()).toBe(2);
    for (const { tip } of branches)
      expect(await page.locator(`[data-hash="${tip.hash}"]`).count()).toBe(1);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});
