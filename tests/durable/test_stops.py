"""Whatever stops a drain - an exception, SIGKILL, another drainer - every entry is in SQL once."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import pytest
from ledgers import POINTS, Stopped, charge_many, killed, ledger_of, work
from sqlalchemy import text

from ducto_redis import RedisStore
from ducto_redis.core import draining
from ducto_redis.durable import LedgerDrain
from ducto_redis.durable import drain as drain_module


def test_stopped_anywhere_it_goes_on(server, namespace, store, database, monkeypatch, record_property):
    """At the k-th point, for every k, in parts of 100: then the next drain, and nothing is lost or doubled."""
    monkeypatch.setattr(drain_module, "PART", 100)
    total, stops = [], 0
    for stop_at in itertools.count(1):
        work(store, 2)
        charge_many(store, 300)
        total = list(dict.fromkeys([*total, *ledger_of(server, namespace)]))
        drain, met = LedgerDrain(store, database.url), itertools.count(1)

        def stop(_point, met=met, stop_at=stop_at):
            if next(met) == stop_at:
                raise Stopped

        drain.at_point = stop
        try:
            drain.drain()
        except Stopped:
            stops += 1
        else:
            break
        finally:
            drain.close()
    assert stops >= 4 * len(POINTS)
    assert sorted(database.rows()) == sorted(total)
    assert len(total) >= 5_000
    record_property("figure", f"drain stopped at {stops} points: {len(total)} entries, 0 lost, 0 doubled")


class Apart:
    """The unprotected control: rows without a key and the position, each committed by itself, parts of 7."""

    def __init__(self, store, database, stop_at):
        self.store, self.database, self.met, self.stop_at = store, database, itertools.count(1), stop_at

    def at_point(self):
        if next(self.met) == self.stop_at:
            raise Stopped

    def drain(self):
        for shard in range(2):
            more = True
            while more:
                [(last,)] = self.database.rows("last", f"position where shard = {shard}")
                entries, more, *_ = self.store._driver.run_flow(draining.read_part(self.store._space, shard, last, 7))
                rows = [{"shard": shard, "stream_id": stream_id, "data": data} for stream_id, _, data in entries]
                with self.database.engine.begin() as connection:
                    if rows:
                        connection.execute(text("insert into ledger values (:shard, :stream_id, :data)"), rows)
                self.at_point()
                if entries:
                    self.database.execute(f"update position set last = '{entries[-1][0]}' where shard = {shard}")
                self.at_point()


def test_control_a_position_apart_doubles(server, namespace, store, database, record_property):
    """Stopped at the k-th point, for every k: what lies between rows and position comes again."""
    work(store, 8)
    kind = "blob" if database.is_sqlite else "bytea"
    database.execute(
        f"create table ledger (shard integer, stream_id text, data {kind})",
        "create table position (shard integer, last text)",
        "insert into position values (0, '0-0'), (1, '0-0')",
    )
    stops = 0
    for stop_at in itertools.count(1):
        try:
            Apart(store, database, stop_at).drain()
        except Stopped:
            stops += 1
            work(store, 2)
        else:
            break
    rows = database.rows(table="ledger")
    assert set(rows) == set(ledger_of(server, namespace))
    assert len(rows) > len(set(rows))
    told = f"{len(rows) - len(set(rows))} of {len(set(rows))} rows doubled"
    record_property("figure", f"unprotected control, position apart, {stops} stops: {told}")


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on(server, namespace, store, database, point):
    """A process of its own that dies by SIGKILL, in the middle of its transaction too."""
    work(store, 3)
    before = ledger_of(server, namespace)

    def drain_until_killed():
        with RedisStore.from_url(server.url, namespace=namespace) as own:
            own.setup(create=False)
            drain = LedgerDrain(own, database.url)
            drain.at_point = lambda met: os.kill(os.getpid(), signal.SIGKILL) if met == point else None
            drain.drain()

    assert killed(drain_until_killed)
    drain = LedgerDrain(store, database.url)
    drain.drain()
    drain.close()
    assert sorted(database.rows()) == sorted(before)


def test_two_drainers_at_once(server, namespace, store, database, monkeypatch, record_property):
    """Both carry the same ledger while it grows; each entry is there once."""
    monkeypatch.setattr(drain_module, "PART", 20)
    work(store, 30)
    drains = [LedgerDrain(store, database.url, trim=False) for _ in range(2)]
    done, overtaken = threading.Event(), [0, 0]

    def carry(at):
        while not done.is_set():
            overtaken[at] += drains[at].drain().overtaken

    threads = [threading.Thread(target=carry, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    work(store, 45)
    done.set()
    for thread in threads:
        thread.join()
    drains[0].drain()
    entries = ledger_of(server, namespace)
    assert sorted(database.rows()) == sorted(entries)
    record_property(
        "figure", f"two drainers at once: {len(entries)} entries, 0 lost, 0 doubled, {sum(overtaken)} times overtaken"
    )
    for drain in drains:
        drain.close()
