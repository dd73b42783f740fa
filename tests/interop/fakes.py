"""Peers that lie, stall or are not there; they live in the test's own process."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakePeer:
    """Serves whatever it is told to: `answers` maps a path to a value (JSON), bytes, or a function of the handler."""

    def __init__(self, answers, status=200, content_type="application/json"):
        self.posts = []  # (path, parsed body) of every POST it got
        self.gets = []  # paths of every GET
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                peer.gets.append(self.path)
                self.serve()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                peer.posts.append((self.path, json.loads(body)))
                self.serve()

            def serve(self):
                path = self.path.split("?")[0]
                if path not in answers:
                    return self.send_error(404)
                answer = answers[path]
                if callable(answer):
                    answer = answer(self)
                    if answer is None:  # it has written by itself
                        return None
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @classmethod
    def with_chain(cls, chain, length=None):
        """A peer that shows `chain`, and says that it has `length` blocks."""
        return cls({"/chain": {"chain": chain, "length": len(chain) if length is None else length}})

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class SlowPeer:
    """Accepts every connection and never says a word."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        try:
            while True:
                self._connections.append(self._socket.accept())
        except OSError:  # closed
            pass

    def __exit__(self, *_):
        self._socket.close()
        for connection, _ in self._connections:
            connection.close()


_taken = []  # ports that nobody else can get, since they are bound, and that nobody answers on


def dead_peer():
    """The address of nobody, another one each time."""
    _taken.append(socket.socket())
    _taken[-1].bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{_taken[-1].getsockname()[1]}"
