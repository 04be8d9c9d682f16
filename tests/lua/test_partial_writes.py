"""A script that is stopped half-way is not rolled back by Redis: money never moves without its ledger entry.

Stopped by a build of the scripts that fails at the k-th command, for every k; by keys of a wrong type; by commands that
the user may not run.
"""

from __future__ import annotations

import itertools

import pytest
import redis
from lua_kit import GENERATION, NOW, Engine
from lua_records import OPENED
from lua_stops import CROSSING, SITUATIONS, Stopped, assert_entry_before_money, picture
from redis.exceptions import ResponseError

from ducto_redis.core.scripts import INJECTED_CLOCK, ScriptSet

WRITES = ("xadd", "hset", "zadd", "zrem", "unlink")
KEYS = ("state_key", "holds_key", "store_0", "store_1", "ledger_key", "config_key", "events_key")
numbers = itertools.count(1)
wholes = {}
#: What was prepared of each situation; nobody calls anything on it.
templates: dict[str, Stopped] = {}


def fresh(engine: Engine, name: str) -> Stopped:
    """The situation in a namespace of its own, on the same engine: prepared once, then copied."""
    made = Stopped(engine.client, engine.scripts, f"p{next(numbers)}")
    if name not in templates:
        templates[name] = made
        SITUATIONS[name].prepare(made)
        return fresh(engine, name)
    template = templates[name]
    made.now, made.forged = template.now, template.forged
    copies = engine.client.pipeline(transaction=False)
    for source, target in zip(template.keys, made.keys, strict=True):
        copies.copy(source, target, replace=True)
    copies.execute()
    return made


def undisturbed(engine: Engine, name: str):
    """What the call writes when nothing stops it: its entries and the picture afterwards; the same in any namespace."""
    if name not in wholes:
        whole = fresh(engine, name)
        known = len(whole.entries())
        SITUATIONS[name].call(whole)
        whole.assert_sound()
        wholes[name] = whole.entries()[known:], picture(whole)
    return wholes[name]


def test_stopped_at_every_command(real, record_property):
    """Before each command in turn: nothing changed, or the entries are all there; counters move together, at once."""
    cases = changed = 0
    for name, situation in SITUATIONS.items():
        full, done = undisturbed(real, name)
        for stop_at in itertools.count(1):
            stopped = fresh(real, name)
            before = picture(stopped)
            stopped.stop_at = stop_at
            try:
                situation.call(stopped)
            except ResponseError as error:
                assert "stopped by the test" in str(error)  # noqa: PT017 - any other error would stop it elsewhere
            else:
                break
            after = picture(stopped)
            cases += 1
            changed += assert_entry_before_money(before, after, full, (name, stop_at))
            assert after.counters() in (before.counters(), done.counters()), (name, stop_at)
        assert stop_at > 4, (name, "at least TIME or HMGET, XADD and two HSETs were seen")
    assert cases >= 700
    assert changed >= 200
    told = f"stopped half-way: {cases} places in {len(SITUATIONS)} situations, {changed} after a change; entry first"
    record_property("figure", told)


@pytest.mark.parametrize("kind", ["string", "list"])
@pytest.mark.parametrize("key", KEYS)
def test_keys_of_a_wrong_type(real, key, kind, record_property):
    """Something else under any of the keys: the script fails or does not need it; money has its entry."""
    failed = 0
    for name, situation in SITUATIONS.items():
        full, _ = undisturbed(real, name)
        broken = fresh(real, name)
        broken.client.delete(getattr(broken, key))
        (broken.client.set if kind == "string" else broken.client.rpush)(getattr(broken, key), "text")
        before = picture(broken)
        try:
            situation.call(broken)
        except ResponseError as error:
            assert "WRONGTYPE" in str(error)  # noqa: PT017 - any other error would stop it elsewhere
            failed += 1
        assert_entry_before_money(before, picture(broken), full, (name, key))
    # Few calls tell an event. The second store is there after a rotation; a root that exists needs no config.
    assert failed >= {"store_1": 16, "config_key": 3, "events_key": 8}.get(key, 40)
    told = f"{key} a {kind}: {failed} of {len(SITUATIONS)} calls fail, no credits without their entry"
    record_property("figure", told)


@pytest.fixture
def limited(server):
    """Makes clients of a user who may not run one command."""
    clients = []

    def make(command):
        server.client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", "+@all", f"-{command}")
        clients.append(redis.Redis(unix_socket_path=str(server.socket), username="limited", password="pw"))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    server.client.execute_command("ACL", "DELUSER", "limited")


def forbidden(engine: Engine, name: str, client) -> bool:
    """Makes the call as another user; answers whether it failed for his rights."""
    own, engine.client = engine.client, client
    try:
        SITUATIONS[name].call(engine)
    except ResponseError as error:
        assert "can't run this command" in str(error)  # noqa: PT017 - any other error would stop it elsewhere
        return True
    finally:
        engine.client = own
    return False


@pytest.mark.parametrize("command", WRITES)
def test_commands_that_are_not_permitted(real, limited, command, record_property):
    """A user without the right to one of the writes: the script fails there; money has its entry."""
    client, failed = limited(command), 0
    for name in SITUATIONS:
        full, done = undisturbed(real, name)
        broken = fresh(real, name)
        before = picture(broken)
        failed += forbidden(broken, name, client)
        after = picture(broken)
        assert_entry_before_money(before, after, full, (name, command))
        assert after.counters() in (before.counters(), done.counters()), (name, command)
    assert failed >= {"zadd": 8, "zrem": 40, "unlink": 16}.get(command, len(SITUATIONS))
    told = f"without {command.upper()}: {failed} of {len(SITUATIONS)} calls fail, no credits without their entry"
    record_property("figure", told)


@pytest.mark.parametrize("command", WRITES)
def test_a_call_that_failed_is_executed_once_when_it_is_sent_again(real, limited, command):
    """The right was missing and is given: the same call, sent again, leaves the counters of one - nothing is charged
    or granted twice - and every hold that is counted is in the index, so that it can expire."""
    client, twice = limited(command), []
    for name in SITUATIONS:
        _, done = undisturbed(real, name)
        broken = fresh(real, name)
        if forbidden(broken, name, client):
            try:
                SITUATIONS[name].call(broken)
            except ResponseError as error:
                twice.append(f"{name}: {error}")
                continue
            after = picture(broken)
            if after.counters() != done.counters():
                twice.append(name)
            elif not after.index.items() >= done.index.items():
                twice.append(f"{name}: a hold that never expires")
    assert twice == []


@pytest.mark.parametrize("name", CROSSING)
def test_what_is_crossed_is_told_at_least_once(real, name):
    """Stopped anywhere, no spend is counted whose crossings are not in the stream: told before, told again."""
    name = f"{name}, crossed"
    whole = fresh(real, name)
    SITUATIONS[name].call(whole)
    full = whole.crossings()
    assert {kind for kind, _ in full} == {b"cap_threshold", b"low_balance"}
    told_early = 0
    for stop_at in itertools.count(1):
        stopped = fresh(real, name)
        before = picture(stopped).counters()
        stopped.stop_at = stop_at
        try:
            SITUATIONS[name].call(stopped)
        except ResponseError:
            assert picture(stopped).counters() == before or stopped.crossings() == full
            told_early += picture(stopped).counters() == before and stopped.crossings() == full
        else:
            break
    assert told_early >= 1, "behind the events comes the state"


@pytest.mark.parametrize("name", CROSSING)
def test_events_that_cannot_be_told_stop_a_charge_before_its_entry(real, name):
    """Something else under the stream's key: read before anything is written, so the call can be sent again."""
    name = f"{name}, crossed"
    broken = fresh(real, name)
    broken.client.set(broken.events_key, "text")
    with broken.unchanged(), pytest.raises(ResponseError, match="WRONGTYPE"):
        SITUATIONS[name].call(broken)
    broken.client.delete(broken.events_key)
    SITUATIONS[name].call(broken)
    broken.assert_sound()
    assert broken.crossings()


def test_setup_opens_the_ledger_before_the_config(real):
    """Stopped anywhere, a namespace has its first entry whenever it has a configuration."""
    for stop_at in itertools.count(1):
        made = Stopped(real.client, real.scripts, f"p{next(numbers)}")
        made.client.delete(made.config_key, made.ledger_key)
        made.stop_at = stop_at
        try:
            made.setup("create", GENERATION, 4, 1, "ready", NOW)
        except ResponseError:
            config, first = made.client.hgetall(made.config_key), made.client.xrange(made.ledger_key)
            assert not config or (len(config) == 7 and first[0][1][b"e"][1] == OPENED)
        else:
            break
    assert stop_at > 4


def test_the_build_that_is_stopped_is_the_script(real):
    """A stop that never comes: the counting build does the same as the script itself."""
    full, done = undisturbed(real, "settle, holds due, stores turn")
    counted = fresh(real, "settle, holds due, stores turn")
    known = len(counted.entries())
    counted.stop_at = 10_000
    SITUATIONS["settle, holds due, stores turn"].call(counted)
    assert counted.entries()[known:] == full
    assert picture(counted).counters() == done.counters()
    assert ScriptSet(INJECTED_CLOCK)["settle"].text.startswith(b"#!lua")


@pytest.mark.parametrize("forged", [{"held": 9}, {"admitted": 9}, {"open_holds": 0}])
def test_counters_that_would_leave_their_range_stop_the_script(engine, forged):
    """A hold that is not in the totals - a fault, however it came about - moves no credits: stopped before a write."""
    engine.grant("seed", 100)
    engine.reserve("h", 10)
    engine.forge_node(**forged)
    calls = [lambda: engine.settle("h", 10), lambda: engine.deduct("h", 1), lambda: engine.release("h")]
    with engine.unchanged():
        for call in calls:
            with pytest.raises(ResponseError, match="would leave its range"):
                call()
        engine.now += 600_000
        with pytest.raises(ResponseError, match="would leave its range"):
            engine.read()
