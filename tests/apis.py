"""One table of what contract tests run on: {sync, async} x {real, embedded}, all called as if they were sync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from inspect import iscoroutine
from typing import Any

import redis

from ducto_redis import AsyncCreditManager, CreditManager
from ducto_redis.drivers import embedded
from ducto_redis.testing import FakeClock, async_rate_limiter, async_redis_store, rate_limiter, redis_store

#: name -> (asynchronous, on a real server)
COMBINATIONS = {
    "sync-real": (False, True),
    "sync-embedded": (False, False),
    "async-real": (True, True),
    "async-embedded": (True, False),
}


class Awaited:
    """An asyncio face called synchronously: every coroutine is run to its end on one loop."""

    def __init__(self, face: Any, runner: asyncio.Runner) -> None:
        self.face = face
        self.runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.face, name)
        if not callable(value):
            return value

        def call(*args: Any, **options: Any) -> Any:
            outcome = value(*args, **options)
            return self.runner.run(outcome) if iscoroutine(outcome) else outcome

        return call


class Api:
    """Stores and managers of one combination, on one clock and one engine."""

    def __init__(self, name: str, url: str, namespace: str) -> None:
        self.name = name
        self.asynchronous, self.real = COMBINATIONS[name]
        self.url = url
        self.namespace = namespace
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self._faces: list[Any] = []

    def store(self, *, setup: bool = True, **settings: Any) -> Any:
        """A store of this combination; made ready unless told otherwise."""
        make: Callable[..., Any] = async_redis_store if self.asynchronous else redis_store
        store = make(self.url, self.clock, **{"namespace": self.namespace, "shards": 4, **settings})
        face = Awaited(store, self.runner) if self.asynchronous else store
        self._faces.append(face)
        if setup:
            face.setup()
        return face

    def manager(self, store: Any, **settings: Any) -> Any:
        """A manager over a store of this combination."""
        if self.asynchronous:
            return Awaited(AsyncCreditManager(store.face, **settings), self.runner)
        return CreditManager(store, **settings)

    def limiter(self, *limits: Any, **settings: Any) -> Any:
        """A stand-alone limiter of this combination."""
        make: Callable[..., Any] = async_rate_limiter if self.asynchronous else rate_limiter
        limiter = make(self.url, self.clock, *limits, **{"namespace": self.namespace, **settings})
        face = Awaited(limiter, self.runner) if self.asynchronous else limiter
        self._faces.append(face)
        return face

    def dumped(self) -> dict[bytes, Any]:
        """All that the engine holds for the namespace, byte for byte."""
        return {key: self.engine.dump(key) for key in sorted(self.engine.keys(f"{self.namespace}:*"))}

    @cached_property
    def engine(self) -> Any:
        """A client of the engine under the faces."""
        client: Any = redis.Redis.from_url(self.url) if self.real else embedded.connect(self.url)
        if self.real:
            self._faces.append(client)
        return client

    def close(self) -> None:
        for face in self._faces:
            face.close()
        self.runner.close()
