/**
 * JSON as the chain hashes it: `json.dumps(json.loads(text), sort_keys=True)` of CPython, byte for byte.
 *
 * `JSON.parse` cannot be used: it rounds integers, loses `1.0` and `-0`, and puts keys that look like
 * numbers first. As in crates/consensus/src/json.rs, four kinds of text that CPython reads are refused:
 * floats that are not finite, a surrogate pair of which only one half is an escape, more than
 * `MAX_DEPTH` levels, and UTF-16 and UTF-32.
 */

/** The most levels of arrays and objects inside each other. */
export const MAX_DEPTH = 990;

/** The most digits of an integer, without its sign: CPython's default limit. */
export const MAX_INT_DIGITS = 4300;

/** A number: as it was written, and as it is hashed. */
export interface JsonNumber {
  readonly kind: "int" | "float";
  /** The text that stood there, as in `1e5`. */
  readonly written: string;
  /** The canonical text, as in `100000.0`. */
  readonly text: string;
}

/** A value that nothing changes. The members of an object stand in the order in which they came. */
export type Json =
  | { readonly kind: "null" }
  | { readonly kind: "bool"; readonly value: boolean }
  | JsonNumber
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "array"; readonly elements: readonly Json[] }
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, Json> };

/** The faults of a text. */
export type JsonFault =
  | "unexpected_end"
  | "unexpected"
  | "trailing"
  | "too_deep"
  | "int_too_long"
  | "not_finite"
  | "bad_escape"
  | "control_character"
  | "not_utf8"
  | "split_surrogate_pair";

/** The reason why a text was refused. */
export class JsonError extends Error {
  constructor(
    readonly fault: JsonFault,
    /** Where: in code units of a text, in bytes where the bytes are not UTF-8. */
    readonly at: number,
  ) {
    super(`this JSON can't be read: ${fault.replaceAll("_", " ")} at ${at}`);
    this.name = "JsonError";
  }
}

/**
 * Reads a document: one value with whitespace around it, and perhaps a byte order mark before it.
 *
 * @throws {JsonError} at the first fault.
 */
export function parse(input: string | Uint8Array): Json {
  return new Reader(typeof input === "string" ? input : decode(input)).document();
}

/** As `parse`; `undefined` for a text that is not JSON. */
export function tryParse(input: string | Uint8Array): Json | undefined {
  try {
    return parse(input);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

/** The text that is hashed: only ASCII, keys in the order of their code points. */
export function canonical(value: Json): string {
  switch (value.kind) {
    case "null":
      return "null";
    case "bool":
      return value.value ? "true" : "false";
    case "int":
    case "float":
      return value.text;
    case "string":
      return quoted(value.value);
    case "array":
      return `[${value.elements.map(canonical).join(", ")}]`;
    case "object": {
      const members = [...value.members].sort(([a], [b]) => compareCodePoints(a, b));
      return `{${members.map(([name, inner]) => `${quoted(name)}: ${canonical(inner)}`).join(", ")}}`;
    }
  }
}

/** The member of that name; `undefined` if the value is not an object that has one. */
export function field(value: Json | undefined, name: string): Json | undefined {
  return value?.kind === "object" ? value.members.get(name) : undefined;
}

/**
 * The text of a string; `undefined` for another value, and for a string with a lone surrogate, which
 * has no UTF-8 form.
 */
export function text(value: Json | undefined): string | undefined {
  return value?.kind === "string" && isWhole(value.value) ? value.value : undefined;
}

/** The integer; `undefined` for another value. */
export function integer(value: Json | undefined): bigint | undefined {
  return value?.kind === "int" ? BigInt(value.text) : undefined;
}

/** The elements of an array; none for another value. */
export function elements(value: Json | undefined): readonly Json[] {
  return value?.kind === "array" ? value.elements : [];
}

/** An object like `value` with some members set, or left out where they are `undefined`. */
export function withFields(value: Json, fields: Readonly<Record<string, Json | undefined>>): Json {
  const members = new Map(value.kind === "object" ? value.members : []);
  for (const [name, inner] of Object.entries(fields)) {
    if (inner === undefined) members.delete(name);
    else members.set(name, inner);
  }
  return { kind: "object", members };
}

/** How deep the arrays and objects of a value lie inside each other. */
export function depth(value: Json): number {
  let deepest = 0;
  if (value.kind === "array") {
    for (const inner of value.elements) deepest = Math.max(deepest, depth(inner));
  } else if (value.kind === "object") {
    for (const inner of value.members.values()) deepest = Math.max(deepest, depth(inner));
  } else {
    return 0;
  }
  return deepest + 1;
}

/** Whether a text has no lone surrogate. */
export function isWhole(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The canonical text of a string. */
export function quoted(text: string): string {
  if (!SPECIAL.test(text)) return `"${text}"`;
  return `"${text.replace(EVERY_SPECIAL, escaped)}"`;
}

// Everything but the printable ASCII that stands for itself; code units, so that a character above
// U+FFFF becomes two escapes.
const SPECIAL = /[^ !#-[\]-~]/;
const EVERY_SPECIAL = new RegExp(SPECIAL, "g");

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

function escaped(unit: string): string {
  const code = unit.charCodeAt(0).toString(16).padStart(4, "0");
  return SHORT_ESCAPES.get(unit) ?? `\\u${code}`;
}

/** Compares texts by code points, as Python does; JavaScript itself compares UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  // A second half is compared together with the first one, which both have.
  if (at > 0 && isHigh(a.charCodeAt(at - 1))) {
    const order = codePoint(a, at - 1) - codePoint(b, at - 1);
    if (order !== 0) return order;
  }
  return codePoint(a, at) - codePoint(b, at);
}

/** The code point there; less than any at the end. */
function codePoint(text: string, at: number): number {
  return text.codePointAt(at) ?? -1;
}

/** The shortest text that reads back as the same float, in the form of Python's `repr`. */
export function floatText(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [mantissa = "0", exponent = "0"] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const magnitude = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${digits.slice(0, 1)}${fraction}e${power < 0 ? "-" : "+"}${magnitude}`;
  }
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${digits.slice(power + 1) || "0"}`;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

const NULL: Json = Object.freeze({ kind: "null" });
const TRUE: Json = Object.freeze({ kind: "bool", value: true });
const FALSE: Json = Object.freeze({ kind: "bool", value: false });

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

class Reader {
  private at = 0;
  private depth = 0;

  constructor(private readonly input: string) {}

  document(): Json {
    if (this.input.charCodeAt(0) === 0xfeff) this.at = 1;
    const value = this.value();
    this.skipWhitespace();
    if (this.at < this.input.length) throw new JsonError("trailing", this.at);
    return value;
  }

  private value(): Json {
    this.skipWhitespace();
    switch (this.input[this.at]) {
      case "{":
        return this.object();
      case "[":
        return this.array();
      case '"':
        return { kind: "string", value: this.string() };
      case "n":
        return this.literal("null", NULL);
      case "t":
        return this.literal("true", TRUE);
      case "f":
        return this.literal("false", FALSE);
      case "N":
        return this.notFinite("NaN");
      case "I":
        return this.notFinite("Infinity");
      default:
        return this.number();
    }
  }

  private object(): Json {
    this.open();
    // A name that comes twice keeps its first place and gets its last value, as in a dict of Python.
    const members = new Map<string, Json>();
    if (!this.closes("}")) {
      do {
        this.skipWhitespace();
        if (this.input[this.at] !== '"') throw this.unexpected();
        const name = this.string();
        this.skipWhitespace();
        if (this.input[this.at] !== ":") throw this.unexpected();
        this.at++;
        members.set(name, this.value());
      } while (this.goesOn("}"));
    }
    this.depth--;
    return { kind: "object", members };
  }

  private array(): Json {
    this.open();
    const elements: Json[] = [];
    if (!this.closes("]")) {
      do elements.push(this.value());
      while (this.goesOn("]"));
    }
    this.depth--;
    return { kind: "array", elements };
  }

  private open(): void {
    if (this.depth >= MAX_DEPTH) throw new JsonError("too_deep", this.at);
    this.depth++;
    this.at++;
  }

  private closes(close: string): boolean {
    this.skipWhitespace();
    if (this.input[this.at] !== close) return false;
    this.at++;
    return true;
  }

  /** Whether a comma follows a member or element; else the end has to. */
  private goesOn(close: string): boolean {
    this.skipWhitespace();
    const found = this.input[this.at];
    if (found !== "," && found !== close) throw this.unexpected();
    this.at++;
    return found === ",";
  }

  private literal(name: string, value: Json): Json {
    if (!this.input.startsWith(name, this.at)) throw this.unexpected();
    this.at += name.length;
    return value;
  }

  private notFinite(name: string): never {
    if (!this.input.startsWith(name, this.at)) throw this.unexpected();
    throw new JsonError("not_finite", this.at);
  }

  private number(): Json {
    const start = this.at;
    const negative = this.input[this.at] === "-";
    if (negative) this.at++;
    if (negative && this.input[this.at] === "I") return this.notFinite("Infinity");
    const whole = this.at;
    if (this.input[this.at] === "0") this.at++;
    else this.digits();
    const digits = this.at - whole;
    let kind: "int" | "float" = "int";
    if (this.input[this.at] === ".") {
      kind = "float";
      this.at++;
      this.digits();
    }
    if (this.input[this.at] === "e" || this.input[this.at] === "E") {
      kind = "float";
      this.at++;
      if (this.input[this.at] === "+" || this.input[this.at] === "-") this.at++;
      this.digits();
    }
    const written = this.input.slice(start, this.at);
    if (kind === "int") {
      if (digits > MAX_INT_DIGITS) throw new JsonError("int_too_long", start);
      return { kind, written, text: written === "-0" ? "0" : written };
    }
    const value = Number(written);
    if (!Number.isFinite(value)) throw new JsonError("not_finite", start);
    return { kind, written, text: floatText(value) };
  }

  private digits(): void {
    const start = this.at;
    while (isDigit(this.input.charCodeAt(this.at))) this.at++;
    if (this.at === start) throw this.unexpected();
  }

  private string(): string {
    this.at++;
    let out = "";
    let plain = this.at;
    // Whether the unit before is the first half of a pair, and if so how it was written.
    let high: "escaped" | "raw" | undefined;
    for (;;) {
      const unit = this.input.charCodeAt(this.at);
      if (unit === 0x22) {
        out += this.input.slice(plain, this.at);
        this.at++;
        return out;
      }
      if (unit === 0x5c) {
        out += this.input.slice(plain, this.at);
        const start = this.at;
        const read = this.escape();
        const code = read.charCodeAt(0);
        if (isLow(code) && high === "raw") throw new JsonError("split_surrogate_pair", start);
        high = isHigh(code) ? "escaped" : undefined;
        out += read;
        plain = this.at;
        continue;
      }
      if (Number.isNaN(unit)) throw new JsonError("unexpected_end", this.at);
      if (unit < 0x20) throw new JsonError("control_character", this.at);
      if (isLow(unit) && high === "escaped") throw new JsonError("split_surrogate_pair", this.at);
      high = isHigh(unit) ? "raw" : undefined;
      this.at++;
    }
  }

  private escape(): string {
    const backslash = this.at;
    const letter = this.input[backslash + 1];
    if (letter === undefined) throw new JsonError("unexpected_end", backslash + 1);
    if (letter === "u") {
      const digits = this.input.slice(backslash + 2, backslash + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new JsonError("bad_escape", backslash);
      this.at = backslash + 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    const char = ESCAPES.get(letter);
    if (char === undefined) throw new JsonError("bad_escape", backslash);
    this.at = backslash + 2;
    return char;
  }

  private skipWhitespace(): void {
    for (;;) {
      const unit = this.input.charCodeAt(this.at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.at++;
    }
  }

  private unexpected(): JsonError {
    const ends = this.at >= this.input.length;
    return new JsonError(ends ? "unexpected_end" : "unexpected", this.at);
  }
}

/**
 * UTF-8 as CPython decodes it: with surrogates of three bytes, which `TextDecoder` refuses. Two of
 * them that would make a pair are a split pair, since JavaScript could not tell it from a whole one.
 */
function decode(bytes: Uint8Array): string {
  // A NUL among the first two bytes says that the text is in UTF-16 or UTF-32.
  const wide = bytes.subarray(0, 2).indexOf(0);
  if (wide >= 0) throw new JsonError("not_utf8", wide);
  const parts: string[] = [];
  let units: number[] = [];
  let high = false;
  for (let at = 0; at < bytes.length;) {
    const [code, length] = character(bytes, at);
    if (isLow(code) && high) throw new JsonError("split_surrogate_pair", at);
    high = isHigh(code);
    units.push(code);
    at += length;
    // A call has room for some ten thousand arguments only.
    if (units.length === 4096) {
      parts.push(String.fromCodePoint(...units));
      units = [];
    }
  }
  parts.push(String.fromCodePoint(...units));
  return parts.join("");
}

/** The code point at an offset, and how many bytes it takes. */
function character(bytes: Uint8Array, at: number): [code: number, length: number] {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return [first, 1];
  const [length, lowest] =
    first >= 0xc2 && first <= 0xdf
      ? [2, 0x80]
      : first >= 0xe0 && first <= 0xef
        ? [3, 0x800]
        : first >= 0xf0 && first <= 0xf4
          ? [4, 0x10000]
          : [0, 0];
  let code = first & (0x7f >> length);
  for (let next = at + 1; next < at + length; next++) {
    const byte = bytes[next] ?? 0;
    if ((byte & 0xc0) !== 0x80) throw new JsonError("not_utf8", at);
    code = (code << 6) | (byte & 0x3f);
  }
  if (length === 0 || code < lowest || code > 0x10ffff) throw new JsonError("not_utf8", at);
  return [code, length];
}
