/** The node refused a call, and says why (RFC 9457). */
export class Problem extends Error {
  override readonly name = "Problem";
  constructor(
    readonly status: number,
    /** The rule that was broken, or the reason of a refusal, for programs. */
    readonly rule: string | null,
    /** What happened, why, and what to do next, in the node's words. */
    readonly detail: string,
  ) {
    super(detail);
  }
}

/** No answer came: the node can't be reached, took too long, or what answers is no node. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** The answer has more bytes than the caller takes. */
export class TooLong extends Error {
  override readonly name = "TooLong";
  constructor(readonly limit: number) {
    super(`the answer has more than ${limit} bytes`);
  }
}
