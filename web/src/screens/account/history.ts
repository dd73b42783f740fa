/** The history of an account as the answer to `GET accounts/transactions` has it. */

import { elements, members, partyOf, stringOf } from "../../api/text";
import type { TipEvent, Waits } from "../../api/client";
import { entryOf, type Entry } from "../block/entry";

/** How many rows a page has. */
export const ROWS = 10;

/** What a transaction was to the account; the coins of a first block are allotted, and not mined. */
export type Role = "sent" | "received" | "mined" | "allotted" | "uncounted";
const ROLES: readonly Role[] = ["sent", "received", "mined", "uncounted"];

export interface Row {
  /** Where it is: the same id can stand in several places. */
  readonly key: string;
  readonly id: string;
  readonly block: number;
  readonly hash: string;
  /** In seconds, as its block says; `null` if it says none. */
  readonly time: number | null;
  readonly roles: readonly Role[];
  readonly entry: Entry;
}

export interface Page {
  readonly rows: readonly Row[];
  /** What the next page, of older ones, begins before; `null` on the last one. */
  readonly next: string | null;
}

/** Reads a page of the history of `party`, named as the node names it. */
export function readPage(answer: string, party: string): Page {
  const fields = members(answer);
  const rows = elements(fields.get("transactions") ?? "[]").map((text): Row => {
    const of = members(text);
    const entry = entryOf(of.get("transaction") ?? "{}");
    const [block, position] = [of.get("block") ?? "", of.get("position") ?? ""];
    const given = of.get("roles");
    return {
      key: `${block}-${position}`,
      id: stringOf(of.get("id")) ?? "",
      block: Number(block),
      hash: stringOf(of.get("hash")) ?? "",
      time: timeOf(of.get("timestamp")),
      roles: given?.startsWith("[") ? listed(given) : rolesOf(entry, party, block === "1"),
      entry,
    };
  });
  return { rows, next: stringOf(fields.get("next")) };
}

function listed(roles: string): readonly Role[] {
  const names = elements(roles).map(stringOf);
  // Its miner receives a coin: that is one thing, and has one word.
  const isMined = names.includes("mined");
  return ROLES.filter((role) => names.includes(role) && !(isMined && role === "received"));
}

function timeOf(text: string | undefined): number | null {
  const time = Number(text);
  return Number.isFinite(time) ? time : null;
}

function arrayOr(text: string | undefined): string {
  return text?.startsWith("[") ? text : "[]";
}

/** The roles where payments are signed, which the node leaves to the reader. */
export function rolesOf(entry: Entry, party: string, isFirstBlock: boolean): readonly Role[] {
  if (entry.isCoin) return [isFirstBlock ? "allotted" : "mined"];
  const roles: Role[] = [];
  if (entry.sender === party) roles.push("sent");
  if (entry.recipient === party) roles.push("received");
  return roles;
}

/** A transaction that waits, from the account or for it. */
export interface Waiting {
  readonly id: string;
  readonly waits: Waits;
  readonly text: string;
}

/** The elements of `outgoing` or `incoming`. */
export function readWaiting(list: string | undefined): readonly Waiting[] {
  return elements(arrayOr(list)).map((text) => {
    const of = members(text);
    return {
      id: stringOf(of.get("id")) ?? "",
      waits: JSON.parse(of.get("waits") ?? "{}") as Waits,
      text: of.get("transaction") ?? "{}",
    };
  });
}

/**
 * Which pages a visitor came through: what each begins before, the newest page not counted. The API
 * leads to older pages only, so the way back is remembered.
 */
export type Trail = readonly string[];

/** The trail on the page that begins before `before`, which was reached from the one that ends it. */
export function walked(trail: Trail, before: string | null): Trail {
  if (before === null) return [];
  const at = trail.indexOf(before);
  return at < 0 ? [...trail, before] : trail.slice(0, at + 1);
}

/** What the page of newer ones begins before; `null` if it is the newest. */
export function newer(trail: Trail): string | null {
  return trail.at(-2) ?? null;
}

/** Whether a new block can change what is shown of `party`. The event does not say who is in the block. */
export function tipConcerns(tip: TipEvent, party: string, waits: boolean): boolean {
  const { miner = null, transactions } = tip;
  // Each block can have what waits; a coin is one transaction, and "0" sends all coins of open chains.
  if (waits || miner === null || miner === party) return true;
  return transactions > 1 || party === "0";
}

/** Whether a transaction that came or went is from `party` or to it; `event` as it was sent. */
export function transactionConcerns(event: string, party: string): boolean {
  const text = members(event).get("transaction");
  if (!text?.startsWith("{")) return false;
  const of = members(text);
  return ["sender", "recipient"].some((name) => {
    const value = of.get(name);
    return value !== undefined && partyOf(value) === party;
  });
}
