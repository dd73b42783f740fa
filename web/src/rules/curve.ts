/**
 * What needs the curve: BIP-340 signatures. This module is as large as all other rules together, so
 * it is loaded by `import("../rules/curve")` where a signature is checked, and no other module of the
 * rules imports more than its type.
 */

import { schnorr } from "@noble/curves/secp256k1.js";
import { fromHex } from "./hash";

/** Whether the curve has a point with this x coordinate, 64 hex digits: BIP-340's `lift_x`. */
export function isPublicKey(key: string): boolean {
  try {
    schnorr.utils.lift_x(BigInt(`0x${key}`));
    return true;
  } catch {
    return false;
  }
}

/** BIP-340's Verify, of hex: whether `key` signed the bytes of `message` by `signature`. */
export function hasSigned(key: string, message: string, signature: string): boolean {
  const [keyBytes, messageBytes, signatureBytes] = [key, message, signature].map(fromHex);
  if (!keyBytes || !messageBytes || !signatureBytes) return false;
  try {
    return schnorr.verify(signatureBytes, messageBytes, keyBytes);
  } catch {
    // A length that no key or signature has.
    return false;
  }
}
