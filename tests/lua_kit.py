"""Calls scripts directly - exact keys, exact arguments, injected time - on a real server and on the embedded engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

import fakeredis
import lua_records as records
from lua_records import Entry, HoldRecord, RootRecord
from redis.exceptions import NoScriptError

from ducto_redis.core.keys import KeyMaker
from ducto_redis.core.packed import Node, PackedCap, TimedCap, read_node, read_timed
from ducto_redis.core.scripts import ScriptSet
from ducto_redis.drivers.embedded import run_kept

NOW: Final = 1_781_524_800_000  # 2026-06-15 12:00 UTC, a Monday
SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
MAX: Final = 2**53 - 1
GENERATION: Final = b"\x00gener\xff\n"  # any bytes
ADMIT, STRICT, DEEP = 1, 2, 4
PURCHASE, ADJUSTMENT = 1, 2
FRESH, REPEATED, REUSED = 0, 1, 2
BALANCE, DAILY, MONTHLY = 1, 4, 5
THRESHOLD = 128
DENY, WARN, NOTIFY, SHADOW = 0, 1, 2, 16


class Grant(NamedTuple):
    """The reply of add_credits."""

    code: int
    now_ms: int
    repetition: int
    balance: int
    amount: int
    lifetime: int
    transaction: bytes


class Held(NamedTuple):
    """The reply of reserve."""

    code: int
    now_ms: int
    repetition: int
    balance: int
    held: int
    amount: int
    expires_ms: int
    notes: bytes


class Ended(NamedTuple):
    """The reply of settle and deduct_credits."""

    code: int
    now_ms: int
    repetition: int
    balance: int
    charged: int
    asked: int
    held_amount: int
    transaction: bytes
    notes: bytes


class Released(NamedTuple):
    """The reply of release."""

    code: int
    now_ms: int
    reason: int
    amount: int


class CapSet(NamedTuple):
    """The reply of set_spend_cap."""

    code: int
    now_ms: int
    repetition: int


class CapRemoved(NamedTuple):
    """The reply of remove_spend_cap."""

    code: int
    now_ms: int
    repetition: int
    removed: int


class Account(NamedTuple):
    """The reply of read_account: a node (None: there is none) and the caps of each level."""

    code: int
    now_ms: int
    lifetime: int
    nodes: tuple[Node | None, ...]
    caps: tuple[tuple[PackedCap, ...], ...]
    timed: tuple[tuple[TimedCap, ...], ...] = ()


ReplyT = TypeVar("ReplyT", bound=tuple[Any, ...])


def shaped(kind: type[ReplyT], reply: list[Any]) -> ReplyT:
    """The reply as its type, of exactly that many elements of exactly these types."""
    assert [type(value) for value in reply] == list(get_type_hints(kind).values()), (kind, reply)
    return kind(*reply)


def field_of(letter: str, op_id: str, path: str) -> str:
    return f"{letter}{op_id}/{path}" if path else f"{letter}{op_id}"


def levels_of(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["", *("/".join(parts[: at + 1]) for at in range(len(parts)))]


def holding(node: Node) -> tuple[int, int, int]:
    """What a node says of open holds: held, admitted, how many."""
    return node.held, node.admitted, node.open_holds


class Engine:
    """One root of a namespace of its own, on one engine; ``now`` is the time that scripts are told."""

    def __init__(self, client: Any, scripts: ScriptSet, namespace: str, root: str = "acme") -> None:
        self.client = client
        self.scripts = scripts
        self.name = root
        self.keys = KeyMaker(namespace, 1).account(root).charging_keys
        self.state_key, self.holds_key, self.store_0, self.store_1, *shard_keys = self.keys
        self.ledger_key, self.config_key, self.events_key = shard_keys
        self.now = NOW
        self.forged = False  # state was written past the scripts, so it does not follow from the ledger
        self.setup("create", GENERATION, 4, 1, "ready")

    def evaluate(self, script: str, keys: tuple[bytes, ...], *args: Any) -> Any:
        made = self.scripts[script]
        if isinstance(self.client, fakeredis.FakeRedis):
            return run_kept(self.client, made, (len(keys), *keys, *args))
        try:
            return self.client.execute_command("EVALSHA", made.sha, len(keys), *keys, *args)
        except NoScriptError:
            self.client.script_load(made.text.decode())
            return self.client.execute_command("EVALSHA", made.sha, len(keys), *keys, *args)

    def setup(self, *args: Any) -> list[Any]:
        return self.evaluate("setup", (self.config_key, self.ledger_key), *args)

    def run(self, script: str, path: str = "", *args: Any, now_ms: int | None = None, member: str = "") -> list[Any]:
        """Runs a script on the root; the three common arguments and the time are added."""
        now = self.now if now_ms is None else now_ms
        account = f"{self.name}/{path}" if path else self.name
        return self.evaluate(script, self.keys, GENERATION, account + member, path, *args, now)

    # The operations, with defaults for what a test does not speak of.

    def grant(self, op_id: str, amount: Any, flags: Any = 0, path: str = "", detail: bytes = b"\x04seed") -> Grant:
        return shaped(Grant, self.run("add_credits", path, field_of("g", op_id, path), amount, flags, detail))

    def reserve(
        self, hold: str, amount: Any, path: str = "", *, floor: Any = 0, ttl: Any = 600_000,
        flags: Any = ADMIT | STRICT, label: bytes = b"label", metadata: bytes = b"",
        member: str = "",
    ) -> Held:  # fmt: skip
        field = field_of("h", hold, path)
        terms = records.pack_number(amount) + records.pack_number(floor) + records.pack_number(ttl, 6)
        packed = terms + bytes([flags, len(label)]) + label
        member = f"+{member}" if member else ""
        return shaped(Held, self.run("reserve", path, field, packed, metadata, member=member))

    def settle(self, hold: str, asked: Any, path: str = "", metadata: bytes = b"", options: bytes = b"") -> Ended:
        terms = records.pack_number(asked) + options
        return shaped(Ended, self.run("settle", path, field_of("h", hold, path), terms, metadata))

    def deduct(self, hold: str, asked: Any, path: str = "", metadata: bytes = b"") -> Ended:
        return shaped(Ended, self.run("deduct_credits", path, field_of("h", hold, path), asked, metadata))

    def release(self, hold: str, path: str = "") -> Released:
        return shaped(Released, self.run("release", path, field_of("h", hold, path)))

    def set_cap(
        self, op_id: str, limit: Any, kind: Any = DAILY, action: Any = DENY, path: str = "", *, zone: str = "",
        model: str = "", bounds: tuple[int, int, int, int] = (0, 0, 0, 0), percents: bytes = b"",
    ) -> CapSet:  # fmt: skip
        scope = b"".join(bytes([len(each)]) + each.encode() for each in (zone, model))
        scope += b"".join(records.pack_number(each, 6) for each in bounds) + percents
        field = field_of("c", op_id, path)
        return shaped(CapSet, self.run("set_spend_cap", path, field, kind, action, limit, scope))

    def remove_cap(self, op_id: str, kind: Any = DAILY, path: str = "", model: str = "") -> CapRemoved:
        field = field_of("c", op_id, path)
        return shaped(CapRemoved, self.run("remove_spend_cap", path, field, kind, model, 0))

    def read(self, path: str = "") -> Account:
        reply = self.run("read_account", path)
        levels = reply[5:]
        assert len(levels) in (0, 6 * len(levels_of(path)))
        nodes = tuple(read_node(data) if data else None for data in levels[::6])
        timed = tuple(tuple(read_timed(data)) for data in levels[3::6])
        return Account(*reply[:3], nodes, tuple(records.caps_in(data) for data in levels[1::6]), timed)

    # What is stored.

    def root(self) -> RootRecord:
        return records.read_root(self.client.hget(self.state_key, "r"))

    def node(self, path: str = "") -> Node | None:
        data = self.client.hget(self.state_key, "n" + path)
        return read_node(data) if data else None

    def caps(self, path: str = "") -> tuple[PackedCap, ...]:
        return records.caps_in(self.client.hget(self.state_key, "c" + path) or b"")

    def lifetime(self, path: str = "") -> int | None:
        data = self.client.hget(self.state_key, "g" + path)
        return None if data is None else records.Cursor(data).number()

    def records(self, letter: str, op_id: str, path: str = "") -> tuple[bytes | None, bytes | None]:
        """An operation's record in store 0 and in store 1."""
        field = field_of(letter, op_id, path)
        return self.client.hget(self.store_0, field), self.client.hget(self.store_1, field)

    def hold(self, hold: str, path: str = "", store: int = 0) -> HoldRecord | None:
        data = self.records("h", hold, path)[store]
        return records.read_hold(data) if data else None

    def index(self) -> dict[str, int]:
        """The open holds by expiry."""
        return {name.decode(): int(score) for name, score in self.client.zrange(self.holds_key, 0, -1, withscores=True)}

    def entries(self) -> list[Entry]:
        """The ledger without its first entry, which opens it."""
        return [records.read_entry(fields[b"e"]) for _, fields in self.client.xrange(self.ledger_key)][1:]

    def crossings(self) -> list[tuple[bytes, bytes]]:
        """What the stream of events tells: type and per cent."""
        return [(told[b"type"], told[b"percent"]) for _, told in self.client.xrange(self.events_key)]

    def kinds(self) -> list[int]:
        return [entry.kind for entry in self.entries()]

    def last_id(self) -> bytes:
        return self.client.xrevrange(self.ledger_key, count=1)[0][0]

    def snapshot(self) -> dict[bytes, Any]:
        """Everything stored under the root's keys, its shard's config, ledger and events."""
        readers = {
            b"hash": self.client.hgetall,
            b"zset": lambda key: self.client.zrange(key, 0, -1, withscores=True),
            b"stream": self.client.xrange,
            b"string": self.client.get,
            b"list": lambda key: self.client.lrange(key, 0, -1),
            b"none": lambda _: None,
        }
        kinds = {key: self.client.type(key) for key in self.keys}
        return {key: (kind, readers[kind](key)) for key, kind in kinds.items()}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing stored may differ afterwards."""
        before = self.snapshot()
        yield
        assert self.snapshot() == before

    # Writing past the scripts.

    def forge_node(self, path: str = "", **changes: int) -> None:
        self.forged = True
        node = (self.node(path) or Node())._replace(**changes)
        self.client.hset(self.state_key, "n" + path, records.pack_node(node))

    def forge_root(self, **changes: Any) -> None:
        self.forged = True
        self.client.hset(self.state_key, "r", records.pack_root(self.root()._replace(**changes)))

    @staticmethod
    def _moved(entry: Entry) -> int:
        sign = {records.GRANT: 1, records.SETTLE: -1, records.CHARGE: -1}.get(entry.kind, 0)
        return sign * entry.amount

    def assert_sound(self) -> None:
        """Sequences without a gap; balances, held and admitted amounts are what the entries add up to."""
        entries = self.entries()
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        balance: dict[str, int] = defaultdict(int)
        holds: dict[str, Entry] = {}
        for entry in entries:
            assert (entry.generation, entry.root) == (GENERATION[:4], self.name)
            balance[entry.path] += self._moved(entry)
            assert entry.balance_after == balance[entry.path], entry
            if entry.kind == records.HOLD:
                assert entry.field not in holds
                holds[entry.field] = entry
            elif entry.kind == records.EXTEND:
                held = holds[entry.field]
                detail = {**held.detail, "expires_ms": entry.detail["expires_ms"]}
                holds[entry.field] = held._replace(amount=held.amount + entry.amount, detail=detail)
            elif entry.kind in (records.SETTLE, records.RELEASE, records.EXPIRE):
                ended = holds.pop(entry.field, None)
                assert entry.kind == records.SETTLE or entry.amount == (ended.amount if ended else 0), entry
        assert self.index() == {hold.field: hold.detail["expires_ms"] for hold in holds.values()}
        assert not entries or self.root().sequence == len(entries)
        for field in self.client.hkeys(self.state_key):
            if field.startswith(b"n"):
                path = field[1:].decode()
                below = [
                    hold
                    for hold in holds.values()
                    if any(path in levels_of(each) for each in (hold.path, *hold.within))
                ]
                node = self.node(path)
                assert node.balance == balance[path]
                assert node.held == sum(hold.amount for hold in below if hold.path == path)
                assert node.admitted == sum(hold.amount for hold in below if hold.detail["flags"] & records.IS_ADMITTED)
                assert node.open_holds == len(below)
