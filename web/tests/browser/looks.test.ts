import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { browser, closeAll, complaints, isLive, open } from "./browser";
import { dev, get, Node, post } from "./node";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let chromium: Browser;
beforeAll(async () => {
  chromium = await browser();
});
afterAll(() => chromium.close());
afterEach(() => {
  expect(complaints.splice(0)).toEqual([]);
});

/** What axe-core finds wrong with a page. */
async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    const { violations: found } = await (window as any).axe.run();
    return found.map(
      (each: { id: string; nodes: { html: string }[] }) =>
        `${each.id}: ${each.nodes.map((node) => node.html).join(" ")}`,
    );
  });
}

const isLong = process.env["BLOCKSMITH_LOOKS"] === "all";

test("axe finds nothing on any screen", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    await post(url, "dev/mine", { blocks: 3 });
    await post(url, "dev/reorg", { depth: 1 });
    const recipient = network.accounts[1]?.address;
    const { id: mined } = await post(url, "faucet", { recipient });
    await post(url, "dev/mine", { blocks: 1 });
    const { id: waiting } = await post(url, "faucet", { recipient });
    const paths = [
      "block/2",
      "block/nothing",
      `tx/${mined}`,
      `tx/${waiting}`,
      `account/${recipient}`,
    ];
    const screens = ["", ...paths].map((path) => `/${path}`);
    const variants = (["light", "dark"] as const).flatMap((colorScheme) =>
      ["en-GB", "es-ES"].flatMap((locale) =>
        [360, 1440].map((width) => ({ colorScheme, locale, viewport: { width, height: 900 } })),
      ),
    );
    for (const [at, screen] of screens.entries()) {
      // The short form takes one variant of each screen, another one for each.
      const some = isLong ? variants : variants.filter((_, each) => each % screens.length === at);
      for (const variant of some.slice(0, isLong ? variants.length : 2)) {
        const page = await open(chromium, url + screen, variant, /status of 40[04]/);
        await isLive(page);
        await page.waitForTimeout(300);
        expect(await violations(page), `${screen} ${JSON.stringify(variant)}`).toEqual([]);
        await page.context().close();
      }
    }
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
}, 300_000);

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "\u202egnirts",
  "n".repeat(300),
  "\u05d0\u05d1\u05d2 \u05d3",
  "a\u200b\u200b\u200bb",
  "\ud800",
  "..",
];

test("hostile names change nothing but their own text, and nothing scrolls sideways", async () => {
  const node = await new Node(["--chain", "lecture", "--zeros", "1"]).start();
  try {
    for (const name of HOSTILE) {
      await fetch(`${node.url}/transactions/new`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sender: name, recipient: name, amount: 1 }),
      });
    }
    await fetch(`${node.url}/mine`);
    for (const name of HOSTILE) {
      await fetch(`${node.url}/transactions/new`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sender: name, recipient: "bob", amount: 1e30 }),
      });
    }
    const { index } = await get(node.url, "status");
    for (const path of ["/", `/block/${index}`]) {
      const page = await open(chromium, node.url + path, { viewport: { width: 320, height: 800 } });
      await isLive(page);
      await page.locator("bdi", { hasText: "<img" }).first().waitFor();
      // Twice the size of text, as a visitor may set it.
      for (const size of ["100%", "200%"]) {
        await page.evaluate((of) => (document.documentElement.style.fontSize = of), size);
        const [width, inner] = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          innerWidth,
        ]);
        expect(width, `${path} at ${size}`).toBe(inner);
      }
      expect(await page.locator("img").count()).toBe(0);
      await page.context().close();
    }
  } finally {
    await closeAll(chromium);
    await node.remove();
  }
});

test("the first load is small, and its policy allows nothing inline", async () => {
  const network = await dev("--nodes", "1");
  const [url = ""] = network.urls;
  try {
    const sizes: [string, number][] = [];
    const context = await chromium.newContext();
    const page = await context.newPage();
    page.on("response", async (response) => {
      const { responseBodySize } = await response.request().sizes();
      const { pathname } = new URL(response.url());
      if (!pathname.startsWith("/api/")) sizes.push([pathname, responseBodySize]);
    });
    const document = await page.goto(url);
    await isLive(page);
    await page.waitForTimeout(300);
    const policy = document?.headers()["content-security-policy"] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:/);
    const sum = sizes.reduce((all, [, size]) => all + size, 0);
    console.log(
      `the first load is ${sum} bytes: ${sizes.map((each) => each.join(" ")).join(", ")}`,
    );
    expect(sizes.length).toBeGreaterThan(2);
    expect(sum).toBeLessThan(60_000);
  } finally {
    await closeAll(chromium);
    await network.stop();
  }
});
