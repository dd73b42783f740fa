/** Notices that timers stood still: the machine slept, or the browser froze the page. */

/** How often it looks, in milliseconds. */
const EVERY = 1_000;
/**
 * Browsers run the timers of hidden pages once a minute, but those of workers about once a second. Whoever
 * uses this in a page stops it while the page is hidden.
 */
const GAP = 4_000;

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
    this.#monotonic = performance.now();
    this.#wall = Date.now();
    this.#timer = setInterval(() => this.look() || this.tick(), EVERY);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Whether time passed without it. Data that waited in a socket can come before the next tick. */
  look(): boolean {
    if (this.#timer === undefined) return false;
    const [monotonic, wall] = [performance.now(), Date.now()];
    // The monotonic clock of some systems stands still while they sleep; the other one may be set.
    const gap = Math.max(monotonic - this.#monotonic, wall - this.#wall);
    this.#monotonic = monotonic;
    this.#wall = wall;
    if (gap <= GAP) return false;
    this.woke();
    return true;
  }
}
