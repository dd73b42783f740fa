/** What tabs and the worker tell one another. */

import type { Told } from "./types";
import type { Update, View } from "./view";

export type FromPage =
  /** A tab is there, or is there again. It is sent all, after a check that nothing was missed. */
  | { readonly kind: "check"; readonly number: number }
  | { readonly kind: "here" }
  /** The kinds of events that its screens want. */
  | { readonly kind: "want"; readonly kinds: readonly (keyof Told)[] }
  | { readonly kind: "bye" };

export type FromWorker =
  | {
      readonly kind: "all";
      /** The number of the check that this answers. */
      readonly number: number;
      readonly view: View;
      readonly time: number | null;
    }
  | { readonly kind: "update"; readonly update: Update }
  | { readonly kind: "beat" };

/** How often tabs are told that the worker is alive, in milliseconds. */
export const BEAT = 5_000;
