/** The words of the language that the visitor chose. */

import { settings } from "../settings.svelte";
import { en, type Words } from "./en";

let spanish = $state.raw<Words | null>(null);

/** What the page says; English until another language has come. */
export function words(): Words {
  if (settings.language !== "es") return en;
  if (spanish === null) {
    // Without it the page speaks English, and asks for it again when it is next drawn.
    import("./es").then(
      (loaded) => {
        spanish = loaded.es;
      },
      () => undefined,
    );
    return en;
  }
  return spanish;
}
