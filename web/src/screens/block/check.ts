/** Fetches what a block is checked with, and checks it. */

import { api } from "../../api/client";
import { members } from "../../api/text";
import { earlierId, parentId, readStatus, verify, wanted, type Check } from "../../rules";

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
  const { rules } = read;
  const tip = BigInt(members(status).get("index") ?? 0);
  const get = async (id: bigint | string | undefined): Promise<string | undefined> => {
    if (id === undefined) return undefined;
    try {
      return await api.blockText(id.toString(), { signal });
    } catch {
      // Without it, what it is needed for stays unchecked.
      signal.throwIfAborted();
      return undefined;
    }
  };
  const best = isBest(block);
  // A block beside the best chain has other blocks below it than the chain has there. For one on the chain
  // what it says of its parent is not taken for true.
  const below = async (): Promise<readonly (string | undefined)[]> => {
    const parent = await get(best ? wanted(rules, index).parent : parentId(rules, block));
    return [parent, parent === undefined ? undefined : await get(earlierId(rules, parent))];
  };
  const [[parent, earlier], genesis, child, curve] = await Promise.all([
    below(),
    get(wanted(rules, index).genesis),
    best && index < tip ? get(index + 1n) : undefined,
    rules.family === "sealed" ? import("../../rules/curve") : undefined,
  ]);
  return verify({ status, block, parent, earlier, genesis, child, asked, now }, curve);
}

function isBest(answer: string): boolean {
  const value: unknown = JSON.parse(answer);
  return typeof value !== "object" || value === null || !("best" in value) || value.best !== false;
}
