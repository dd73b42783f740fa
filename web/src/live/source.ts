/** Where a page gets its updates from: the worker of all tabs, or a follower of its own (`own.ts`). */

import { BEAT, type FromPage, type FromWorker } from "./messages";
import type { Told } from "./types";
import type { Update, View } from "./view";

export interface Receiver {
  /** All that is known, once nothing is missing or it is known that something is. */
  readonly all: (view: View, time: number | null, number: number) => void;
  readonly update: (update: Update) => void;
}

export interface Source {
  /** Asks for all, after making sure that nothing was missed; the answer has the same number. */
  check(number: number): void;
  want(kinds: readonly (keyof Told)[]): void;
  /** The page is hidden or shown. */
  shown(isShown: boolean): void;
  close(): void;
}

/** A worker that does not answer a check within so many milliseconds is dead: it waits 3.5 s for the node. */
const DEAD = 7_000;
/** One that says nothing for so long, although it has to tell that it is there, is checked. */
const SILENCE = 3 * BEAT;

/** The part of `SharedWorker` that is used here. */
export interface Worker {
  readonly port: Pick<MessagePort, "onmessage"> & {
    postMessage(message: FromPage): void;
    close(): void;
  };
  onerror: ((event: ErrorEvent) => unknown) | null;
}

/** Gets updates from the worker; calls `dead` if it can't be loaded, or does not answer. */
export function workerSource(worker: Worker, receiver: Receiver, dead: () => void): Source {
  const { port } = worker;
  let answer: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let isOpen = true;
  let asked = 0;

  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(answer);
    clearTimeout(silence);
    port.onmessage = null;
    worker.onerror = null;
    port.postMessage({ kind: "bye" });
    port.close();
  };
  const fail = () => {
    if (!isOpen) return;
    close();
    dead();
  };
  const check = (number: number) => {
    asked = number;
    port.postMessage({ kind: "check", number });
    clearTimeout(answer);
    answer = setTimeout(fail, DEAD);
  };

  worker.onerror = fail;
  port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    clearTimeout(silence);
    silence = setTimeout(() => check(asked), SILENCE);
    if (data.kind === "beat") port.postMessage({ kind: "here" });
    if (data.kind === "update") receiver.update(data.update);
    if (data.kind === "all") {
      if (data.number === asked) clearTimeout(answer);
      receiver.all(data.view, data.time, data.number);
    }
  };
  return {
    check,
    want: (kinds) => port.postMessage({ kind: "want", kinds }),
    // The worker keeps its connection as long as there is a tab.
    shown: () => undefined,
    close,
  };
}
