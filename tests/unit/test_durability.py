"""Levels without a server: settings, what waits, how replies are judged, what is asked of a server's answers."""

from __future__ import annotations

import pytest

from ducto_redis import DurabilityNotMet
from ducto_redis.codes import Code
from ducto_redis.core.durability import Level, checked, counted, level_of, persisted, promises
from ducto_redis.core.scripts import script_names
from ducto_redis.core.steps import Call
from ducto_redis.errors import ConfigError

#: Scripts whose calls have no operation id, so that they wait for nothing, and why that is right.
QUIET = {
    "read_account": "changes nothing", "read_holds": "changes nothing", "hit": "no store's; moves no money",
    "sweep": "the clock decides it again", "roll_caps": "the clock decides it again",
    "trim_ledger": "what is read twice is compared", "restore_shard": "it is run again", "restore_root": "likewise",
    "drop_root": "likewise", "setup": "its flow waits at its end",
    "set_defaults": "its flow waits at its end",
}  # fmt: skip
WAITED = {
    "add_credits", "charge_many", "deduct", "deduct_credits", "extend", "release", "remove_limit", "remove_spend_cap",
    "reserve", "reserve_many", "resolve", "set_limit", "set_payer", "set_plan", "set_spend_cap", "settle",
}  # fmt: skip


def call(script="deduct", op_id="id-1", user_id="u"):
    return Call(script, (), (), lambda reply: reply, user_id, op_id)


def outcome(flow, *answers):
    """What a flow returns or raises when its steps are answered so; and the steps."""
    steps, answers = [], list(answers)
    try:
        steps.append(next(flow))
        while True:
            steps.append(flow.send(answers.pop(0)))
    except StopIteration as stop:
        return stop.value, steps


def test_every_script_is_judged_once():
    """A new script must be put on one side: tests/durable/test_waiting.py shows that those of the other side wait."""
    assert set(QUIET) | WAITED == set(script_names())
    assert not set(QUIET) & WAITED


def test_memory_is_no_level():
    """The default has no object at all: a driver asks for None."""
    assert level_of("memory", 1, 1_000) is None


def test_what_is_sent():
    """replicated waits from the start, fsync when the server knows how, aof never; only calls with an id."""
    level = level_of("replicated", 2, 250)
    assert level.behind([call()]) == ("WAIT", 2, 250)
    assert level.behind([call(op_id=None), call()]) == ("WAIT", 2, 250)
    assert level.behind([call(op_id=None)]) is None
    for name in ("aof", "fsync"):
        assert level_of(name, 1, 250).behind([call()]) is None


@pytest.mark.parametrize(
    ("waited", "number"),
    [(0, 0), (3, 3), ([1, 0], 1), ([0, 2], 0), ([], 0), (None, 0), (b"1", 0), ("OK", 0), (RuntimeError("1"), 0)],
)
def test_counting(waited, number):
    """A number, or the first of WAITAOF's; anything odd is none."""
    assert counted(waited) == number


@pytest.mark.parametrize(("reached", "enough"), [(0, False), (1, False), (2, True), (3, True), (OSError("x"), False)])
def test_the_count_is_compared(reached, enough):
    """As many as are wanted, or more."""
    level = Level("replicated", 2, 250)
    if enough:
        level.judge([call()], [[0]], reached, ["result"])
        return
    with pytest.raises(DurabilityNotMet) as raised:
        level.judge([call(), call(op_id="id-2", user_id="v")], [[0], [0]], reached, ["a", "b"])
    error = raised.value
    assert (error.op_ids, error.wanted, error.reached) == (("id-1", "id-2"), 2, counted(reached))
    assert (error.user_id, error.operation, error.results, error.result) == ("u", "deduct", ("a", "b"), None)
    assert error.__cause__ is (reached if isinstance(reached, Exception) else None)


def test_refusals_promise_nothing():
    """Done promises, a refusal does not - but that of deduct_credits that freed its hold; of many, any of them."""
    codes = (0, Code.CAP_REACHED, Code.INSUFFICIENT_CREDITS, Code.LEASE_NOT_FOUND)
    done, capped, poor, gone = [[code, 0, 0, 0, 0, 5, 10] for code in codes]
    assert [promises("settle", reply) for reply in (done, capped, poor, gone)] == [True, False, False, False]
    assert [promises("deduct_credits", reply) for reply in (done, capped, poor, gone)] == [True, True, True, False]
    for freed, promised in ((10, True), (0, False)):  # beyond the exact range; not even looked for
        assert promises("deduct_credits", [Code.INVALID_AMOUNT, 0, 0, 0, 0, 5, freed]) is promised
    assert promises("charge_many", [poor, done])
    assert not promises("charge_many", [poor, gone])
    Level("replicated", 1, 250).judge([call()], [poor], 0, ["refused"])


ON, OFF, DENIED = b"aof_enabled:1\r\n", b"aof_enabled:0\r\n", RuntimeError("NOPERM")


def setting(name, value):
    return [name, value]


@pytest.mark.parametrize(
    ("version", "info", "appendonly", "appendfsync", "waits"),
    [
        ("7.0.15", ON, DENIED, b"always", False), ("7.2.0", ON, DENIED, DENIED, True),
        ("8.0.1", ON, b"yes", b"no", True), ("7.0.15", DENIED, b"yes", b"always", False),
        ("", ON, b"yes", b"always", False), ("10.0", ON, b"yes", b"no", True),
    ],
)  # fmt: skip
def test_fsync_is_configured(version, info, appendonly, appendfsync, waits):
    """WAITAOF from 7.2 on, else always; the file by INFO or CONFIG."""
    level = Level("fsync", 1, 250)
    values = [each if each is DENIED else setting(b"x", each) for each in (appendonly, appendfsync)]
    _, steps = outcome(checked(level, version, attached=True), [info, *values], [[1, 0]])
    assert level.command == (("WAITAOF", 1, 0, 250) if waits else None)
    assert len(steps) == 1 + waits


@pytest.mark.parametrize(
    ("version", "info", "appendonly", "appendfsync"),
    [
        ("7.2.0", OFF, b"yes", b"always"), ("7.2.0", DENIED, DENIED, b"always"), ("7.2.0", DENIED, b"no", b"always"),
        ("7.0.15", ON, b"yes", b"everysec"), ("7.0.15", ON, b"yes", DENIED), ("", ON, b"yes", b"everysec"),
        ("7.2.0", b"", [], b"always"), ("6.9", ON, b"yes", b"no"),
    ],
)  # fmt: skip
def test_fsync_is_not_configured(version, info, appendonly, appendfsync):
    """What is off, or not told, is refused."""
    values = [each if isinstance(each, Exception | list) else setting(b"x", each) for each in (appendonly, appendfsync)]
    with pytest.raises(ConfigError, match="durability='fsync' needs"):
        outcome(checked(Level("fsync", 1, 250), version, attached=True), [info, *values], [[1, 0]])


def test_a_level_is_asked_anew_of_another_server():
    """A store that meets an older server waits for nothing there, and so wants appendfsync always of it."""
    level, file = Level("fsync", 1, 250), [ON, setting(b"x", b"yes"), setting(b"x", b"everysec")]
    outcome(checked(level, "7.2.0", attached=False), file, [[1, 0]])
    with pytest.raises(ConfigError, match="appendfsync always"):
        outcome(checked(level, "7.0.15", attached=False), file)


def test_a_flow_waits_for_what_was_written_elsewhere():
    """PING sets the mark of this connection; one that is refused does not, so its WAIT says nothing."""
    level = Level("replicated", 1, 250)
    told, steps = outcome(persisted(level, "setup", "result"), [b"PONG", 1])
    assert told is None
    assert steps[0].commands == (("PING",), ("WAIT", 1, 250))
    for answers in ([b"PONG", 0], [DENIED, 1], [b"PONG", DENIED]):
        with pytest.raises(DurabilityNotMet, match="setup is executed") as raised:
            outcome(persisted(level, "setup", "result"), answers)
        assert (raised.value.result, raised.value.op_id) == ("result", None)
    for nothing in (None, Level("aof", 1, 250)):
        assert outcome(persisted(nothing, "setup", "result")) == (None, [])
