"""What callers were told beside what the server holds: operations lost and doubled, credits lost and created."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from load import ANEW, USERS, Asked, History

from ducto_redis import RedisStore
from ducto_redis.core.entries import Entry, Kind, read_entry

#: What must be 0 wherever data survives.
WRONG = ("lost", "other amounts", "doubled", "not asked", "wrongly refused", "credits created", "differences")
_ASKED = (Kind.GRANT, Kind.CHARGE, Kind.HOLD, Kind.SETTLE, Kind.RELEASE)


def wrong(seen: Counter[str], *, may_lose: bool = False) -> dict[str, int]:
    """What must be 0 and is not."""
    return {name: seen[name] for name in WRONG if seen[name] and not (may_lose and name == "lost")}


def entries_of(client: Any, namespace: str) -> Iterator[Entry]:
    """All entries that a server holds, shard by shard in order."""
    for ledger in sorted(client.scan_iter(match=f"{namespace}:*ledger")):
        for _, fields in client.xrange(ledger):
            yield read_entry(fields[b"e"])


def asked_in(entries: Iterable[Entry]) -> dict[Asked, list[int]]:
    """Operations that callers ask for, and the amounts of the entries that each has."""
    found: dict[Asked, list[int]] = {}
    for entry in entries:
        if entry.kind in _ASKED:
            user = unquote(f"{entry.root}/{entry.path}" if entry.path else entry.root)
            found.setdefault(Asked(entry.kind, user, entry.reference[1:].removesuffix(ANEW)), []).append(entry.amount)
    return found


def audit(server: Any, namespace: str, history: History) -> Counter[str]:
    """Compares; nobody may be at work.

    Returns:
        ``acknowledged`` operations; of them ``lost``, ``credits lost`` and ``other amounts``; entries that are
        ``doubled`` or ``not asked`` for; ``wrongly refused``: told as not executed, and in the ledger; ``credits
        created``: where balances and holds are not what the entries add up to; ``differences`` that ``verify`` finds.
    """
    found = asked_in(entries_of(server.client, namespace))
    lost = [asked for asked in history.acked if asked not in found]
    moving = (Kind.GRANT, Kind.CHARGE, Kind.SETTLE)
    amounts_told = {asked: told for asked, told in history.acked.items() if asked.kind is not Kind.RELEASE}
    known = history.acked.keys() | history.pending.keys()
    seen = Counter({
        "acknowledged": len(history.acked), "lost": len(lost),
        "other amounts": sum(found.get(asked, [told])[0] != told for asked, told in amounts_told.items()),
        "credits lost": sum(history.acked[asked] for asked in lost if asked.kind in moving),
        "doubled": sum(len(amounts) - 1 for amounts in found.values()),
        "wrongly refused": len(history.refused.keys() & found.keys()),
        "not asked": len(found.keys() - known - history.refused.keys()),
    })  # fmt: skip
    if not history.wiped:
        seen.update(_state(server, namespace, found))
    return seen


def _state(server: Any, namespace: str, found: dict[Asked, list[int]]) -> Counter[str]:
    """Balances and holds beside the entries', by plain sums; and what ``verify`` says."""
    balances: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for asked, amounts in found.items():
        if asked.kind in (Kind.GRANT, Kind.CHARGE, Kind.SETTLE):
            balances[asked.user] += sum(amounts) * (1 if asked.kind is Kind.GRANT else -1)
        if asked.kind is Kind.HOLD:
            ends = any(asked._replace(kind=kind) in found for kind in (Kind.SETTLE, Kind.RELEASE))
            held[asked.user] += 0 if ends else amounts[0]
    created = 0
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        for user in USERS:
            told = store.get_available(user)
            created += abs(int(told.balance) - balances[user]) + abs(int(told.reserved) - held[user])
        verified = store.verify()
    wrong = len(verified.differences) + verified.unverifiable
    return Counter({"credits created": created, "differences": wrong, "verified": verified.roots})
