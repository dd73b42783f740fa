/**
 * Addresses of sealed chains: BIP-340 public keys in bech32m (BIP-350). Payments and blocks have each
 * address in one form, in small letters; people may give it in capitals or with `forge:` before it.
 * As crates/consensus/src/address.rs and crates/wallet/src/typed.rs.
 *
 * Whether the curve has a point for the key is not asked here: see `isPublicKey` in curve.ts, which is
 * loaded only where it is needed.
 */

import { bech32m } from "@scure/base";
import { bytesToHex, fromHex } from "./hash";

/** The reason why a text is not an address of a chain. */
export type AddressFault =
  /** Capitals and small letters together. */
  | "mixed_case"
  /** Something follows the address, as in a payment's URI. */
  | "query"
  /** It is an address, but of another chain. */
  | "another_chain"
  | "prefix"
  | "upper_case"
  | "character"
  | "length"
  | "checksum"
  | "padding";

/** An address, or the reason why a text is none. */
export type ReadAddress =
  | { readonly ok: true; readonly address: string; readonly key: string }
  | {
      readonly ok: false;
      readonly fault: AddressFault;
      /** What stands there: a character, a prefix, a length, or what follows. */
      readonly found?: string;
      /** What should stand there. */
      readonly expected?: string;
      /** The position of a wrong character, counted from 1. */
      readonly at?: number;
    };

/** The scheme of a URI with an address, as QR codes have it. */
const SCHEME = "forge:";

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/** Characters of a key and of the checksum after it. */
const DATA_CHARS = 58;

/** The longest address that BIP-350's checksum protects. */
const MAX_CHARS = 90;

// Blanks, and characters that are invisible and only say where lines break or which way letters run.
// The set of crates/wallet/src/written.rs. (Alternatives, not one class: some of them combine.)
const BLANK =
  /\p{White_Space}|[\ufeff\u00ad\u061c\u180e]|\u034f|[\u200b-\u200f]|[\u202a-\u202e]|[\u2060-\u206f]|[\ufe00-\ufe0f]/gu;

/** The address of a public key of 64 hex digits. */
export function addressOf(key: string, hrp: string): string {
  const bytes = fromHex(key);
  if (bytes?.length !== 32) throw new TypeError("a public key has 64 lower-case hex digits");
  return bech32m.encode(hrp, bech32m.toWords(bytes), MAX_CHARS);
}

/** Reads a chain's address as blocks have it, in small letters only. */
export function readAddress(text: string, hrp: string): ReadAddress {
  const chars = [...text];
  const capital = chars.findIndex((char) => char >= "A" && char <= "Z");
  if (capital >= 0) {
    return { ok: false, fault: "upper_case", at: capital + 1, found: chars[capital] ?? "" };
  }
  if (!text.startsWith(`${hrp}1`)) {
    const end = text.lastIndexOf("1");
    const found = end < 0 ? text : text.slice(0, end);
    return { ok: false, fault: "prefix", expected: hrp, found };
  }
  const prefix = hrp.length + 1;
  const data = chars.slice(prefix);
  const odd = data.findIndex((char) => !ALPHABET.includes(char));
  if (odd >= 0) {
    return { ok: false, fault: "character", at: prefix + odd + 1, found: data[odd] ?? "" };
  }
  if (data.length !== DATA_CHARS) {
    const expected = String(prefix + DATA_CHARS);
    return { ok: false, fault: "length", expected, found: String(chars.length) };
  }
  const read = bech32m.decodeUnsafe(text, MAX_CHARS);
  if (read === undefined) return { ok: false, fault: "checksum" };
  // 52 characters hold four bits more than a key, and they have to be zero.
  const bytes = bech32m.fromWordsUnsafe(read.words);
  if (!(bytes instanceof Uint8Array)) return { ok: false, fault: "padding" };
  return { ok: true, address: text, key: bytesToHex(bytes) };
}

/**
 * Reads an address as people give it: in small letters or in capitals, with `forge:` before it or
 * without, and with any blanks in it, which the checksum shows to be none of it.
 */
export function readTyped(text: string, hrp: string): ReadAddress {
  const bare = withoutScheme(text);
  const query = bare.search(/[?#]/);
  // Not dropped, since that would drop what the payee asks for.
  if (query >= 0) return { ok: false, fault: "query", found: bare.slice(query) };
  const lower = lowerAscii(bare);
  const read = readAddress(lower, hrp);
  if (!read.ok && read.fault === "prefix") {
    const found = prefixOf(lower);
    const isAddress = found !== undefined && readAddress(lower, found).ok;
    return isAddress ? { ok: false, fault: "another_chain", expected: hrp, found } : read;
  }
  if (/[A-Z]/.test(bare) && /[a-z]/.test(bare)) return { ok: false, fault: "mixed_case" };
  return read;
}

/** The prefix that an address says it has: up to the last 1, as the prefix may have a 1 of its own. */
function prefixOf(address: string): string | undefined {
  const prefix = address.slice(0, Math.max(address.lastIndexOf("1"), 0));
  return /^[a-z0-9]{1,31}$/.test(prefix) ? prefix : undefined;
}

function withoutScheme(text: string): string {
  const bare = text.replace(BLANK, "");
  const start = lowerAscii(bare.slice(0, SCHEME.length));
  return start === SCHEME ? bare.slice(SCHEME.length) : bare;
}

/** Small letters for ASCII capitals only: `toLowerCase` makes a `k` of the Kelvin sign. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
