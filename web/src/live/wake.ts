/** Notices that timers stood still: the machine slept, or the browser froze the page. */

/** How often it looks, in milliseconds. */
const EVERY = 1_000;
/**
 * Browsers run the timers of hidden pages once a minute, but those of workers on time. Whoever uses this in a
 * page stops it while the page is hidden.
 */
const GAP = 5_000;

export class Wake {
  #timer: ReturnType<typeof setInterval> | undefined;
  #monotonic = 0;
  #wall = 0;

  constructor(
    private readonly tick: () => void,
    private readonly woke: () => void,
  ) {}

  start(): void {
    if (this.#timer !== undefined) return;
    this.#mark();
    this.#timer = setInterval(() => this.#look(), EVERY);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #mark(): void {
    this.#monotonic = performance.now();
    this.#wall = Date.now();
  }

  #look(): void {
    // The monotonic clock of some systems stands still while they sleep; the other one may be set.
    const gap = Math.max(performance.now() - this.#monotonic, Date.now() - this.#wall);
    this.#mark();
    if (gap > GAP) this.woke();
    else this.tick();
  }
}
