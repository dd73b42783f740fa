"""What the project depends on: licences, sources and versions as deny.toml has them. cargo-deny checks
the same where it is installed; this runs wherever the tests do, so that nothing passes by absence."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from license_expression import get_spdx_licensing

ROOT = Path(__file__).parents[2]
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
DENY = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
SPDX = get_spdx_licensing()


@pytest.fixture(scope="module", name="packages")
def _packages():
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return json.loads(output.stdout)["packages"]


def is_allowed(expression, allowed):
    """Whether some choice that the expression leaves has allowed licences alone."""
    # Before SPDX had an operator for it, a slash was a choice.
    parsed = SPDX.parse(expression.replace("/", " OR "), validate=True)

    def holds(node):
        if node.isliteral:
            return str(node) in allowed
        return (any if node.operator.strip() == "OR" else all)(holds(part) for part in node.args)

    return holds(parsed)


def test_expressions_are_read_as_spdx_has_them():
    """The check can fail."""
    allowed = {"MIT", "Apache-2.0 WITH LLVM-exception"}
    for good in ("MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "Apache-2.0 WITH LLVM-exception"):
        assert is_allowed(good, allowed), good
    for bad in ("GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0", "Apache-2.0 OR GPL-2.0-only"):
        assert not is_allowed(bad, allowed), bad


def test_every_licence_is_allowed(packages):
    """Each package has a licence, and one that deny.toml allows."""
    allowed = set(DENY["licenses"]["allow"])
    assert len(packages) > 100
    for package in packages:
        assert package["license"], package["name"]
        assert is_allowed(package["license"], allowed), (package["name"], package["license"])


# Licences of packages that build and test the page, and of which nothing is in the program.
BUILD_TOOLS = {"Python-2.0", "0BSD"}


@pytest.fixture(scope="module", name="page")
def _page():
    """The packages of the page, by their places: those it is built with, and those it is made of."""
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    return {place: package for place, package in lock["packages"].items() if place}


def test_every_licence_of_the_page_is_allowed(page):
    """As for the program; what ends in the program is under its own licence or a shorter one."""
    allowed = set(DENY["licenses"]["allow"]) | BUILD_TOOLS
    assert len(page) > 50
    for place, package in page.items():
        assert is_allowed(package["license"], allowed), (place, package["license"])
        if not package.get("dev"):
            assert is_allowed(package["license"], {"MIT"}), (place, package["license"])


def test_every_package_of_the_page_comes_from_the_registry_in_one_version(page):
    """No other source, a checksum for each, and no requirement that takes a later version."""
    for place, package in page.items():
        assert "link" not in package and "resolved" not in package, place
        assert package["integrity"].startswith("sha512-"), place
    wanted = json.loads((ROOT / "web" / "package.json").read_text(encoding="utf-8"))
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert version.replace(".", "").isdigit(), (name, version)


def test_everything_comes_from_the_registry_with_a_version(packages):
    """No git, no other registry, and no requirement that takes any version."""
    for package in packages:
        assert package["source"] in (None, CRATES_IO), (package["name"], package["source"])
        if package["source"] is None:
            for dependency in package["dependencies"]:
                is_ours = dependency.get("path") is not None
                assert is_ours or dependency["req"] != "*", (package["name"], dependency["name"])
