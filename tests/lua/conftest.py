"""Fixtures of the scripts' own tests: a fresh root on a real server and on the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator

import fakeredis
import pytest
from lua_kit import NOW, Engine
from lua_limits import Account
from servers import RedisProcess

from ducto_redis.core.scripts import INJECTED_CLOCK, PORTABLE_STRUCT, ScriptSet


@pytest.fixture(scope="session")
def embedded() -> fakeredis.FakeRedis:
    """The embedded engine, one per worker."""
    return fakeredis.FakeRedis(version=(7,))


def _checked(engine: Engine) -> Iterator[Engine]:
    yield engine
    if not engine.forged:
        engine.assert_sound()


@pytest.fixture(params=["real", "embedded"])
def engine(request: pytest.FixtureRequest, namespace: str) -> Iterator[Engine]:
    """A fresh root on each engine; after the test its state must be what its ledger adds up to."""
    if request.param == "real":
        yield from _checked(Engine(request.getfixturevalue("server").client, ScriptSet(INJECTED_CLOCK), namespace))
    else:
        scripts = ScriptSet({**PORTABLE_STRUCT, **INJECTED_CLOCK}, shebang=False)
        yield from _checked(Engine(request.getfixturevalue("embedded"), scripts, namespace))


@pytest.fixture
def real(server: RedisProcess, namespace: str) -> Iterator[Engine]:
    """A fresh root on the real server, for what the embedded engine does not have."""
    yield from _checked(Engine(server.client, ScriptSet(INJECTED_CLOCK), namespace))


@pytest.fixture
def account(engine: Engine) -> Account:
    """An account with credits and, as yet, no limits."""
    engine.now = NOW  # a full hour
    return Account(engine)
