/** Fetches what a block is checked with, and checks it. */

import { api } from "../../api/client";
import { readStatus, verify, wanted, type Check } from "../../rules";

/** Blocks up to so many characters are checked without being asked. */
export const AT_ONCE = 1_000_000;

/**
 * Checks the block of an answer to `GET blocks/{id}`. `now` is the time in seconds that the reader goes
 * by, and `asked` is what was asked for.
 */
export async function checkBlock(
  block: string,
  asked: { readonly index?: bigint; readonly hash?: string },
  index: bigint,
  now: bigint | undefined,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const status = await api.text("status", { signal });
  const read = readStatus(status);
  if (read === undefined) return verify({ status, block, asked });
  const wants = wanted(read.rules, index);
  // A block beside the best chain has another parent than the chain at that index.
  const parentId = parentOf(block) ?? wants.parent;
  const get = async (id: bigint | string | undefined): Promise<string | undefined> => {
    if (id === undefined) return undefined;
    try {
      return await api.blockText(id.toString(), { signal });
    } catch (error) {
      signal.throwIfAborted();
      return undefined;
    }
  };
  const [parent, earlier, genesis, child, curve] = await Promise.all([
    get(wants.parent === undefined ? undefined : parentId),
    get(wants.earlier),
    get(wants.genesis),
    isBest(block) ? get(index + 1n) : undefined,
    read.rules.family === "sealed" ? import("../../rules/curve") : undefined,
  ]);
  return verify({ status, block, parent, earlier, genesis, child, asked, now }, curve);
}

function fields(answer: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(answer);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function parentOf(answer: string): string | undefined {
  const block = fields(answer)["block"];
  if (typeof block !== "object" || block === null || !("previous_hash" in block)) return undefined;
  const { previous_hash: hash } = block;
  return typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash) ? hash : undefined;
}

function isBest(answer: string): boolean {
  return fields(answer)["best"] !== false;
}
