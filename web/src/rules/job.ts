/**
 * The job of a search: a proof is valid when SHA-256(prefix ‖ proof ‖ suffix), read as a 256-bit
 * number, is at most the target. Rules differ only in the three. As crates/consensus/src/job.rs.
 */

import { hashHex, isHash } from "./hash";

/** What is hashed before and after a proof on an open chain, by the name in the chain's rules. */
export type Puzzle = "last_proof" | "last_block" | "last_proof_and_hash";

/** The condition that a proof must satisfy. */
export interface Job {
  readonly prefix: string;
  readonly suffix: string;
  /** The largest digest that is valid. */
  readonly target: bigint;
}

/** What an open chain's work looks at in the last block. */
export interface LastBlock {
  /** Its canonical text. */
  readonly text: string;
  readonly hash: string;
  /** Its proof, as Python's `str()` has it. */
  readonly proof: string;
}

/** The target that every digest meets, 2^256 - 1. */
export const EASIEST = (1n << 256n) - 1n;

/** The job on top of `last`, on an open chain. */
export function openJob(puzzle: Puzzle, last: LastBlock, target: bigint): Job {
  switch (puzzle) {
    case "last_proof":
      return { prefix: last.proof, suffix: "", target };
    case "last_block":
      return { prefix: last.text, suffix: "", target };
    case "last_proof_and_hash":
      return { prefix: last.proof, suffix: last.hash, target };
  }
}

/** The job of a sealed block. */
export function sealedJob(seal: string, target: bigint): Job {
  return { prefix: seal, suffix: "", target };
}

/** SHA-256(prefix ‖ proof ‖ suffix), where `proof` is the text that Python's `str()` gives. */
export function digestOf(job: Job, proof: string): string {
  return hashHex(job.prefix + proof + job.suffix);
}

/** Whether a digest, read as a number, is at most the target. */
export function meets(digest: string, target: bigint): boolean {
  return BigInt(`0x${digest}`) <= target;
}

/** The target that 64 hex digits name; `undefined` for another text. */
export function targetOf(text: string | undefined): bigint | undefined {
  return isHash(text) ? BigInt(`0x${text}`) : undefined;
}

/** A target as 64 hex digits. */
export function targetText(target: bigint): string {
  return target.toString(16).padStart(64, "0");
}

/** The target that asks for so many zero hex digits, 64 at most. */
export function targetOfZeros(zeros: number): bigint {
  return EASIEST >> (4n * BigInt(Math.min(zeros, 64)));
}

/** The number of zero digits, when the target is exactly that; else `undefined`. */
export function zerosOf(target: bigint): number | undefined {
  const zeros = leadingZeros(targetText(target));
  return target === targetOfZeros(zeros) ? zeros : undefined;
}

/** How many zero digits a digest starts with. */
export function leadingZeros(digest: string): number {
  return digest.length - digest.replace(/^0+/, "").length;
}

/** How many zero bits a digest starts with. */
export function leadingZeroBits(digest: string): number {
  const zeros = leadingZeros(digest);
  const next = parseInt(digest.slice(zeros, zeros + 1) || "f", 16);
  return 4 * zeros + Math.clz32(next) - 28;
}

/** The work that a proof stands for: the tries that it takes on average, rounded down, at least 1. */
export function workOf(target: bigint): bigint {
  const work = (1n << 256n) / (target + 1n);
  // As the node has it, in 256 bits.
  return work > EASIEST ? EASIEST : work;
}

/** The tries that a proof takes on average. */
export function expectedTries(target: bigint): number {
  return 2 ** 256 / Number(target + 1n);
}

/**
 * The chance that a search takes more than `tries` tries. It falls from 1 and never depends on the tries
 * that were made before.
 */
export function odds(tries: number | bigint, target: bigint): number {
  const made = Number(tries);
  if (made <= 0) return 1;
  return Math.exp(made * Math.log1p(-1 / expectedTries(target)));
}
