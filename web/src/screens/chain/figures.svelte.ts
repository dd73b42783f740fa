/** The seven figures of the chain, and their curves. */

import { api, paths } from "../../api/client";
import { live } from "../../live/index.svelte";
import { field, integer, parse, text } from "../../rules/json";
import { expectedTries, targetOf } from "../../rules/job";

/** How many points a curve has. */
const POINTS = 60;

/** How long one reading serves, in milliseconds: blocks may come ten times a second. */
const SERVES_MS = 5_000;

/** How many blocks the latest rate and block time are taken over, in points of the curve. */
const LATEST = 6;

export type Curve = readonly (number | null)[];

export interface Figures {
  readonly expected: number | null;
  readonly rate: number | null;
  readonly interval: number | null;
  readonly aim: number | null;
  /** In coins. */
  readonly coins: number | null;
  readonly cap: number | null;
  readonly curves: Readonly<
    Record<"height" | "expected" | "rate" | "interval" | "waiting" | "coins" | "peers", Curve>
  >;
}

const UNITS = 100_000_000;

function mean(values: Curve): number | null {
  const known = values.slice(-LATEST).filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Reads the figures anew as the chain moves, for as long as the component lives that calls this. */
export function followFigures(): { readonly now: Figures } {
  let points = $state.raw<
    readonly {
      index: number;
      expected: number | null;
      rate: number | null;
      interval: number | null;
    }[]
  >([]);
  let coins = $state.raw<number | null>(null);
  let cap = $state.raw<number | null>(null);
  /** What no node remembers, as this page saw it. */
  let seen = $state.raw<readonly { waiting: number; peers: number; coins: number | null }[]>([]);

  let reading = false;
  let read = -Infinity;
  let again: ReturnType<typeof setTimeout> | undefined;

  const look = async (signed: boolean, signal: AbortSignal): Promise<void> => {
    if (reading) return;
    const early = read + SERVES_MS - performance.now();
    if (early > 0) {
      again ??= setTimeout(() => {
        again = undefined;
        void look(signed, signal);
      }, early);
      return;
    }
    reading = true;
    read = performance.now();
    try {
      const history = await api.history(POINTS, { signal });
      signal.throwIfAborted();
      points = history.points.map((point) => {
        const target = targetOf(point.target);
        return {
          index: point.index,
          expected: target === undefined ? null : expectedTries(target),
          rate: point.hash_rate ?? null,
          interval: point.block_time_s ?? null,
        };
      });
      if (signed) {
        const supply = await api.supply({ signal });
        signal.throwIfAborted();
        coins = supply.circulating / UNITS;
        cap = supply.cap / UNITS;
      } else {
        // Who mints sends all coins; their sum may have more digits than a number keeps.
        const mint = text(field(parse(await api.text(paths.account("0"), { signal })), "sent"));
        coins = mint === undefined ? null : Number(mint);
        cap = null;
      }
    } catch {
      // The figures stay as they were; the dot says that the node does not answer.
    }
    if (signal.aborted) return;
    reading = false;
    seen = [
      ...seen.slice(1 - POINTS),
      { waiting: live.waiting.count, peers: live.status?.peers ?? 0, coins },
    ];
  };

  // One reading goes on while further blocks come; it ends with the screen, or with the chain.
  const tip = $derived(live.status?.tip);
  const chain = $derived(live.status?.chain_id);
  const signed = $derived(live.status?.signed ?? false);
  let ended = new AbortController();
  $effect(() => {
    void chain;
    ended = new AbortController();
    read = -Infinity;
    reading = false;
    [points, coins, cap, seen] = [[], null, null, []];
    return () => {
      ended.abort();
      clearTimeout(again);
      again = undefined;
    };
  });
  $effect(() => {
    if (tip !== undefined) void look(signed, ended.signal);
  });

  const aim = $derived.by(() => {
    const rules = live.status?.rules;
    if (rules === undefined) return null;
    const difficulty = field(parse(JSON.stringify(rules)), "difficulty");
    const kind = field(difficulty, "asert") ?? field(difficulty, "epochs");
    const spacing = integer(field(kind, "spacing_s"));
    return spacing === undefined ? null : Number(spacing);
  });
  const expected = $derived.by(() => {
    const target = targetOf(live.status?.target);
    return target === undefined ? null : expectedTries(target);
  });

  const now = $derived<Figures>({
    expected,
    rate: mean(points.map((point) => point.rate)),
    interval: mean(points.map((point) => point.interval)),
    aim,
    coins,
    cap,
    curves: {
      height: points.map((point) => point.index),
      expected: points.map((point) => point.expected),
      rate: points.map((point) => point.rate),
      interval: points.map((point) => point.interval),
      waiting: seen.map((each) => each.waiting),
      coins: seen.map((each) => each.coins),
      peers: seen.map((each) => each.peers),
    },
  });
  return {
    get now() {
      return now;
    },
  };
}
