/** The worker's side: one follower for all tabs, which come and go, and freeze. */

import type { Client } from "../api/client";
import { Follower } from "./follower";
import { BEAT, type FromPage, type FromWorker } from "./messages";
import type { Update } from "./view";

/** A tab that did not answer for so long is frozen: it is sent nothing, since that would pile up. */
const QUIET = 3 * BEAT;
/** A tab that did not answer for so long is gone: browsers do not say when one crashes. */
const GONE = 10 * 60_000;

export interface Port {
  postMessage(message: FromWorker): void;
  close(): void;
}

interface Tab {
  heard: number;
  wants: ReadonlySet<string>;
}

export class Hub {
  readonly #tabs = new Map<Port, Tab>();
  readonly #follower: Follower;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(client: Client) {
    this.#follower = new Follower(client, (update) => this.#send(update));
  }

  get size(): number {
    return this.#tabs.size;
  }

  receive(port: Port, message: FromPage): void {
    if (message.kind === "bye") return this.#remove(port);
    const tab = this.#tabs.get(port) ?? { heard: 0, wants: new Set<string>() };
    tab.heard = performance.now();
    this.#tabs.set(port, tab);
    if (message.kind === "want") tab.wants = new Set(message.kinds);
    this.#follower.start();
    this.#timer ??= setInterval(() => this.#beat(), BEAT);
    if (message.kind === "check") void this.#check(port, message.number);
  }

  async #check(port: Port, number: number): Promise<void> {
    await this.#follower.check();
    const { view, time } = this.#follower;
    if (this.#tabs.has(port)) port.postMessage({ kind: "all", number, view, time });
  }

  #send(update: Update): void {
    const now = performance.now();
    for (const [port, { heard, wants }] of this.#tabs) {
      if (now - heard > QUIET) continue;
      const told = update.told.filter(
        ({ kind }) => kind === "missed" || kind === "happening" || wants.has(kind),
      );
      port.postMessage({ kind: "update", update: { ...update, told } });
    }
  }

  #beat(): void {
    const now = performance.now();
    for (const [port, { heard }] of this.#tabs) {
      if (now - heard > GONE) this.#remove(port);
      else if (now - heard <= QUIET) port.postMessage({ kind: "beat" });
    }
  }

  #remove(port: Port): void {
    this.#tabs.delete(port);
    port.close();
    if (this.#tabs.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#follower.stop("catching-up");
  }
}
