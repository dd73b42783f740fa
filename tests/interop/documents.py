"""What a page of documentation tells its readers to type, and what it shows as the answer."""

import re
from dataclasses import dataclass, field

LANGUAGES = {"console", "sh", "python", "json", "toml", "text"}
PROGRAMS = "blocksmith|curl|cargo|git|cd|sudo|apt|apt-get|rustc|rustup|pip|python3|hostname|systemctl|tail|timeout"
COMMAND = re.compile(rf"(?:{PROGRAMS})(?: |$)")
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)
CELL_END = re.compile(r"(?<!\\)\|")


@dataclass
class Command:
    """A line that a reader types, what the page shows below it (or None), and whether it stands in a sentence."""

    line: str
    shown: str | None = None
    in_prose: bool = False


@dataclass
class Code:
    """A block of a file's text, and the name of the file, if the text before says one."""

    language: str
    text: str
    file: str | None


@dataclass
class Section:
    """What stands under one heading: commands and code in the order of the page, and rows of tables."""

    title: str
    steps: list = field(default_factory=list)
    rows: list = field(default_factory=list)


def sections(text):
    """The sections of a page."""
    parts = re.split(r"^## (.*)$", f"## \n{text}", flags=re.MULTILINE)[1:]
    return [_section(title, body) for title, body in zip(parts[::2], parts[1::2])]


def _section(title, body):
    section = Section(title or "the beginning")
    at = 0
    for block in FENCED.finditer(body):
        prose = body[at:block.start()]
        _read_prose(section, prose)
        language, text = block.groups()
        assert language in LANGUAGES, f"{section.title}: a block says that it is one of {LANGUAGES}, not {language!r}"
        if language == "console":
            section.steps += _console(text)
        elif language == "sh":
            section.steps += [Command(line) for line in text.splitlines() if not line.lstrip().startswith("#")]
        elif language == "text":
            hidden = [line for line in text.splitlines() if line.startswith("$ ") or COMMAND.match(line)]
            assert not hidden, f"{section.title}: a block of text has commands, which nothing runs: {hidden}"
        else:
            names = re.findall(r"`([\w~/.-]+\.(?:py|toml|json))`", prose)
            section.steps.append(Code(language, text, names[-1] if names else None))
        at = block.end()
    _read_prose(section, body[at:])
    return section


def _read_prose(section, prose):
    for row in ROW.finditer(prose):
        section.rows.append([cell.strip() for cell in CELL_END.split(row.group(1))])
    spans = INLINE.findall(prose.replace("\n", " "))
    section.steps += [Command(span, in_prose=True) for span in spans if COMMAND.match(span)]


def _console(text):
    commands = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        else:
            last = commands[-1]
            last.shown = line if last.shown is None else f"{last.shown}\n{line}"
    return commands
