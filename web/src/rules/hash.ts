/** SHA-256 and its texts. `crypto.subtle` is absent over plain http, so @noble/hashes computes it. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

export { bytesToHex, concatBytes, utf8ToBytes };

/** SHA-256 of a text in UTF-8, or of bytes. */
export function hashOf(data: string | Uint8Array): Uint8Array {
  return sha256(typeof data === "string" ? utf8ToBytes(data) : data);
}

/** SHA-256 as 64 lower-case hex digits. */
export function hashHex(data: string | Uint8Array): string {
  return bytesToHex(hashOf(data));
}

/** SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ message) as hex, as BIP-340 defines it. */
export function taggedHash(tag: string, ...message: readonly Uint8Array[]): string {
  const tagged = hashOf(tag);
  return hashHex(concatBytes(tagged, tagged, ...message));
}

/** Whether a text is a hash: 64 lower-case hex digits. */
export function isHash(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{64}$/.test(text);
}

/** The bytes of lower-case hex digits; `undefined` for another text. */
export function fromHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-f]{2})*$/.test(text) ? hexToBytes(text) : undefined;
}
