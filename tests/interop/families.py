"""The two rule sets whose nodes push blocks, as parameters: most scenarios hold for both."""

from dataclasses import dataclass

import pytest

from chain import rules


@dataclass(frozen=True)
class Family:
    """A rule set and the Python programs that speak it."""

    name: str
    miner_options: tuple = ()
    zeros: int = 2  # few, so that every test is quick

    @property
    def rules(self):
        """The rules, with this family's zeros."""
        return rules(self.name, self.zeros)

    def python_node(self, start, *arguments):
        """A Python node of the family."""
        return start.python(f"{self.name}_node.py", "--zeros", self.zeros, *arguments)

    def python_miner(self, start, node, coins):
        """A Python miner of the family, at work for `node`."""
        return start.python_miner(f"{self.name}_miner.py", node, "--zeros", self.zeros, "--coins", coins,
                                  *self.miner_options)

    def rust_node(self, start, **more):
        """A `blocksmith node` with the family's rules."""
        return start.rust(self.name, self.zeros, **more)

    def rust_miner(self, start, node, coins):
        """A `blocksmith mine`, at work for `node`."""
        return start.rust_miner(node, "--zeros", self.zeros, "--coins", coins, *self.miner_options)

    def __str__(self):
        return self.name


LECTURE = Family("lecture")
COURSE = Family("course", miner_options=("--id", "alice"))
each_family = pytest.mark.parametrize("family", [LECTURE, COURSE], ids=str)


def our_miner_lines(proofs, first=2):
    """What our miner prints of blocks, the first of which has the index `first`."""
    return [f"Found new proof: {proof} · block {index} · Coins mined: {coins}"
            for coins, (index, proof) in enumerate(enumerate(proofs, first), 1)]


def miner_lines(proofs):
    """What a Python miner prints that loses no race."""
    return [line for coins, proof in enumerate(proofs, 1) for line in
            ("Starting search for new proof", f"Found new proof: {proof}", f"Coins mined: {coins}")]
