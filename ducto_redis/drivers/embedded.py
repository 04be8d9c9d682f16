"""The embedded driver: the same scripts on fakeredis inside the process, for trying out and for users' unit tests.

Nothing is durable and nothing is shared with other processes. ``memory://`` is a private engine, ``memory://name``
is shared by everything in the process that names it.

fakeredis compiles a script's whole text at each call. So a script is kept in the engine as a compiled function, and a
call sends one line that runs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from redis.exceptions import NoScriptError, RedisError

from ducto_redis.core.durability import Level
from ducto_redis.core.scripts import PORTABLE_STRUCT, Script, ScriptSet
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Scan, Step
from ducto_redis.drivers.failures import raise_ours
from ducto_redis.drivers.flowing import drive
from ducto_redis.drivers.replies import command_of, flat
from ducto_redis.drivers.retrying import DEFAULT_POLICY
from ducto_redis.errors import ConfigError

if TYPE_CHECKING:
    import fakeredis

T = TypeVar("T")

#: What the embedded engine stands for when a flow asks for the server's version.
_VERSION: Final = "7.0.0"

# ``package.loaded`` is the one table that outlives a script and is no new global, which fakeredis would refuse.
_KEEP: Final = "package.loaded['ducto:{sha}'] = function()\n{text}\nend"
_RUN: Final = (
    "local run = package.loaded['ducto:{sha}'] if not run then return redis.error_reply('NOSCRIPT not kept') end "
    "return run()"
)

_shared: dict[str, fakeredis.FakeRedis] = {}
_shared_lock = threading.Lock()


def _new_engine() -> fakeredis.FakeRedis:
    try:
        import fakeredis  # noqa: PLC0415 - an extra, imported only when it is used
        import lupa  # noqa: F401, PLC0415
    except ImportError as cause:
        msg = "the embedded engine needs fakeredis with Lua: pip install 'ducto-redis[embedded]'"
        raise ConfigError(msg) from cause
    return fakeredis.FakeRedis(version=(7,))


def connect(url: str) -> fakeredis.FakeRedis:
    """The engine of a ``memory://`` URL.

    Raises:
        ConfigError: The extra is not installed.
    """
    name = urlsplit(url).netloc
    if not name:
        return _new_engine()
    with _shared_lock:
        if name not in _shared:
            _shared[name] = _new_engine()
        return _shared[name]


def run_kept(client: Any, script: Script, arguments: Sequence[Any]) -> Any:
    """Runs a script that the engine keeps compiled; the first run keeps it.

    Args:
        client: A fakeredis client.
        script: The script.
        arguments: What follows the SHA in an EVALSHA: the number of keys, the keys, the arguments.
    """
    sha = script.sha.decode()
    command = ("EVAL", _RUN.format(sha=sha), *arguments)
    try:
        return client.execute_command(*command)
    except NoScriptError:
        client.execute_command("EVAL", _KEEP.format(sha=sha, text=script.text.decode()), 0)
        return client.execute_command(*command)


class EmbeddedDriver:
    """Runs calls and flows on fakeredis; one at a time, as Redis does.

    Args:
        client: A fakeredis client.
        variants: Further variants of the scripts (the injected clock).
        stamp: Appends injected time to every call (tests only).
    """

    def __init__(
        self,
        client: fakeredis.FakeRedis,
        variants: Mapping[str, str] | None = None,
        stamp: Callable[[], int] | None = None,
    ) -> None:
        self.policy = DEFAULT_POLICY  # nothing is ever lost on the way
        self._client: Any = client  # fakeredis leaves the commands untyped
        self._scripts = ScriptSet({**PORTABLE_STRUCT, **(variants or {})}, shebang=False)
        self._stamp = stamp
        self._lock = threading.Lock()

    def keep_to(self, level: Level) -> None:
        """Refuses every level: the engine has no disk and no replicas.

        Raises:
            ConfigError: Always.
        """
        msg = (
            f"the embedded engine has neither disk nor replicas: durability='memory' only, not {level.name!r}; that"
            " needs a server (RedisStore.from_url)"
        )
        raise ConfigError(msg)

    def run_flow(self, flow: Flow[T]) -> T:
        """Runs a flow to its end."""
        return drive(flow, self._step)

    def close(self) -> None:
        """Nothing to close: the engine lives as long as something refers to it."""

    def _step(self, step: Step) -> Any:
        if isinstance(step, Call):
            return step.parse(self._evaluate(step))
        if isinstance(step, Batch):
            return [call.parse(self._evaluate(call)) for call in step.calls]
        if isinstance(step, Ask):
            with self._lock:
                return [flat(self._client.execute_command(*command)) for command in step.commands]
        if isinstance(step, Scan):
            with self._lock:
                # As it tells them to redis-py's client: keys are bytes, the cursor a number.
                return self._client.scan(step.cursor, step.pattern, step.limit)
        return _VERSION

    def _evaluate(self, call: Call[Any]) -> Any:
        script = self._scripts[call.script]
        _verb, _sha, *arguments = command_of(call, script, self._stamp)
        try:
            with self._lock:
                return run_kept(self._client, script, arguments)
        except RedisError as error:
            raise_ours(error, call, sent=True)


class AsyncEmbeddedDriver:
    """The embedded driver behind the asyncio faces: it never waits, so it simply answers."""

    def __init__(self, inner: EmbeddedDriver) -> None:
        self._inner = inner
        self.policy = inner.policy

    def keep_to(self, level: Level) -> None:
        """Refuses every level."""
        self._inner.keep_to(level)

    async def run_flow(self, flow: Flow[T]) -> T:
        """Runs a flow to its end."""
        return self._inner.run_flow(flow)

    async def close(self) -> None:
        """Nothing to close."""
        self._inner.close()
