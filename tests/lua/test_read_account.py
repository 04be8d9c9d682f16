"""read_account.lua: counters and caps of every level, rolled to the present; it changes nothing but due holds."""

from __future__ import annotations

import pytest
from lua_cases import UNUSABLE
from lua_kit import DAILY, DAY, DENY, HOUR, MONTHLY, NOW, PURCHASE, STRICT, WARN, Account, holding
from lua_records import EXPIRE

from ducto_redis.codes import Code

TODAY = NOW // DAY
JUNE_2026 = (2026 - 1970) * 12 + 5


@pytest.fixture
def grown(engine):
    """Three levels with money, caps, spend and holds."""
    engine.grant("a", 100, PURCHASE, path="search/alice")
    engine.grant("b", 50, path="search")
    engine.set_cap("c", 90, path="search/alice")
    engine.set_cap("d", 500, MONTHLY, WARN)
    for hold, amount, flags in (("spent", 10, 3), ("open", 20, 3), ("loose", 5, STRICT)):
        engine.reserve(hold, amount, "search/alice", flags=flags)
    engine.settle("spent", 8, "search/alice")
    return engine


def test_every_level_is_answered_from_the_root_down(grown):
    """A node and the caps of each level as stored, empty where there is none; lifetime is the account's own."""
    with grown.unchanged():
        account = grown.read("search/alice")
    assert account[:3] == (Code.OK, NOW, 100)
    assert account.caps == (((MONTHLY, WARN, 500),), (), ((DAILY, DENY, 90),))
    assert account.nodes == tuple(grown.node(path) for path in ("", "search", "search/alice"))
    assert [node.balance for node in account.nodes] == [0, 50, 92]
    assert [holding(node) for node in account.nodes] == [(0, 20, 2), (0, 20, 2), (25, 20, 2)]
    assert [node[3:6] for node in account.nodes] == [(8, 8, 8)] * 3
    assert {node[8:10] for node in account.nodes} == {(TODAY, JUNE_2026)}
    assert grown.read("search")[:3] == (Code.OK, NOW, 0)
    assert len(grown.read("").nodes) == 1


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_root_is_refused(engine, case):
    """Another generation, no namespace, a newer layout: the code says which and nothing is written."""
    make, code = UNUSABLE[case]
    make(engine)
    with engine.unchanged():
        assert engine.read() == engine.read("search") == Account(code, NOW, 0, (), ())


def test_an_unknown_account_is_told(grown):
    """account_unknown: without levels when there is no root, else with the levels above as they are."""
    with grown.unchanged():
        account = grown.read("search/bob")
        assert (account.code, account.lifetime) == (Code.ACCOUNT_UNKNOWN, 0)
        assert (account.nodes[2], account.caps[2]) == (None, ())
        assert account.nodes[:2] == (grown.node(), grown.node("search"))
        assert grown.read("chat/x/y").nodes[1:] == (None, None, None)


def test_an_unknown_root_is_told(engine):
    """account_unknown, and no key is created by asking."""
    with engine.unchanged():
        assert engine.read() == engine.read("search") == Account(Code.ACCOUNT_UNKNOWN, NOW, 0, (), ())


def test_counters_are_rolled_in_the_answer_alone(grown):
    """The next day and the next month begin at 0 in the reply; what is stored waits for the next write."""
    grown.now += 600_000
    grown.read()  # frees the holds
    with grown.unchanged():
        grown.now = NOW + 12 * HOUR - 1
        assert grown.read("search/alice").nodes[2][3:6] == (8, 8, 8)
        grown.now += 1
        node = grown.read("search/alice").nodes[2]
        assert (node[3:8], node.day_id, node.day_back) == ((0, 8, 8, 8, 0), TODAY + 1, 1)
        grown.now = NOW + 16 * DAY
        node = grown.read("search/alice").nodes[2]
        assert (node[3:8], node.month_id, node.month_back, node.day_back) == ((0, 0, 8, 8, 8), JUNE_2026 + 1, 1, 16)
        assert node.balance == 92


def test_what_is_held_belongs_to_no_period(grown):
    """Held and admitted amounts and the number of holds stay when day and month roll."""
    grown.reserve("long", 7, "search", ttl=7 * DAY)
    grown.now = NOW + 6 * DAY
    assert [holding(node) for node in grown.read("search").nodes] == [(0, 7, 1), (7, 7, 1)]


def test_due_holds_are_freed(grown):
    """Asking after an expiry writes EXPIRE, once; the reply has the totals without them."""
    grown.now = NOW + 600_000 - 1
    with grown.unchanged():
        assert grown.read("search/alice").nodes[2].held == 25
    grown.now += 1
    account = grown.read("search")
    assert [holding(node) for node in account.nodes] == [(0, 0, 0)] * 2
    assert grown.kinds()[-2:] == [EXPIRE, EXPIRE]
    with grown.unchanged():
        assert grown.read("search/alice").nodes[2].held == 0


def test_an_unknown_account_frees_due_holds_too(grown):
    """Every script on the root frees, whatever it is asked for."""
    grown.now += 600_000
    assert grown.read("nobody").code == Code.ACCOUNT_UNKNOWN
    assert grown.kinds()[-2:] == [EXPIRE, EXPIRE]
