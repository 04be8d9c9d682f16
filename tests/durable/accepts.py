"""What tests of ``accept_redis`` share: what the next drain has to find, and what has to come back after a wipe."""

from __future__ import annotations

from ledgers import USERS, put_back

from ducto_redis.durable import Restore, Snapshots, SqlLedger, verify_sql

TABLES = ("ledger", "dead", "position", "root", "record", "dirty", "namespace")


def balances(store, users=USERS):
    return {user: store.get_available(user) for user in users}


def everything(database):
    """What all tables hold."""
    return {name: sorted(map(str, database.rows("*", f"ducto_{name}"))) for name in TABLES}


def snapshots(drain, store):
    return Snapshots(drain.engine, store._space.name)


def carried(store, drain, url):
    """The next drain and snapshots go well, and SQL says what Redis says."""
    done = drain.drain()
    result = snapshots(drain, store).update()
    assert (result.broken, snapshots(drain, store).behind()) == ({}, 0)
    found = verify_sql(store, url)
    assert (found.differences, found.missing, found.forked, found.unverifiable) == ((), 0, 0, 0)
    assert found.books.balanced
    return done


def comes_back(server, namespace, store, url, users=USERS):
    """After a wipe SQL rebuilds exactly what Redis had."""
    before = balances(store, users)
    put_back(server, namespace, {})
    restore = Restore(store, url)
    restore.run()
    restore.close()
    assert balances(store, users) == before


def reasons(url, namespace):
    with SqlLedger(url, namespace=namespace) as ledger:
        return [each.reason for each in ledger.dead(1_000)]
