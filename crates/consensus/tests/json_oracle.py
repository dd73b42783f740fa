#!/usr/bin/env python3
"""What CPython makes of JSON texts.

A text per line comes in as hex. Out goes `error`, or the marks of the text (`-` if it has none) and
the canonical text as hex. The marks tell what Blocksmith refuses although CPython reads it:

    n  a float that is not finite
    s  a surrogate pair in two halves, which CPython joins when it reads its own output
    e  UTF-16 or UTF-32
    d  more than 990 levels of nesting
"""

import contextlib
import json
import sys

MAX_DEPTH = 990


def pairs(items):
    """An object with all its members, those that a later one replaces too."""
    return [list(item) for item in items]


def judge(data):
    """The canonical text of `data` and its marks, or None if CPython does not read it."""
    try:
        text = json.dumps(json.loads(data), sort_keys=True)
    except (ValueError, RecursionError):
        return None
    marks = ""
    with room_for_twice_the_depth():
        everything = json.loads(data, object_pairs_hook=pairs)
        try:
            json.dumps(everything, allow_nan=False)
        except ValueError:
            marks += "n"
        if repr(json.loads(json.dumps(everything))) != repr(everything):
            marks += "s"
    if not json.detect_encoding(data).startswith("utf-8"):
        marks += "e"
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        marks += "d"
    return text, marks or "-"


@contextlib.contextmanager
def room_for_twice_the_depth():
    """`pairs` makes two levels of one."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(4 * limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def depth(text):
    """Levels of nesting in a valid text."""
    deepest = level = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"':
            in_string = True
        elif char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
    return deepest


def main():
    for line in sys.stdin:
        judged = judge(bytes.fromhex(line))
        if judged is None:
            print("error")
        else:
            text, marks = judged
            print(marks, text.encode("ascii").hex())


if __name__ == "__main__":
    main()
