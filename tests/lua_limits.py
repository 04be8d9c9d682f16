"""Limits of an account for tests that call scripts: packed, set, asked, told."""

from __future__ import annotations

from typing import NamedTuple

from lua_kit import ADMIT, DEEP, SECOND, STRICT, Engine, field_of

from ducto_redis.codes import Code

GCRA, FIXED, SLIDING, CONCURRENT = 10, 11, 12, 13
REQUESTS, AMOUNT, TOKENS = 0, 1, 2
MINUTE = 60 * SECOND
OK, RATE_LIMITED, CONCURRENCY = Code.OK, Code.RATE_LIMITED, Code.CONCURRENCY_LIMIT


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little", signed=True)


def label_of(operation: str = "chat", model: str = "", tokens: int = 0) -> bytes:
    texts = bytes([len(operation)]) + operation.encode() + bytes([len(model)]) + model.encode() + b"\0"
    return texts + (number(tokens, 7) if tokens else b"")


def limit_of(kind=GCRA, limit=2, period=SECOND, *, counts=REQUESTS, burst=0, operation="", model="") -> bytes:
    scope = bool(operation or model)
    head = bytes([kind, counts + 16 * scope + 32 * bool(burst)]) + number(limit, 7) + number(period, 5)
    texts = bytes([len(operation)]) + operation.encode() + bytes([len(model)]) + model.encode()
    return (
        head + bytes(5 + 6 + 7) + (bytes(7) if kind == SLIDING else b"") + (number(burst, 7) if burst else b"")
        + (texts if scope else b"")
    )  # fmt: skip


class Told(NamedTuple):
    level: int
    refused: int
    cost: int
    used: int


def told(notes: bytes) -> list[Told]:
    """What a reply says of limits, of those without burst and scope."""
    at, found = notes.index(b"\0") + 1, []
    while at < len(notes):
        level, refused = notes[at : at + 2]
        cost, item = int.from_bytes(notes[at + 2 : at + 9], "little"), notes[at + 9 :]
        found.append(Told(level, refused, cost, int.from_bytes(item[25:32], "little")))
        at += 9 + 32 + (7 if item[0] == SLIDING else 0)
    return found


class Account:
    """An account with credits, on an engine."""

    def __init__(self, engine: Engine, path: str = "") -> None:
        self.engine, self.path, self.count = engine, path, 0
        engine.grant("seed" + path, 10_000, path=path)

    def limit(self, *args, path=None, **options) -> int:
        return self.set(limit_of(*args, **options), path)

    def set(self, packed: bytes, path: str | None = None) -> int:
        self.count += 1
        path = self.path if path is None else path
        return self.engine.run("set_limit", path, field_of("c", f"l{self.count}{path}", path), packed)[0]

    def remove(self, packed: bytes) -> list:
        self.count += 1
        return self.engine.run("remove_limit", self.path, field_of("c", f"l{self.count}", self.path), packed)

    def reserve(self, amount=1, hold=None, **label):
        self.count += 1
        return self.engine.reserve(
            hold or f"h{self.count}", amount, self.path, label=label_of(**label), flags=ADMIT | STRICT | DEEP
        )

    def charge(self, amount=1, **label) -> int:
        self.count += 1
        packed = label_of(**label)
        terms = number(amount, 7) + number(0, 7) + bytes([STRICT, len(packed)]) + packed
        field = field_of("d", f"d{self.count}", self.path)
        return self.engine.run("deduct", self.path, field, terms, b"")[0]

    def wait(self, ms: int) -> None:
        self.engine.now += ms

    def fits(self, most: int = 99) -> int:
        """How many charges pass in a row."""
        return next(at for at in range(most) if self.charge() != OK)
