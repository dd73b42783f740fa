/** Half of a surrogate pair, which JSON can say and no address can. */
const HALVES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A text as a part of an address, whatever it is; half a pair becomes the sign for what can't be said. */
export function encoded(text: string | number): string {
  return encodeURIComponent(String(text).replace(HALVES, "\ufffd"));
}
