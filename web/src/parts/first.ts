/** The block that a chain begins with: it has no parent, whatever it names, and nobody worked for it. */

import type { Status } from "../api/client";

/** Whether a block is that one; a chain that may begin with any block of a shape says its index. */
export function isFirst(
  status: Status | null,
  block: { readonly hash: string; readonly index: number },
): boolean {
  const genesis: unknown = status?.rules["genesis"];
  if (typeof genesis === "string") return block.hash === genesis;
  const any: unknown = typeof genesis === "object" && genesis && "any" in genesis && genesis.any;
  return typeof any === "object" && any !== null && "index" in any && any.index === block.index;
}
