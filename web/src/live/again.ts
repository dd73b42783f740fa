/** Something that is read again when it may have changed: one call at a time, and not too often. */

/** A call that took so long is not repeated before so many times as long has passed. */
const REST = 5;
/** After how many milliseconds a call that failed is tried again. */
const RETRY = 2_000;

export class Again {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | null = null;
  #isAsked = false;
  #next = 0;

  constructor(
    /** Reads, and returns whether there is more to read. */
    private readonly read: (signal: AbortSignal) => Promise<boolean>,
    /** The least milliseconds from the end of one call to the beginning of the next. */
    private readonly spacing: number,
  ) {}

  ask(): void {
    this.#isAsked = true;
    if (this.#running || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#next - performance.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  /** Ends the call that is under way, and forgets what was asked. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isAsked = false;
    this.#next = 0;
    this.#running?.abort();
    this.#running = null;
  }

  async #run(): Promise<void> {
    const mine = new AbortController();
    this.#timer = undefined;
    this.#running = mine;
    this.#isAsked = false;
    const begun = performance.now();
    let rest = this.spacing;
    let hasMore = false;
    try {
      hasMore = await this.read(mine.signal);
    } catch {
      // Where the node does not answer, the stream ends too, and all is read anew. Else it may be busy.
      hasMore = true;
      rest = RETRY;
    }
    // It was stopped meanwhile, and what was asked since runs by itself.
    if (this.#running !== mine) return;
    this.#running = null;
    const now = performance.now();
    this.#next = now + Math.max(rest, REST * (now - begun));
    if (hasMore || this.#isAsked) this.ask();
  }
}
