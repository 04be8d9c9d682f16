"""fold(ledger) = state: whatever is done and however the clock moves, the entries add up to what the server holds."""

from __future__ import annotations

import random

import pytest

from ducto_redis import ConcurrencyLimit, DefaultCap, MemoryStore, RateLimit, SpendCap
from ducto_redis.core.entries import Kind, read_entry
from ducto_redis.core.fold import fold
from ducto_redis.core.fold_limits import defined
from ducto_redis.core.fold_nodes import NOTHING_APART, read_apart
from ducto_redis.core.packed import int_at, read_caps, read_node, read_timed
from ducto_redis.core.scripts import INJECTED_CLOCK
from ducto_redis.drivers.embedded import EmbeddedDriver, connect
from ducto_redis.errors import LedgerBroken
from ducto_redis.testing import FakeClock, redis_store

ACCOUNTS = ["alice", "acme", "acme/search", "acme/search/bob", "acme/chat/carol", "{hostile}:%"]
STEPS = 1_500


def give(store, user, draw):
    if draw.random() < 0.5:
        store.add_credits(user, draw.randint(1, 500), type=draw.choice(["seed", "purchase"]))
    else:
        store.add_credits(user, draw.randint(-50, 50))


def cap(store, user, draw):
    period = draw.choice(["daily", "monthly", "daily", "monthly", "total", "hourly", "weekly", "yearly"])
    model = draw.choice([None, None, None, "m"])
    chosen = {"cap_type": period, "model": model, "action": draw.choice(["deny", "warn", "notify"])}
    if draw.random() < 0.8:
        zone = draw.choice(["UTC", "UTC", "UTC", "Europe/Berlin", "Australia/Lord_Howe"])
        if period == "weekly":
            chosen["week_start"] = draw.choice(["monday", "sunday"])
        elif period == "monthly":
            chosen["anchor_day"] = draw.choice([1, 1, 15, 31])
        store.set_spend_cap(SpendCap(user_id=user, limit=draw.randint(0, 900), timezone=zone, **chosen))
    else:
        store.remove_spend_cap(user, period, model)


def limit(store, user, draw):
    names = {"model": draw.choice([None, "m"]), "operation_type": draw.choice([None, "usage"])}
    if draw.random() < 0.5:
        store.set_concurrency_limit(user, ConcurrencyLimit(draw.randint(3, 40), **names))
        return
    chosen = RateLimit(
        f"{draw.randint(20, 900)}/{draw.choice(['min', 'day'])}", counts=draw.choice(["requests", "amount", "tokens"]),
        algorithm=draw.choice(["gcra", "fixed", "sliding"]), **names,
    )  # fmt: skip
    store.set_rate_limit(user, chosen)
    if draw.random() < 0.3:
        store.remove_rate_limit(user, chosen)
    if draw.random() < 0.3:
        store.set_spend_cap(SpendCap(user_id=user, limit=draw.randint(0, 900), shadow=True))
    elif draw.random() < 0.3:
        store.remove_spend_cap(user, "daily", shadow=True)


def pay(store, user, draw):
    store.set_payer(user, draw.choice([user, user.split("/")[0]]))
    store.set_defaults([DefaultCap(limit=900 + draw.randint(0, 9))], [RateLimit("99/s")], plan="p")
    store.set_plan(user, draw.choice([None, "p"]))


def hold(store, user, draw, holds):
    reserve = draw.choice([store.reserve, store.reserve_credits])
    # Keys of our own: holds that expire at the same moment are freed in the order of their ids.
    key = f"k{draw.randrange(10**9)}"
    model = draw.choice([None, "m", "other"])
    made = reserve(user, draw.randint(0, 60), ttl=draw.choice([1, 600, 604_800]), model=model, idempotency_key=key)
    if made.error is None:
        holds.append((user, made.hold_id))


def settle(store, at, draw, holds):
    asked = draw.randint(0, 90)
    if draw.random() < 0.6:
        draw.choice([store.settle, store.deduct_credits])(*at, asked)
        return
    more = {"late_settlement": "bill", "model": draw.choice([None, "m", "other"])}
    ended = store.settle(*at, asked, next_amount=draw.randint(0, 30), **more)
    if ended.next_hold and ended.next_hold.hold_id:
        holds.append((at[0], ended.next_hold.hold_id))


def extend(store, at, draw):
    key = f"e{draw.randrange(10**9)}"
    store.extend(*at, draw.randint(0, 30), ttl=draw.choice([None, 600]), idempotency_key=key)


def resolve(store, user, at, draw):
    op_id = at[1] if draw.random() < 0.5 else f"never{draw.randrange(10**9)}"
    store.resolve(user, op_id, draw.choice([None, "settle", "deduct"]))


def drive(store, clock, draw):
    """Runs random operations, many of them refused or repeated, over months and backward steps."""
    holds = [("alice", "none")]
    steps = [1, 500, 60_000, 3_600_000, 86_400_000, 20 * 86_400_000, -5_000, -86_400_000, -3 * 86_400_000]

    def act(user, at):
        return draw.choice([
            lambda: give(store, user, draw),
            lambda: cap(store, user, draw),
            lambda: pay(store, user, draw) if draw.random() < 0.2 else None,
            lambda: limit(store, user, draw) if draw.random() < 0.5 else None,
            *[lambda: hold(store, user, draw, holds)] * 3,
            *[lambda: settle(store, at, draw, holds)] * 3,
            lambda: store.release(*at),
            lambda: store.deduct(user, draw.randint(0, 60), idempotency_key=f"d{draw.randrange(10**9)}"),
            lambda: extend(store, at, draw),
            lambda: resolve(store, user, at, draw) if draw.random() < 0.3 else None,
        ])  # fmt: skip

    for _ in range(STEPS):
        if draw.random() < 0.1:
            clock.now_ms += draw.choice(steps)
        else:
            act(draw.choice(ACCOUNTS), draw.choice(holds[-20:]))()


def entries_of(client, namespace, shards=1):
    return [
        read_entry(fields[b"e"])
        for shard in range(shards)
        for _, fields in client.xrange(f"{namespace}:{{{shard}}}:ledger")
    ]


def plain(cap):
    """A timed cap whose other periods stand in the order of time."""
    return cap._replace(others=tuple(sorted(cap.others)))


def assert_state(client, namespace, states):
    """The state hashes and expiry indexes of the server are what the entries add up to, field by field."""
    for root, state in states.items():
        stored = {field.decode(): value for field, value in client.hgetall(f"{namespace}:{{0}}:s:{root}").items()}
        assert int_at(stored["r"], 9, 5) == state.sequence
        assert {name[1:]: read_node(data) for name, data in stored.items() if name[0] == "n"} == state.nodes
        caps = {name[1:]: list(read_caps(data)) for name, data in stored.items() if name[0] == "c"}
        assert {path: items for path, items in caps.items() if items} == state.caps
        timed = {name[1:]: list(read_timed(data)) for name, data in stored.items() if name[0] == "z" and data}
        assert {path: [plain(cap) for cap in items] for path, items in timed.items()} == {
            path: [plain(cap) for cap in items] for path, items in state.timed.items()
        }
        limits = {name[1:]: defined(data) for name, data in stored.items() if name[0] == "l" and data}
        assert limits == state.limits
        paid = {name[1:]: data for name, data in stored.items() if name[0] == "p" and data}
        assert {path: data[0] for path, data in paid.items() if data[0]} == state.payers
        assert {path: data[1:].decode() for path, data in paid.items() if data[1:]} == state.plans
        apart = {name[1:]: read_apart(data) for name, data in stored.items() if name[0] == "b"}
        assert {path: kept for path, kept in apart.items() if kept != NOTHING_APART} == state.apart
        assert {name[1:]: int_at(data, 0) for name, data in stored.items() if name[0] == "g"} == state.purchased
        index = client.zrange(f"{namespace}:{{0}}:x:{root}", 0, -1, withscores=True)
        assert {field.decode(): int(score) for field, score in index} == {
            reference: hold.expires_ms for reference, hold in state.holds.items()
        }
        for path, node in state.nodes.items():
            assert node.held == sum(hold.amount for hold in state.holds.values() if hold.payer == path)


@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_adds_up_to_the_state(server, namespace, seed):
    """After 1,500 random steps every node, cap, hold and purchase equals the fold of the entries."""
    clock, draw = FakeClock(), random.Random(seed)
    with redis_store(server.url, clock, namespace=namespace, shards=1) as store:
        store.setup()
        drive(store, clock, draw)
    entries = entries_of(server.client, namespace)
    kinds = {entry.kind for entry in entries}
    assert kinds == set(Kind) - {Kind.RESTORE}, "the run must have met every kind of entry but that of a restore"
    states = fold(entries)
    assert_state(server.client, namespace, states)
    balances = sum(node.balance for state in states.values() for node in state.nodes.values())
    granted = sum(entry.amount for entry in entries if entry.kind is Kind.GRANT)
    charged = sum(entry.amount for entry in entries if entry.kind in (Kind.SETTLE, Kind.CHARGE))
    assert balances == granted - charged


def test_the_embedded_engine_writes_the_same_bytes(server, namespace):
    """The same steps give the same entries on both engines, but for generation and random ids."""
    seen = []
    for real in (True, False):
        clock, draw = FakeClock(), random.Random(99)
        client = server.client if real else connect("memory://")
        store = (
            redis_store(server.url, clock, namespace=namespace, shards=1)
            if real
            else MemoryStore(EmbeddedDriver(client, INJECTED_CLOCK, clock), namespace=namespace, shards=1)
        )
        store.setup()
        drive(store, clock, draw)
        # The namespace's own entries have the server's time.
        entries = [
            entry._replace(generation=b"", reference="", at_ms=entry.at_ms if entry.sequence else 0)
            for entry in entries_of(client, namespace)
        ]
        states = fold(entries_of(client, namespace))
        seen.append((entries[1:], {root: (state.nodes, state.caps) for root, state in states.items()}))
        store.close()
    assert len(seen[0][0]) > 500
    assert seen[0] == seen[1]


def test_a_broken_ledger_is_found(server, namespace):
    """A missing, repeated, swapped or altered entry does not fold."""
    clock = FakeClock()
    with redis_store(server.url, clock, namespace=namespace, shards=1) as store:
        store.setup()
        for at in range(1, 6):
            store.add_credits("u", at)
    entries = entries_of(server.client, namespace)
    broken = [
        entries[:2] + entries[3:],
        entries[:3] + entries[2:],
        [entries[0], entries[2], entries[1], *entries[3:]],
        [*entries[:2], entries[2]._replace(amount=7), *entries[3:]],
    ]
    assert fold(entries)["u"].nodes[""].balance == 150_000
    for wrong in broken:
        with pytest.raises(LedgerBroken):
            fold(wrong)
