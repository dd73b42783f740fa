import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browser, closeAll, complaints, isLive, median, open } from "./browser";
import { Liar } from "./liar";
import { dev, get, post } from "./node";

let chromium: Browser;
beforeAll(async () => {
  chromium = await browser();
});
afterAll(() => chromium.close());

test("a socket that is open and silent is noticed, and the page catches up", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  const liar = await Liar.before(url);
  try {
    await post(url, "dev/mine", { blocks: 1 });
    const page = await open(chromium, liar.url);
    await isLive(page);
    await page.locator(".newest", { hasText: "2" }).waitFor();
    liar.silence();
    const silent = performance.now();
    const { tip } = await post(url, "dev/mine", { blocks: 3 });
    // Silence is no word of a new block; nothing for 20 s is.
    await page.locator('.live:not([data-state="live"])').waitFor({ timeout: 26_000 });
    const noticed = performance.now() - silent;
    await page.locator(`.newest[data-hash="${tip.hash}"]`).waitFor({ timeout: 5_000 });
    await isLive(page);
    console.log(`the silence is noticed after ${(noticed / 1000).toFixed(1)} s`);
    expect(noticed).toBeGreaterThan(4_000);
    expect(complaints.splice(0)).toEqual([]);
  } finally {
    await closeAll(chromium);
    await liar.stop();
    await network.stop();
  }
});

test("nothing happens, and the page takes less than one hundredth of a core", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    await post(url, "dev/mine", { blocks: 60 });
    const page = await open(chromium, url);
    await isLive(page);
    await expect.poll(async () => (await get(url, "status")).index).toBe(61);
    await page.waitForTimeout(7_000);
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const busy = async (): Promise<number> => {
      const { metrics } = await session.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "TaskDuration")?.value ?? NaN;
    };
    // The middle one of some looks: what else the machine does comes and goes.
    const shares: number[] = [];
    for (let look = 0; look < 5; look += 1) {
      const before = await busy();
      await page.waitForTimeout(2_000);
      shares.push(((await busy()) - before) / 2);
    }
    const share = median(shares);
    console.log(`an idle page takes ${(share * 100).toFixed(2)} % of a core`);
    expect(share).toBeLessThan(0.01);
    expect(complaints.splice(0)).toEqual([]);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});
