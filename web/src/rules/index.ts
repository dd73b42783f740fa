/**
 * The rules, without the curve: what a block, a payment and a proof are, recomputed. Nothing here
 * needs a document, a network or a clock. Signatures are in curve.ts, which is loaded where they are
 * checked.
 */

export * from "./address";
export * from "./block";
export * from "./chain-id";
export * from "./chain-rules";
export * from "./difficulty";
export * from "./hash";
export * from "./job";
export * from "./json";
export * from "./merkle";
export * from "./payment";
export * from "./verify";
