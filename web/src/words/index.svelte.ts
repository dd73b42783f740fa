/** The words of the language that the visitor chose. */

import { settings } from "../settings.svelte";
import { en, type Words } from "./en";

let spanish = $state.raw<Words | null>(null);

/** What the page says; English until another language has come. */
export function words(): Words {
  if (settings.language !== "es") return en;
  if (spanish === null) {
    void import("./es").then((loaded) => {
      spanish = loaded.es;
    });
    return en;
  }
  return spanish;
}
