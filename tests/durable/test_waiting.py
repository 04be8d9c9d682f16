"""Durability levels on real servers: what is confirmed is on the replica, what falls short says so and is done once."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
import redis
from apis import Awaited
from servers import RedisProcess, ReplicatedPair

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from proxy import Fault, Listed, Proxy

from ducto_redis import (
    AsyncRedisStore,
    ChargeItem,
    ConcurrencyLimit,
    ConfigError,
    CreditEventEmitter,
    DefaultCap,
    DurabilityNotMet,
    RateLimit,
    RedisStore,
    ReserveItem,
    SpendCap,
    http_status,
)

#: Long enough for a replica that is there, on a busy machine; and for one that is not.
PATIENT, SHORT = {"durability_timeout_ms": 4_000}, {"durability_timeout_ms": 15}


@pytest.fixture(scope="module")
def pair():
    made = ReplicatedPair()
    yield made
    made.stop()


@pytest.fixture(params=["sync", "async"])
def open_store(request):
    """Makes stores of a face, called as if they were sync."""
    made, runner = [], asyncio.Runner()

    def make(url, **settings):
        settings = {"shards": 4, "durability": "replicated", **settings}
        if request.param == "sync":
            made.append(RedisStore.from_url(url, **settings))
        else:
            made.append(Awaited(AsyncRedisStore.from_url(url, **settings), runner))
        return made[-1]

    yield make
    for store in made:
        store.close()
    runner.close()


@pytest.fixture
def ready(pair, open_store, namespace):
    """A store whose namespace is set up and on the replica, with 1,000 credits of ``u``; and one in a hurry."""
    calm = open_store(pair.primary.url, namespace=namespace, **PATIENT)
    calm.setup()
    calm.add_credits("u", 1_000)
    hasty = open_store(pair.primary.url, namespace=namespace, **SHORT)
    hasty.get_balance("u")
    return calm, hasty


def waits(process):
    """How often WAIT was called."""
    return process.client.info("commandstats").get("cmdstat_wait", {}).get("calls", 0)


def entries(process, namespace, shards=4):
    """How many entries the ledger has."""
    return sum(process.client.xlen(f"{namespace}:{{{shard}}}:ledger") for shard in range(shards))


def test_what_is_confirmed_is_on_the_replica(pair, ready, namespace, record_property):
    """Each answer comes when the replica has its entry; a control that waits for nothing finds it lacking."""
    calm, _ = ready
    lacking = 0
    for _ in range(100):
        calm.deduct("u", 1)
        lacking += entries(pair.replica, namespace) != entries(pair.primary, namespace)
    assert lacking == 0
    with RedisStore.from_url(pair.primary.url, namespace=namespace) as control:
        control.get_balance("u")
        pair.cut()
        for _ in range(100):
            control.deduct("u", 1)
        behind = entries(pair.primary, namespace) - entries(pair.replica, namespace)
    pair.link()
    record_property(
        "figure", f"replicated: {lacking} of 100 answers before the replica had them; memory: {behind} of 100"
    )
    assert behind == 100


def test_falling_short_is_told_and_executed_once(pair, ready, open_store, namespace):
    """The replica stands still: DurabilityNotMet with ids, counts, result; the same id answers again, once it may."""
    calm, hasty = ready
    with pair.replica.stopped():
        with pytest.raises(DurabilityNotMet, match="is executed") as raised:
            hasty.deduct("u", 5, idempotency_key="once")
        error = raised.value
        assert (error.op_id, error.op_ids, error.user_id, error.operation) == ("once", ("once",), "u", "deduct")
        assert (error.wanted, error.reached) == (1, 0)
        assert (error.result.amount, error.result.idempotent) == (5, False)
        assert http_status(error) == 503
        # Another connection, which has written nothing itself, waits for the first one's write all the same.
        other = open_store(pair.primary.url, namespace=namespace, **SHORT)
        with pytest.raises(DurabilityNotMet) as raised:
            other.deduct("u", 5, idempotency_key="once")
        assert raised.value.result.idempotent is True
    again = calm.deduct("u", 5, idempotency_key="once")
    assert (again.idempotent, again.transaction_id) == (True, error.result.transaction_id)
    assert calm.get_balance("u").balance == 995


def test_a_cut_link_falls_short_too(pair, ready, namespace):
    """No replica is attached any more: nothing is confirmed, until one is."""
    calm, hasty = ready
    pair.cut()
    with pytest.raises(DurabilityNotMet) as raised:
        hasty.add_credits("u", 7)
    assert calm.get_balance("u").balance == 1_007
    pair.link()
    assert calm.add_credits("u", 7, idempotency_key=raised.value.op_id).idempotent is True
    assert pair.replica.client.xlen(f"{namespace}:{{0}}:ledger") == pair.primary.client.xlen(
        f"{namespace}:{{0}}:ledger"
    )


def test_a_generated_id_is_told(pair, ready):
    """Without a key of the caller's the error has the id that was made: sent again, nothing is done twice."""
    calm, hasty = ready
    with pair.replica.stopped(), pytest.raises(DurabilityNotMet) as raised:
        hasty.reserve("u", 30)
    assert raised.value.result.hold_id == raised.value.op_id
    assert calm.reserve("u", 30, idempotency_key=raised.value.op_id).idempotent is True
    assert calm.get_available("u").reserved == 30


def test_events_are_told_once(pair, open_store, namespace):
    """What happened is told when it falls short; the repetition that is confirmed tells nothing."""
    seen, emitter = [], CreditEventEmitter()
    emitter.on("*", seen.append)
    calm = open_store(pair.primary.url, namespace=namespace, emitter=emitter, **PATIENT)
    calm.setup()
    hasty = open_store(pair.primary.url, namespace=namespace, emitter=emitter, **SHORT)
    hasty.setup(create=False)
    with pair.replica.stopped(), pytest.raises(DurabilityNotMet):
        hasty.add_credits("u", 7, idempotency_key="k")
    told = len(seen)
    assert told
    calm.add_credits("u", 7, idempotency_key="k")
    assert len(seen) == told


CHANGES = {
    "add_credits": lambda store, _: store.add_credits("u", 1),
    "open_account": lambda store, _: store.open_account("v"),
    "reserve": lambda store, _: store.reserve("u", 1),
    "reserve_credits": lambda store, _: store.reserve_credits("u", 1),
    "settle": lambda store, hold: store.settle("u", hold, 1),
    "release": lambda store, hold: store.release("u", hold),
    "extend": lambda store, hold: store.extend("u", hold, 1),
    "deduct": lambda store, _: store.deduct("u", 1),
    "deduct_credits": lambda store, hold: store.deduct_credits("u", hold, 1),
    "deduct_credits, refused": lambda store, hold: store.deduct_credits("u", hold, 10_000),
    "deduct_credits, beyond the exact range": lambda store, hold: store.deduct_credits("u", hold, "900719925474.0991"),
    "renew": lambda store, hold: store.renew("u", hold, 900),
    "settle, a successor": lambda store, hold: store.settle("u", hold, 1, next_amount=1),
    "set_payer": lambda store, _: store.set_payer("u", "u"),
    "set_plan": lambda store, _: store.set_plan("u", None),
    "charge_many": lambda store, _: store.charge_many([ChargeItem(user_id="u", amount=1)]),
    "reserve_many": lambda store, _: store.reserve_many([ReserveItem(user_id="u", amount=1)]),
    "resolve": lambda store, _: store.resolve("u", "never"),
    "set_spend_cap": lambda store, _: store.set_spend_cap(SpendCap(user_id="u", limit=10)),
    "remove_spend_cap": lambda store, _: store.remove_spend_cap("u", "daily"),
    "set_low_balance": lambda store, _: store.set_low_balance("u", 5),
    "set_rate_limit": lambda store, _: store.set_rate_limit("u", RateLimit("1/min")),
    "set_concurrency_limit": lambda store, _: store.set_concurrency_limit("u", ConcurrencyLimit(1)),
    "remove_rate_limit": lambda store, _: store.remove_rate_limit("u", RateLimit("1/min")),
    "remove_concurrency_limit": lambda store, _: store.remove_concurrency_limit("u", ConcurrencyLimit(1)),
    "set_defaults": lambda store, _: store.set_defaults([DefaultCap(cap_type="daily", limit=5)], [], level=3),
    "remove_defaults": lambda store, _: store.remove_defaults(level=3),
    "setup": lambda store, _: store.setup(),
}
READS = {
    "get_balance": lambda store, _: store.get_balance("u"),
    "list_holds": lambda store, _: store.list_holds("u"),
    "list_spend_caps": lambda store, _: store.list_spend_caps("u"),
    "explain": lambda store, _: store.explain("u", 1),
    "reserve, dry": lambda store, _: store.reserve("u", 1, dry_run=True),
    "deduct, dry": lambda store, _: store.deduct("u", 1, dry_run=True),
    "sweep": lambda store, _: store.sweep(),
    "setup(create=False)": lambda store, _: store.setup(create=False),
}
REFUSALS = {
    "insufficient_credits": lambda store, _: store.reserve("v", 10_000),
    "lease_not_found": lambda store, _: store.settle("u", "no such hold", 1),
    "invalid_amount": lambda store, _: store.deduct("u", -1),
}


def test_every_change_waits_and_nothing_else_does(pair, ready):
    """With a replica that stands still every change falls short; reading sends no WAIT; refusals are answered."""
    calm, hasty = ready
    holds = {name: calm.reserve("u", 1).hold_id for name in CHANGES}
    with pair.replica.stopped():
        for name, change in CHANGES.items():
            with pytest.raises(DurabilityNotMet) as raised:
                change(hasty, holds[name])
            assert raised.value.wanted == 1, name
            assert len(raised.value.results) == 1, name
        before = waits(pair.primary)
        for read in READS.values():
            read(calm, None)
        probed = 1  # opening the namespace asks whether WAIT is allowed
        assert waits(pair.primary) == before + probed
        for code, refusal in REFUSALS.items():
            assert refusal(hasty, None).error_code == code
    assert calm.resolve("u", holds["deduct_credits, refused"], "reserve").state == "released"


def items(prefix, count=8):
    return [ChargeItem(user_id=f"u{at}", amount=1, idempotency_key=f"{prefix}{at}") for at in range(count)]


def test_a_batch_waits_once(pair, ready, record_property):
    """One WAIT for all shards, one more after a flushed script; short, all ids are told in the order of the items."""
    calm, hasty = ready
    for item in items(""):
        calm.add_credits(item.user_id, 10)
    before = waits(pair.primary)
    calm.charge_many(items("a"))
    single = waits(pair.primary) - before
    pair.primary.client.script_flush()
    calm.charge_many(items("b"))
    record_property("figure", f"a batch of 8 accounts on 4 shards: {single} WAIT")
    assert (single, waits(pair.primary) - before) == (1, 2)
    odd = [*items("c", 3), ChargeItem(user_id="nobody", amount=1), *items("d")[3:]]
    with pair.replica.stopped(), pytest.raises(DurabilityNotMet) as raised:
        hasty.charge_many(odd)
    error = raised.value
    assert error.op_ids[:3] == ("c0", "c1", "c2")
    assert error.op_ids[4:] == ("d3", "d4", "d5", "d6", "d7")
    assert [result.error_code for result in error.results] == [None] * 3 + ["insufficient_credits"] + [None] * 5
    again = [item.model_copy(update={"idempotency_key": op_id}) for item, op_id in zip(odd, error.op_ids, strict=True)]
    assert Counter(result.idempotent for result in calm.charge_many(again)) == {True: 8, False: 1}
    assert {calm.get_balance(item.user_id).balance for item in items("")} == {7}


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REPLY_CUT, Fault.REQUEST_LOST])
def test_a_call_that_is_sent_again_waits_again(pair, open_store, namespace, fault):
    """A reply is lost: the repetition is confirmed as the first would have been, or falls short; executed once."""
    with Proxy(pair.primary.socket) as proxy:
        calm = open_store(proxy.url, namespace=namespace, **PATIENT)
        calm.setup()
        calm.add_credits("u", 100)
        calm.deduct("u", 1)
        before = waits(pair.primary)
        proxy.plan = Listed(fault)
        assert calm.deduct("u", 1).idempotent is False
        assert waits(pair.primary) - before == 1  # the proxy passes nothing on behind a fault
        hasty = open_store(proxy.url, namespace=namespace, **SHORT)
        hasty.get_balance("u")
        proxy.plan = Listed(fault)
        with pair.replica.stopped(), pytest.raises(DurabilityNotMet):
            hasty.deduct("u", 1)
        assert calm.get_balance("u").balance == 97


def test_a_flushed_script_still_waits(pair, ready):
    """NOSCRIPT in place of an answer: the script is loaded, run, and waited for once more; in a batch too."""
    calm, hasty = ready
    pair.primary.client.script_flush()
    before = waits(pair.primary)
    assert calm.deduct("u", 1).error_code is None
    assert waits(pair.primary) - before == 2
    pair.primary.client.script_flush()
    with pair.replica.stopped(), pytest.raises(DurabilityNotMet):
        hasty.deduct("u", 1)
    assert calm.get_balance("u").balance == 998


def test_a_batch_that_meets_a_flush_waits_for_its_last_script(pair, open_store, namespace):
    """The script is flushed between the first call of a batch and the others: loaded, run, and waited for again."""
    with Proxy(pair.primary.socket) as proxy:
        calm, seen = open_store(proxy.url, namespace=namespace, **PATIENT), []
        calm.setup()
        for item in items(""):
            calm.add_credits(item.user_id, 10)
        before = waits(pair.primary)

        def flush(words):
            seen.append(words)
            if len(seen) == 3:  # NOSCRIPT, the first call, then the others
                pair.primary.client.script_flush()
            return Fault.NONE

        proxy.plan = flush
        results = calm.charge_many(items("a"))
        assert [(result.error_code, result.idempotent) for result in results] == [(None, False)] * 8
        assert waits(pair.primary) - before == 2


def test_wait_on_another_connection_proves_nothing(pair, ready, record_property):
    """The control: WAIT of a pooled connection that did not write says 1 at once, while the replica has nothing."""
    _, hasty = ready
    pool = redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, path=str(pair.primary.socket))
    first, second = redis.Redis(connection_pool=pool).client(), redis.Redis(connection_pool=pool).client()
    second.ping()
    first.set("control", 0)
    assert first.wait(1, 4_000) == 1
    with pair.replica.stopped():
        first.set("control", 1)
        falsely, truly = second.wait(1, 15), first.wait(1, 15)
        with pytest.raises(DurabilityNotMet) as raised:
            hasty.deduct("u", 1)
    for each in (first, second):
        each.close()
    record_property("figure", f"the replica stands still: WAIT elsewhere says {falsely}, ours {raised.value.reached}")
    assert (falsely, truly, raised.value.reached) == (1, 0, 0)


def test_more_replicas_than_there_are(pair, open_store, namespace):
    """setup() says how many are there; a call says how many it reached."""
    store = open_store(pair.primary.url, namespace=namespace, replicas=2, **SHORT)
    with pytest.raises(ConfigError, match="wants 2 replicas, and 1 are there"):
        store.setup()
    open_store(pair.primary.url, namespace=namespace, **PATIENT).setup()
    with pytest.raises(DurabilityNotMet) as raised:
        store.add_credits("u", 1)
    assert raised.value.wanted == 2


def test_a_failover_keeps_what_was_confirmed(namespace, record_property):
    """The link is cut, the primary killed, the replica promoted: all confirmed are there, of the control's none."""
    pair, kept = ReplicatedPair(), {"namespace": namespace, "shards": 1}
    try:
        with RedisStore.from_url(pair.primary.url, durability="replicated", **kept, **PATIENT) as store:
            store.setup()
            confirmed = [store.add_credits(f"u{at}", 1).user_id for at in range(100)]
        pair.cut()
        with RedisStore.from_url(pair.primary.url, **kept) as control:
            unsafe = [control.add_credits(f"c{at}", 1).user_id for at in range(100)]
        with RedisStore.from_url(pair.primary.url, durability="replicated", **kept, **SHORT) as store:
            short = 0
            for at in range(20):
                with pytest.raises(DurabilityNotMet):
                    store.add_credits(f"s{at}", 1)
                short += 1
        pair.primary.kill()
        with RedisStore.from_url(pair.replica.url, **kept) as promoted:
            lost = [sum(promoted.get_balance(user).balance != 1 for user in users) for users in (confirmed, unsafe)]
    finally:
        pair.stop()
    record_property(
        "figure", f"failover: {lost[0]} of 100 confirmed lost, {short} of 20 told; memory: {lost[1]} of 100"
    )
    assert lost == [0, 100]


@pytest.mark.parametrize("level", ["replicated", "memory"])
def test_a_cut_while_many_call(pair, namespace, level, record_property):
    """Eight threads call on while the link is cut: all that was confirmed is on the replica; the control loses some."""
    confirmed, cut, many = Counter(), threading.Event(), threading.Event()

    def caller(number):
        for _ in range(300):
            try:
                store.add_credits(f"u{number}", 1)
            except DurabilityNotMet:
                many.set()
                return
            confirmed[number] += 1
            if confirmed[number] == 100:
                many.set()
            if level == "memory" and confirmed[number] == 200:
                cut.wait()

    with RedisStore.from_url(
        pair.primary.url, namespace=namespace, durability="replicated", shards=1, **PATIENT
    ) as store:
        store.setup()  # so that the control finds its namespace on the replica
    settings = {"namespace": namespace, "durability": level, "durability_timeout_ms": 1_000}
    with RedisStore.from_url(pair.primary.url, **settings) as store:
        threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        many.wait()
        pair.cut()
        cut.set()
        for thread in threads:
            thread.join()
    with RedisStore.from_url(pair.replica.url, namespace=namespace) as promoted:
        lost = sum(max(0, confirmed[number] - promoted.get_balance(f"u{number}").balance) for number in range(8))
    pair.link()
    record_property("figure", f"the link is cut under 8 callers, {level}: {lost} of {confirmed.total()} answers lost")
    assert confirmed.total() >= 100
    assert (lost == 0) == (level == "replicated")


def test_aof_outlives_the_process(namespace, record_property):
    """SIGKILL and start again: with an append-only file nothing is lost, without one everything is."""
    lost = []
    for level, persistent in (("aof", "yes"), ("memory", "no")):
        process = RedisProcess("--appendonly", persistent)
        try:
            with RedisStore.from_url(process.url, namespace=namespace, shards=1, durability=level) as store:
                store.setup()
                for _ in range(100):
                    store.add_credits("u", 1)
            process.kill_and_start_again()
            with RedisStore.from_url(process.url, namespace=namespace, shards=1) as store:
                store.setup()
                lost.append(100 - int(store.get_balance("u").balance))
        finally:
            process.stop()
    record_property("figure", f"SIGKILL: aof lost {lost[0]} of 100, memory {lost[1]} of 100")
    assert lost == [0, 100]
