"""Entries as transactions: ids, names of kinds, what a caller may ask for, and what an entry's hold says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from ducto_redis.core.details import Detail, read_charge, read_grant, read_hold, read_settle
from ducto_redis.core.entries import Entry, Kind
from ducto_redis.core.keys import KeyMaker, encode
from ducto_redis.core.limit_items import AMOUNT, read_limits
from ducto_redis.errors import InvalidArgumentError, InvalidIdError
from ducto_redis.history import MAX_TRANSACTIONS, TRANSACTION_KINDS, Transaction
from ducto_redis.money import to_credits
from ducto_redis.periods import moment

#: Every kind by its name.
KINDS: Final = {kind.name.lower(): kind for kind in Kind}
#: Of an entry that cannot be read.
UNREADABLE: Final = "unreadable"
#: Letters of the records that entries name.
_LETTERS: Final = "hgcd"
_OF_A_HOLD: Final = frozenset({Kind.SETTLE, Kind.RELEASE, Kind.EXPIRE, Kind.EXTEND})
_IN_CREDITS: Final = frozenset({*(KINDS[name] for name in TRANSACTION_KINDS), Kind.CAP_SET})
_ID: Final = re.compile(r"([0-9]{1,4})-([0-9]{1,19}-[0-9]{1,19})")
_LAST_MS: Final = 253_402_300_799_000
_READERS: Final = {
    Kind.GRANT: read_grant,
    Kind.HOLD: read_hold,
    Kind.CHARGE: read_charge,
    Kind.SETTLE: read_settle,
}
HoldKey = tuple[str, str]


class Wanted(NamedTuple):
    """Which entries are asked for; what is None, or empty, does not matter. ``account``: root and path, encoded."""

    account: tuple[str, str] | None = None
    kinds: frozenset[Kind] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    references: tuple[str, ...] = ()

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is one of them."""
        return (
            (self.account is None or self.account == (entry.root, entry.path))
            and (not self.kinds or entry.kind in self.kinds)
            and (self.since_ms is None or entry.at_ms >= self.since_ms)
            and (self.until_ms is None or entry.at_ms < self.until_ms)
            and (not self.references or entry.reference in self.references)
        )


def wanted(
    user_id: str | None = None, *, kinds: Sequence[str] | None = None, since: datetime | None = None,
    until: datetime | None = None, operation_id: str | None = None, allowed: Iterable[str] = KINDS,
) -> Wanted:  # fmt: skip
    """What a caller asks for, checked.

    Raises:
        InvalidArgumentError: A kind that is not allowed, or a time without a zone.
        InvalidIdError: An id that no account and no operation can have.
    """
    known = tuple(allowed)
    strange = [name for name in kinds or () if name not in known]
    if strange or isinstance(kinds, str):
        told = ", ".join(known)
        raise InvalidArgumentError(f"invalid_argument: kinds are a list of {told}; not {strange or kinds!r:.80}")
    names = known if kinds is None else kinds
    if kinds is not None and not kinds:
        raise InvalidArgumentError("invalid_argument: kinds is empty; None takes all")
    account = None
    if user_id is not None:
        found = KeyMaker("any", 1).account(user_id)
        account = (found.name.decode().partition("/")[0], found.path.decode())
    return Wanted(
        account,
        frozenset() if len(names) == len(KINDS) else frozenset(KINDS[name] for name in names),
        _ms(since, "since"),
        _ms(until, "until"),
        () if operation_id is None else tuple(letter + encode(operation_id) for letter in _LETTERS),
    )


def _ms(at: datetime | None, name: str) -> int | None:
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidArgumentError(f"invalid_argument: {name} must be a datetime with a zone, not {at!r:.80}")
    return round(at.timestamp() * 1000)


def checked_limit(limit: object, most: int = MAX_TRANSACTIONS) -> int:
    """A number of transactions that may be asked for.

    Raises:
        InvalidArgumentError: It is not.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise InvalidArgumentError(f"invalid_argument: limit must be 1 to {most}, not {limit!r:.80}")
    return limit


def place_of(transaction_id: object) -> tuple[int, str]:
    """Shard and stream id of a transaction.

    Raises:
        InvalidIdError: It is no id of a transaction.
    """
    found = _ID.fullmatch(transaction_id) if isinstance(transaction_id, str) else None
    if found is None:
        told = "a transaction id is <shard>-<stream id>, such as 3-1699999999999-0"
        raise InvalidIdError(f"invalid_id: {told}; not {transaction_id!r:.80}")
    return int(found[1]), found[2]


class Holds:
    """The HOLD entries that other entries speak of: those say neither type and model nor who pays.

    Args:
        entries: The entries that are told.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._found: dict[HoldKey, list[Entry]] = {}
        self._asking = [entry for entry in entries if entry.kind in _OF_A_HOLD]
        self._keys = {self._key(entry) for entry in self._asking}

    @staticmethod
    def _key(entry: Entry) -> HoldKey:
        return (entry.root, entry.field)

    def offer(self, entries: Iterable[Entry]) -> None:
        """Takes what it needs of these."""
        for entry in entries:
            if entry.kind is Kind.HOLD and self._key(entry) in self._keys:
                self._found.setdefault(self._key(entry), []).append(entry)

    def of(self, entry: Entry) -> Entry | None:
        """The hold of an entry, the last one before it under that id; None where it was not offered."""
        before = [hold for hold in self._found.get(self._key(entry), ()) if hold.sequence < entry.sequence]
        return max(before, key=lambda hold: hold.sequence, default=None)

    def missing(self) -> list[Entry]:
        """The entries whose hold was not offered yet."""
        return [entry for entry in self._asking if self.of(entry) is None]


def transaction_of(shard: int, stream_id: str, entry: Entry, hold: Entry | None, precision: int) -> Transaction:
    """An entry as people read it.

    Args:
        shard: Its shard.
        stream_id: Where it stands in the shard's stream.
        entry: The entry.
        hold: The entry of its hold, where it is about one.
        precision: The namespace's.
    """
    try:
        detail, amount = _detail(entry, hold), _amount(entry, precision)
        metadata = _metadata(detail.metadata)
    except (ValueError, LookupError):  # what a head says is told all the same
        detail, amount, metadata = Detail(), Decimal(entry.amount), {UNREADABLE: entry.detail.hex()}
    return Transaction(
        transaction_id=f"{shard}-{stream_id}",
        kind=entry.kind.name.lower(),
        at=moment(min(entry.at_ms, _LAST_MS)),
        user_id=_account(entry.root, entry.path),
        payer=None if detail.payer is None else _account(entry.root, detail.payer),
        amount=amount,
        balance_after=to_credits(entry.balance_after, precision),
        within=tuple(_account(entry.root, path) for path in entry.within),
        operation_id=unquote(entry.reference[1:]),
        operation_type=detail.operation_type,
        model=detail.model or None,
        metadata=metadata,
    )


def _account(root: str, path: str) -> str:
    return unquote(f"{root}/{path}" if path else root)


def _detail(entry: Entry, hold: Entry | None) -> Detail:
    if entry.kind in _OF_A_HOLD:
        own = read_settle(entry) if entry.kind is Kind.SETTLE else Detail()
        admission = Detail() if hold is None else read_hold(hold)
        return own._replace(
            operation_type=admission.operation_type,
            model=admission.model if own.model is None else own.model,
            payer=admission.payer if own.payer is None else own.payer,
        )
    return _READERS[entry.kind](entry) if entry.kind in _READERS else Detail(payer=entry.path)


def _metadata(data: bytes) -> dict[str, Any]:
    read = json.loads(data) if data else {}
    return read if isinstance(read, dict) else {UNREADABLE: data.hex()}


def _amount(entry: Entry, precision: int) -> Decimal:
    in_credits = entry.kind in _IN_CREDITS
    if entry.kind in (Kind.LIMIT_SET, Kind.LIMIT_REMOVE):
        in_credits = any(item.counts == AMOUNT for item in read_limits(entry.detail))
    return to_credits(entry.amount, precision if in_credits else 0)
