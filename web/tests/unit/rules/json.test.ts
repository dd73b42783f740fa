import { describe, expect, it } from "vitest";
import {
  canonical,
  compareCodePoints,
  depth,
  field,
  floatText,
  integer,
  JsonError,
  MAX_DEPTH,
  parse,
  text,
  tryParse,
  withFields,
  type JsonFault,
} from "../../../src/rules/json";
import { vectorsOf } from "./support";

interface Case {
  readonly name: string;
  readonly input: string;
  readonly expected?: string;
  readonly refused?: string;
}

const CLASSES: Readonly<Record<string, JsonFault>> = {
  NotFinite: "not_finite",
  SplitSurrogatePair: "split_surrogate_pair",
  NotUtf8: "not_utf8",
  TooDeep: "too_deep",
};

function faultOf(input: string | Uint8Array): JsonFault | undefined {
  try {
    parse(input);
    return undefined;
  } catch (error) {
    if (error instanceof JsonError) return error.fault;
    throw error;
  }
}

describe("CPython's cases (tests/vectors/json.json)", () => {
  const cases = vectorsOf<readonly Case[]>("json.json");

  it("come out as CPython writes them, from bytes", () => {
    for (const { name, input, expected, refused } of cases) {
      const bytes = new Uint8Array(Buffer.from(input, "hex"));
      const shown = `${name}: ${Buffer.from(bytes.subarray(0, 100)).toString("latin1")}`;
      if (expected !== undefined) {
        const wants = Buffer.from(expected, "hex").toString("latin1");
        const found = canonical(parse(bytes));
        expect(found, shown).toBe(wants);
        expect(canonical(parse(found)), `${shown}, again`).toBe(wants);
      } else {
        const fault = faultOf(bytes);
        expect(fault, shown).toBeDefined();
        if (refused !== undefined && refused !== "python") {
          expect(fault, shown).toBe(CLASSES[refused]);
        }
      }
    }
    expect(cases.length).toBeGreaterThan(750);
  });

  it("come out alike from a text", () => {
    let read = 0;
    for (const { name, input, expected } of cases) {
      const bytes = Buffer.from(input, "hex");
      const asText = bytes.toString("utf8");
      // A text cannot hold what is not UTF-8.
      if (!Buffer.from(asText, "utf8").equals(bytes)) continue;
      const value = tryParse(asText);
      const found = value && Buffer.from(canonical(value)).toString("hex");
      // NULs of UTF-16 are seen only among bytes.
      expect(found, name).toBe(expected);
      read++;
    }
    expect(read).toBeGreaterThan(650);
  });
});

describe("a JSON value", () => {
  it("keeps numbers as they are written beside what is hashed", () => {
    for (const [written, hashed, kind] of [
      ["1.0", "1.0", "float"],
      ["1e5", "100000.0", "float"],
      ["-0", "0", "int"],
      ["-0.0", "-0.0", "float"],
      ["18446744073709551616", "18446744073709551616", "int"],
      ["1E400e", undefined, undefined],
    ] as const) {
      if (hashed === undefined) expect(tryParse(written)).toBeUndefined();
      else expect(parse(written)).toEqual({ kind, written, text: hashed });
    }
    expect(integer(parse("18446744073709551616"))).toBe(2n ** 64n);
    expect(integer(parse("1.0"))).toBeUndefined();
  });

  it("takes the last of two members, at the place of the first", () => {
    const value = parse('{"b": 1, "a": 2, "\\u0062": 3}');
    expect(value.kind === "object" && [...value.members.keys()]).toEqual(["b", "a"]);
    expect(canonical(value)).toBe('{"a": 2, "b": 3}');
  });

  it("has no members that nobody wrote, and all that somebody did", () => {
    expect(field(parse("{}"), "__proto__")).toBeUndefined();
    expect(field(parse("{}"), "toString")).toBeUndefined();
    expect(field(parse("[1]"), "0")).toBeUndefined();
    expect(field(parse('"abc"'), "length")).toBeUndefined();
    const hostile = '{"__proto__": {"a": 1}, "constructor": 2}';
    expect(canonical(parse(hostile))).toBe(hostile);
    expect(canonical(parse('{"2": 0, "10": 0, "1": 0}'))).toBe('{"1": 0, "10": 0, "2": 0}');
  });

  it("gives the text of a string only if that has a UTF-8 form", () => {
    expect(text(parse('"\\ud83d\\ude00"'))).toBe("😀");
    expect(text(parse('"\\ud800"'))).toBeUndefined();
    expect(text(parse('"a\\udc00b"'))).toBeUndefined();
    expect(text(parse("1"))).toBeUndefined();
    expect(canonical(parse('"\\uD800"'))).toBe('"\\ud800"');
  });

  it("is not changed when members are set", () => {
    const value = parse('{"a": 1, "b": 2}');
    const other = withFields(value, { a: undefined, c: parse("3") });
    expect([canonical(value), canonical(other)]).toEqual(['{"a": 1, "b": 2}', '{"b": 2, "c": 3}']);
  });

  it("is as deep as may be, and no deeper, without a stack overflow", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    expect(depth(parse(nested(MAX_DEPTH)))).toBe(MAX_DEPTH);
    expect(faultOf(nested(MAX_DEPTH + 1))).toBe("too_deep");
    expect(faultOf("[".repeat(5_000_000))).toBe("too_deep");
    expect(faultOf('{"a":'.repeat(1_000_000))).toBe("too_deep");
  });
});

it("names are in the order of their code points, halves of pairs among them", () => {
  const ordered = [
    "",
    "\u0000",
    "a",
    "a\u0000",
    "b",
    "\ud7ff",
    "\ud800",
    "\ud800a",
    "\ud800\ud800",
  ];
  ordered.push("\udc00", "\ue000", "\uffff", "\ud800\udc00", "\ud800\udc01", "\ud83d\ude00");
  ordered.push("\udbff\udfff");
  for (const [at, a] of ordered.entries()) {
    for (const [other, b] of ordered.entries()) {
      expect(Math.sign(compareCodePoints(a, b)), JSON.stringify([a, b])).toBe(
        Math.sign(at - other),
      );
    }
  }
});

it("floats have the text of Python's repr", () => {
  for (const [value, expected] of [
    [0, "0.0"],
    [-0, "-0.0"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.5e300, "1.5e+300"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [-1562874886.654986, "-1562874886.654986"],
    [5e-324, "5e-324"],
  ] as const) {
    expect(floatText(value)).toBe(expected);
  }
});
