#!/usr/bin/env python3
"""Writes json.json: JSON texts, and what CPython makes of them.

A case is a line: a name, the input as hex, and the canonical text as hex. Where there is none,
`refused` says why: `python` if CPython raises, else the name of the JsonErrorKind.
"""

import json
import pathlib
import random
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "crates" / "consensus" / "tests"))

from json_oracle import MAX_DEPTH, judge  # noqa: E402

MARKS = {"n": "NotFinite", "s": "SplitSurrogatePair", "e": "NotUtf8", "d": "TooDeep"}
CASES = []


def case(name, data):
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    CASES.append((name, data))


def literals():
    for text in ("null", "true", "false", "[]", "{}", '""', "[[]]", "[{}]", '{"a": {}}', "0", "-1"):
        case("canonical", text)
        case("among whitespace", f" \t\r\n{text}\n")
    for text in ("nul", "True", "FALSE", "nulll", "tru", "f", "undefined", "None", "'a'", "a"):
        case("no literal", text)
    for text in ("", " ", "\ufeff", "[", "]", "{", "}", ",", ":", "[1", "[1,", '{"a"', '{"a":', '{"a": 1', '{"a": 1,'):
        case("incomplete", text)
    for text in ("[1,]", "[,1]", "[1 2]", '{"a": 1,}', "{,}", "{1: 2}", '{"a" 1}', '{"a": 1 "b": 2}', "[}", "{]", '["a": 1]', "{'a': 1}", "{a: 1}", "[1}", '{"a": 1]', "[1,,2]", '{"a"::1}'):
        case("misplaced", text)
    for text in ("1 2", "[] []", "{}x", "null,", '"a""b"', "1]", "[]]", "1 \x00", "// c\n1", "1 // c", "/**/1"):
        case("trailing or comment", text)
    for space in ("\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\ufeff", "\x00"):
        case("no whitespace", space + "1")
        case("no whitespace", f"[1,{space}2]")
        case("no whitespace", "1" + space)


def separators():
    for text in ('[1,2,3]', '[ 1 , 2 ]', '[1,  2]', '{"a":1,"b":2}', '{"a" : 1}', '{ "a": 1}', '{"a": 1 }', "[ ]", "{ }", "[\n]", '{"a":\t1}', '[1,\n2]', '{"a": [1,2], "b": {"c":1}}', '[[1,2],[3, 4]]', '{"a":1, "b":2}'):
        case("separators", text)


def integers():
    for text in ("0", "-0", "1", "-1", "10", "9007199254740993", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1" * 100, "-" + "9" * 300):
        case("integer", text)
        case("integer in an array", f"[{text}]")
    for text in ("00", "01", "-01", "-00", "+1", "-", "--1", "0x10", "1_000", "1,000", "- 1", "1 000", "٣", "0b1", "1L"):
        case("no integer", text)
    case("as many digits as there may be", "7" * 4300)
    case("as many digits as there may be, and a sign", "-" + "7" * 4300)
    case("a digit too many", "7" * 4301)
    case("a digit too many, and a sign", "-" + "7" * 4301)
    case("a digit too many in an array", "[" + "7" * 4301 + "]")
    case("many digits of a float", "7" * 4301 + "e-4300")


def floats():
    for text in ("0.0", "-0.0", "0e0", "-0E-7", "0.00", "1.0", "1.10", "1E2", "1e2", "1e+2", "1e-2", "1e02", "1.5", "100.0", "100.00", "0.1", "0.10", "0.0001", "0.00010", "0.00001", "0.00009999999999999999", "1e-4", "1e-5", "1e15", "1e16", "1e17", "1e22", "1e23", "1e100", "1e-100", "9999999999999998.0", "9999999999999999.0", "10000000000000000.0", "99999999999999990.0", "123456789012345678.0", "9007199254740991.0", "9007199254740992.0", "9007199254740993.0", "4503599627370496.5", "4503599627370497.5", "2251799813685248.25", "0.30000000000000004", "0.3000000000000000444", "0.1000000000000000055511151231257827", "2.2250738585072014e-308", "2.2250738585072011e-308", "5e-324", "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623157e308", "1.7976931348623158e308", "123e-2", "1.5E+300", "12345678.9e-10", "1562874886.654986", "1562874886.6549864", "1562874886.65498638", "1562874886.6549", "1562874886.0", "-1562874886.654986", "8.41", "8.5e0", "0.5e1", "5.0e-1", "1e0", "1.25e-5", "1.25e-4", "0.000125", "179769313486231570000.0"):
        case("float", text)
    for text in ("1.", ".5", "-.5", "1.e3", "1e", "1e+", "1e-", "1.5e", "e5", "1e5.5", "0.e1", "1..5", "1e1e1", "inf", "nan", "-nan", "-inf", "1.5f", "0x1p3"):
        case("no float", text)
    for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e309", "1.7976931348623159e308", "[1, NaN]", '{"a": Infinity}', "1" + "0" * 400 + ".0", '{"a": NaN, "a": 1}', "[-Infinity]", "1e99999999999999999999"):
        case("not finite", text)
    for text in ("-NaN", "+Infinity", "Infinit", "Na", "-Infinite", "[-Infinit]", "NAN", "infinity"):
        case("not even not finite", text)
    for text in ("1e-99999999999999999999", "-1e-99999999999999999999", "0e99999999999999999999", "0." + "0" * 400 + "1e401", "1" + "0" * 400 + "e-400"):
        case("long exponent", text)
    rng = random.Random(1)
    for _ in range(60):
        value = struct.unpack("<d", rng.randbytes(8))[0]
        if value - value == 0:
            case("random float", rng.choice(("%r", "%.17g", "%.20e", "%.16E", "%.18g")) % value)
    for _ in range(30):
        case("timestamp", "%.*f" % (rng.randrange(1, 10), rng.uniform(1.5e9, 1.8e9)))


def strings():
    for byte in range(0x20):
        case("control character", bytes([0x22, byte, 0x22]))
        case("escaped control character", '"\\u%04x"' % byte)
        case("escaped control character after eight others", '"12345678\\u%04X"' % byte)
    for char in "bfnrt\"\\/":
        case("short escape", f'"\\{char}"')
    for char in "aexuU0'v \n\x7f?":
        case("no escape", f'"\\{char}"')
    for text in ('"\\', '"\\"', '"', '"abc', '"\\u', '"\\u1', '"\\u12', '"\\u123', '"\\u123"', '"\\u12g4"', '"\\u 123"', '"\\u+123"', '"\\u1_23"', '"\\u-123"', '"\\U0001f600"', '"\\ud83d\\u"', '"\\ud83d\\ude0"', '"\\ud83d\\'):
        case("broken escape", text)
    for code in (0x20, 0x22, 0x2F, 0x5C, 0x41, 0x7E, 0x7F, 0x80, 0xE9, 0xFF, 0x100, 0x7FF, 0x800, 0x2028, 0x2029, 0xABCD, 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF):
        case("escaped character", '"\\u%04x"' % code)
        case("escaped character, upper case", '"\\u%04X"' % code)
        if code not in (0x22, 0x5C):
            case("raw character", f'"{chr(code)}"')
    for code in (0x10000, 0x10001, 0x1F600, 0x1F4A9, 0xFFFFF, 0x10FFFF):
        case("raw character of four bytes", f'"{chr(code)}"')
        low, high = 0xDC00 + (code & 0x3FF), 0xD800 + ((code - 0x10000) >> 10)
        case("escaped pair", '"\\u%04x\\u%04x"' % (high, low))
        case("escaped pair, upper case", '"\\u%04X\\u%04X"' % (high, low))
    high, low = "\\ud83d", "\\ude00"
    for parts in ((high,), (low,), (low, high), (high, high), (low, low), (high, high, low), (high, low, low), (high, low, high, low), (high, "x", low), (high, "\\n", low), (high, "\\u0041", low), (high, "é", low), (high, "\x7f", low), (low, "😀"), (high, "😀"), ("😀", low), (high, "😀", low), ("a", high), (high, "a")):
        case("surrogates", '"' + "".join(parts) + '"')
    for parts in (("\ud83d",), ("\ude00",), ("\ude00", "\ud83d"), ("\ud83d", "x", "\ude00"), ("\ud83d", "\ud83d"), ("\ud83d", high, low), (high, low, "\ude00"), (high, "\ud83d"), ("\ude00", low), (low, "\ude00")):
        case("raw surrogates", '"' + "".join(parts) + '"')
    for parts in (("\ud83d", "\ude00"), ("\ud83d", low), (high, "\ude00"), (high, "\ud83d", low), ("\ud83d", "\ud83d", low), ("x", "\udbff", "\udc00", "y")):
        case("split pair", '"' + "".join(parts) + '"')
        case("split pair in a name", '{"' + "".join(parts) + '": 1}')
        case("split pair in a member that is replaced", '{"a": "' + "".join(parts) + '", "a": 1}')
    for data in (b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3\x28", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff"):
        case("not UTF-8", b'"' + data + b'"')
        case("not UTF-8 after eight others", b'"12345678' + data + b'x"')
    case("not UTF-8 outside", b"\xff1")
    for length in range(1, 20):
        case("escape after so many others", '"' + "x" * length + "\\n" + "y" * length + 'é"')


def encodings():
    case("byte order mark", b"\xef\xbb\xbf{\"b\":1,\"a\":2}")
    case("byte order mark and whitespace", b"\xef\xbb\xbf \n1 ")
    case("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf1")
    case("byte order mark inside", b"[\xef\xbb\xbf1]")
    case("byte order mark in a string", b'"\xef\xbb\xbf"')
    case("half a byte order mark", b"\xef\xbb1")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        for text in ("1", '{"a": 1}', '"\u20ac"'):
            case(encoding, text.encode(encoding))


def objects():
    for text in (
        '{"b": 1, "a": 2}', '{"b":1,"a":2}', '{"a": 1, "a": 2}', '{"a": 1, "b": 2, "a": 3}', '{"a": {"x": 1}, "a": {"y": 2}}',
        '{"\\u0061": 1, "a": 2}', '{"a": 1, "\\u0061": 2}', '{"\\u00e9": 1, "é": 2}', '{"\\/": 1, "/": 2}',
        '{"\\ud83d\\ude00": 1, "😀": 2}', '{"\\uffff": 1, "\\ud800\\udc00": 2}', '{"\\ud800\\udc00": 2, "\\uffff": 1}',
        '{"\uffff": 1, "\U00010000": 2}', '{"\U00010000": 2, "\uffff": 1}', '{"\\ud800": 1, "\\ud800\\udc00": 2, "\\ue000": 3, "\\udc00": 4}',
        '{"é": 1, "z": 2}', '{"z": 1, "é": 2}', '{"\\n": 1, " ": 2, "!": 3, "\\"": 4, "\\\\": 5, "]": 6, "[": 7}',
        '{"\\u007f": 1, "~": 2, "\\u0080": 3}', '{"a ": 1, "a": 2, "a!": 3}', '{"a!": 1, "a": 2}', '{"a\\"": 1, "a": 2, "a!": 3, "a#": 4}',
        '{"": 1, "a": 2}', '{"a": 1, "": 2}', '{"10": 1, "9": 2, "1": 3}', '{"B": 1, "a": 2, "A": 3, "b": 4}',
        '{"b": {"d": 1, "c": 2}, "a": {"f": 3, "e": 4}}', '[{"b": 1, "a": 2}, {"d": 1, "c": 2}]', '{"b": [{"z": {"y": 1, "x": 2}, "a": []}], "a": {}}',
        '{"c": 1, "b": 2, "a": 3, "c": {"b": 1, "a": {"z": 1, "y": 2}}}', '{"a": {"b": 1, "a": 2}, "b": 3}',
        '{"\\u000b": 1, "\\t": 2, "\\u0000": 3, "\\r": 4, "\\f": 5, "\\b": 6}', '{"a\\u0000": 1, "a": 2}', '{"true": true, "null": null, "false": false}',
        '{"a": 1.10, "A": 1E2, "-": -0}', '{"x": 1, "x": 2, "x": 3, "w": {"x": 1, "x": [1,2]}}', '{"b": [], "a": {}}', '{"b": [ ], "a": { }}',
    ):
        case("object", text)
    block = {"index": 2, "timestamp": 1562874886.654986, "transactions": [{"sender": "0", "recipient": "00341426854640f596f4ba49a64f7c5a", "amount": 1}], "proof": 241341, "previous_hash": "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea"}
    case("block", json.dumps(block))
    case("block, sorted", json.dumps(block, sort_keys=True))
    case("block, compact", json.dumps(block, separators=(",", ":")))
    case("block, indented", json.dumps(block, indent=4))
    case("block with an unknown member", json.dumps({**block, "note": "grüße", "Extra": [None]}, ensure_ascii=False))
    rng = random.Random(2)
    for count in (2, 3, 10, 33, 100):
        names = [rng.choice("abcé\uffff😀\\u0061"[:5]) + str(rng.randrange(count)) for _ in range(count)]
        case("many members", "{" + ",".join(f'"{name}":{i}' for i, name in enumerate(names)) + "}")


def depths():
    for depth in (1, 2, 31, 32, 33, 34, 100, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 1100):
        case(f"{depth} arrays", "[" * depth + "]" * depth)
        case(f"{depth} arrays, compact", "[0," * (depth - 1) + "[]" + "]" * (depth - 1))
        case(f"{depth} objects", '{"a": ' * (depth - 1) + "{}" + "}" * (depth - 1))
    case("unclosed arrays", "[" * 5000)


def refusal(judged):
    if judged is None:
        return "python"
    _, marks = judged
    return None if marks == "-" else MARKS[marks[0]]


def main():
    for group in (literals, separators, integers, floats, strings, encodings, objects, depths):
        group()
    lines = []
    for name, data in CASES:
        judged = judge(data)
        line = {"name": name, "input": data.hex()}
        refused = refusal(judged)
        if refused is None:
            line["expected"] = judged[0].encode("ascii").hex()
        else:
            line["refused"] = refused
        lines.append(json.dumps(line))
    path = HERE / "json.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    main()
