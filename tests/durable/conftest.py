"""Fixtures: each test runs on every database of ``tests/sql.py``, beside a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ledgers import dumped, put_back
from sql import DATABASES, Database

from ducto_redis import RedisStore
from ducto_redis.durable import LedgerDrain


@pytest.fixture(params=list(DATABASES))
def database(request: pytest.FixtureRequest, tmp_path) -> Iterator[Database]:
    """An empty database of each kind in turn."""
    made = DATABASES[request.param](tmp_path, lambda: request.getfixturevalue("postgres"))
    yield made
    made.close()


@pytest.fixture
def store(server, namespace) -> Iterator[RedisStore]:
    """A ready store of two shards."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as made:
        made.setup()
        yield made


@pytest.fixture
def url(database: Database) -> str:
    """Where the database is."""
    return database.url


@pytest.fixture
def drain(store, url) -> Iterator[LedgerDrain]:
    """A drain of the store into it."""
    made = LedgerDrain(store, url)
    yield made
    made.close()


@pytest.fixture
def forked(server, namespace, store, drain) -> Callable[..., None]:
    """Makes a fork at one root: so many entries that Redis lost after they were drained, and others in their place."""

    def make(theirs=3, ours=1, tag=""):
        state = dumped(server, namespace)
        for at in range(theirs):
            store.deduct("alice", 1, idempotency_key=f"theirs{tag}{at}")
        drain.drain()
        put_back(server, namespace, state)
        for at in range(ours):
            store.add_credits("alice", 2, idempotency_key=f"ours{tag}{at}")

    return make
