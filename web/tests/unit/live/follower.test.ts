import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NoAnswer, type Client, type Status } from "../../../src/api/client";
import type { NodeEvent } from "../../../src/live/chain";
import { Follower } from "../../../src/live/follower";
import { Hub } from "../../../src/live/hub";
import type { FromWorker } from "../../../src/live/messages";
import { workerSource, type Worker } from "../../../src/live/source";
import type { LiveState } from "../../../src/live/types";
import type { Update } from "../../../src/live/view";
import { Model } from "./model";
import { random } from "./random";

const LATENCY = 30;

/** A node with the tree of a model, whose connection can be silent, cut, or lose an event. */
class FakeNode {
  model = new Model(random(1), "a");
  node = "node";
  isUp = true;
  connections = 0;
  waits: string[] = [];
  /** By how many seconds its clock is ahead of the page's. */
  ahead = 7_200;
  calls: string[] = [];
  #stream: ReadableStreamDefaultController<Uint8Array> | null = null;

  readonly client = {
    status: () => this.#answer("status", this.#status()),
    headers: ({ from = 1, limit = 100 }) => {
      const links = this.model.chain.slice(from - 1, from - 1 + limit);
      const headers = links.map(({ index, hash, previousHash }) => ({
        ...{ index, hash, previous_hash: previousHash },
      }));
      return this.#answer("headers", { headers, next: null });
    },
    branches: () => this.#answer("branches", this.model.branches()),
    blockText: (hash: string) => {
      const found = this.model.all.find((node) => node.hash === hash);
      return this.#answer("block", found ? this.#entry(found) : "{}");
    },
    text: (path: string) => {
      const name = path.split("?")[0] ?? "";
      if (name === "transactions") {
        const list = this.waits.map((id) => `{"amount": 1.0, "memo": "${id}"}`);
        const waits = this.waits.map(() => ({}));
        return this.#answer(
          name,
          `{"queued": ${list.length}, "transactions": [${list.join(", ")}], "ids": ${JSON.stringify(this.waits)}, "waits": ${JSON.stringify(waits)}}`,
        );
      }
      const asked = new URLSearchParams(path.split("?")[1]);
      const from = Number(asked.get("from"));
      const nodes = this.model.chain.slice(from - 1, from - 1 + Number(asked.get("limit")));
      const entries = nodes.map((node) => this.#entry(node));
      return this.#answer(name, `{"blocks": [${entries.join(", ")}]}`);
    },
    events: (_since: string, signal: AbortSignal) => {
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller;
          signal.addEventListener("abort", () => this.cut());
        },
      });
      this.connections++;
      this.heartbeat();
      return this.#answer("events", stream);
    },
  } as unknown as Client;

  #entry({ index, hash, previousHash }: Model["tip"]): string {
    const block = JSON.stringify({
      index,
      previous_hash: previousHash,
      proof: index,
      timestamp: index,
    });
    return `{"index": ${index}, "hash": "${hash}", "block": ${block}}`;
  }

  async #answer<T>(name: string, answer: T): Promise<T> {
    this.calls.push(name);
    // The answer is as old as the call.
    await new Promise((resolve) => setTimeout(resolve, LATENCY));
    if (!this.isUp) throw new NoAnswer("down");
    return answer;
  }

  #status(): Status {
    const { index, hash } = this.model.tip;
    const { id, name } = this.model;
    const time = Date.now() / 1000 + this.ahead;
    return {
      chain_id: name,
      node: this.node,
      index,
      tip: hash,
      time,
      events: id,
      rules: {},
      queued: 0,
    } as unknown as Status;
  }

  #write(text: string): void {
    this.#stream?.enqueue(new TextEncoder().encode(text));
  }

  heartbeat(): void {
    this.#write(`id: ${this.model.id}\n: \n\n`);
  }

  /** Tells an event that the model has just made. */
  tell(event: NodeEvent): void {
    const data = "data" in event ? event.data : {};
    this.#write(`id: ${this.model.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  cut(): void {
    try {
      this.#stream?.close();
    } catch {
      // It is closed.
    }
    this.#stream = null;
  }
}

function follow(node: FakeNode) {
  const updates: Update[] = [];
  const states: LiveState[] = [];
  const follower = new Follower(node.client, (update) => {
    updates.push(update);
    if (update.changed.state) states.push(update.changed.state);
  });
  const happened = () =>
    updates.flatMap(({ told }) =>
      told.flatMap((event) => (event.kind === "happening" ? [event.data] : [])),
    );
  return { follower, updates, states, happened };
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000);

const hashes = (follower: Follower) => follower.view.blocks.map((block) => block.hash);
const best = (node: FakeNode) => node.model.chain.slice(-60).map((block) => block.hash);

beforeEach(() => void vi.useFakeTimers({ now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

describe("the follower", () => {
  test("is live once it knows all, and shows blocks as they come, with what they say", async () => {
    const node = new FakeNode();
    for (let count = 0; count < 80; count++) node.model.mine();
    const { follower, states, happened } = follow(node);
    expect(follower.view.state).toBe("loading");
    follower.start();
    await seconds(1);
    expect(states).toEqual(["live"]);
    expect(hashes(follower)).toEqual(best(node));
    expect(happened()).toEqual([]);
    node.tell(node.model.mine());
    await seconds(0.05);
    expect(hashes(follower)).toEqual(best(node));
    expect(follower.view.blocks.at(-1)).toMatchObject({ fresh: true });
    await seconds(1);
    expect(follower.view.blocks.at(-1)).toMatchObject({ proof: "82", payments: 0, fresh: true });
    expect(follower.view.blocks[0]).toMatchObject({ proof: "23", fresh: false });
    expect(happened().map(({ kind }) => kind)).toEqual(["tip"]);
    follower.stop();
  });

  test("has the node's time, whatever the clock of the page says", async () => {
    const node = new FakeNode();
    const { follower } = follow(node);
    follower.start();
    await seconds(10);
    expect(follower.time).toBeCloseTo(Date.now() / 1000 + node.ahead, 1);
    expect(follower.view.since).toBeCloseTo(
      Date.now() / 1000 + node.ahead - 10 + 4 * (LATENCY / 1000),
      1,
    );
    follower.stop();
  });

  test("stays live on heartbeats, and not without", async () => {
    const node = new FakeNode();
    const { follower, states } = follow(node);
    follower.start();
    for (let count = 0; count < 8; count++) {
      await seconds(15);
      node.heartbeat();
    }
    expect(states).toEqual(["live"]);
    expect(node.connections).toBe(1);
    // The socket stays open, and is silent.
    node.isUp = false;
    await seconds(19);
    expect(follower.view.state).toBe("live");
    await seconds(2.1);
    expect(follower.view.state).toBe("reconnecting");
    node.tell(node.model.mine());
    node.isUp = true;
    await seconds(6);
    expect(follower.view.state).toBe("live");
    expect(hashes(follower)).toEqual(best(node));
    follower.stop();
  });

  test("waits longer after each failure, but never more than 5 s", async () => {
    const node = new FakeNode();
    node.isUp = false;
    const { follower } = follow(node);
    follower.start();
    await seconds(60);
    const tries = node.calls.filter((name) => name === "status").length;
    expect(tries).toBeGreaterThan(12);
    expect(tries).toBeLessThan(35);
    expect(follower.view.state).toBe("reconnecting");
    node.isUp = true;
    await seconds(5.1);
    expect(follower.view.state).toBe("live");
    follower.stop();
  });

  test("tries at once when somebody comes back to the page", async () => {
    const node = new FakeNode();
    node.isUp = false;
    const { follower } = follow(node);
    follower.start();
    await seconds(60);
    node.isUp = true;
    void follower.check();
    await seconds(0.2);
    expect(follower.view.state).toBe("live");
    follower.stop();
  });

  test("reads again after one lost event, and is not live before", async () => {
    const node = new FakeNode();
    const { follower, states, updates } = follow(node);
    follower.start();
    await seconds(1);
    node.model.mine();
    const missed = () =>
      updates.flatMap(({ told }) => told).filter(({ kind }) => kind === "missed");
    const before = missed().length;
    node.tell(node.model.mine());
    await seconds(0.5);
    expect(hashes(follower)).toEqual(best(node));
    expect(states).toContain("catching-up");
    expect(follower.view.state).toBe("live");
    expect(missed().length).toBe(before + 1);
    follower.stop();
  });

  test("notices a lost event by the heartbeat after it", async () => {
    const node = new FakeNode();
    const { follower } = follow(node);
    follower.start();
    await seconds(1);
    node.model.mine();
    node.heartbeat();
    await seconds(0.5);
    expect(hashes(follower)).toEqual(best(node));
    follower.stop();
  });

  test("notices a lost event at a check", async () => {
    const node = new FakeNode();
    const { follower } = follow(node);
    follower.start();
    await seconds(1);
    node.model.mine();
    void follower.check();
    await seconds(1);
    expect(hashes(follower)).toEqual(best(node));
    follower.stop();
  });

  test("is not live after a sleep, before it knows what happened", async () => {
    const node = new FakeNode();
    for (let count = 0; count < 20; count++) node.model.mine();
    const { follower, states, happened } = follow(node);
    follower.start();
    await seconds(1);
    const before = node.model.chain;
    const fork = before[15];
    if (!fork) throw new Error("no fork");
    // No timer runs for ten minutes; 300 events wait in the socket, a reorg the first of them.
    vi.setSystemTime(Date.now() + 600_000);
    let end = fork;
    while (end.index <= node.model.tip.index) end = node.model.child(end);
    node.tell(node.model.reorg(end));
    for (let count = 0; count < 300; count++) node.tell(node.model.mine());
    const seen: [LiveState, string | undefined][] = [];
    for (let count = 0; count < 100; count++) {
      await seconds(0.01);
      seen.push([follower.view.state, hashes(follower).at(-1)]);
    }
    const tip = node.model.tip.hash;
    expect(seen.filter(([state, hash]) => state === "live" && hash !== tip)).toEqual([]);
    expect(states).toEqual(["live", "catching-up", "live"]);
    expect(hashes(follower)).toEqual(best(node));
    expect(happened().at(-1)).toMatchObject({
      kind: "caught-up",
      replaced: before.length - 16,
      blocks: node.model.tip.index - 16,
    });
    const { silent } = happened().at(-1) as unknown as { silent: number };
    expect(silent).toBeGreaterThan(599);
    expect(silent).toBeLessThan(603);
    follower.stop();
  });

  test("drops all of another chain, what waits included", async () => {
    const node = new FakeNode();
    node.waits = ["old"];
    for (let count = 0; count < 20; count++) node.model.something();
    const { follower, updates, happened } = follow(node);
    follower.start();
    await seconds(3);
    expect(follower.view.waiting).toMatchObject({ count: 1, stale: false });
    expect(follower.view.waiting.transactions[0]?.text).toBe('{"amount": 1.0, "memo": "old"}');
    const restarts: (() => void)[] = [
      () => (node.model = new Model(random(2), "b")),
      () => ((node.node = "another"), (node.model.instance = "b2"), (node.model.sequence = 0)),
    ];
    for (const restart of restarts) {
      restart();
      node.cut();
      const waits = node.waits;
      node.waits = [];
      await seconds(3);
      expect(follower.view.state).toBe("live");
      expect(happened().at(-1)).toMatchObject({ kind: "other-chain" });
      // Not only when what waits here has been read.
      const dropped = updates.find(({ told }) =>
        told.some((event) => event.kind === "happening" && event.data === happened().at(-1)),
      );
      expect(dropped?.changed.waiting).toMatchObject({ count: 0, transactions: [] });
      expect(hashes(follower)).toEqual(best(node));
      expect(follower.view.waiting).toMatchObject({ count: 0, transactions: [] });
      expect(follower.view.status?.chain_id).toBe(node.model.name);
      node.waits = waits;
      node.tell((node.model.sequence++, { kind: "transaction" } as unknown as NodeEvent));
      await seconds(3);
      expect(follower.view.waiting.count).toBe(1);
    }
    follower.stop();
  });

  test("reads again when the node says that something is gone", async () => {
    const node = new FakeNode();
    const { follower } = follow(node);
    follower.start();
    await seconds(1);
    // As if it had the next number: not the number, but the kind says that something is gone.
    node.model.mine();
    node.tell({ kind: "reset" } as unknown as NodeEvent);
    await seconds(1);
    expect(hashes(follower)).toEqual(best(node));
    expect(follower.view.state).toBe("live");
    follower.stop();
  });

  test(
    "has random trees as the node has them, branches that nobody told included",
    { timeout: 60_000 },
    async () => {
      for (let seed = 1; seed <= 200; seed++) {
        const node = new FakeNode();
        node.model = new Model(random(seed), `t${seed}`);
        const { follower } = follow(node);
        follower.start();
        for (let count = 0; count < 60; count++) {
          const event = node.model.something();
          if (event) node.tell(event);
          await seconds(0.1);
        }
        for (let count = 0; count < 6; count++) {
          await seconds(10);
          node.heartbeat();
        }
        expect(hashes(follower), `seed ${seed}`).toEqual(best(node));
        // Of branches below the newest blocks the page does not read the blocks.
        const first = follower.view.blocks[0]?.index ?? 0;
        const isDrawn = (fork: { index: number } | null | undefined) =>
          (fork?.index ?? 0) + 1 >= first;
        const found = follower.view.lost.map(({ fork, length, blocks }) =>
          [blocks.at(-1)?.hash, fork?.hash, length, isDrawn(fork) && blocks.length].join(),
        );
        const expected = node.model
          .branches()
          .branches.map(({ fork, length, tip }) =>
            [tip.hash, fork?.hash, length, isDrawn(fork) && Math.min(length, 20)].join(),
          );
        expect(found.sort(), `seed ${seed}`).toEqual(expected.sort());
        follower.stop();
      }
    },
  );

  test("asks little while nothing happens", async () => {
    const node = new FakeNode();
    const { follower } = follow(node);
    follower.start();
    await seconds(5);
    node.calls = [];
    for (let count = 0; count < 60; count++) {
      await seconds(10);
      node.heartbeat();
    }
    expect(new Set(node.calls)).toEqual(new Set(["branches"]));
    expect(node.calls.length).toBeLessThanOrEqual(40);
    follower.stop();
  });
});

describe("tabs that share a worker", () => {
  function tab(hub: Hub) {
    const sent: FromWorker[] = [];
    let isFrozen = false;
    const port = {
      postMessage: (message: FromWorker) => {
        sent.push(message);
        if (!isFrozen && message.kind === "beat") hub.receive(port, { kind: "here" });
      },
      close: () => undefined,
    };
    return { port, sent, freeze: (frozen: boolean) => (isFrozen = frozen) };
  }

  test("have one connection, and the last one ends it", async () => {
    const node = new FakeNode();
    const hub = new Hub(node.client);
    const [one, two] = [tab(hub), tab(hub)];
    hub.receive(one.port, { kind: "check", number: 1 });
    hub.receive(two.port, { kind: "check", number: 1 });
    await seconds(1);
    expect(node.connections).toBe(1);
    node.tell(node.model.mine());
    await seconds(1);
    for (const { sent } of [one, two]) {
      expect(sent.some(({ kind }) => kind === "all")).toBe(true);
      const blocks = sent.flatMap((message) =>
        message.kind === "update" && message.update.changed.blocks
          ? [message.update.changed.blocks]
          : [],
      );
      expect(blocks.at(-1)?.map(({ hash }) => hash)).toEqual(best(node));
    }
    hub.receive(one.port, { kind: "bye" });
    node.tell(node.model.mine());
    await seconds(1);
    hub.receive(two.port, { kind: "bye" });
    const { calls } = node;
    calls.length = 0;
    await seconds(60);
    expect(calls).toEqual([]);
    expect(hub.size).toBe(0);
  });

  test("are sent the events that they want, and no others", async () => {
    const node = new FakeNode();
    const hub = new Hub(node.client);
    const [one, two] = [tab(hub), tab(hub)];
    hub.receive(one.port, { kind: "want", kinds: ["tip"] });
    hub.receive(two.port, { kind: "check", number: 1 });
    await seconds(1);
    node.tell(node.model.mine());
    await seconds(1);
    const told = ({ sent }: typeof one) =>
      sent
        .flatMap((message) => (message.kind === "update" ? message.update.told : []))
        .map(({ kind }) => kind);
    expect(told(one)).toContain("tip");
    expect(told(two)).not.toContain("tip");
    expect(told(two)).toContain("happening");
    hub.receive(one.port, { kind: "bye" });
    hub.receive(two.port, { kind: "bye" });
  });

  test("are sent nothing while they are frozen, and all when they come back", async () => {
    const node = new FakeNode();
    const hub = new Hub(node.client);
    const one = tab(hub);
    hub.receive(one.port, { kind: "check", number: 1 });
    await seconds(1);
    one.freeze(true);
    for (let count = 0; count < 30; count++) {
      await seconds(1);
      node.tell(node.model.mine());
    }
    const { length } = one.sent;
    for (let count = 0; count < 300; count++) {
      await seconds(1);
      node.tell(node.model.mine());
    }
    expect(one.sent).toHaveLength(length);
    one.freeze(false);
    hub.receive(one.port, { kind: "check", number: 2 });
    await seconds(1);
    const last = one.sent.find((message) => message.kind === "all" && message.number === 2);
    if (last?.kind !== "all") throw new Error("no answer");
    expect(last.view.state).toBe("live");
    expect(last.view.blocks.map(({ hash }) => hash)).toEqual(best(node));
    hub.receive(one.port, { kind: "bye" });
  });

  test("give up a worker that does not answer", async () => {
    const dead = vi.fn();
    const sent: string[] = [];
    const worker: Worker = {
      port: { onmessage: null, postMessage: ({ kind }) => sent.push(kind), close: () => undefined },
      onerror: null,
    };
    const receiver = { all: vi.fn(), update: vi.fn() };
    const source = workerSource(worker, receiver, dead);
    source.check(1);
    const say = (data: FromWorker) =>
      worker.port.onmessage?.call(worker.port as MessagePort, { data } as MessageEvent<FromWorker>);
    await seconds(1);
    say({ kind: "beat" });
    await seconds(1);
    const view = { kind: "all", number: 1, view: {}, time: 1 } as unknown as FromWorker;
    say(view);
    await seconds(14);
    expect(dead).not.toHaveBeenCalled();
    await seconds(1.1);
    expect(sent).toEqual(["check", "here", "check"]);
    await seconds(7);
    expect(dead).toHaveBeenCalledOnce();
    expect(sent.at(-1)).toBe("bye");
  });
});
