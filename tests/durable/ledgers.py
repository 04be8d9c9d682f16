"""What tests of the drain share: work that fills a ledger, the ledger as Redis holds it, and where a drain stops."""

from __future__ import annotations

import os
import signal
import warnings

from ducto_redis import ChargeItem, SpendCap

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


def charge_many(store, count, users=("alice", "acme/x/bob", "carol %:")):
    """Entries of charges, a hundred at a time."""
    for begun in range(0, count, 100):
        items = [ChargeItem(user_id=users[at % len(users)], amount=1) for at in range(begun, begun + 100)]
        assert all(each.error_code is None for each in store.charge_many(items))


def ended(work):
    """The exit code of a forked process that does the work: 1 when it failed, negative when a signal ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child leaves alone
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(work):
    """Whether a forked process that does the work was ended by SIGKILL; it shares no connection with this one."""
    return ended(work) == -signal.SIGKILL


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
