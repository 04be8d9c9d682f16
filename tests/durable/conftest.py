"""Fixtures: each test runs on every database of ``tests/sql.py``, beside a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
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
