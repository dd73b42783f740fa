/**
 * The Merkle tree over a block's transactions, in the shape of RFC 9162, as crates/consensus/src/merkle.rs:
 *
 * - no leaf: SHA-256(""); one leaf: SHA-256(0x00 ‖ leaf)
 * - more leaves: SHA-256(0x01 ‖ root of the first k ‖ root of the others), k the largest power of two
 *   below their number
 */

import { bytesToHex, concatBytes, fromHex, hashHex, hashOf, utf8ToBytes } from "./hash";

/** A leaf: the canonical text of a transaction, or bytes. */
export type Leaf = string | Uint8Array;

/** A step from a leaf to the root. */
export interface Step {
  /** On which side the sibling is; `none` where the node goes up a row as it is. */
  readonly side: "left" | "right" | "none";
  /** The sibling's hash, `undefined` where there is none. */
  readonly sibling: string | undefined;
  /** The hash after this step. */
  readonly hash: string;
}

/** SHA-256(0x00 ‖ leaf). */
export function leafHash(leaf: Leaf): string {
  const bytes = typeof leaf === "string" ? utf8ToBytes(leaf) : leaf;
  return hashHex(concatBytes(Uint8Array.of(0), bytes));
}

/** SHA-256(0x01 ‖ left ‖ right) of two hashes as hex. */
export function nodeHash(left: string, right: string): string {
  return hashHex(concatBytes(Uint8Array.of(1), bytesOf(left), bytesOf(right)));
}

/** All rows of the tree, the leaves' hashes first and the root last; none without leaves. */
export function rows(leaves: readonly Leaf[]): readonly (readonly string[])[] {
  let row = leaves.map(leafHash);
  const all = row.length > 0 ? [row] : [];
  while (row.length > 1) {
    const above: string[] = [];
    for (let at = 0; at < row.length; at += 2) {
      const [left, right] = row.slice(at, at + 2);
      // A last node without a sibling goes up a row as it is.
      if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right));
    }
    row = above;
    all.push(row);
  }
  return all;
}

/** The root over these leaves. */
export function rootOf(leaves: readonly Leaf[]): string {
  return rows(leaves).at(-1)?.[0] ?? bytesToHex(hashOf(""));
}

/** The inclusion proof of a leaf: its siblings, the lowest first; `undefined` without such a leaf. */
export function pathOf(leaves: readonly Leaf[], position: number): readonly string[] | undefined {
  const all = rows(leaves);
  if (!(position in leaves)) return undefined;
  return all.flatMap((row, height) => {
    const sibling = row[Math.floor(position / 2 ** height) ^ 1];
    return height < all.length - 1 && sibling !== undefined ? [sibling] : [];
  });
}

/**
 * The steps from a leaf at `position` of `leaves` up to the root, each computed here; the last step's
 * hash is the root, or the leaf's own hash if there is no step. `undefined` for a position that the
 * list doesn't have, and for a path that is longer or shorter than the list's.
 */
export function climb(
  leaf: Leaf,
  position: number,
  leaves: number,
  path: readonly string[],
): readonly Step[] | undefined {
  if (!Number.isSafeInteger(position) || !Number.isSafeInteger(leaves)) return undefined;
  if (position < 0 || position >= leaves) return undefined;
  const steps: Step[] = [];
  let hash = leafHash(leaf);
  let used = 0;
  for (let node = position, last = leaves - 1; last > 0;) {
    const isRight = node % 2 === 1;
    if (isRight || node < last) {
      const sibling = path[used++];
      if (sibling === undefined || fromHex(sibling)?.length !== 32) return undefined;
      hash = isRight ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
      steps.push({ side: isRight ? "left" : "right", sibling, hash });
    } else {
      steps.push({ side: "none", sibling: undefined, hash });
    }
    // Not by shifts, which have 32 bits.
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return used === path.length ? steps : undefined;
}

/** Whether a path proves that the list of `leaves` entries with this root has the leaf. */
export function proves(
  leaf: Leaf,
  position: number,
  leaves: number,
  path: readonly string[],
  root: string,
): boolean {
  const steps = climb(leaf, position, leaves, path);
  return steps !== undefined && (steps.at(-1)?.hash ?? leafHash(leaf)) === root;
}

function bytesOf(hash: string): Uint8Array {
  const bytes = fromHex(hash);
  if (bytes?.length !== 32) throw new TypeError("a hash has 64 lower-case hex digits");
  return bytes;
}
