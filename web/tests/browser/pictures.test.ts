/** The pictures of the README and of docs/: BLOCKSMITH_PICTURES=docs makes them anew there. */

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browser, closeAll, complaints, isLive, open } from "./browser";
import { dev, get, post } from "./node";

const folder = resolve("..", process.env["BLOCKSMITH_PICTURES"] ?? "target/pictures");

let chromium: Browser;
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  chromium = await browser();
});
afterAll(() => chromium.close());

test("each screen has its picture", async () => {
  const network = await dev("--nodes", "2");
  const [one = "", two = ""] = network.urls;
  try {
    await post(one, "dev/mine", { blocks: 5, to: network.accounts[1]?.address });
    await expect.poll(async () => (await get(two, "status")).index).toBe(6);
    await post(one, "dev/cut", { groups: [[1], [2]] });
    await post(one, "dev/mine", { blocks: 1, to: network.accounts[2]?.address });
    await post(two, "dev/mine", { blocks: 2, to: network.accounts[3]?.address });
    const size = { viewport: { width: 1200, height: 675 } };
    const page = await open(chromium, one, { ...size, colorScheme: "light" });
    await isLive(page);
    await post(one, "dev/heal");
    await page.locator(".note").waitFor({ timeout: 20_000 });
    await post(one, "dev/mine", { blocks: 2 });
    for (const { address } of network.accounts.slice(4, 9))
      await post(one, "faucet", { recipient: address });
    const { tip } = await post(one, "dev/mine", { blocks: 1, to: network.accounts[1]?.address });
    for (const { address } of network.accounts.slice(1, 4))
      await post(one, "faucet", { recipient: address });
    await page.locator(`.newest[data-hash="${tip.hash}"]`).waitFor();
    await page.locator(".groups tbody tr").nth(2).waitFor();
    await page.waitForTimeout(400);
    await page.screenshot({ path: `${folder}/chain.png` });
    const block = await open(chromium, `${one}/block/${tip.hash}`, {
      ...size,
      colorScheme: "dark",
    });
    await block.locator(".card [role=status]").waitFor();
    await block.screenshot({ path: `${folder}/block.png` });
    const [{ sender, recipient }] = (await get(one, `blocks/${tip.index}`)).block.transactions;
    const account = await open(chromium, `${one}/account/${recipient}`, size);
    await account.getByRole("row").nth(1).waitFor();
    await account.screenshot({ path: `${folder}/account.png` });
    const { transactions } = await get(one, `accounts/${sender}/transactions?limit=5`);
    const { id } = transactions.find((each: { block: number }) => each.block === tip.index);
    const transaction = await open(chromium, `${one}/tx/${id}`, { ...size, colorScheme: "dark" });
    await transaction.locator('[data-state="ok"]').first().waitFor();
    await transaction.screenshot({ path: `${folder}/transaction.png` });
    expect(complaints.splice(0)).toEqual([]);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});
