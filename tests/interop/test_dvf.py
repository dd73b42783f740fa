"""The tutorial's rules: every node starts with a genesis of its own, and the longest chain wins across them."""

from chain import canonical, is_dvf_genesis, rules
from processes import converge, resolve, until

DVF = rules("dvf", 2)


def nodes(start):
    """A Python node and one of ours, that know each other."""
    theirs, ours = start.python("dvf_node.py", "--zeros", 2), start.rust("dvf", 2)
    theirs.register(ours)
    ours.register(theirs)
    return theirs, ours


def mine(node, blocks):
    """Lets a node search for so many blocks."""
    for _ in range(blocks):
        answer = node.get("/mine")
        assert answer.status_code == 200 and answer.json()["message"] == "New Block Forged", answer.text


def test_our_node_starts_with_a_genesis_of_the_tutorials_shape(start):
    chain = start.rust("dvf", 2).chain()
    assert len(chain) == 1 and is_dvf_genesis(chain[0])
    assert set(chain[0]) == {"index", "timestamp", "transactions", "proof", "previous_hash"}


def test_a_block_that_our_node_mines_looks_like_theirs(start):
    theirs, ours = nodes(start)
    answers = [node.get("/mine").json() for node in (theirs, ours)]
    for node, answer in zip((theirs, ours), answers):
        # Ours may have found theirs before it mined.
        parent, block = node.chain()[answer["index"] - 2:answer["index"]]
        assert answer == {"message": "New Block Forged"} | {key: block[key] for key in block if key != "timestamp"}
        assert block["proof"] == DVF.lowest_proof(parent)
        assert block["transactions"] == [{"sender": "0", "recipient": block["transactions"][0]["recipient"], "amount": 1}]
        assert len(block["transactions"][0]["recipient"]) == 32
    assert answers[0].keys() == answers[1].keys()


def test_our_node_takes_a_longer_chain_with_another_genesis(start):
    theirs, ours = nodes(start)
    mine(ours, 2)
    mine(theirs, 4)
    resolve(ours, theirs.chain())
    assert converge([theirs, ours], DVF, length=5)


def test_a_python_node_takes_our_longer_chain_with_another_genesis(start):
    theirs, ours = nodes(start)
    mine(theirs, 2)
    mine(ours, 4)
    resolve(theirs, ours.chain())
    assert converge([theirs, ours], DVF, length=5)


def test_an_equally_long_chain_with_another_genesis_replaces_nothing(start):
    theirs, ours = nodes(start)
    mine(ours, 2)
    mine(theirs, 2)
    before = canonical(ours.chain())
    assert ours.get("/nodes/resolve").json()["message"] == "Our chain is authoritative"
    assert theirs.get("/nodes/resolve").json()["message"] == "Our chain is authoritative"
    assert canonical(ours.chain()) == before


def test_the_lead_goes_back_and_forth_across_geneses(start):
    theirs, ours = nodes(start)
    other = start.python("dvf_node.py", "--zeros", 2, "--peer", ours.url)
    mine(theirs, 2)
    ours.get("/nodes/resolve")
    mine(ours, 2)
    theirs.get("/nodes/resolve")
    mine(theirs, 2)
    ours.get("/nodes/resolve")
    other.get("/nodes/resolve")
    converge([theirs, ours, other], DVF, length=7)
    mine(other, 2)
    ours.register(other)
    ours.get("/nodes/resolve")
    converge([ours, other], DVF, length=9)


def test_our_late_node_catches_up_by_itself(start):
    early = start.python("dvf_node.py", "--zeros", 2)
    mine(early, 60)
    late = start.rust("dvf", 2, peers=[early])
    until(lambda: canonical(late.chain()) == canonical(early.chain()), 20, "the chain of 61 blocks", late, early)


def test_our_node_keeps_its_genesis_over_a_restart(start, tmp_path):
    first = start.rust("dvf", 2, data_dir=tmp_path / "kept")
    mine(first, 1)
    before = canonical(first.chain())
    first.stop()
    assert canonical(start.rust("dvf", 2, data_dir=tmp_path / "kept").chain()) == before
