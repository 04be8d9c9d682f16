"""What is measured: a store whose calls are sent in pipelines, the accounts it works on, and the bare script."""

from __future__ import annotations

import statistics
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import redis
from layout_variants import BARE
from measuring import load, run, time_calls

from ducto_redis import RateLimit, RedisStore, SpendCap
from ducto_redis.core.scripts import ScriptSet, script_names
from ducto_redis.core.steps import Batch, Call
from ducto_redis.drivers.replies import command_of
from ducto_redis.drivers.sync import SyncDriver

BARE_VALUES = (5000000, 1000, 2000, 3000, 20000, 600)
TWO_CAPS = ("daily", "monthly")
SIX_CAPS = ("daily", "monthly", "total", "hourly", "weekly", "yearly")

Times = dict[str, list[float]]

_numbers = count(1)


class MissingError(Exception):
    """What is to be measured is not there yet."""


class RecordedError(Exception):
    """Ends an operation whose call was taken down instead of sent."""


class Recorder:
    """A driver that can take down the calls of operations instead of sending them."""

    def __init__(self, client: redis.Redis, scripts: ScriptSet) -> None:
        self.inner = SyncDriver(client, scripts)
        self.calls: list[Call[Any]] | None = None

    def run_flow(self, flow: Any, *rest: Any, **options: Any) -> Any:
        """Runs a flow, or takes down its first step."""
        if self.calls is None:
            return self.inner.run_flow(flow, *rest, **options)
        step = next(flow)
        self.calls += step.calls if isinstance(step, Batch) else [step]
        flow.close()
        raise RecordedError

    def close(self) -> None:
        """Closes the connections."""
        self.inner.close()


def new_names(amount: int, below: str = "") -> list[str]:
    """Account ids as most callers have them; ``below`` is the path under each of these roots."""
    return [f"{uuid.uuid4()}{below}" for _ in range(amount)]


class Subject:
    """A namespace of its own whose operations, called on its public store, are sent in pipelines of 64."""

    def __init__(self, client: redis.Redis, shards: int = 64) -> None:
        self.client = client
        self.scripts = ScriptSet()
        self.recorder = Recorder(client, self.scripts)
        self.store = RedisStore(self.recorder, namespace=f"bench{next(_numbers)}", shards=shards)
        self.store.setup()
        self.load_scripts()

    def load_scripts(self) -> None:
        """Makes the scripts known to the server."""
        for name in script_names():
            load(self.client, self.scripts[name].text)

    def operation(self, name: str) -> Callable[..., Any]:
        """A method of the store.

        Raises:
            MissingError: The store has none of this name.
        """
        found: Callable[..., Any] | None = getattr(self.store, name, None)
        if found is None:
            msg = f"operation missing: store.{name}"
            raise MissingError(msg)
        return found

    def take_down(self, name: str, arguments: Iterable[Sequence[Any]]) -> list[Call[Any]]:
        """The calls that an operation makes, unsent."""
        operation = self.operation(name)
        self.recorder.calls = calls = []
        try:
            for each in arguments:
                try:
                    refused = operation(*each)
                except RecordedError:
                    continue
                msg = f"{name} was answered without a call: {refused}"
                raise AssertionError(msg)
        finally:
            self.recorder.calls = None
        return calls

    def time(self, calls: Sequence[Call[Any]]) -> float:
        """Server microseconds per call; every one must be answered with OK."""
        usec, replies = time_calls(self.client, [self._command(call) for call in calls])
        assert all(reply[0] == 0 for reply in replies), next(reply for reply in replies if reply[0])
        return usec

    def send(self, calls: Sequence[Call[Any]]) -> None:
        """Sends calls, untimed; every one must be answered with OK."""
        replies = run(self.client, [self._command(call) for call in calls])
        assert all(reply[0] == 0 for reply in replies), next(reply for reply in replies if reply[0])

    def _command(self, call: Call[Any]) -> tuple[Any, ...]:
        return command_of(call, self.scripts[call.script], None)

    def open_account(self, name: str, caps: Sequence[str] = TWO_CAPS, *, limited: bool = False) -> None:
        """An account with credits; on every level deny caps of these kinds and, when limited, a GCRA rate limit.

        Raises:
            MissingError: A kind of cap is not there.
        """
        self.store.add_credits(name, 100_000)
        segments = name.split("/")
        for depth in range(len(segments)):
            for kind in caps:
                cap: dict[str, Any] = {"user_id": "/".join(segments[: depth + 1]), "cap_type": kind}
                try:
                    wanted = SpendCap(**cap, limit=90_000, action="deny")
                except ValueError:
                    msg = f"kind of cap missing: {kind}"
                    raise MissingError(msg) from None
                self.store.set_spend_cap(wanted)
            if limited:
                self.store.set_rate_limit("/".join(segments[: depth + 1]), RateLimit("1m/second"))

    def copy(self, template: str, names: Sequence[str]) -> None:
        """Copies an account - its state, open holds and records - to other roots; a script writes a thousand a call."""
        keys = self.store._space.keys  # noqa: SLF001 - only the library knows the names of keys
        source = keys.account(template).keys[:4]
        present = [(at, dump) for at, dump in enumerate(self.client.dump(key) for key in source) if dump]
        text = "#!lua\nfor i = 1, #KEYS do redis.call('RESTORE', KEYS[i], 0, ARGV[1]) end"
        sha = load(self.client, text)
        by_shard: dict[int, list[tuple[bytes, ...]]] = defaultdict(list)
        for name in names:
            account = keys._account(name)  # noqa: SLF001 - the cached way keeps every name
            by_shard[account.shard].append(account.keys)
        for accounts in by_shard.values():
            for start in range(0, len(accounts), 1_000):
                part = accounts[start : start + 1_000]
                run(self.client, [("EVALSHA", sha, len(part), *(each[at] for each in part), dump)
                                  for at, dump in present])  # fmt: skip

    def accounts(
        self, amount: int, caps: Sequence[str] = TWO_CAPS, below: str = "", *, limited: bool = False
    ) -> list[str]:
        """New accounts, all copies of one that was opened through the store."""
        names = new_names(amount, below)
        self.open_account(names[0], caps, limited=limited)
        # With a record, so that no store of records is new while times are taken.
        self.store.settle(names[0], self.store.reserve(names[0], 1), 1)
        self.copy(names[0], names[1:])
        return names


class Bare:
    """The script that times are compared with, over hashes of its own: a HMGET of 10 fields and a HSET of 6."""

    def __init__(self, client: redis.Redis, amount: int) -> None:
        self.client = client
        self.keys = [f"bare:{name}" for name in new_names(amount)]
        fields = [part for at in range(1, 11) for part in (f"f{at}", 1000 * at)]
        for at in range(0, amount, 10_000):
            run(client, [("HSET", key, *fields) for key in self.keys[at : at + 10_000]])
        self.load_scripts()

    def load_scripts(self) -> None:
        """Makes the script known to the server."""
        self.sha = load(self.client, BARE)

    def time(self, keys: Sequence[str] = ()) -> float:
        """Server microseconds per call, one call per hash: of all, or of these."""
        return time_calls(self.client, [("EVALSHA", self.sha, 1, key, *BARE_VALUES) for key in keys or self.keys])[0]


def flush_scripts(client: redis.Redis, *users: Subject | Bare) -> None:
    """A fresh Lua state that knows only the scripts of these."""
    client.script_flush()
    for user in users:
        user.load_scripts()


def take_turns(rows: Sequence[Callable[[Times], None]], repetitions: int, rounds: int = 2) -> Times:
    """Times by name, one per repetition: the median of its rounds, in which all rows take turns, to and fro."""
    times: Times = defaultdict(list)
    for _ in range(repetitions):
        taken: Times = defaultdict(list)
        for turn in range(rounds):
            for row in rows if turn % 2 == 0 else reversed(rows):
                row(taken)
        for name, each in taken.items():
            times[name].append(statistics.median(each))
    return times


def ratios(times: Times, name: str, base: str) -> list[float]:
    """The ratios of two rows, one per repetition."""
    return [value / unit for value, unit in zip(times[name], times[base], strict=True)]
