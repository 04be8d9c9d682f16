"""What tests of the command line share: running a command on a real server."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ducto_redis import RedisStore
from ducto_redis.cli.app import app


@pytest.fixture
def run(server, namespace):
    """Runs a command on a ready namespace of a real server: exit code, standard output, standard error."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as store:
        store.setup()

    def call(*words, code=0):
        result = CliRunner().invoke(app, [*words, "--redis", server.url, "--namespace", namespace])
        assert result.exit_code == code, result.output
        return result

    call.store = RedisStore.from_url(server.url, namespace=namespace)
    yield call
    call.store.close()
