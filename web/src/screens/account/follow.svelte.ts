/** An account and a page of its history, read again when something happened that concerns them. */

import { api, paths, Problem } from "../../api/client";
import { members } from "../../api/text";
import { Again } from "../../live/again";
import { live } from "../../live/index.svelte";
import { readAccount, type Shown } from "./answer";
import { readPage, ROWS, tipConcerns, transactionConcerns, type Page } from "./history";

/** At most so often it is read, in milliseconds from one answer to the next call. */
const SPACING = 1_000;

export class Followed {
  shown = $state.raw<Shown | null>(null);
  page = $state.raw<Page | null>(null);
  /** The node's words, where the text names no account. */
  refused = $state.raw<string | null>(null);
  problem = $state.raw("");
  /** The last block that counts, where that has been behind the chain for two answers. */
  behind = $state.raw<number | null>(null);

  readonly #again = new Again((signal) => this.#read(signal), SPACING);
  #wasBehind = false;
  #before: string | null = null;

  constructor(private readonly party: string) {}

  /** Begins to follow it. Returns what ends that. */
  start(): () => void {
    const ask = (): void => this.#again.ask();
    const party = (): string => this.shown?.party ?? this.party;
    const ends = [
      live.subscribe("reorg", ask),
      live.subscribe("missed", ask),
      live.subscribe("tip", (tip) => {
        const waits =
          this.shown !== null && this.shown.outgoing.length + this.shown.incoming.length > 0;
        if (tipConcerns(tip, party(), waits)) ask();
      }),
      live.subscribe("transaction", ({ text }) => {
        if (transactionConcerns(text, party())) ask();
      }),
    ];
    ask();
    return () => {
      this.#again.stop();
      for (const end of ends) end();
    };
  }

  /** Shows the page of the history that begins before `before`. */
  turn(before: string | null): void {
    if (this.#before === before) return;
    this.#before = before;
    // Not after the spacing: somebody waits for it.
    this.#again.stop();
    this.#again.ask();
  }

  /** Whether there is more to read: on open chains a block counts a moment after it came. */
  async #read(signal: AbortSignal): Promise<boolean> {
    const before = this.#before;
    try {
      const [account, history] = await Promise.all([
        api.text(paths.account(this.party), { signal }),
        api.text(paths.accountTransactions(this.party, { limit: ROWS, before }), { signal }),
      ]);
      this.shown = readAccount(members(account));
      this.page = readPage(history, this.shown.party);
      this.refused = null;
      this.problem = "";
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Problem && error.status >= 400 && error.status < 500) {
        this.refused = error.message;
        this.shown = null;
        return false;
      }
      this.problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
    const { indexed } = this.shown;
    const tip = live.blocks.at(-1)?.index ?? live.status?.index ?? 0;
    const isBehind = indexed !== null && indexed < tip;
    this.behind = isBehind && this.#wasBehind ? indexed : null;
    this.#wasBehind = isBehind;
    return isBehind;
  }
}
