"""Fixtures: the program under test, and a starter that ends what it started."""

import os
import tempfile
from pathlib import Path

import pytest

from processes import ENVIRONMENT, Starter

os.environ.update(ENVIRONMENT)
TARGET = Path(__file__).parents[2] / "target"


def find_program():
    """$BLOCKSMITH, or the newest build in target/; None if there is none."""
    if named := os.environ.get("BLOCKSMITH"):
        return Path(named)
    built = [TARGET / profile / "blocksmith" for profile in ("release", "debug")]
    return max((path for path in built if path.is_file()), key=lambda path: path.stat().st_mtime, default=None)


def program():
    """The program under test; without one there is nothing to test, and a wrong name is an error."""
    path = find_program()
    if path is None:
        pytest.skip("no blocksmith yet: cargo build, or set BLOCKSMITH")
    assert path.is_file(), f"BLOCKSMITH={path} is no file"
    return path


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds; leave out with -m 'not slow'")


def pytest_report_header():
    return f"blocksmith: {find_program()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what every process of its test has printed."""
    report = yield
    if report.failed:
        for fixture in ("start", "start_for_module"):
            if starter := item.funcargs.get(fixture):
                for process in starter.processes:
                    report.sections.append((process.name, process.output()))
    return report


def starter(directory):
    """A Starter whose data directories lie in `directory`."""
    return Starter(program, lambda: tempfile.mkdtemp(prefix="node-", dir=directory))


@pytest.fixture
def start(tmp_path):
    """Starts processes for one test."""
    processes = starter(tmp_path)
    yield processes
    processes.stop_all()


@pytest.fixture(scope="module")
def start_for_module(tmp_path_factory):
    """Starts processes that the tests of one file share."""
    processes = starter(tmp_path_factory.mktemp("module"))
    yield processes
    processes.stop_all()
