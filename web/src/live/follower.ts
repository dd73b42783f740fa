/**
 * Follows a node: reads where it stands, then its events, and reads again whenever something was missed.
 * It runs in a worker that all tabs share, or in the page where there is none.
 *
 * It is never "live" while behind. A connection begins with what the node is now: its status and the hashes
 * of its newest blocks, compared with those that are known. Events then continue exactly where the status
 * stood, are numbered without gaps, and each names the block before; anything else is read anew.
 */

import {
  Problem,
  TooLong,
  paths,
  type Branches,
  type Client,
  type Options,
  type PeerEvent,
  type ReorgEvent,
  type Status,
  type TipEvent,
  type TransactionEvent,
} from "../api/client";
import { elements, members } from "../api/text";
import { Again } from "./again";
import * as chains from "./chain";
import { READ_LIMIT, readBlocks } from "./read";
import { sseParser, type Sent } from "./sse";
import { detailsOf, readingOf, type Details, type Reading } from "./summary";
import type { LiveState, Waiting, WaitingTransaction } from "./types";
import { EMPTY, type ToldEvent, type Update, type View } from "./view";
import { Wake } from "./wake";

/** The node sends something every 15 s; after so many milliseconds without anything it is not live. */
const SILENCE = 20_000;
/** How long a call of catching up may take. */
const PATIENCE = 5_000;
/** The least and the most that is waited before the next try. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5_000;
/** Updates are gathered for so many milliseconds. */
const GATHER = 20;
/** Blocks beside the chain come without an event: the branches are read so often. */
const BRANCHES_EVERY = 15_000;
/** How long events that `status` names may still be on their way. */
const ON_ITS_WAY = 500;
const WAITING_LIMIT = 16 << 20;
export const WAITING_PAGE = 500;
/** More events at once than this are told as missed. */
const MOST_TOLD = 1_000;
/** The most hashes of blocks that are remembered as too long, or as gone. */
const MOST_GIVEN_UP = 500;
/** The most blocks of lost branches that are read after each change. */
const MOST_LOST_READ = 100;

/** Why a connection is given up by the page itself. */
type Why = "stopped" | "missed" | "silent";
class Ended extends Error {
  constructor(readonly why: Why) {
    super(why);
  }
}

export class Follower {
  #view: View = EMPTY;
  #changed: Partial<View> = {};
  #told: ToldEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  #chain = chains.NOTHING;
  #reading: Reading | null = null;
  #givenUp = new Set<string>();
  #lostRead = 0;
  /** The lowest block that is read to have 60: those below are too long. */
  #lowest = 1;

  /** The node's time less the monotonic clock's, in seconds; `null` until the node told its time. */
  #clock: number | null = null;
  /** The node's time when it was last heard of. */
  #heardTime = 0;
  #heard = 0;
  #branchesRead = 0;
  /** When this connection became live, by the monotonic clock. */
  #liveAt: number | null = null;

  #run: AbortController | null = null;
  #connection: AbortController | null = null;
  #wakeUp: (() => void) | null = null;

  readonly #wake = new Wake(
    () => this.#tick(),
    () => this.#end("missed"),
  );
  readonly #details = new Again((signal) => this.#readDetails(signal), 30);
  readonly #status = new Again((signal) => this.#readStatus(signal), 1_000);
  readonly #waiting = new Again((signal) => this.#readWaiting(signal), 300);
  readonly #branches = new Again((signal) => this.#readBranches(signal), 1_000);

  constructor(
    private readonly client: Client,
    private readonly tell: (update: Update) => void,
  ) {}

  /** All that is known now. What has been gathered for the next update is in it. */
  get view(): View {
    return this.#view;
  }

  /** The node's time, or `null` until it told it. */
  get time(): number | null {
    return this.#clock === null ? null : this.#clock + performance.now() / 1000;
  }

  start(): void {
    if (this.#run) return;
    const run = new AbortController();
    this.#run = run;
    if (this.#view.state === "stopped")
      this.#become(this.#chain.identity ? "catching-up" : "loading");
    this.#wake.start();
    void this.#keep(run.signal);
  }

  /** Ends all that is under way. What is known stays, and `start` goes on from there. */
  stop(state: "stopped" | "catching-up" = "stopped"): void {
    if (this.#run) {
      this.#run.abort();
      this.#run = null;
      this.#wake.stop();
      this.#end("stopped");
    }
    this.#become(state === "stopped" || this.#chain.identity ? state : "loading");
  }

  /** Makes sure that nothing was missed, or finds out. Ends when that is known. */
  async check(): Promise<void> {
    this.#wakeUp?.();
    const connection = this.#connection;
    if (!connection || this.#view.state !== "live") return;
    try {
      const status = await this.#askStatus({ timeout: 3_000, signal: connection.signal });
      this.#takeStatus(status);
      if (this.#has(status)) return;
      await sleep(ON_ITS_WAY, connection.signal);
      if (!this.#has(status)) this.#end("missed");
    } catch {
      if (!connection.signal.aborted) this.#end("silent");
    }
  }

  /** Whether all that the status includes is known. */
  #has(status: Status): boolean {
    const told = chains.eventId(status.events ?? "");
    return told?.instance === this.#chain.instance && told.sequence <= this.#chain.sequence;
  }

  /** Connects again and again, as long as it is not stopped. */
  async #keep(run: AbortSignal): Promise<void> {
    let failures = 0;
    while (!run.aborted) {
      const connection = new AbortController();
      this.#connection = connection;
      let why: Why | "failed" = "failed";
      this.#liveAt = null;
      try {
        await this.#connect(connection.signal);
      } catch (error) {
        const reason: unknown = connection.signal.reason;
        if (reason instanceof Ended) why = reason.why;
        else if (error instanceof Missed) why = "missed";
      }
      connection.abort();
      for (const again of [this.#details, this.#status, this.#waiting, this.#branches])
        again.stop();
      if (run.aborted) return;
      const liveAt = this.#liveAt as number | null;
      if (liveAt !== null && performance.now() - liveAt > LONGEST_WAIT) failures = 0;
      if (why === "missed") this.#become("catching-up");
      else this.#become("reconnecting");
      // What was missed is read at once, unless that has just failed as well.
      if (why !== "missed" || failures > 1) {
        const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.max(0, failures));
        await this.#pause(wait * (0.5 + Math.random() / 2), run);
      }
      failures++;
    }
  }

  /** Waits, until somebody asks to check. */
  async #pause(milliseconds: number, run: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#wakeUp = wake;
    run.addEventListener("abort", wake);
    await sleep(milliseconds, woken.signal).catch(() => undefined);
    run.removeEventListener("abort", wake);
    this.#wakeUp = null;
  }

  #end(why: Why): void {
    // At once: what is on the page is not all that there is, however long the next answer takes.
    if (why === "missed") this.#become("catching-up");
    if (why === "silent") this.#become("reconnecting");
    this.#connection?.abort(new Ended(why));
  }

  #tick(): void {
    if (this.#view.state !== "live") return;
    const now = performance.now();
    if (now - this.#heard > SILENCE) return this.#end("silent");
    if (now - this.#branchesRead > BRANCHES_EVERY) {
      this.#branchesRead = now;
      this.#branches.ask();
    }
  }

  /** One connection, from reading where the node stands to its end. */
  async #connect(signal: AbortSignal): Promise<void> {
    const found = await this.#find(signal);
    this.#step(chains.catchUp(this.#chain, found, this.time ?? 0));
    this.#lostRead = 0;
    this.#lowest = 1;
    for (const again of [this.#details, this.#waiting, this.#branches]) again.ask();

    const since = `${found.instance}-${found.sequence}`;
    const opened = timeLimit(signal, PATIENCE);
    let stream: ReadableStream<Uint8Array>;
    try {
      stream = await this.client.events(since, opened.signal);
    } finally {
      opened.clear();
    }
    this.#heard = performance.now();
    this.#tellEvent({ kind: "missed", data: null });
    let isFirst = true;
    const parse = sseParser((sent) => {
      this.#frame(sent);
      if (isFirst) this.#become("live");
      isFirst = false;
    });
    const decoder = new TextDecoder();
    const reader = stream.getReader();
    const end = () => void reader.cancel().catch(() => undefined);
    signal.addEventListener("abort", end);
    // Until the first frame comes, the state is not "live", and the watchdog does not look.
    const first = setTimeout(() => isFirst && this.#end("silent"), SILENCE);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        signal.throwIfAborted();
        if (done) return;
        // Woken, it would otherwise be live with the first of many events that waited.
        if (this.#wake.look()) signal.throwIfAborted();
        this.#heard = performance.now();
        this.#heardTime = this.time ?? 0;
        parse(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearTimeout(first);
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /** Reads where the node stands: its status and its newest hashes, of one moment. */
  async #find(signal: AbortSignal): Promise<chains.Found> {
    const options = { signal, timeout: PATIENCE };
    for (let tries = 0; tries < 10; tries++) {
      const status = await this.#askStatus(options);
      if (this.#view.state === "reconnecting") this.#become("catching-up");
      const heardBefore = this.#heardTime;
      const events = chains.eventId(status.events ?? "");
      if (!events) throw new Missed();
      const known = this.#chain.identity;
      const isSameRun = known !== null && this.#chain.instance === events.instance;
      const firstHash = isSameRun ? known.firstHash : await this.#firstHash(options);
      const from = Math.max(1, status.index - chains.MAX_BLOCKS + 1);
      const links = (await this.#links(from, options)).filter((link) => link.index <= status.index);
      if (links.at(-1)?.hash !== status.tip) continue;
      const lowest = this.#chain.blocks[0]?.index ?? from;
      const where = lowest < from ? await this.#links(lowest, options) : [];
      // What was read second must belong to the same chain: it leads to what was read first, or it is far
      // below, and a reorg that deep is told by an event that does not fit.
      this.#takeStatus(status);
      this.#reading = readingOf(status);
      const identity = { chainId: status.chain_id, firstHash, node: status.node };
      const silent = heardBefore > 0 ? Math.max(0, status.time - heardBefore) : 0;
      this.#heardTime = status.time;
      return { identity, ...events, links, where, silent };
    }
    // The chain changed between the calls ten times.
    throw new Missed();
  }

  async #firstHash(options: { signal: AbortSignal; timeout: number }): Promise<string> {
    const { headers } = await this.client.headers({ from: 1, limit: 1 }, options);
    return headers[0]?.hash ?? "";
  }

  async #links(
    from: number,
    options: { signal: AbortSignal; timeout: number },
  ): Promise<chains.Link[]> {
    const { headers } = await this.client.headers({ from, limit: chains.MAX_BLOCKS }, options);
    return headers.map(({ index, hash, previous_hash: before }) => ({
      index,
      hash,
      previousHash: typeof before === "string" ? before : null,
    }));
  }

  #frame(sent: Sent): void {
    const at = this.time ?? 0;
    const event = sent.event && eventOf(sent.event.kind, sent.event.data);
    if (event?.kind === "reset") throw new Missed();
    const known = event && (event.kind === "tip" || event.kind === "reorg" ? event : OTHER);
    const step = chains.follow(this.#chain, sent.id, known, at);
    if (!step) throw new Missed();
    this.#step(step);
    if (!event || event.kind === "other") return;
    this.#tellEvent(event);
    if (event.kind === "transaction") this.#outdated();
    if (event.kind === "tip") this.#tip(event.data);
    if (event.kind === "reorg") {
      this.#lostRead = 0;
      this.#tip(event.data.tip);
    }
    if (event.kind === "tip" || event.kind === "reorg") {
      this.#details.ask();
      if (event.kind === "reorg" || this.#view.lost.length > 0) this.#branches.ask();
      // The places in line of what waits change with every block.
      if (this.#view.waiting.count > 0 || event.kind === "reorg") this.#outdated();
    }
    if (event.kind !== "transaction") this.#status.ask();
  }

  /** Puts a new tip into the status, whose other fields are read soon. */
  #tip(tip: TipEvent): void {
    const { status } = this.#view;
    if (status)
      this.#set({ status: { ...status, index: tip.index, tip: tip.hash, work: tip.work } });
  }

  #outdated(): void {
    if (!this.#view.waiting.stale) this.#set({ waiting: { ...this.#view.waiting, stale: true } });
    this.#waiting.ask();
  }

  #step(step: chains.Step): void {
    const isOther = step.happened?.kind === "other-chain";
    if (isOther) {
      this.#givenUp.clear();
      this.#set({ waiting: EMPTY.waiting });
    }
    this.#know(step.chain);
    if (step.happened) {
      this.#set({ last: step.happened });
      this.#tellEvent({ kind: "happening", data: step.happened });
    }
  }

  #know(chain: chains.Chain): void {
    const before = this.#chain;
    this.#chain = chain;
    if (chain.blocks !== before.blocks) this.#set({ blocks: chain.blocks });
    if (chain.lost !== before.lost) this.#set({ lost: chain.lost });
  }

  #giveUp(hash: string): void {
    if (this.#givenUp.size >= MOST_GIVEN_UP) this.#givenUp.clear();
    this.#givenUp.add(hash);
  }

  async #readDetails(signal: AbortSignal): Promise<boolean> {
    const part = chains.wanted(this.#chain, this.#givenUp, this.#lowest);
    const reading = this.#reading;
    if (reading && part) {
      await this.#readPart(part, reading, signal);
      return true;
    }
    const hash = chains.wantedLost(this.#chain, this.#givenUp);
    if (!reading || hash === null || this.#lostRead >= MOST_LOST_READ) return false;
    this.#lostRead++;
    try {
      const text = await this.client.blockText(hash, { signal, limit: READ_LIMIT });
      const chain = chains.withLostBlock(this.#chain, detailsOf(text, reading, null));
      this.#know(chain);
    } catch (error) {
      // The node may have forgotten it.
      if (error instanceof Problem || error instanceof TooLong) this.#giveUp(hash);
      else throw error;
    }
    return true;
  }

  async #readPart(part: chains.Wanted, reading: Reading, signal: AbortSignal): Promise<void> {
    const before = this.#chain.blocks.find((block) => block.index === part.from - 1);
    let isOfUse = false;
    const read = (details: readonly Details[]) => {
      const chain = chains.withDetails(this.#chain, details);
      const hashes = new Set(chain.blocks.map((block) => block.hash));
      isOfUse ||= details.some((block) => hashes.has(block.hash));
      this.#know(chain);
    };
    const tooLong = (index: number) => {
      const known = this.#chain.blocks.find((block) => block.index === index);
      isOfUse = true;
      if (known) this.#giveUp(known.hash);
      else this.#lowest = index + 1;
    };
    const { from, count } = part;
    const parentProof = before?.proof ?? null;
    try {
      await readBlocks(
        this.client,
        reading,
        { from, count, parentProof },
        { read, tooLong },
        signal,
      );
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    // The chain is another one by now, and the event that says so is on its way.
    if (!isOfUse) await sleep(ON_ITS_WAY / 5, signal);
  }

  async #readStatus(signal: AbortSignal): Promise<boolean> {
    this.#takeStatus(await this.#askStatus({ signal }));
    return false;
  }

  /** Asks for the status, and sets the clock by it: the node looked at its own halfway to the answer. */
  async #askStatus(options: Options): Promise<Status> {
    const asked = performance.now();
    const status = await this.client.status(options);
    this.#clock = status.time - (asked + performance.now()) / 2_000;
    return status;
  }

  /** Takes a status, unless it is older than the chain that is known. */
  #takeStatus(status: Status): void {
    const isOlder = this.#view.state === "live" && status.tip !== chains.tipOf(this.#chain)?.hash;
    if (!isOlder) this.#set({ status });
  }

  async #readWaiting(signal: AbortSignal): Promise<boolean> {
    const sequence = this.#chain.sequence;
    const text = await this.client.text(paths.waiting({ limit: WAITING_PAGE }), {
      signal,
      limit: WAITING_LIMIT,
    });
    const waiting = waitingOf(text);
    // What came meanwhile may be in it or not.
    const stale = this.#chain.sequence !== sequence;
    this.#set({ waiting: { ...waiting, stale } });
    const { status } = this.#view;
    if (status && status.queued !== waiting.count) {
      this.#set({ status: { ...status, queued: waiting.count } });
    }
    return stale;
  }

  async #readBranches(signal: AbortSignal): Promise<boolean> {
    this.#branchesRead = performance.now();
    const answer: Branches = await this.client.branches({ signal });
    const chain = chains.withBranches(this.#chain, answer);
    if (!chain) return true;
    if (JSON.stringify(chain.lost) !== JSON.stringify(this.#chain.lost)) {
      this.#lostRead = 0;
      this.#know(chain);
    }
    this.#details.ask();
    return false;
  }

  #become(state: LiveState): void {
    if (this.#view.state === state) return;
    if (state === "live") this.#liveAt = performance.now();
    this.#set({ state, since: this.time ?? 0 });
  }

  #set(changed: Partial<View>): void {
    this.#view = { ...this.#view, ...changed };
    this.#changed = { ...this.#changed, ...changed };
    this.#gather();
  }

  #tellEvent(event: ToldEvent): void {
    if (this.#told.length < MOST_TOLD) this.#told.push(event);
    else this.#told = [{ kind: "missed", data: null }];
    this.#gather();
  }

  #gather(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const update = { changed: this.#changed, told: this.#told, time: this.time };
      this.#changed = {};
      this.#told = [];
      this.tell(update);
    }, GATHER);
  }
}

/** An event was missed, or does not fit: read all again. */
class Missed extends Error {}

const OTHER = { kind: "other" } as const;

type Event =
  | Exclude<ToldEvent, { kind: "missed" | "happening" }>
  | { readonly kind: "reset" }
  | { readonly kind: "other" };

/** What an event of the stream says. Kinds that are not known are counted, and nothing more. */
function eventOf(kind: string, data: string): Event {
  // The node's own answers have the shapes that /openapi.json promises.
  const value: unknown = JSON.parse(data);
  switch (kind) {
    case "tip":
      return { kind, data: value as TipEvent };
    case "reorg":
      return { kind, data: value as ReorgEvent };
    case "transaction":
      return { kind, data: { ...(value as TransactionEvent), text: data } };
    case "peer":
      return { kind, data: value as PeerEvent };
    case "reset":
      return { kind };
    default:
      return OTHER;
  }
}

/** A page of what waits, with the text of each transaction. */
export function waitingOf(text: string): Omit<Waiting, "stale"> {
  const fields = members(text);
  const ids = JSON.parse(fields.get("ids") ?? "[]") as string[];
  const waits = JSON.parse(fields.get("waits") ?? "[]") as WaitingTransaction["waits"][];
  const transactions = elements(fields.get("transactions") ?? "[]").map((written, at) => ({
    id: ids[at] ?? "",
    waits: waits[at] ?? {},
    transaction: JSON.parse(written) as WaitingTransaction["transaction"],
    text: written,
  }));
  return { count: Number(fields.get("queued")), transactions };
}

/** Waits; throws when the signal ends it. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** A signal that ends with the given one, or after so long, unless it is cleared before. */
function timeLimit(signal: AbortSignal, milliseconds: number) {
  const limited = new AbortController();
  const end = () => limited.abort(signal.reason);
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  const timer = setTimeout(end, milliseconds);
  return { signal: limited.signal, clear: () => clearTimeout(timer) };
}
