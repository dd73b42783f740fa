/** The id of a transaction of a block, which blocks do not state. */

import { openHash } from "../../rules/block";
import { canonical, tryParse, withFields } from "../../rules/json";
import { transactionId } from "../../rules/payment";

/** `chainId` is that of a chain whose payments are signed, and `null` on others. */
export function idOf(text: string, chainId: string | null): string | null {
  const value = tryParse(text);
  if (value === undefined) return null;
  if (chainId === null) return openHash(value);
  // A coin has no signature, and its id is over its whole text.
  return transactionId(chainId, canonical(withFields(value, { signature: undefined })));
}
