"""What tests of the drain share: work that fills a ledger, the ledger as Redis holds it, and where a drain stops."""

from __future__ import annotations

from ducto_redis import SpendCap

USERS = ("alice", "acme/x/bob", "carol %:")
POINTS = ("read", "written", "committed", "trimmed")


class Stopped(Exception):
    """A drain that is stopped at a named point."""


def work(store, times=20, users=USERS):
    """Entries of several kinds on several roots."""
    for user in users:
        store.add_credits(user, 1_000)
        store.set_spend_cap(SpendCap(user_id=user, limit=100_000))
        for _ in range(times):
            store.settle(user, store.reserve(user, 3), 2)


def ledger_of(server, namespace, shards=2):
    """Stream id and packed entry of every entry that Redis holds."""
    return [
        (shard, entry_id.decode(), fields[b"e"])
        for shard in range(shards)
        for entry_id, fields in server.client.xrange(f"{namespace}:{{{shard}}}:ledger")
    ]


def dumped(server, namespace):
    """Everything that Redis holds of the namespace, as ``put_back`` takes it."""
    return {key: server.client.dump(key) for key in server.client.keys(f"{namespace}:*")}


def put_back(server, namespace, state):
    """Redis as it was: what a server holds that came back from an older copy of its data."""
    for key in server.client.keys(f"{namespace}:*"):
        server.client.delete(key)
    for key, data in state.items():
        server.client.restore(key, 0, data)


def work_of_hours(store, times=6, users=USERS):
    """Entries of several kinds on several roots, an open hold on each."""
    for user in users:
        store.add_credits(user, 1_000)
        store.set_spend_cap(SpendCap(user_id=user, limit=100_000, cap_type="hourly"))
        for _ in range(times):
            store.settle(user, store.reserve(user, 3), 2)
        store.deduct(user, 1)
        store.reserve(user, 5)
