/**
 * The one store of what happens on the node. Everything that a screen shows of the chain's end, of what
 * waits and of the connection is read from `live`, which is reactive.
 */

import { api } from "../api/client";
import { inFrames } from "./frames";
import { older } from "./older";
import { workerSource, type Receiver, type Source } from "./source";
import { readingOf } from "./summary";
import type { BlockSummary, LiveState, Told } from "./types";
import { EMPTY, type ToldEvent, type Update, type View } from "./view";
import { Wake } from "./wake";

export type * from "./types";

/** More events at once than this are told as missed. */
const MOST_TOLD = 1_000;

/** When the page's own follower is loaded again, if it could not be. */
const RETRY = 2_000;

class Live {
  #view = $state.raw<View>(EMPTY);
  #now = $state.raw(0);
  /** Whether the page was away, and does not know yet what it missed. */
  #isUnsure = $state.raw(false);

  #source: Source | null = null;
  #isStarted = false;
  #isOpening = false;
  #hasWorker = typeof SharedWorker === "function";
  /** The node's time less the page's monotonic clock, in seconds. */
  #clock: number | null = null;
  #checks = 0;
  #answered = 0;
  #changed: Partial<View> = {};
  #told: ToldEvent[] = [];
  readonly #subscribers = new Map<keyof Told, Set<(data: never) => void>>();

  readonly #apply = inFrames(() => this.#applyAll());
  readonly #wake = new Wake(
    () => this.#tick(),
    () => this.#returned(),
  );

  get state(): LiveState {
    return this.#isUnsure && this.#view.state === "live" ? "catching-up" : this.#view.state;
  }
  /** When that state began, by the node's clock; 0 while the node's time is unknown. */
  get since(): number {
    return this.#view.since;
  }
  get status() {
    return this.#view.status;
  }
  /** The node's time, in seconds; it moves once a second while the page is visible. 0 while it is unknown. */
  get now(): number {
    return this.#now;
  }
  /** The newest 60 blocks of the best chain, the oldest first. */
  get blocks() {
    return this.#view.blocks;
  }
  /** At most 50 branches that lost, the one that ends highest first. */
  get lost() {
    return this.#view.lost;
  }
  get waiting() {
    return this.#view.waiting;
  }
  get last() {
    return this.#view.last;
  }

  /** The newest `count` blocks, 200 at most, with an index below `before`, the oldest first. */
  async older(
    before: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<readonly BlockSummary[]> {
    const status = this.#view.status ?? (await api.status({ signal }));
    return older(api, readingOf(status), before, count, signal);
  }

  /** Calls `fn` with each event of a kind. Returns what ends that. */
  subscribe<Kind extends keyof Told>(kind: Kind, fn: (data: Told[Kind]) => void): () => void {
    const all = this.#subscribers.get(kind) ?? new Set();
    all.add(fn);
    this.#subscribers.set(kind, all);
    this.#want();
    return () => {
      all.delete(fn);
      if (all.size > 0 || this.#subscribers.get(kind) !== all) return;
      this.#subscribers.delete(kind);
      this.#want();
    };
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    document.addEventListener("visibilitychange", this.#visibility);
    addEventListener("pageshow", this.#shown);
    addEventListener("pagehide", this.#hidden);
    addEventListener("online", this.#returned);
    this.#open();
  }

  /** Ends it, for this tab. What is known stays on the page. */
  stop(): void {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    document.removeEventListener("visibilitychange", this.#visibility);
    removeEventListener("pageshow", this.#shown);
    removeEventListener("pagehide", this.#hidden);
    removeEventListener("online", this.#returned);
    this.#close();
    this.#view = { ...this.#view, state: "stopped", since: this.#time() };
  }

  #open(): void {
    if (this.#source) return;
    const receiver: Receiver = {
      all: (view, time, number) => {
        this.#answered = Math.max(this.#answered, number);
        // A follower that has just begun knows nothing yet: what the page knows stays until it does.
        const isBegun = view.status === null && this.#view.status !== null;
        this.#take(isBegun ? { state: "catching-up", since: this.#time() } : view, time);
      },
      update: (update: Update) => {
        const told = [...this.#told, ...update.told];
        this.#told = told.length > MOST_TOLD ? [{ kind: "missed", data: null }] : told;
        this.#take(update.changed, update.time);
      },
    };
    const source = this.#workerSource(receiver);
    if (source) this.#use(source);
    else void this.#openOwn(receiver);
  }

  #use(source: Source): void {
    this.#source = source;
    this.#want();
    this.#visibility();
    this.#check();
  }

  /** Most browsers have shared workers, and don't load what this needs. */
  async #openOwn(receiver: Receiver): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    try {
      const { ownSource } = await import("./own");
      if (this.#isStarted && !this.#source) this.#use(ownSource(api, receiver));
    } catch {
      // The node is down just now.
      setTimeout(() => this.#isStarted && this.#open(), RETRY);
    } finally {
      this.#isOpening = false;
    }
  }

  #workerSource(receiver: Receiver): Source | null {
    if (!this.#hasWorker) return null;
    try {
      const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), {
        type: "module",
        name: "blocksmith",
      });
      return workerSource(worker, receiver, () => {
        this.#hasWorker = false;
        this.#source = null;
        if (this.#isStarted) this.#open();
      });
    } catch {
      return null;
    }
  }

  #close(): void {
    this.#wake.stop();
    this.#source?.close();
    this.#source = null;
    this.#changed = {};
    this.#told = [];
  }

  #want(): void {
    this.#source?.want([...this.#subscribers.keys()]);
  }

  #check(): void {
    this.#isUnsure = true;
    this.#source?.check(++this.#checks);
  }

  readonly #visibility = (): void => {
    const isShown = document.visibilityState === "visible";
    this.#source?.shown(isShown);
    if (!isShown) return this.#wake.stop();
    this.#tick();
    this.#wake.start();
    this.#returned();
  };

  /** The page was away, or may have been. */
  readonly #returned = (): void => {
    if (this.#source) this.#check();
  };

  readonly #shown = (): void => {
    if (this.#source) this.#returned();
    else this.#open();
  };

  /** A page that is kept for the back button must not keep its connection. */
  readonly #hidden = (): void => this.#close();

  #take(changed: Partial<View>, time: number | null): void {
    this.#changed = { ...this.#changed, ...changed };
    this.#wake.look();
    if (time !== null) this.#clock = time - performance.now() / 1000;
    this.#apply();
  }

  #time(): number {
    return this.#clock === null ? 0 : this.#clock + performance.now() / 1000;
  }

  #tick(): void {
    this.#now = this.#time();
  }

  #applyAll(): void {
    const changed = this.#changed;
    const told = this.#told;
    this.#changed = {};
    this.#told = [];
    if (!this.#isStarted) return;
    const blocks = changed.blocks && sameBlocks(this.#view.blocks, changed.blocks);
    this.#view = { ...this.#view, ...changed, ...(blocks && { blocks }) };
    if (this.#answered === this.#checks) this.#isUnsure = false;
    this.#tick();
    for (const { kind, data } of told) {
      for (const fn of [...(this.#subscribers.get(kind) ?? [])]) {
        try {
          fn(data as never);
        } catch (error) {
          // One screen's mistake must not keep the others from what happens.
          reportError(error);
        }
      }
    }
  }
}

/** The blocks, but those that did not change as the very objects that they were: they came from a worker. */
function sameBlocks(
  before: readonly BlockSummary[],
  now: readonly BlockSummary[],
): readonly BlockSummary[] {
  const known = new Map(before.map((block) => [block.hash, block]));
  return now.map((block) => {
    const old = known.get(block.hash);
    return old && isSame(old, block) ? old : block;
  });
}

function isSame(one: BlockSummary, two: BlockSummary): boolean {
  const names = Object.keys(two) as (keyof BlockSummary)[];
  return names.every((name) => one[name] === two[name]);
}

export const live = new Live();
