"""A full backlog: what is refused, what goes on, and who sets the mark and takes it off (lib/mark_backlog)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from lua_kit import ADMIT, DEEP, GENERATION, MAX, NOW, STRICT, Engine, field_of
from lua_limits import CONCURRENCY, CONCURRENT, MINUTE, OK, RATE_LIMITED, label_of, limit_of, number

from ducto_redis.codes import Code

FULL = Code.BACKLOG_FULL
DRY = 16
LABEL = bytes([len(label_of())]) + label_of()


def fill(engine: Engine) -> Engine:
    """As a sample does, whatever the ledger's length."""
    engine.client.hset(engine.config_key, "d", b"F" + engine.client.hget(engine.config_key, "d"))
    return engine


def mark_of(engine: Engine) -> bytes | None:
    return engine.client.hget(engine.config_key, "d")


def charge_terms(amount: int, flags: int = STRICT) -> bytes:
    return number(amount, 7) + number(0, 7) + bytes([flags]) + LABEL


def hold_terms(amount: int, flags: int = ADMIT | STRICT) -> bytes:
    return number(amount, 7) + number(0, 7) + number(600_000, 6) + bytes([flags]) + LABEL


def charge(engine: Engine, op_id: str, amount: int, *, flags: int = STRICT | DEEP, path: str = "") -> list:
    return engine.run("deduct", path, field_of("d", op_id, path), charge_terms(amount, flags), b"")


def many(engine: Engine, script: str, letter: str, terms: bytes, op_id: str) -> list:
    """One item on the engine's root."""
    keys = (engine.ledger_key, engine.config_key, engine.events_key, *engine.keys[:4])
    item = (engine.name, "", letter + op_id, terms, b"")
    return engine.evaluate(script, keys, GENERATION, 1, *item, engine.now)[0]


def extend(engine: Engine, hold: str, amount: int, op_id: str = "e", *, ttl: int = 0, tokens: int = 0) -> list:
    return engine.run("extend", "", f"h{hold}", f"e{op_id}", amount, ttl, tokens)


def succeed(engine: Engine, hold: str, asked: int, amount: int) -> list:
    """Settle with a successor."""
    field = f"h{hold}:1".encode()
    options = b"\2\0" + number(amount, 7) + number(600_000, 6) + len(field).to_bytes(2, "little") + field
    return engine.run("settle", "", f"h{hold}", number(asked, 7) + options, b"")


def trim(engine: Engine, behind: str, max_entries: int = 0, limit: int = 0) -> list:
    """What a drainer says, or with '' the sweep."""
    keys = (engine.config_key, engine.ledger_key)
    return engine.evaluate("trim_ledger", keys, GENERATION, limit, behind, max_entries)


#: Everything that admits anew, each with 10 units.
ADMITTING = {
    "reserve": lambda engine: engine.reserve("new", 10)[0],
    "reserve_credits": lambda engine: engine.reserve("new", 10, flags=STRICT)[0],
    "reserve below": lambda engine: engine.reserve("new", 10, "x")[0],
    "reserve within": lambda engine: engine.reserve("new", 10, member="x")[0],
    "reserve_many": lambda engine: many(engine, "reserve_many", "h", hold_terms(10), "new")[0],
    "deduct": lambda engine: charge(engine, "new", 10)[0],
    "charge_many": lambda engine: many(engine, "charge_many", "d", charge_terms(10), "new")[0],
    "extend": lambda engine: extend(engine, "h", 10)[0],
}


@pytest.fixture
def busy(engine):
    """Credits, a cap, and open holds h, i, j and k, admitted when there was room; no script samples at this time."""
    engine.now = NOW + 1
    engine.grant("a", 1_000)
    engine.grant("b", 1_000, path="x")
    engine.set_cap("c", 900)
    for hold in "hijk":
        engine.reserve(hold, 50, label=label_of())
    return engine


@pytest.mark.parametrize("name", ADMITTING)
@pytest.mark.parametrize("defaults", [b"", b"1", b"2"])
def test_what_admits_anew_is_refused(busy, name, defaults):
    """Whatever the mark stands in front of; nothing is written, and without the mark the same call passes."""
    busy.client.hset(busy.config_key, mapping={"d": defaults, **{f"d{level}": b"" for level in range(1, 7)}})
    fill(busy)
    with busy.unchanged():
        assert ADMITTING[name](busy) == FULL
    busy.client.hset(busy.config_key, "d", defaults)
    assert ADMITTING[name](busy) == OK


def test_a_settlement_stands_without_its_successor(busy):
    """It charges and frees; sent again, the refused successor is not there, also when there is room again."""
    fill(busy)
    reply = succeed(busy, "h", 20, 30)
    assert (reply[0], reply[4], reply[9], reply[11], reply[12]) == (OK, 20, FULL, 980, 150)
    assert succeed(busy, "h", 20, 30)[9] == Code.LEASE_NOT_FOUND
    busy.client.hset(busy.config_key, "d", b"")
    assert succeed(busy, "i", 20, 30)[9] == OK


def test_what_ends_holds_and_what_an_operator_does_goes_on(busy):
    """Charges of holds, frees, renewals, grants, caps, limits, plans, resolving, sweeping and questions."""
    fill(busy)
    assert extend(busy, "h", 0, ttl=700_000)[0] == OK
    assert busy.settle("h", 60).charged == 60  # more than was held
    assert busy.deduct("i", 40).charged == 40
    assert busy.release("j").code == OK
    assert busy.grant("g", 5).code == OK
    assert busy.set_cap("n", 10, path="y").code == OK
    assert busy.run("set_limit", "", "cl", limit_of(limit=9))[0] == OK
    assert busy.run("set_plan", "", "cp", "")[0] == OK
    assert busy.run("resolve", "", "hnever", 0, 1)[0] == OK
    busy.now += 600_000
    assert busy.run("sweep")[:3] == [OK, busy.now, 1]
    assert busy.settle("k", 1).code == Code.LEASE_EXPIRED
    assert (busy.read().nodes[0].open_holds, mark_of(busy)) == (0, b"F")


def test_what_was_executed_is_answered_as_the_first_time(busy):
    """Holds, charges and extensions that are sent again, alone or in a batch."""
    charge(busy, "d", 10)
    extend(busy, "h", 5)
    fill(busy)
    with busy.unchanged():
        assert busy.reserve("i", 50, label=label_of())[0:3:2] == (OK, 1)
        assert many(busy, "reserve_many", "h", hold_terms(50), "i")[0:3:2] == [OK, 1]
        assert charge(busy, "d", 10)[0:3:2] == [OK, 1]
        assert charge(busy, "d", 11)[0:3:2] == [OK, 2]
        assert many(busy, "charge_many", "d", charge_terms(10), "d")[0:3:2] == [OK, 1]
        assert extend(busy, "h", 5)[0:3:2] == [OK, 1]


def test_before_it_come_ids_amounts_and_accounts(busy):
    """The order of the codes: what is wrong with the call itself is said, full or not."""
    busy.run("resolve", "", "hgone", 0, 3, "dgone", "egone")
    fill(busy)
    with busy.unchanged():
        assert busy.reserve("gone", 10).code == charge(busy, "gone", 10)[0] == Code.CANCELLED
        assert extend(busy, "h", 10, "gone")[0] == Code.CANCELLED
        assert busy.reserve("n", -1).code == charge(busy, "n", -1)[0] == Code.INVALID_AMOUNT
        assert busy.reserve("n", MAX).code == extend(busy, "h", MAX)[0] == Code.INVALID_AMOUNT
        assert busy.reserve("n", 1, ttl=1).code == Code.INVALID_ARGUMENT
        assert extend(busy, "none", 10)[0] == Code.LEASE_NOT_FOUND
        assert busy.reserve("n", 1, "none", flags=ADMIT).code == charge(busy, "n", 1, path="none", flags=0)[0]
        assert busy.reserve("n", 1, "none", flags=ADMIT).code == Code.ACCOUNT_UNKNOWN
        assert busy.reserve("n", 1, "none").code == Code.INSUFFICIENT_CREDITS  # strict, as ever
        assert busy.reserve("n", 1, member="none").code == Code.ACCOUNT_UNKNOWN


def test_more_tokens_than_count_come_before_it(busy):
    """Where limits look at them."""
    busy.run("set_limit", "", "cl", limit_of(limit=9))
    busy.reserve("t", 1, label=label_of(tokens=1))
    fill(busy)
    with busy.unchanged():
        assert extend(busy, "t", 10, tokens=MAX - 1)[0] == FULL
        assert extend(busy, "t", 10, tokens=MAX)[0] == Code.INVALID_ARGUMENT


def test_behind_it_come_limits_caps_and_money(busy):
    """What would refuse otherwise is not asked, and limits take nothing of what it refuses."""
    busy.run("set_limit", "", "cl", limit_of(limit=1, period=MINUTE))
    busy.run("set_limit", "", "cm", limit_of(CONCURRENT, 4, 0))
    assert busy.reserve("n", 1, label=label_of()).code == CONCURRENCY
    fill(busy)
    with busy.unchanged():
        for amount in (1, 901, 1_001):
            assert busy.reserve("n", amount, label=label_of()).code == FULL
            assert charge(busy, "n", amount)[0] == FULL
            assert extend(busy, "h", amount)[0] == FULL
    busy.client.hset(busy.config_key, "d", b"")
    busy.release("h")
    assert busy.reserve("n", 1, label=label_of()).code == OK  # the one of the minute was not taken
    busy.release("n")
    assert busy.reserve("o", 1, label=label_of()).code == RATE_LIMITED


def test_it_comes_before_too_many_holds(busy):
    """Both hold: the backlog is said."""
    busy.forge_node(open_holds=10_000)
    assert busy.reserve("n", 1).code == Code.TOO_MANY_HOLDS
    fill(busy)
    assert busy.reserve("n", 1).code == FULL


def test_asking_only_says_it_too(busy):
    """With every cap, as for every refusal; what is answered to a question is not what money would say."""
    fill(busy)
    with busy.unchanged():
        reply = busy.reserve("n", 10, flags=ADMIT | STRICT | DRY)
        assert (reply.code, len(reply.notes) > 0) == (FULL, True)
        assert charge(busy, "n", 10, flags=STRICT | DRY)[0] == FULL


# Who sets the mark, and who takes it off.


@contextmanager
def between_samples(engine: Engine):
    """A time at which no script looks at the length."""
    engine.now += 1
    yield
    engine.now -= 1


def grants(engine: Engine, count: int) -> None:
    for _ in range(count):
        engine.grant(f"g{engine.client.xlen(engine.ledger_key)}", 1)


def test_a_sample_marks_what_has_come_to_its_bound(engine):
    """At every hundredth millisecond; at the bound, not before. The one that finds it is itself admitted."""
    engine.grant("a", 1_000)
    trim(engine, "0-0", 6)
    assert engine.client.hmget(engine.config_key, "drain", "max_entries") == [b"1", b"6"]
    grants(engine, 3)
    assert mark_of(engine) == b""
    with between_samples(engine):
        assert engine.reserve("h", 1).code == engine.reserve("i", 1).code == OK
        assert mark_of(engine) == b""
    assert engine.reserve("j", 1).code == OK
    assert mark_of(engine) == b"F"
    with engine.unchanged():
        assert engine.reserve("k", 1).code == FULL
    assert engine.settle("h", 1).code == OK
    assert mark_of(engine) == b"F"


@pytest.mark.parametrize("known", [b"", b"1", b"2"])
def test_a_drainer_takes_it_off_below_nine_tenths(engine, known):
    """And sets it, when what it leaves has come to the bound; what it stands in front of stays."""
    engine.forged = True
    engine.client.hset(engine.config_key, mapping={"d": known, **{f"d{level}": b"" for level in range(1, 7)}})
    grants(engine, 24)
    ids = [entry_id for entry_id, _ in engine.client.xrange(engine.ledger_key)]
    assert trim(engine, "0-0", 20) == [OK, 0]
    assert mark_of(engine) == b"F" + known
    for left, full in ((20, True), (19, True), (18, True), (17, False)):
        trim(engine, ids[-left].decode(), 20)
        assert engine.client.xlen(engine.ledger_key) == left
        assert mark_of(engine) == (b"F" if full else b"") + known
    assert engine.reserve("h", 1).code == OK


def test_a_sample_takes_it_off_too(engine):
    """Another drainer may have made the room: an older release, which knows of no mark."""
    engine.forged = True
    trim(engine, "0-0", 10)
    grants(engine, 10)
    assert mark_of(engine) == b"F"
    engine.client.xtrim(engine.ledger_key, maxlen=8, approximate=False)
    engine.grant("one", 1)
    assert mark_of(engine) == b"F"  # nine tenths
    engine.client.xtrim(engine.ledger_key, maxlen=7, approximate=False)
    engine.grant("two", 1)
    assert mark_of(engine) == b""


def test_without_a_drainer_nothing_is_full(engine):
    """The end of the registration takes the mark off; where the release that ended it left it, the sweep does."""
    trim(engine, "0-0", 5)
    grants(engine, 5)
    assert mark_of(engine) == b"F"
    trim(engine, "none")
    assert mark_of(engine) == b""
    assert engine.client.hmget(engine.config_key, "drain", "max_entries") == [None, None]
    trim(engine, "0-0", 5)
    assert mark_of(engine) == b"F"
    engine.client.hdel(engine.config_key, "drain")
    assert trim(engine, "", limit=1_000_000) == [OK, 0]
    assert mark_of(engine) == b""


def test_a_drainer_without_a_bound_is_none(engine):
    """0, or none at all - an older release registered: as many wait as come."""
    trim(engine, "0-0", 0)
    grants(engine, 30)
    assert mark_of(engine) == b""
    engine.client.hdel(engine.config_key, "max_entries")
    grants(engine, 30)
    assert mark_of(engine) == b""
    assert engine.reserve("h", 1).code == OK


def test_the_mark_outlives_new_defaults_and_setup(engine):
    """Both write field d."""
    engine.forged = True
    fill(engine)
    fields = {"d": b"2", **{f"d{level}": b"" for level in range(1, 7)}}
    pairs = [part for pair in fields.items() for part in pair]
    args = (GENERATION, "", 1, "text", len(fields), *pairs)
    assert engine.evaluate("set_defaults", (engine.config_key, engine.ledger_key), *args)[0] == OK
    assert mark_of(engine) == b"F2"
    assert engine.client.hget(engine.config_key, "d1") == b""
    engine.setup("ready", GENERATION, 4, 1, "")
    assert mark_of(engine) == b"F2"


def test_a_config_from_before_defaults_is_not_marked(engine):
    """Until setup has mended it: a mark in the place of what is missing would hide that it is."""
    engine.client.hdel(engine.config_key, "d", "defaults_version")
    trim(engine, "0-0", 3)
    grants(engine, 5)
    assert mark_of(engine) is None
    engine.setup("ready", GENERATION, 4, 1, "")
    assert engine.client.hmget(engine.config_key, "d", "defaults_version") == [b"", b"0"]
    grants(engine, 1)
    assert mark_of(engine) == b"F"


def test_a_config_that_is_gone_is_not_made_by_a_sample(engine):
    """Nor by the sweep or a drainer."""
    engine.grant("a", 1)
    engine.client.delete(engine.config_key)
    assert engine.grant("b", 1).code == Code.NAMESPACE_UNKNOWN
    assert trim(engine, "0-0", 5)[0] == trim(engine, "")[0] == Code.NAMESPACE_UNKNOWN
    assert not engine.client.exists(engine.config_key)


def test_now_is_a_time_of_a_sample():
    """What these tests rest on."""
    assert NOW % 100 == 0
