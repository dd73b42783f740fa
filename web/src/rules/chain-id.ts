/** A chain's id, computed from its rules and its first block, as API.md has it. */

import { blockHash } from "./block";
import { MAX_BLOCK_BYTES, readRules } from "./chain-rules";
import { taggedHash, utf8ToBytes } from "./hash";
import { canonical, field, integer, text, withFields, type Json } from "./json";

/**
 * The id that these `rules` of `GET status` and this first block make. `undefined` if the rules name
 * another first block, or are not known here. A chain that starts with any block of a shape needs no
 * block.
 */
export function chainIdOf(rules: Json, genesis: Json | undefined): string | undefined {
  const read = readRules(rules);
  if (read === undefined) return undefined;
  let covered = rules;
  if (read.family === "sealed" || read.genesis.kind === "fixed") {
    if (genesis === undefined) return undefined;
    const hash = blockHash(read.family, genesis);
    if (hash === undefined || text(field(rules, "genesis")) !== hash) return undefined;
    covered = withFields(covered, { genesis });
  }
  // What an open chain's nodes pay for a block is no rule, and the status states it beside them.
  if (read.family === "open") covered = withFields(covered, { coin: undefined });
  // Two members are newer than ids, which don't cover them where they have the value that always held.
  if (integer(field(covered, "max_block_bytes")) === MAX_BLOCK_BYTES) {
    covered = withFields(covered, { max_block_bytes: undefined });
  }
  if (text(field(covered, "spending")) === "unsigned") {
    covered = withFields(covered, { spending: undefined });
  }
  return taggedHash("blocksmith/chain", utf8ToBytes(canonical(covered)));
}
