import { readdirSync, readFileSync } from "node:fs";
import { chromium, type BrowserServer } from "playwright-core";
import { expect, test } from "vitest";
import { ARGS, closeAll, complaints, EXECUTABLE, isLive, open } from "./browser";
import { get, Node } from "./node";

/** How much longer it sleeps. */
const SLEEP_S = Number(process.env["BLOCKSMITH_SLEEP_S"] ?? 0);

/** All processes of a browser. */
function processes(of: BrowserServer): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const own = new Set([of.process().pid ?? -1]);
  for (let before = 0; before < own.size;) {
    before = own.size;
    for (const [pid, parent] of parents) if (own.has(parent)) own.add(pid);
  }
  return [...own];
}

async function mine(node: Node, blocks: number): Promise<void> {
  for (let block = 0; block < blocks; block += 1) await fetch(`${node.url}/mine`);
}

/** Makes a node follow another one, whose chain is longer. */
async function follow(node: Node, other: Node): Promise<void> {
  await fetch(`${node.url}/nodes/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ nodes: [new URL(other.url).host] }),
  });
  const { tip } = await get(other.url, "status");
  await expect.poll(async () => (await get(node.url, "status")).tip, { timeout: 30_000 }).toBe(tip);
}

test("a browser that slept for 300 blocks and two reorgs is right within two seconds", async () => {
  const rules = ["--chain", "lecture", "--zeros", "1"];
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => new Node(rules).start()));
  if (!one || !two || !three) throw new Error("no nodes");
  const server = await chromium.launchServer({ executablePath: EXECUTABLE, args: ARGS });
  const slept = processes(server);
  const browser = await chromium.connect(server.wsEndpoint());
  try {
    await mine(one, 5);
    await mine(two, 20);
    await mine(three, 310);
    const page = await open(browser, one.url);
    await isLive(page);
    await page.locator(".newest[data-hash]", { hasText: "6" }).waitFor();
    const seen = slept.concat(processes(server));
    for (const pid of seen) signal(pid, "SIGSTOP");
    await follow(one, two);
    await follow(one, three);
    const { tip } = await get(one.url, "status");
    // A node lets go of a client that takes nothing for 20 s.
    await new Promise((over) => setTimeout(over, SLEEP_S * 1000));
    // What the page shows is looked at from within, as soon as it goes on.
    const watch = page.evaluate(
      (last) =>
        new Promise<{ ms: number; lied: number }>((done) => {
          const start = performance.now();
          let lied = 0;
          const look = (): void => {
            const isRight = document.querySelector(`.newest[data-hash="${last}"]`) !== null;
            const says = document.querySelector<HTMLElement>(".live")?.dataset["state"] === "live";
            if (says && !isRight) lied += 1;
            if (isRight && says) done({ ms: performance.now() - start, lied });
            else setTimeout(look, 5);
          };
          setTimeout(look, 100);
        }),
      tip,
    );
    for (const pid of seen) signal(pid, "SIGCONT");
    const { ms, lied } = await watch;
    console.log(`right after ${ms.toFixed(0)} ms; said "live" too early in ${lied} looks`);
    expect(ms).toBeLessThan(2_000);
    expect(lied).toBe(0);
    expect(await page.locator("h1").textContent()).toContain("Block 311");
    // Nothing of the chains that it slept through is there, but as a branch that lost.
    const kept = await page
      .locator("[data-lane='0']")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-hash")));
    const blocks = (await get(one.url, "blocks?from=252&limit=60")).blocks;
    expect(kept).toEqual(blocks.map((each: { hash: string }) => each.hash));
    expect(complaints.splice(0)).toEqual([]);
  } finally {
    await closeAll(browser);
    await server.close();
    await Promise.all([one.remove(), two.remove(), three.remove()]);
  }
}, 120_000);

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}
