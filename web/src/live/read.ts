/** Reads what summaries say of blocks, many with one call, and never more than so many bytes. */

import { TooLong, paths, type Client } from "../api/client";
import { pageDetails, type Details, type Reading } from "./summary";

/** The most that is read at once: one block of an open chain can have 16 MB. */
export const READ_LIMIT = 1 << 20;

export interface Part {
  readonly from: number;
  readonly count: number;
  /** The proof of the block before, if it is known. */
  readonly parentProof: string | null;
}

export interface Taken {
  /** Called with blocks that were read, the newest first where it takes several calls. */
  readonly read: (details: readonly Details[]) => void;
  /** Called with the index of a block that is too long to be read. */
  readonly tooLong: (index: number) => void;
}

export async function readBlocks(
  client: Client,
  reading: Reading,
  part: Part,
  taken: Taken,
  signal: AbortSignal | undefined,
  withParent = reading.needsParentProof && part.parentProof === null && part.from > 1,
): Promise<void> {
  const { from, count, parentProof } = part;
  const page = withParent ? { from: from - 1, limit: count + 1 } : { from, limit: count };
  let text: string;
  try {
    text = await client.text(paths.blocks(page), { signal, limit: READ_LIMIT });
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    if (count > 1) {
      const half = count >> 1;
      const upper = { from: from + half, count: count - half, parentProof: null };
      await readBlocks(client, reading, upper, taken, signal);
      await readBlocks(client, reading, { from, count: half, parentProof }, taken, signal);
    } else if (withParent) {
      // Perhaps the parent alone is too long.
      await readBlocks(client, reading, part, taken, signal, false);
    } else {
      taken.tooLong(from);
    }
    return;
  }
  const details = pageDetails(text, reading, parentProof);
  taken.read(withParent ? details.slice(1) : details);
}
