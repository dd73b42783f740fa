/** The screens that are there. Each but the first is loaded when it is opened. */

import type { Component } from "svelte";
import type { Screen } from "./route.svelte";

type Loaded = () => Promise<{ default: Component }>;

export const LATER: Readonly<Partial<Record<Screen, Loaded>>> = {
  block: () => import("./screens/Block.svelte"),
  transaction: () => import("./screens/Transaction.svelte"),
  account: () => import("./screens/Account.svelte"),
};

/** What an address shows that names no screen. */
export const NOTHING: Loaded = () => import("./screens/Nothing.svelte");

/** Whether there is such a screen. */
export function isThere(screen: Screen): boolean {
  return screen === "chain" || screen in LATER;
}
