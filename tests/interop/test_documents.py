"""Every command of README.md and the other pages runs as it stands there, and answers what is shown there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import program
from documents import INLINE, Command, sections
from terminal import Network, Terminal

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "API.md", "CONTRIBUTING.md"]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "forge.json").read_text(encoding="utf-8"))
STEP_S = 120  # until a command ends that mines some blocks
READY_S = 60
TURN_S = 1.2  # until a reader types in another terminal; in that time new payments become part of a miner's work

# Commands that are not run here, and why.
NOT_RUN = [
    (r"git clone |cd blocksmith$", "the tests run in a checkout"),
    (r"sudo apt |rustc |rustup ", "installs Rust, which the tests have"),
    (r"cargo install ", "takes minutes; cargo has built the same program for the tests"),
    (r"systemctl ", "changes the services of the machine"),
    (r"cargo xtask (web|test|bench|messages)", "is for those who change the program; takes minutes"),
]

# Commands beside which the reader goes on in another terminal, once they show this; whether Ctrl-C ends them, or
# what is typed there.
LONG = [
    (r"blocksmith node .*", "Running on", True),
    (r"blocksmith mine (?!.*--coins).*", "mining on", True),
    (r"(blocksmith dev|cargo xtask demo)\b(?!.*--blocks).*", "block 2 ", True),
    (r"curl -N .*", "event: tip", True),
    (r"python3 miner\.py .*", "mining on", True),
    (r"python3 pay\.py .*", "payment", False),
]

# What differs from run to run, on the page and on the terminal.
MASKS = [
    (r"\b1[6-9]\d{8}(\.\d+)?\b", "TIME"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?\b", "DATE"),
    (r"\bforge1[02-9ac-hj-np-z]{58}\b", "ADDRESS"),
    (r"\b[0-9a-f]{12}…", "HASH"),
    (r"\b(?=[0-9a-f]*[a-f])[0-9a-f]{16,64}\b", "HASH"),
    (r"^([a-z]+ ){11}[a-z]+$", "TWELVE WORDS"),
]
# Proofs by rules whose work commits to the time.
SEALED_PROOF = (r"\bproof +\d+ +(hash HASH  mined on node \d   coins \d0)", r"proof PROOF \1")

SECTIONS = [(page, section) for page in PAGES for section in sections((ROOT / page).read_text(encoding="utf-8"))]


def of(page, title):
    """The section of that title."""
    [section] = [section for name, section in SECTIONS if (name, section.title) == (page, title)]
    return section


def masked(text):
    """The text without what differs from run to run."""
    for pattern, name in [*MASKS, SEALED_PROOF]:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def agrees(text, shown):
    """Whether a terminal's text is what a page shows: `…` stands for anything, and lines may be broken elsewhere."""
    pieces = [r"(?:.*\s)?" if word == "…" else re.escape(word).replace("…", ".*") + r"\s+" for word in masked(shown).split()]
    return re.fullmatch(r"\s*" + "".join(pieces), masked(text) + "\n", re.DOTALL) is not None


class Reader:
    """Somebody who types what a section says, in a home of their own."""

    def __init__(self, folder, network):
        self.network, self.running = network, []
        self.home, self.folder = folder, folder / "blocksmith"
        self.folder.mkdir()
        (self.folder / "chains").symlink_to(ROOT / "chains")
        programs = folder / "bin"
        programs.mkdir()
        (programs / "blocksmith").symlink_to(program().resolve())
        (programs / "python3").symlink_to(sys.executable)
        curl = os.environ.get("DEBIAN_11_CURL") or shutil.which("curl")
        assert curl, "there is no curl"
        (programs / "curl").symlink_to(curl)
        # Cargo builds before it runs; what it would run is built.
        (programs / "cargo").write_text(f"""#!/bin/sh
case "$1 $2 $3" in
"xtask demo "*) shift 2; exec blocksmith dev "$@" ;;
"run --example light_client") shift 4; exec {program().parent.resolve()}/examples/light_client "$@" ;;
*) echo "the tests don't run cargo $*"; exit 1 ;;
esac
""")
        (programs / "cargo").chmod(0o755)
        kept = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        self.environment = kept | {"HOME": str(folder), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
                                   "NO_COLOR": "1", "TERM": "xterm", "PYTHONUNBUFFERED": "1"}
        self.known = {"ADDRESS:5000": "localhost:5000", "ADDRESS": VECTORS["keys"][1]["address"], "NAME": "bob"}

    def does(self, step):
        """Types a command, or writes a file."""
        if isinstance(step, Command):
            self.types(step)
        elif step.file:
            path = Path(step.file.replace("~", str(self.home)))
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(step.text, encoding="utf-8")
        elif step.language == "python":
            (self.folder / "code.py").write_text(step.text, encoding="utf-8")
            self.types(Command("python3 code.py"))
        else:
            assert step.language == "json" and json.loads(step.text), "a file's text needs its name before it"

    def types(self, command):
        """Runs a command as the page has it, and compares what is shown."""
        line = command.line
        for name, value in self.known.items():
            line = line.replace(name, value)
        if command.in_prose and re.fullmatch(r"blocksmith( [a-z]+){0,2}", line):
            line += " --help"  # no more than a command's name
        # The reader ends a node whose port is to be another one's, once what waits for it is done.
        for before in [each for each in self.running if port_of(line) and port_of(each.line) == port_of(line)]:
            for waiting in [each for each in self.running if not long_of(each.line)[1]]:
                self.ends(waiting)
            self.ends(before)
        terminal = Terminal(line, self.network, self.folder, self.environment)
        terminal.shown = command.shown
        self.running.append(terminal)
        if long := long_of(line):
            terminal.wait_for(repr(long[0]), lambda text: long[0] in text, READY_S)
            time.sleep(TURN_S)
        else:
            self.ends(terminal)
        self.learns(terminal.text)

    def ends(self, terminal):
        """Lets a command end, and looks at what it has shown."""
        self.running.remove(terminal)
        long = long_of(terminal.line)
        try:
            if long and terminal.shown:
                terminal.wait_for(f"\n{terminal.shown}", lambda text: agrees(text, terminal.shown), READY_S)
            code = terminal.press_ctrl_c() if long and long[1] else terminal.wait(STEP_S)
            assert code == 0 or long and code == 130, f"it ended with {code}:\n{terminal.output()}"
            if terminal.shown and not long:
                assert agrees(terminal.text, terminal.shown), f"the page shows\n{terminal.shown}\n--- and the terminal\n{terminal.output()}"
        finally:
            terminal.end()

    def learns(self, text):
        """Remembers what later commands need of what was shown."""
        for name, pattern in (("forge1…", r"\bforge1[0-9a-z]{58}\b"), ("TRANSACTION_ID", r'"id": "([0-9a-f]{64})"'),
                              ("HASH", r"\btip\"?:? \"?([0-9a-f]{64})")):
            if found := re.findall(pattern, text):
                self.known[name] = found[0]

    def leaves(self):
        """Ends what still runs."""
        for terminal in self.running:
            terminal.end()


def long_of(line):
    """What a command shows when the reader goes on, and whether Ctrl-C ends it; None if it ends by itself."""
    if line.endswith(" --help"):
        return None
    return next(((ready, endless) for long, ready, endless in LONG if re.fullmatch(long, line)), None)


def port_of(line):
    """The port on which a command listens, if it is one that does."""
    if found := re.match(r"blocksmith node(?: (\d+))?|(?:blocksmith dev|cargo xtask demo)(?: |$)", line):
        return found.group(1) or "5000"
    return None


@pytest.fixture
def reader(tmp_path):
    """Somebody who reads a page, and has a network of their own, in which ports are as they stand there."""
    network = Network()
    if not network.made:
        pytest.skip("this system lets nobody make a network")
    reader = Reader(tmp_path, network)
    yield reader
    reader.leaves()
    network.end()


@pytest.mark.parametrize(("page", "section"), SECTIONS, ids=[f"{page}: {section.title}" for page, section in SECTIONS])
def test_a_reader_can_type_what_a_section_says(reader, page, section):
    """In its order: each command ends as it should, and shows what the page shows below it."""
    for step in section.steps:
        if not (isinstance(step, Command) and any(re.match(line, step.line) for line, _ in NOT_RUN)):
            reader.does(step)
    for terminal in reversed(reader.running[:]):
        reader.ends(terminal)


def test_what_dev_prints_can_be_typed(reader):
    """The commands that it shows to those who want to try its chain."""
    reader.does(Command("blocksmith dev --chain forge --nodes 2"))
    shown = re.findall(r"^(?:10 coins|Mine|Wallet|Pay|Check|Join) +((?:blocksmith|curl) .*)$", reader.running[0].text, re.MULTILINE)
    assert len(shown) == 6, reader.running[0].output()
    reader.known["AMOUNT"] = "1.5"
    for line in shown:
        reader.does(Command(line))
    for terminal in reversed(reader.running[:]):
        reader.ends(terminal)


def test_debian_11s_curl_knows_every_option():
    """Also where the tests have another curl: its `--help all` is kept here."""
    known = (ROOT / "tests" / "interop" / "curl-7.74.txt").read_text(encoding="utf-8").split()
    if old := os.environ.get("DEBIAN_11_CURL"):
        listed = subprocess.run([old, "--help", "all"], capture_output=True, text=True, check=True).stdout
        assert re.findall(r"(?:^ *|, )(-[^ ,]+)", listed, re.MULTILINE) == known
    lines = [step.line for _, section in SECTIONS for step in section.steps if isinstance(step, Command)]
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("curl ")]
    assert any("-H" in call for call in calls) and "--json" not in known
    for call in calls:
        assert all(word in known for word in call if word.startswith("-")), call


def test_the_courses_calls_answer_as_the_table_says(start):
    """Row by row: the status, the fields of JSON, or the text."""
    node = start.rust("lecture", None)
    shown = []
    for call, body, answer in of("README.md", "The course's calls").rows[2:]:
        method = call.split()[0].strip("`")
        shown += INLINE.findall(answer)  # a row can say that it answers as one before
        for path in re.findall(r"/[a-z_/]+", call):
            block = json.dumps(node.chain()[-1])
            sent = "".join(INLINE.findall(body)[:1]).replace("BLOCK", block)
            got = node.post_text(path, sent) if method == "POST" else node.get(path)
            assert got.status_code == (201 if answer.startswith("201 ") else 200), f"{call}: {got.status_code} {got.text}"
            fields = [set(re.findall(r'"(\w+)"(?=[:,}])', each)) for each in shown]
            assert got.text in shown or set(got.json()) in fields, f"{call}: {got.text}\nis none of {shown}"
    assert len(shown) > 9


def test_the_commands_of_the_table_have_its_flags():
    """Each has at least one command of its row."""
    def help_of(words):
        return subprocess.run([program(), *words, "--help"], capture_output=True, text=True, check=True).stdout

    rows = of("README.md", "Commands and settings").rows[2:]
    for name, does in rows:
        first, *more = [word for word in name.strip("`").replace("\\|", " ").split() if word.islower()]
        helps = [help_of([first, word]) for word in more] or [help_of([first])]
        for flag in re.findall(r"`(--[a-z-]+)", does):
            assert any(re.search(rf"{flag}\b(?!-)", text) for text in helps), f"{name} has no {flag}"
    everything = help_of([]).split("Commands:\n")[1].split("\nOptions:")[0]
    assert {line.split()[0] for line in everything.splitlines() if line.strip()} - {"help"} == {
        name.strip("`").split()[0] for name, _ in rows}


def test_the_sealed_block_that_is_shown_is_one():
    """Its hash has the work that it states, and its transactions the Merkle root, as API.md reckons them."""
    [code] = [step for step in of("API.md", "Checking what a node says").steps if not isinstance(step, Command)]
    names = {}
    exec(code.text, names)  # pylint: disable=exec-used
    [shown] = [step for step in of("README.md", "Rules").steps if not isinstance(step, Command)]
    block = json.loads(shown.text)
    assert names["has_work"](block) and not names["has_work"](block | {"timestamp": 1})
    assert names["root_of"](block["transactions"][0], 0, 1, []) == block["merkle_root"]


def test_a_chains_id_follows_from_its_rules_and_first_block(start, tmp_path):
    """As API.md reckons it; with another first block or rule it is another id."""
    [code] = [step for step in of("API.md", "Checking what a node says").steps if not isinstance(step, Command)]
    names = {}
    exec(code.text, names)  # pylint: disable=exec-used
    usual = (ROOT / "chains" / "forge-example.toml").read_text(encoding="utf-8")
    (tmp_path / "large.toml").write_text(re.sub(r"max_block_bytes = \S+", "max_block_bytes = 16_000_000", usual), encoding="utf-8")
    sizes = set()
    for chain in ["forge-dev", str(tmp_path / "large.toml")]:
        node = start.rust(chain, None)
        status, first = node.get("/api/v1/status").json(), node.get("/api/v1/blocks/1").json()["block"]
        rules = status["rules"]
        assert names["chain_id_of"](rules, first) == status["chain_id"]
        assert names["chain_id_of"](rules, first | {"timestamp": 1}) != status["chain_id"]
        assert names["chain_id_of"](rules | {"max_block_bytes": 7}, first) != status["chain_id"]
        sizes.add(rules["max_block_bytes"])
    assert 16_000_000 in sizes and len(sizes) == 2


def test_links_lead_somewhere():
    """To a file, and to a heading in it."""
    seen = 0
    for page in ROOT.glob("*.md"):
        for name, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            target = ROOT / name if name else page
            assert target.exists(), f"{page.name}: {name} is not there"
            if heading:
                titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles]
                assert heading in slugs, f"{page.name}: {target.name} has no heading #{heading}"
            seen += 1
    assert seen > 15
