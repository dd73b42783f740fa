/**
 * JSON text, looked at in place. `JSON.parse` turns `1.0` into 1 and rounds whole numbers beyond 2^53, so
 * where the digits matter the page takes them from the text of the answer. The text is JSON that
 * `JSON.parse` takes, or an error is thrown.
 */

const BLANK = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const SCALAR = /[^\s,\]}[{"]+/y;

/** Where the match of `pattern` at `at` ends. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  if (!pattern.test(text)) throw new SyntaxError(`no JSON at character ${at}`);
  return pattern.lastIndex;
}

/** Where the value that begins at `at` ends. */
function valueEnd(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return skip(STRING, text, at);
  if (first !== "{" && first !== "[") return skip(SCALAR, text, at);
  // No recursion: texts may be nested nearly a thousand levels deep.
  let depth = 0;
  for (let here = at; here < text.length; here++) {
    const letter = text[here];
    if (letter === '"') here = skip(STRING, text, here) - 1;
    else if (letter === "{" || letter === "[") depth++;
    else if ((letter === "}" || letter === "]") && --depth === 0) return here + 1;
  }
  throw new SyntaxError("the JSON ends within a value");
}

/** The texts of the values between the brackets that begin `text`, each after `before` has run. */
function inside(text: string, open: string, close: string, each: (at: number) => number): void {
  let at = skip(BLANK, text, 0);
  if (text[at] !== open) throw new SyntaxError(`the value does not begin with ${open}`);
  at = skip(BLANK, text, at + 1);
  if (text[at] === close) return;
  for (;;) {
    at = skip(BLANK, text, each(at));
    if (text[at] === close) return;
    if (text[at] !== ",") throw new SyntaxError(`no JSON at character ${at}`);
    at = skip(BLANK, text, at + 1);
  }
}

/** The members of an object, each with the text of its value; of a name that comes twice, the last one. */
export function members(text: string): Map<string, string> {
  const found = new Map<string, string>();
  inside(text, "{", "}", (at) => {
    const nameEnd = skip(STRING, text, at);
    const name: unknown = JSON.parse(text.slice(at, nameEnd));
    const colon = skip(BLANK, text, nameEnd);
    if (text[colon] !== ":") throw new SyntaxError(`no JSON at character ${colon}`);
    const start = skip(BLANK, text, colon + 1);
    const end = valueEnd(text, start);
    found.set(String(name), text.slice(start, end));
    return end;
  });
  return found;
}

/** The texts of an array's elements. */
export function elements(text: string): string[] {
  const found: string[] = [];
  inside(text, "[", "]", (at) => {
    const end = valueEnd(text, at);
    found.push(text.slice(at, end));
    return end;
  });
  return found;
}

/** The string that a text is, or `null` if it is no string. */
export function stringOf(text: string | undefined): string | null {
  if (text?.[0] !== '"') return null;
  const value: unknown = JSON.parse(text);
  return typeof value === "string" ? value : null;
}

/**
 * A party of a transaction, as nodes name it: the string, else the text of another value. A string with
 * half of a surrogate pair is one of those: no address could name it.
 */
export function partyOf(text: string): string {
  const name = stringOf(text);
  return name === null || /\p{Surrogate}/u.test(name) ? text : name;
}
