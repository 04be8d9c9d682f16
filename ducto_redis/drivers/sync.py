"""The synchronous driver: one of redis-py's connections per call, used directly.

redis-py's client would send a script again after a lost reply, executing it twice; its connections do not. Reading
and writing on the connection also tells what was sent from what was not. Thread-safe; the pool is fork-safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ducto_redis.core.durability import Level
from ducto_redis.core.scripts import ScriptSet
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Scan, ServerVersion, Step, Tell
from ducto_redis.drivers import urls
from ducto_redis.drivers.flowing import drive
from ducto_redis.drivers.lending import Lender, Loan, receive
from ducto_redis.drivers.replies import (
    LOADS,
    Waits,
    answered,
    command_of,
    missing,
    read_replies,
    read_version,
    scan_command,
    scanned,
    written,
)
from ducto_redis.drivers.retrying import DEFAULT_POLICY, ENDING, PASSING, Attempts, own_reply
from ducto_redis.errors import ConfigError

T = TypeVar("T")


def connect(url: str) -> redis.Redis:
    """A client for ``redis://``, ``rediss://`` or ``unix://`` with redis-py's own retries switched off.

    Raises:
        ConfigError: redis-py cannot read the URL.
    """
    try:
        return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **urls.connect_options())
    except ValueError as cause:
        msg = f"the store's URL cannot be used: {cause}"
        raise ConfigError(msg) from cause


def driver_of(client: Any) -> Any:
    """The driver for what a store was given: a redis-py client, or a driver, which is taken as it is."""
    return client if hasattr(client, "run_flow") else SyncDriver(client)


class SyncDriver:
    """Runs calls and flows on a server.

    Args:
        client: A redis-py client; its pool is used, its retries are not.
        scripts: The scripts to run.
        stamp: Appends injected time to every call (tests only; needs scripts with the injected clock).
        waits: How it waits between attempts, and what time and chance it goes by (tests only).
        own: Whether nobody else uses the client, so that connections may be kept between calls.

    Attributes:
        policy: How long a call is sent again when the server is away or a reply is lost.
        level: What calls wait for (``core/durability.py``); None for nothing.
    """

    def __init__(
        self,
        client: redis.Redis,
        scripts: ScriptSet | None = None,
        stamp: Callable[[], int] | None = None,
        waits: Waits | None = None,
        *,
        own: bool = False,
    ) -> None:
        self.policy = DEFAULT_POLICY
        self.level: Level | None = None
        self._waits = waits or Waits(time.sleep)
        self._client = client
        self._lender = Lender(client.connection_pool, keep=own)
        self._scripts = scripts or ScriptSet()
        self._stamp = stamp

    def keep_to(self, level: Level) -> None:
        """Makes calls wait for what a level wants.

        Raises:
            ConfigError: The client would give up sooner.
        """
        self.level = urls.checked_patience(level, self._client)

    def run_flow(self, flow: Flow[T]) -> T:
        """Runs a flow to its end."""
        return drive(flow, partial(self._persist, failed_at=[]))

    def close(self) -> None:
        """Closes the connections."""
        self._lender.close()
        self._client.close()

    def _persist(self, step: Step, failed_at: list[float]) -> Any:
        """Attempts a step until it is done, fails for good, or the policy's deadline is over.

        Args:
            step: The step.
            failed_at: When the first attempt of the flow failed, shared by its steps: they have one deadline.
        """
        attempts: Attempts | None = None
        while True:
            try:
                return self._step(step, resent=attempts is not None and attempts.unknown)
            except PASSING as error:
                now_s = self._waits.now_s()
                failed_at.append(now_s)
                attempts = attempts or Attempts(self.policy, step, failed_at[0])
                delay_s = attempts.delay_s(error, now_s, self._waits.chance())
                self._waits.sleep(delay_s)
            except ENDING as error:
                if attempts is None or not attempts.unknown:
                    raise
                raise attempts.final(error) from error

    def _step(self, step: Step, *, resent: bool = False) -> Any:
        if isinstance(step, Call) and self.level is None:
            with self._lender.lend(step) as loan:
                reply = self._evaluate(loan, step)
            return step.parse(own_reply(step.script, reply) if resent else reply)
        if isinstance(step, Call | Batch):
            return self._run_calls(step, resent=resent)
        if isinstance(step, Ask | Tell):
            with self._lender.lend(None) as loan:
                return answered(step, self._exchange_all(loan.connection, written(step)))
        if isinstance(step, Scan):
            with self._lender.lend(None) as loan:
                return scanned(loan.ask(scan_command(step)))
        assert isinstance(step, ServerVersion)
        with self._lender.lend(None) as loan:
            return read_version(lambda: loan.ask(("INFO", "server")))

    def _run_calls(self, step: Call[Any] | Batch, *, resent: bool) -> Any:
        calls, level = step.calls if isinstance(step, Batch) else (step,), self.level
        if not calls:
            return []
        waiting = [command] if level is not None and (command := level.behind(calls)) else []
        with self._lender.lend(calls[0]) as loan:
            # The first call alone usually loads the script that all of them run; what waits goes with the last write.
            alone = 0 if waiting and len(calls) == 1 else 1
            replies = [self._evaluate(loan, call) for call in calls[:alone]]
            commands = [command_of(call, self._scripts[call.script], self._stamp) for call in calls[alone:]]
            replies += self._exchange_all(loan.connection, [*commands, *waiting])
            gone = missing(replies)
            for at in gone:
                try:
                    replies[at] = self._evaluate(loan, calls[at])
                except redis.exceptions.ResponseError as error:
                    replies[at] = error
            if gone:
                replies[len(calls) :] = self._exchange_all(loan.connection, waiting)
        results = read_replies(calls, replies, resent=resent, level=level)
        return results if isinstance(step, Batch) else results[0]

    def _evaluate(self, loan: Loan, call: Call[Any]) -> Any:
        script = self._scripts[call.script]
        command = command_of(call, script, self._stamp)
        for _ in range(LOADS):
            try:
                return loan.ask(command)
            except redis.exceptions.NoScriptError:
                loan.ask(("SCRIPT", "LOAD", script.text))
        return loan.ask(command)

    @staticmethod
    def _exchange_all(connection: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Sends commands in one write and reads their replies, errors among them."""
        if commands:
            connection.send_packed_command(connection.pack_commands(commands))
        replies = []
        for _ in commands:
            try:
                replies.append(receive(connection))
            except redis.exceptions.ResponseError as error:  # the replies behind it are still to be read
                replies.append(error)
        return replies
