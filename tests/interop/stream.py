"""What a node tells those who follow it: `GET /api/v1/events`, read as browsers do."""

import http.client
import json
from dataclasses import dataclass

SILENCE_S = 30  # twice as long as a node is silent


@dataclass(frozen=True)
class Event:
    """What a node told."""

    id: str
    kind: str
    data: dict


class Stream:
    """A connection on which events come, as an iterator."""

    def __init__(self, node, query="", last=None):
        self._connection = http.client.HTTPConnection(node.address, timeout=SILENCE_S)
        self._connection.request("GET", f"/api/v1/events{query}", headers={} if last is None else {"Last-Event-ID": last})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.headers["content-type"] == "text/event-stream"
        self.last = last

    def __iter__(self):
        return self

    def __next__(self):
        fields = {}
        while line := self._answer.readline():
            if text := line.decode().rstrip("\n"):
                name, _, value = text.partition(": ")
                fields[name] = value
                continue
            self.last = fields.get("id", self.last)
            if "data" in fields:
                return Event(self.last, fields["event"], json.loads(fields["data"]))
            fields = {}
        raise StopIteration

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
