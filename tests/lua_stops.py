"""Scripts that are stopped half-way: a build that fails at its k-th command, and situations to stop them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lua_kit import BALANCE, DAY, MONTHLY, PURCHASE, SHADOW, STRICT, THRESHOLD, Engine
from lua_records import Entry

_COUNTER: Final = """local commands, calls, stop_at = redis, 0, tonumber(ARGV[#ARGV - 1])
local redis = { call = function(...)
  calls = calls + 1
  if calls == stop_at then
    error('stopped by the test')
  end
  return commands.call(...)
end }
"""


class Stopped(Engine):
    """An engine whose scripts fail at their command number ``stop_at`` (None: the scripts as they are)."""

    stop_at: int | None = None

    def evaluate(self, script: str, keys: tuple[bytes, ...], *args: Any) -> Any:
        if self.stop_at is None:
            return super().evaluate(script, keys, *args)
        first, _, rest = self.scripts[script].text.decode().partition("\n")
        text = f"{first}\n{_COUNTER}{rest}" if first.startswith("#!") else f"{_COUNTER}{first}\n{rest}"
        return self.client.eval(text, len(keys), *keys, *args[:-1], self.stop_at, args[-1])


@dataclass
class Picture:
    """What is stored, parted into the ledger and all else."""

    ledger: list[Entry] | None  # None: the key holds something else
    state: dict[bytes, bytes]
    index: dict[str, int]  # empty also when the key holds something else
    rest: dict[bytes, Any]

    def counters(self) -> dict[bytes, bytes]:
        """The fields that hold money: nodes and lifetime_purchased."""
        return {name: data for name, data in self.state.items() if name[:1] in b"ng"}


def picture(engine: Engine) -> Picture:
    stored = engine.snapshot()
    ledger_kind, _ = stored.pop(engine.ledger_key)
    state_kind, state = stored[engine.state_key]
    known = state if state_kind == b"hash" else {}
    index = engine.index() if stored[engine.holds_key][0] == b"zset" else {}
    return Picture(engine.entries() if ledger_kind == b"stream" else None, known, index, stored)


def assert_entry_before_money(before: Picture, after: Picture, full: list[Entry], why: object) -> bool:
    """Whatever else changed, every entry of the undisturbed call is there; without a change, at most some of them.

    Answers whether anything but the ledger changed.
    """
    if after.rest == before.rest:
        new = (after.ledger or [])[len(before.ledger or []) :]
        assert new == full[: len(new)], why
        return False
    assert after.ledger is not None, why
    assert before.ledger is not None, why
    assert after.ledger[: len(before.ledger)] == before.ledger, why
    assert after.ledger[len(before.ledger) :] == full, why
    return True


@dataclass
class Situation:
    """What stands when the call is made, and the call."""

    call: Callable[[Engine], Any]
    due: bool = False  # a hold on the root and one on another account are past their expiry
    turn: bool = False  # the stores are due for rotation
    turned: bool = False  # they were rotated, so what stands was recorded in the previous one
    fresh: bool = False  # nothing stands yet
    told: bool = False  # thresholds and low balances are set, at every level
    watched: bool = False  # shadows are set, at every level

    within: bool = False  # a hold within a membership is open, another one is due

    def _observe(self, engine: Engine, path: str) -> None:
        if self.told:
            engine.set_cap("m", 900, MONTHLY, path=path, percents=bytes([5, 99]))
            engine.set_cap("l", 965, BALANCE, THRESHOLD, path)
        if self.watched:
            engine.set_cap("w", 10, action=SHADOW, path=path)

    def prepare(self, engine: Engine) -> None:
        if self.fresh:
            return
        engine.grant("a", 1_000, PURCHASE)
        engine.grant("b", 1_000, path="search/alice")
        engine.set_cap("c", 500, path="search/alice")
        engine.set_cap("d", 900)
        engine.set_cap("e", 900, MONTHLY)
        for path in ("", "search/alice"):
            self._observe(engine, path)
        ttl = 7 * DAY
        for hold, path in (("h", ""), ("h", "search/alice"), ("s", ""), ("x", "")):
            engine.reserve(hold, 50, path, ttl=1_000 if hold == "x" else ttl)
        engine.settle("s", 20)
        if self.within:
            engine.reserve("within", 50, member="search/alice", ttl=ttl)
            engine.reserve("due within", 50, member="search/alice", ttl=2_000)
        engine.now += 1_000
        engine.read()  # x is expired and freed
        if self.turned:
            engine.now += DAY
            engine.grant("t", 1)
        if self.due:
            engine.reserve("due", 30, ttl=1_000)
            engine.grant("f", 50, path="search/bob")
            engine.reserve("due", 30, "search/bob", ttl=1_000)
            engine.now += 1_000
        if self.turn:
            engine.now += DAY


_CALLS: Final[dict[str, Callable[[Engine], Any]]] = {
    "grant": lambda engine: engine.grant("op", 10),
    "purchase below": lambda engine: engine.grant("op", 10, PURCHASE, path="search/alice"),
    "reserve": lambda engine: engine.reserve("op", 10),
    "reserve below": lambda engine: engine.reserve("op", 10, "search/alice", flags=STRICT),
    "settle": lambda engine: engine.settle("h", 40),
    "settle below, clamped": lambda engine: engine.settle("h", 5_000, "search/alice"),
    "deduct": lambda engine: engine.deduct("h", 60),
    "deduct below": lambda engine: engine.deduct("h", 60, "search/alice"),
    "deduct refused": lambda engine: engine.deduct("h", 5_000),
    "release": lambda engine: engine.release("h"),
    "release below": lambda engine: engine.release("h", "search/alice"),
    "release expired": lambda engine: engine.release("x"),
    "cap": lambda engine: engine.set_cap("op", 10, path="chat/carol"),
    "cap replaced": lambda engine: engine.set_cap("op", 10),
    "cap removed": lambda engine: engine.remove_cap("op"),
    "last cap removed": lambda engine: engine.remove_cap("op", path="search/alice"),
}

#: Calls that bring spend and balance to what is told, where that is set.
CROSSING: Final = ("settle", "settle below, clamped", "deduct", "deduct below")

#: Calls that shadows would have refused.
ADMITTING: Final = ("reserve", "deduct", "deduct below")

#: Name -> situation: every way to write, alone, with expired holds to free, and when the stores turn as well.
SITUATIONS: Final[dict[str, Situation]] = {
    "first grant": Situation(lambda engine: engine.grant("op", 10, PURCHASE), fresh=True),
    "first grant below": Situation(lambda engine: engine.grant("op", 10, path="a/b"), fresh=True),
    "first cap": Situation(lambda engine: engine.set_cap("op", 10), fresh=True),
    **{name: Situation(call) for name, call in _CALLS.items()},
    **{f"{name}, holds due": Situation(call, due=True) for name, call in _CALLS.items()},
    **{f"{name}, holds due, stores turn": Situation(call, due=True, turn=True) for name, call in _CALLS.items()},
    **{f"{name}, stores turned, holds due": Situation(call, due=True, turned=True) for name, call in _CALLS.items()},
    **{f"{name}, crossed": Situation(_CALLS[name], told=True) for name in CROSSING},
    **{f"{name}, crossed, holds due": Situation(_CALLS[name], told=True, due=True) for name in CROSSING},
    **{f"{name}, watched": Situation(_CALLS[name], watched=True) for name in ADMITTING},
    **{f"{name}, watched, holds due": Situation(_CALLS[name], watched=True, due=True) for name in ADMITTING},
    "reserve within": Situation(lambda engine: engine.reserve("op", 10, member="search/alice")),
    "settle within, holds due": Situation(lambda engine: engine.settle("within", 10), due=True, within=True),
    "release due": Situation(lambda engine: engine.release("due"), due=True),
    "read, holds due": Situation(lambda engine: engine.read(), due=True),
    "read, holds due, stores turn": Situation(lambda engine: engine.read(), due=True, turn=True),
    "refused, holds due": Situation(lambda engine: engine.reserve("op", 10**9), due=True),
    "repeated, holds due": Situation(lambda engine: engine.settle("s", 20), due=True),
}
