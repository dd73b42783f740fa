/** A transaction and where it is, as the answer to `GET transactions/{id}` has it. */

import type { Waits } from "../../api/client";
import { elements, members, stringOf } from "../../api/text";
import { entryOf, type Entry } from "../block/entry";

export interface Place {
  readonly block: number;
  readonly hash: string;
  readonly position: number;
  /** When the node answered; `confirmationsOf` has those of now. */
  readonly confirmations: number;
}

export interface Shown {
  readonly id: string;
  /** `held`: a payment that has to come before it is missing. */
  readonly status: "queued" | "held" | "confirmed";
  /** None while it waits; on open chains equal transactions have one id. */
  readonly places: readonly Place[];
  readonly waits: Waits | null;
  /** The canonical text. */
  readonly text: string;
  readonly entry: Entry;
}

export function readAnswer(answer: string): Shown {
  const fields = members(answer);
  const text = fields.get("transaction") ?? "{}";
  const status = stringOf(fields.get("status"));
  const places = elements(fields.get("places") ?? "[]").map((place): Place => {
    const of = members(place);
    return {
      block: Number(of.get("block")),
      hash: stringOf(of.get("hash")) ?? "",
      position: Number(of.get("position")),
      confirmations: Number(of.get("confirmations")),
    };
  });
  const waits = fields.get("waits");
  return {
    id: stringOf(fields.get("id")) ?? "",
    status: status === "held" || status === "confirmed" ? status : "queued",
    places,
    waits: waits === undefined || waits === "null" ? null : (JSON.parse(waits) as Waits),
    text,
    entry: entryOf(text),
  };
}

/** Its own block, and the blocks on top of it, with the tip as it is now. */
export function confirmationsOf(place: Place, tip: number): number {
  return Math.max(place.confirmations, tip - place.block + 1);
}

/** The block that it was in and no longer is: that block has left the best chain. */
export function leftBlock(before: Shown | null, now: Shown): Place | null {
  if (before === null || before.id !== now.id) return null;
  const [still] = before.places.filter(({ hash }) => !now.places.some((to) => to.hash === hash));
  return still ?? null;
}

/** The most places that a node lists; it stops sooner where their blocks are long. */
export const MOST_PLACES = 1_000;
