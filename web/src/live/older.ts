/** Blocks below those that the store keeps, for scrolling back. Nothing of them is kept. */

import type { Client } from "../api/client";
import { readBlocks } from "./read";
import type { Details, Reading } from "./summary";
import type { BlockSummary } from "./types";

/** The most blocks that are read at once. */
const MOST = 200;

/** The newest `count` blocks of the best chain with an index below `before`, the oldest first. */
export async function older(
  client: Client,
  reading: Reading,
  before: number,
  count: number,
  signal?: AbortSignal,
): Promise<readonly BlockSummary[]> {
  const from = Math.max(1, before - Math.min(count, MOST));
  if (before <= from) return [];
  const details = new Map<string, Details>();
  const read = (blocks: readonly Details[]) =>
    blocks.forEach((block) => details.set(block.hash, block));
  const part = { from, count: before - from, parentProof: null };
  const [{ headers }] = await Promise.all([
    client.headers({ from, limit: part.count }, { signal }),
    // Where a block is too long, its header has to do.
    readBlocks(client, reading, part, { read, tooLong: () => undefined }, signal),
  ]);
  return headers.map((header): BlockSummary => {
    const known = details.get(header.hash);
    if (known) return { ...known, fresh: false };
    const { index, hash, previous_hash: previous } = header;
    return {
      index,
      hash,
      previousHash: typeof previous === "string" ? previous : null,
      time: null,
      payments: null,
      miner: null,
      coin: null,
      proof: null,
      parentProof: null,
      fresh: false,
    };
  });
}
