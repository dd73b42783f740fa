"""What schemathesis is told of a node, besides its document."""

import re

import schemathesis


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """A node calls whom it was told of, so a case names nobody outside this machine.

    Blocks that come early make the next ones harder, so a case asks for a single one.
    """
    if isinstance(case.body, dict) and isinstance(blocks := case.body.get("blocks"), int) and 1 <= blocks <= 1000:
        case.body["blocks"] = 1
    nodes = case.body.get("nodes") if isinstance(case.body, dict) else None
    if isinstance(nodes, list):
        case.body["nodes"] = [re.sub(r".+(:\d+)$", r"localhost\1", node) if isinstance(node, str) else node for node in nodes]


@schemathesis.hook
def filter_failure(_context, failure, _case, response):
    """A 503 that says when to come again is an answer: the faucet has given enough, too many read at a time."""
    problem = response.headers.get("content-type", [""])[0] == "application/problem+json"
    later = problem and re.search(r"\b(later|again|until)\b", response.json()["detail"])
    return not (type(failure).__name__ == "ServerError" and response.status_code == 503 and later)
