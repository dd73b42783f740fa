/** A transaction, kept as the node has it: read again whenever something may have changed it. */

import { api, paths, Problem } from "../../api/client";
import { members, stringOf } from "../../api/text";
import { Again } from "../../live/again";
import { live } from "../../live/index.svelte";
import { openHash } from "../../rules/block";
import { isHash } from "../../rules/hash";
import { tryParse } from "../../rules/json";
import { leftBlock, MOST_PLACES, readAnswer, type Place, type Shown } from "./answer";
import type { Inclusion } from "./proof";

/** At most so often is it read, in milliseconds from one answer to the next call. */
const SPACING = 1_000;

/** Why a transaction that was shown is not there any more. */
export type Gone =
  { readonly kind: "replaced"; readonly by: string } | { readonly kind: "dropped" };

export class Followed {
  shown = $state.raw<Shown | null>(null);
  /** The block that it was in while it was looked at, and no longer is. */
  left = $state.raw<Place | null>(null);
  gone = $state.raw<Gone | null>(null);
  /** Whether the node knows nothing by that id. */
  missing = $state.raw(false);
  problem = $state.raw("");
  inclusion = $state.raw<Inclusion | null>(null);

  readonly #again = new Again((signal) => this.#read(signal), SPACING);

  constructor(
    private readonly id: string,
    private readonly signed: boolean,
  ) {}

  /** Begins to follow it. Returns what ends that. */
  start(): () => void {
    // A node refuses any other text.
    if (!isHash(this.id)) {
      this.missing = true;
      return () => undefined;
    }
    const ask = (): void => this.#again.ask();
    const ends = [
      live.subscribe("reorg", ask),
      live.subscribe("missed", ask),
      live.subscribe("tip", ({ transactions, miner }) => {
        if (this.#canMove(transactions, miner ?? null)) ask();
      }),
      live.subscribe("transaction", ({ id, change, by, text }) => {
        if (!this.#isIt(id ?? null, text)) {
          // Its place in line depends on the others.
          if (this.#waits) ask();
          return;
        }
        if (change === "replaced" && by != null) this.gone = { kind: "replaced", by };
        else if (change === "replaced" || change === "dropped") this.gone = { kind: "dropped" };
        else ask();
      }),
    ];
    ask();
    return () => {
      this.#again.stop();
      for (const end of ends) end();
    };
  }

  get #waits(): boolean {
    return this.shown !== null && this.shown.places.length === 0 && this.gone === null;
  }

  /** Whether a new block can have changed where it is. The event does not say what is in the block. */
  #canMove(transactions: number, miner: string | null): boolean {
    const { shown } = this;
    if (this.#waits) return true;
    const has = transactions > 1 || miner === null;
    if (shown === null || this.gone !== null) return has;
    // What is in a block of a sealed chain moves by a reorg alone; an open chain takes equals of it,
    // as all coins of one miner may be.
    const takes = has || (shown.entry.isCoin && shown.entry.recipient === miner);
    return !this.signed && takes && shown.places.length < MOST_PLACES;
  }

  #isIt(id: string | null, event: string): boolean {
    if (id !== null) return id === this.id;
    // Where payments are not signed, events name no id.
    const text = members(event).get("transaction") ?? "";
    if (this.shown !== null) return text === this.shown.text;
    const value = tryParse(text);
    return value !== undefined && openHash(value) === this.id;
  }

  /** Reads it. Whether there is more to read: an answer can be of a moment between two chains. */
  async #read(signal: AbortSignal): Promise<boolean> {
    let now: Shown;
    try {
      now = readAnswer(await api.text(paths.transaction(this.id), { signal }));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Problem && (error.status === 404 || error.status === 400)) {
        this.missing = this.shown === null;
        this.problem = "";
        this.inclusion = null;
        if (this.shown !== null) this.gone ??= { kind: "dropped" };
        return false;
      }
      this.problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
    this.left = leftBlock(this.shown, now) ?? this.left;
    this.shown = now;
    this.gone = null;
    this.missing = false;
    this.problem = "";
    const [place] = now.places;
    if (place === undefined || !this.signed) {
      this.inclusion = null;
      return false;
    }
    if (this.inclusion?.block === place.hash) return false;
    const [proof, headers] = await Promise.all([
      api.text(paths.proof(this.id), { signal }),
      api.text(paths.headers({ from: place.block, limit: 1 }), { signal }),
    ]);
    this.inclusion = { block: place.hash, proof, headers };
    return stringOf(members(proof).get("hash")) !== place.hash;
  }
}
