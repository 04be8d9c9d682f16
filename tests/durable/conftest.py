"""Fixtures: each test runs on every database of ``tests/sql.py``, beside a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sql import DATABASES, Database

from ducto_redis import RedisStore


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
