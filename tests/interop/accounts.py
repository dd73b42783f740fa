"""What every party of a chain has, recounted from its blocks without an index."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from chain import canonical

LOWEST, HIGHEST = -2**127, 2**127 - 1


def party(value):
    """The name of a sender or recipient: the text itself, or the canonical text of any other value."""
    if isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value):
        return value
    return canonical(value)


@dataclass
class Account:
    """The sums and the history of one party."""

    balance: int = 0
    sent: int = 0
    received: int = 0
    mined: int = 0
    uncounted: int = 0
    transactions: int = 0
    blocks: int = 0
    last_block: int | None = None
    history: list = field(default_factory=list)  # (block, position, roles), the oldest first

    def sums(self):
        """What a node says of it."""
        return {name: value for name, value in vars(self).items() if name != "history"}


class Recount:
    """All accounts of a chain."""

    def __init__(self, chain):
        self.accounts, self.mined = {}, 0  # in the order in which the chain names them
        for block in chain:
            # Python nodes take blocks without a list, and lists of anything.
            listed = block.get("transactions")
            for position, transaction in enumerate(listed if isinstance(listed, list) else []):
                self._count(block, position, transaction if isinstance(transaction, dict) else {})

    def account(self, name):
        """The account of a party, an empty one if nothing names it."""
        return self.accounts.get(name, Account())

    def miners(self):
        """The miners as a leaderboard lists them, without their shares."""
        ranked = sorted(((name, account) for name, account in self.accounts.items() if account.blocks),
                        key=lambda entry: (-entry[1].mined, -entry[1].blocks))  # equal ones keep their order
        return [{"rank": rank, "party": name, "coins": account.mined, "blocks": account.blocks,
                 "last_block": account.last_block} for rank, (name, account) in enumerate(ranked, 1)]

    def _count(self, block, position, transaction):
        sides = {role: party(transaction[role]) for role in ("sender", "recipient") if role in transaction}
        sender, recipient = sides.get("sender"), sides.get("recipient")
        is_coin = position + 1 == len(block["transactions"]) and sender == "0" and recipient is not None
        amount = transaction.get("amount")
        accounts = {name: self.accounts.setdefault(name, Account()) for name in sides.values()}
        after = {}
        if len(sides) == 2 and type(amount) is int and LOWEST <= amount <= HIGHEST:
            for name, account in accounts.items():
                sent, received = amount * (name == sender), amount * (name == recipient)
                after[name] = {
                    "balance": account.balance + received - sent, "sent": account.sent + sent,
                    "received": account.received + received, "mined": account.mined + received * is_coin,
                }
        counts = bool(after) and all(LOWEST <= value <= HIGHEST for sums in after.values() for value in sums.values())
        for name, account in accounts.items():
            if counts:
                vars(account).update(after[name])
            account.uncounted += not counts
            account.transactions += 1
            mined = is_coin and name == recipient
            if mined:
                account.blocks, account.last_block, self.mined = account.blocks + 1, block["index"], self.mined + 1
            roles = {"sent": name == sender, "received": name == recipient, "mined": mined, "uncounted": not counts}
            account.history.append((block["index"], position, [role for role, is_so in roles.items() if is_so]))


def account_of(node, name):
    """What a node says of a party, and the hash of the last block that counts there."""
    answer = node.get(f"/api/v1/accounts?{urlencode({'party': name})}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def history_of(node, name, limit=1000):
    """All pages of a party's transactions, the oldest first."""
    entries, before = [], {}
    while True:
        page = node.get(f"/api/v1/accounts/transactions?{urlencode({'party': name, 'limit': limit} | before)}").json()
        entries += [(entry["block"], entry["position"], entry["roles"]) for entry in page["transactions"]]
        if page["next"] is None:
            return entries[::-1]
        before = {"before": page["next"]}


def check_account(recount, said):
    """A node's account is that of a recount."""
    sums = recount.account(said["party"]).sums()
    assert {name: said[name] for name in sums} == sums, f"{said} is not {sums}"


def check_all(node, chain, names=(), histories=20):
    """All accounts, the leaderboard and some histories of a node whose index is at the tip."""
    recount = Recount(chain)
    names = dict.fromkeys([*recount.accounts, *names])
    for name in names:
        check_account(recount, account_of(node, name))
    longest = sorted(names, key=lambda name: -recount.account(name).transactions)
    for name in [*longest[:histories // 2], *longest[-(histories - histories // 2):]]:
        assert history_of(node, name) == recount.account(name).history, repr(name)
    board = node.get("/api/v1/leaderboard?limit=1000").json()
    miners = [{key: value for key, value in miner.items() if key != "share"} for miner in board["miners"]]
    assert (miners, board["blocks"]) == (recount.miners()[:1000], recount.mined)
    for miner in board["miners"]:
        assert abs(miner["share"] - miner["blocks"] / recount.mined) < 1e-9
