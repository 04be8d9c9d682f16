"""set_defaults.lua and set_plan.lua, and what lib/read_defaults and lib/merge_defaults make of what they write."""

from __future__ import annotations

import pytest
from lua_kit import DAILY, DENY, GENERATION, HOUR, SHADOW, Engine, field_of
from lua_limits import (
    CONCURRENCY,
    CONCURRENT,
    FIXED,
    GCRA,
    MINUTE,
    OK,
    RATE_LIMITED,
    SLIDING,
    label_of,
    limit_of,
    number,
)

from ducto_redis.codes import Code
from ducto_redis.core.packed import PackedCap

OTHER = b"\7" * 8
IS_DEFAULT = 8


def cap_of(limit: int, kind: int = DAILY, action: int = DENY) -> bytes:
    return bytes([kind, action]) + number(limit, 7)


def default(packed: bytes) -> bytes:
    return packed[:1] + bytes([packed[1] | IS_DEFAULT]) + packed[2:]


def set_of(*caps: bytes, limits: tuple[bytes, ...] = ()) -> bytes:
    return bytes([len(caps)]) + b"".join(caps) + b"".join(map(default, limits))


def write(engine: Engine, version: int, fields: dict[str, bytes], *, expected="", text=None, generation=GENERATION):
    fields = {"d": b"2", **{f"d{level}": b"" for level in range(1, 7)}, **fields}
    pairs = [part for pair in fields.items() for part in pair]
    args = (generation, expected, version, text or f"text {version}", len(fields), *pairs)
    return engine.evaluate("set_defaults", (engine.config_key, engine.ledger_key), *args)


def hold(engine: Engine, hold_id: str, amount: int, path: str = ""):
    return engine.reserve(hold_id, amount, path, label=label_of())


def plan(engine: Engine, name: str, path: str = "", op_id: str = "p") -> int:
    return engine.run("set_plan", path, field_of("c", op_id, path), name)[0]


def test_what_is_written_stands_with_its_entry(engine):
    """Fields, version and text in the config; the entry is of no root and has the text."""
    assert write(engine, 1, {"d1": set_of(cap_of(50)), "d1:free": b""}, expected=0) == [OK, 1, b"text 1"]
    config = engine.client.hgetall(engine.config_key)
    assert config[b"d1"] == set_of(cap_of(50))
    assert (config[b"d1:free"], config[b"d2"], config[b"defaults_version"]) == (b"", b"", b"1")
    data = engine.client.xrange(engine.ledger_key)[-1][1][b"e"]
    assert (data[:6], data[6:11], data[-6:]) == (bytes([1, 19]) + GENERATION[:4], bytes(5), b"text 1")
    engine.client.delete(engine.ledger_key)


def test_sent_again_and_out_of_order(engine):
    """The same again is answered alike, an older version changes nothing, another expected one is refused."""
    write(engine, 1, {"d1": set_of(cap_of(50))})
    write(engine, 3, {"d1": set_of(cap_of(70)), "d1:pro": b""}, expected=1)
    with engine.unchanged():
        assert write(engine, 3, {"d1": b"else"}, expected=1, text="text 3") == [OK, 3, b"text 3"]
        assert write(engine, 2, {"d1": set_of(cap_of(60))}) == [OK, 3, b"text 3"]
        assert write(engine, 4, {"d1": b""}, expected=2) == [Code.INVALID_ARGUMENT, 3, b"text 3"]
        assert write(engine, 4, {"d1": b""}, generation=OTHER)[0] == Code.NEEDS_RESTORE
    assert write(engine, 4, {"d1": b""}, expected=3)[0] == OK
    assert not engine.client.hexists(engine.config_key, "d1:pro")  # plans that are not among them go
    engine.client.delete(engine.ledger_key)


def test_without_a_config_there_is_nothing_to_write_to(engine):
    """It never creates a namespace."""
    engine.client.delete(engine.config_key)
    with engine.unchanged():
        assert write(engine, 1, {"d1": b""})[0] == Code.NAMESPACE_UNKNOWN


@pytest.fixture
def known(engine):
    """An account on the root and one below it, and defaults for both levels."""
    engine.grant("a", 1_000)
    engine.grant("b", 1_000, path="x")
    engine.forged = True  # the entry of the defaults is of no root
    write(engine, 1, {
        "d1": set_of(cap_of(500)), "d2": set_of(cap_of(50), limits=(limit_of(GCRA, 3, MINUTE),)),
        "d1:free": set_of(cap_of(20)), "d2:free": set_of(cap_of(10)), "d1:none": b"",
    })  # fmt: skip
    return engine


def test_each_level_has_its_own(known):
    """What holds for a level refuses there, and says where."""
    assert hold(known, "h1", 51, "x").code == Code.CAP_REACHED
    assert hold(known, "h2", 50, "x").code == OK
    assert hold(known, "h3", 451).code == Code.CAP_REACHED  # 50 are held below
    assert hold(known, "h4", 450).code == OK


def test_a_plan_takes_the_place_of_its_level(known):
    """Of its own fields; one that no field is left of is none."""
    assert plan(known, "free") == OK
    assert hold(known, "h1", 21).code == Code.CAP_REACHED
    assert plan(known, "none", op_id="q") == OK
    assert hold(known, "h2", 900).code == OK  # the plan's field is empty: no caps
    known.release("h2")
    known.client.hdel(known.config_key, "d1:none")
    assert hold(known, "h3", 501).code == Code.CAP_REACHED
    assert plan(known, "", op_id="r") == OK
    assert known.client.hget(known.state_key, "p") == b""


def test_a_plan_that_is_not_there_is_refused(known):
    """Nothing is written; an account that does not exist is opened by one that is."""
    with known.unchanged():
        assert plan(known, "nope") == Code.INVALID_ARGUMENT
        assert plan(known, "none", "x") == Code.INVALID_ARGUMENT  # it has no field at this level
    assert plan(known, "free", "new") == OK
    assert known.node("new").balance == 0


def test_a_plan_and_a_payer_do_not_forget_each_other(known):
    """They share a field of the state."""
    plan(known, "free", "x")
    known.run("set_payer", "x", field_of("c", "y", "x"), 1)
    assert known.client.hget(known.state_key, "px") == b"\1free"
    plan(known, "", "x", op_id="q")
    assert known.client.hget(known.state_key, "px") == b"\1"
    plan(known, "free", "x", op_id="r")
    known.run("set_payer", "x", field_of("c", "z", "x"), 2)
    assert known.client.hget(known.state_key, "px") == b"\0free"


def test_own_ones_win_and_nothing_is_written_of_the_others(known):
    """A cap of the same period, a limit of the same identity; the state's fields hold what is the account's own."""
    known.set_cap("c", 70, path="x")
    assert known.caps("x") == (PackedCap(DAILY, DENY, 70),)
    assert hold(known, "h1", 70, "x").code == OK
    assert known.client.hget(known.state_key, "lx") is None
    assert known.client.hget(known.state_key, "mx") is not None
    assert hold(known, "h2", 1, "x").code == Code.CAP_REACHED
    known.remove_cap("d", path="x")
    assert known.caps("x") == ()
    assert hold(known, "h3", 1, "x").code == Code.CAP_REACHED  # 70 of 50


@pytest.mark.parametrize("action", [DENY, SHADOW])
def test_a_shadow_takes_a_shadows_place_alone(known, action):
    """In a zone, too: the account's own shadow leaves the default cap, its own cap the default shadow."""
    bounds = (known.now - HOUR, known.now + HOUR) * 2
    assert known.set_cap("z", 900, action=action, path="x", zone="Europe/Berlin", bounds=bounds).code == OK
    write(known, 2, {"d1": b"", "d2": set_of(cap_of(50), cap_of(40, action=SHADOW))})
    is_shadow = action == SHADOW
    assert known.read("x").caps[1] == (PackedCap(DAILY, *((DENY, 50) if is_shadow else (SHADOW, 40))),)
    assert hold(known, "h", 51, "x").code == (Code.CAP_REACHED if is_shadow else OK)


def test_limits_go_on_where_one_takes_the_place_of_another(known):
    """Default, own, default again: what was used stays; another algorithm begins unused."""
    number_of = iter(range(99))

    def passes():
        return hold(known, f"h{next(number_of)}", 1, "x").code == OK

    assert [passes() for _ in range(2)] == [True, True]
    own = limit_of(GCRA, 4, MINUTE)
    known.run("set_limit", "x", field_of("c", "o", "x"), own)
    assert [passes() for _ in range(3)] == [True, True, False]
    assert known.run("remove_limit", "x", field_of("c", "p", "x"), own)[3] == 1
    assert known.client.hget(known.state_key, "lx") == b""
    assert not passes()  # 4 of 3
    write(known, 2, {"d2": set_of(limits=(limit_of(GCRA, 6, MINUTE),))})
    assert [passes() for _ in range(3)] == [True, True, False]
    write(known, 3, {"d2": set_of(limits=(limit_of(FIXED, 2, MINUTE),))})
    assert [passes() for _ in range(3)] == [True, True, False]
    write(known, 4, {"d2": set_of(limits=(limit_of(SLIDING, 3, MINUTE, burst=0),))})
    assert [passes() for _ in range(4)] == [True, True, True, False]


def test_a_default_of_open_holds_counts_those_that_are_open(known):
    """Also those from before it was set."""
    hold(known, "h1", 1, "x")
    write(known, 2, {"d1": b"", "d2": set_of(limits=(limit_of(CONCURRENT, 2, 0),))})
    assert hold(known, "h2", 1, "x").code == OK
    assert hold(known, "h3", 1, "x").code == CONCURRENCY
    known.release("h1", "x")
    assert hold(known, "h4", 1, "x").code == OK


def test_the_second_of_two_refusals_leaves_everything(known):
    """Refused by a default cap, by a default limit."""
    for each in range(3):
        hold(known, f"h{each}", 1, "x")
    with known.unchanged():
        assert hold(known, "h4", 1, "x").code == RATE_LIMITED
        assert hold(known, "h5", 501).code == Code.CAP_REACHED


def test_a_config_that_is_gone_never_means_no_caps(known):
    """The root is there, its shard's config is not, or is another one: nothing is admitted."""
    config = known.client.hgetall(known.config_key)
    known.client.delete(known.config_key)
    with known.unchanged():
        assert hold(known, "h1", 1, "x").code == Code.NAMESPACE_UNKNOWN
        assert known.settle("h1", 1, "x").code == Code.NAMESPACE_UNKNOWN
    known.client.hset(known.config_key, mapping={b"generation": OTHER})
    with known.unchanged():
        assert hold(known, "h1", 1, "x").code == Code.NEEDS_RESTORE
    # One from before there were defaults is enough.
    known.client.hset(known.config_key, mapping={b"generation": config[b"generation"]})
    assert hold(known, "h1", 51, "x").code == OK
