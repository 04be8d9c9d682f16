"""The records of operations, made of ledger entries as scripts made them: a retry is answered alike after a restore.

What entries do not tell is left out: notes on caps and limits, what a refused ``deduct_credits`` asked for, the time to
live of an extension that did not move the expiry (``docs/durability.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from ducto_redis.core.details import names_in, payer_in
from ducto_redis.core.entries import Entry, Kind
from ducto_redis.core.fold import OpenHold, RootState
from ducto_redis.core.packed import WITHIN_NOTE, int_at, packed

OPEN, SETTLED, RELEASED, EXPIRED, DONE, TOMBSTONE = range(1, 7)
WAS_EXTENDED: Final = 8
_ADMITTED, _WAS_REFUSED, _HAS_ASKED, _HAS_FLOOR = 1, 8, 16, 128
#: Bits of a SETTLE entry that its record does not have: the model follows, the payer follows.
_OF_ENTRY: Final = 8 | 64
_HEAD_BYTES: Final = 29
#: Under any of these letters an id may come late that was resolved as never executed.
_LETTERS: Final = "hgcde"
_TOKENS_TAILS: Final = (7, 8, 18, 19)


class Terms(NamedTuple):
    """An open or expired hold's record, taken apart."""

    flags: int
    amount: int
    expires_ms: int
    balance: int
    held: int
    first: int
    floor: bytes = b""
    label: bytes = b""
    notes: bytes = b""


def read_terms(record: bytes) -> Terms:
    """Takes the record of an open or expired hold apart."""
    flags, at = record[1], _HEAD_BYTES
    amount = first = int_at(record, 2)
    if flags & WAS_EXTENDED:
        first, at = int_at(record, at), at + 7
    floor = record[at : at + 7] if flags & _HAS_FLOOR else b""
    at += len(floor)
    end = at + 1 + record[at]
    expires_ms, balance, held = int_at(record, 9, 6), int_at(record, 15), int_at(record, 22)
    return Terms(
        flags & ~WAS_EXTENDED, amount, expires_ms, balance, held, first, floor, record[at + 1 : end], record[end:]
    )


def expiry_of(record: bytes) -> int:
    """When an open hold expires, in ms; 0 of any other record."""
    return int_at(record, 9, 6) if record[0] == OPEN else 0


def open_hold(field: str, record: bytes) -> OpenHold:
    """An open hold as fold knows it, from its record."""
    terms, path = read_terms(record), field.partition("/")[2]
    operation_type, model = names_in(terms.label)
    counts, within = bool(terms.flags & _ADMITTED), _within(terms.notes)
    admitted, payer = terms.amount if counts else 0, payer_in(terms.label, path)
    return OpenHold(path, terms.amount, admitted, terms.expires_ms, counts, model, operation_type, payer, within)


def _within(notes: bytes) -> tuple[str, ...]:
    if not notes or notes[0] != WITHIN_NOTE:
        return ()
    return tuple(notes[3 : 3 + int.from_bytes(notes[1:3], "little")].decode().split("+"))


def _within_note(entry: Entry) -> bytes:
    text = "+".join(entry.within).encode()
    return bytes([WITHIN_NOTE]) + len(text).to_bytes(2, "little") + text if text else b""


def _head(state: int, flags: int, terms: Terms) -> bytes:
    numbers = packed(terms.expires_ms, 6) + packed(terms.balance) + packed(terms.held)
    return bytes([state, flags]) + packed(terms.amount) + numbers


def _named(transaction: str) -> bytes:
    return bytes([len(transaction)]) + transaction.encode()


class Records:
    """Makes records entry by entry, beside ``fold``.

    Args:
        known: The records of holds that entries to come may end or extend, by field.
    """

    def __init__(self, known: Mapping[str, bytes]) -> None:
        self.known = dict(known)
        self.made: dict[str, bytes] = {}

    def add(self, entry: Entry, stream_id: str, state: RootState) -> Iterable[str]:
        """Makes the records of an entry; answers their fields.

        Args:
            entry: The entry.
            stream_id: Where it stands in its shard's stream: what its transaction is called by.
            state: What the entries up to and with it add up to.
        """
        step = _STEPS.get(entry.kind)
        made = {} if step is None else step(self, entry, stream_id, state)
        self.made.update(made)
        return made

    def _find(self, field: str) -> bytes:
        return self.made.get(field) or self.known[field]

    def _grant(self, entry: Entry, stream_id: str, state: RootState) -> dict[str, bytes]:
        numbers = packed(entry.amount) + packed(entry.balance_after) + packed(state.purchased.get(entry.path, 0))
        return {entry.field: bytes([DONE]) + numbers + _named(stream_id)}

    def _hold(self, entry: Entry, _stream_id: str, state: RootState) -> dict[str, bytes]:
        flags, at = entry.detail[6], 14 if entry.detail[6] & _HAS_FLOOR else 7
        label = entry.detail[at : at + 1 + entry.detail[at]]
        held = state.nodes[state.holds[entry.field].payer].held
        terms = Terms(flags, entry.amount, int_at(entry.detail, 0, 6), entry.balance_after, held, entry.amount)
        return {entry.field: _head(OPEN, flags, terms) + entry.detail[7:at] + label + _within_note(entry)}

    def _extend(self, entry: Entry, _stream_id: str, state: RootState) -> dict[str, bytes]:
        terms = read_terms(self._find(entry.field))
        expires_ms, size = int_at(entry.detail, 0, 6), int.from_bytes(entry.detail[6:8], "little")
        reference, tokens = entry.detail[8 : 8 + size].decode(), entry.detail[8 + size :]
        label = _with_tokens(terms.label, int_at(tokens, 0)) if tokens else terms.label
        hold = state.holds[entry.field]
        grown = terms._replace(amount=hold.amount, expires_ms=expires_ms)
        head = _head(OPEN, terms.flags | WAS_EXTENDED, grown)
        record = head + packed(terms.first) + terms.floor + bytes([len(label)]) + label + terms.notes
        ttl_ms = expires_ms - entry.at_ms if expires_ms != terms.expires_ms else 0
        numbers = packed(entry.amount) + packed(ttl_ms, 6) + packed(hold.amount) + packed(entry.balance_after)
        done = bytes([DONE]) + numbers + packed(state.nodes[hold.payer].held) + packed(expires_ms, 6) + tokens
        return {entry.field: record, f"{reference}/{entry.path}" if entry.path else reference: done}

    def _settle(self, entry: Entry, stream_id: str, _state: RootState) -> dict[str, bytes]:
        terms, flags = read_terms(self._find(entry.field)), entry.detail[0] & ~_OF_ENTRY
        head = _head(SETTLED, flags, terms._replace(amount=terms.first))
        asked = entry.detail[1:8] if flags & _HAS_ASKED else b""
        numbers = packed(entry.amount) + packed(entry.balance_after) + asked
        return {entry.field: head + numbers + _named(stream_id) + _within_note(entry)}

    def _release(self, entry: Entry, _stream_id: str, _state: RootState) -> dict[str, bytes]:
        terms, refusal = read_terms(self._find(entry.field)), entry.detail[0]
        flags = terms.flags | (_WAS_REFUSED if refusal else 0)
        head = _head(RELEASED, flags, terms._replace(amount=terms.first))
        told = bytes([refusal]) + packed(0) + packed(entry.balance_after) + _within_note(entry) if refusal else b""
        return {entry.field: head + told}

    def _expire(self, entry: Entry, _stream_id: str, _state: RootState) -> dict[str, bytes]:
        return {entry.field: bytes([EXPIRED]) + self._find(entry.field)[1:]}

    def _charge(self, entry: Entry, stream_id: str, _state: RootState) -> dict[str, bytes]:
        numbers = packed(entry.amount) + packed(entry.balance_after)
        return {entry.field: bytes([DONE]) + numbers + _named(stream_id) + _within_note(entry)}

    def _change(self, entry: Entry, _stream_id: str, _state: RootState) -> dict[str, bytes]:
        return {entry.field: bytes([DONE])}

    def _cancel(self, entry: Entry, _stream_id: str, _state: RootState) -> dict[str, bytes]:
        # The entry names one of the fields; the id was executed under none of the letters.
        rest = entry.field[1:]
        letters = _LETTERS if entry.amount > 1 else entry.reference[0]
        return {f"{letter}{rest}": bytes([TOMBSTONE]) for letter in letters}


def _with_tokens(label: bytes, tokens: int) -> bytes:
    """A label whose estimate of tokens has grown (``lua/lib/label_parts.lua``)."""
    at = 1 + label[0]
    at += label[at] + 2
    tail = label[at:]
    known = int_at(tail, 0) if len(tail) in _TOKENS_TAILS else 0
    return label[:at] + packed(known + tokens) + (tail[7:] if len(tail) in _TOKENS_TAILS else tail)


_Step = Callable[[Records, Entry, str, RootState], dict[str, bytes]]
_STEPS: Final[Mapping[Kind, _Step]] = {
    Kind.GRANT: Records._grant,  # noqa: SLF001 - its own table
    Kind.HOLD: Records._hold,  # noqa: SLF001
    Kind.EXTEND: Records._extend,  # noqa: SLF001
    Kind.SETTLE: Records._settle,  # noqa: SLF001
    Kind.RELEASE: Records._release,  # noqa: SLF001
    Kind.EXPIRE: Records._expire,  # noqa: SLF001
    Kind.CHARGE: Records._charge,  # noqa: SLF001
    Kind.CAP_SET: Records._change,  # noqa: SLF001
    Kind.CAP_REMOVE: Records._change,  # noqa: SLF001
    Kind.PAYER_SET: Records._change,  # noqa: SLF001
    Kind.PLAN_SET: Records._change,  # noqa: SLF001
    Kind.LIMIT_SET: Records._change,  # noqa: SLF001
    Kind.LIMIT_REMOVE: Records._change,  # noqa: SLF001
    Kind.CANCEL: Records._cancel,  # noqa: SLF001
}
