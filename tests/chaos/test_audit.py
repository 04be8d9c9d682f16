"""The comparison itself: faults are planted in the server or in what callers were told, and each is found."""

from __future__ import annotations

from typing import Any, NamedTuple

import audit
import pytest
from load import OPENING, PATIENT, SHARDS, USERS, Asked, History, call

from ducto_redis import RedisStore
from ducto_redis.core.entries import Kind

DONE = (
    (Asked(Kind.CHARGE, USERS[0], "a"), 3),
    (Asked(Kind.HOLD, USERS[1], "b"), 4),
    (Asked(Kind.SETTLE, USERS[1], "b"), 2),
    (Asked(Kind.HOLD, USERS[2], "c"), 5),
)


class Worked(NamedTuple):
    """A store and its server, and what callers were told: four operations, all acknowledged."""

    store: RedisStore
    history: History
    client: Any

    @property
    def keys(self):
        return self.store._space.keys.account(USERS[0]).keys


@pytest.fixture
def worked(server, namespace):
    history = History()
    with RedisStore.from_url(server.url, namespace=namespace, shards=SHARDS, precision=0, retry=PATIENT) as store:
        store.setup()
        for asked, amount in (*((Asked(Kind.GRANT, user, "o"), OPENING) for user in USERS), *DONE):
            assert call(store, asked, amount).error_code is None
            history.tell(asked, amount, history.acked)
        yield Worked(store, history, server.client)


def twice(worked):
    """The server forgets which operations it has executed."""
    worked.client.delete(worked.keys[2], worked.keys[3])
    assert not call(worked.store, *DONE[0]).idempotent


def entry_gone(worked):
    [charge] = [at for at, fields in worked.client.xrange(worked.keys[4]) if b"da" in fields[b"e"]]
    worked.client.xdel(worked.keys[4], charge)


def balance_changed(worked):
    node = bytearray(worked.client.hget(worked.keys[0], "n"))
    node[0] ^= 1
    worked.client.hset(worked.keys[0], "n", bytes(node))


def nobody_asked(worked):
    worked.store.deduct(USERS[0], 1, idempotency_key="somebody")


def told_otherwise(worked):
    worked.history.tell(DONE[0][0], 3, worked.history.refused)
    worked.history.acked.pop(DONE[0][0])


def told_what_was_not(worked):
    worked.history.tell(Asked(Kind.CHARGE, USERS[0], "never"), 7, worked.history.acked)


def told_another_amount(worked):
    worked.history.tell(DONE[0][0], 4, worked.history.acked)


PLANTED = {
    twice: {"doubled": 1},
    entry_gone: {"lost": 1, "credits created": 3, "differences": 2},
    balance_changed: {"credits created": 1, "differences": 1},
    nobody_asked: {"not asked": 1},
    told_otherwise: {"wrongly refused": 1},
    told_what_was_not: {"lost": 1},
    told_another_amount: {"other amounts": 1},
}


def test_nothing_planted_nothing_found(server, namespace, worked):
    """Balances, holds and rows are what callers were told."""
    seen = audit.audit(server, namespace, worked.history)
    assert audit.wrong(seen) == {}
    assert (seen["acknowledged"], seen["verified"]) == (len(USERS) + len(DONE), 3)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found(server, namespace, worked, plant):
    """Each by the counts that it belongs to, and no other."""
    plant(worked)
    assert audit.wrong(audit.audit(server, namespace, worked.history)) == PLANTED[plant]
