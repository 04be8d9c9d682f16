"""setup.lua: writes a shard's configuration once, reads it, marks it ready."""

from __future__ import annotations

import pytest
from lua_kit import GENERATION, NOW, Engine
from lua_records import OPENED, Cursor
from redis.exceptions import ResponseError

from ducto_redis.codes import Code

OTHER = b"\0\1\2\3\4\5\6\7"
STANDS = [GENERATION, b"1", b"4", b"1", b"ready", b"0", b""]
NO_DEFAULTS = {b"defaults_version": b"0", b"d": b""}


@pytest.fixture
def empty(engine: Engine) -> Engine:
    """A shard without a namespace."""
    engine.client.delete(engine.config_key, engine.ledger_key)
    engine.forged = True
    return engine


def test_creating_writes_config_and_the_first_entry(empty):
    """Configuration and the OPEN entry, so that the stream exists; the reply is what now stands."""
    reply = empty.setup("create", OTHER, 6, 64, "creating", NOW)
    assert reply == [Code.OK, 1, OTHER, b"1", b"6", b"64", b"creating", b"0", b""]
    assert empty.client.hgetall(empty.config_key) == {
        b"generation": OTHER, b"layout": b"1", b"precision": b"6", b"shards": b"64", b"state": b"creating",
        **NO_DEFAULTS,
    }  # fmt: skip
    ((entry_id, fields),) = empty.client.xrange(empty.ledger_key)
    at = Cursor(fields[b"e"])
    assert (at.byte(), at.byte(), at.take(4), at.number(5)) == (1, OPENED, OTHER[:4], 0)
    at_ms = at.number(6)
    assert abs(at_ms - int(entry_id.split(b"-")[0])) < 60_000  # setup has the server's time, not ours
    assert (at.number(), at.number()) == (6, 0)
    assert at.rest() == bytes(4)  # no account, no reference
    assert empty.client.exists(*empty.keys[:4]) == 0


def test_creating_again_changes_nothing(engine):
    """The first generation counts, whoever comes second and whatever he wants."""
    with engine.unchanged():
        assert engine.setup("create", OTHER, 9, 7, "creating", NOW) == [Code.OK, 0, *STANDS]
        assert engine.setup("create", GENERATION, 4, 1, "ready", NOW) == [Code.OK, 0, *STANDS]


def test_reading_changes_nothing(engine):
    """The configuration that stands; the generation sent along does not matter."""
    with engine.unchanged():
        assert engine.setup("read", OTHER, 0, 0, "", NOW) == [Code.OK, 0, *STANDS]


@pytest.mark.parametrize("action", ["read", "ready"])
def test_what_is_not_there_is_namespace_unknown(empty, action):
    """Neither reading nor marking creates anything."""
    with empty.unchanged():
        assert empty.setup(action, GENERATION, 4, 1, "ready", NOW) == [Code.NAMESPACE_UNKNOWN, 0, *[b""] * 7]


def test_marking_ready(empty):
    """Only the generation that was created is marked, any number of times."""
    empty.setup("create", GENERATION, 4, 1, "creating", NOW)
    with empty.unchanged():
        assert empty.setup("ready", OTHER, 4, 1, "", NOW) == [
            Code.NEEDS_RESTORE,
            0,
            *STANDS[:4],
            b"creating",
            b"0",
            b"",
        ]
    assert empty.setup("ready", GENERATION, 0, 0, "", NOW) == [Code.OK, 0, *STANDS]
    with empty.unchanged():
        assert empty.setup("ready", GENERATION, 0, 0, "", NOW) == [Code.OK, 0, *STANDS]


def test_a_config_from_before_there_were_defaults_gets_their_fields(engine):
    """Written by any action but reading; what stands beside them stays."""
    engine.client.hdel(engine.config_key, *NO_DEFAULTS)
    with engine.unchanged():
        assert engine.setup("read", OTHER, 0, 0, "", NOW) == [Code.OK, 0, *STANDS[:5], b"", b""]
    assert engine.setup("ready", GENERATION, 0, 0, "", NOW) == [Code.OK, 0, *STANDS]
    assert NO_DEFAULTS.items() <= engine.client.hgetall(engine.config_key).items()


def test_the_ledger_is_opened_once_and_kept(empty):
    """A namespace created where a ledger is already appends to it: entries are never lost by setup."""
    empty.client.xadd(empty.ledger_key, {"e": b"older"})
    empty.setup("create", GENERATION, 4, 1, "ready", NOW)
    assert [fields[b"e"][:2] for _, fields in empty.client.xrange(empty.ledger_key)] == [b"ol", bytes([1, OPENED])]


@pytest.mark.parametrize("precision", ["", "four", "--4"])
def test_a_precision_that_is_no_number_stops_the_script(empty, precision):
    """The library checks it; text in its place is an error before anything is written."""
    with empty.unchanged(), pytest.raises(ResponseError):
        empty.setup("create", GENERATION, precision, 1, "ready", NOW)


@pytest.mark.parametrize("key", ["config_key", "ledger_key"])
def test_a_key_of_another_type_stops_the_script(empty, key):
    """Text where config or ledger belongs: an error, nothing written."""
    empty.client.set(getattr(empty, key), "text")
    with empty.unchanged(), pytest.raises(ResponseError):
        empty.setup("create", GENERATION, 4, 1, "ready", NOW)
