"""What the detail of an entry says, by its kind (``lua/README.md``, "Ledger entries")."""

from __future__ import annotations

from typing import Final, NamedTuple

from ducto_redis.core.entries import Entry, levels_of
from ducto_redis.core.packed import int_at

_ADMITTED, _HAS_MODEL, _HAS_ASKED, _HAS_PAYER, _HAS_FLOOR = 1, 8, 16, 64, 128
#: Bytes behind a label's mode when a payer is the last of them: alone, behind tokens, behind what limits counted, both.
_PAYER_TAILS: Final = (1, 8, 12, 19)


class Detail(NamedTuple):
    """What entries of kinds that move or hold credits say beside the amount.

    ``payer`` is a path; None, as ``model``, where the entry leaves it to its hold.
    """

    operation_type: str = ""
    model: str | None = None
    payer: str | None = None
    metadata: bytes = b""
    admitted: bool = False
    expires_ms: int = 0


def _part(data: bytes, at: int) -> bytes:
    """What follows its length in one byte."""
    return data[at + 1 : at + 1 + data[at]]


def names_in(label: bytes) -> tuple[str, str]:
    """Operation type and model of a label, which it begins with; labels of another form have no model."""
    at = 1 + label[0] if label else 0
    model = _part(label, at).decode() if at < len(label) else ""
    return label[1:at].decode(), model


def payer_in(label: bytes, path: str) -> str:
    """The path of who pays, told by the last byte of a label when it is not the account (``lua/lib/label_payer``)."""
    at = 1 + label[0] if label else 0
    tail = len(label) - at - label[at] - 2 if at < len(label) else 0
    return levels_of(path)[label[-1] - 1] if tail in _PAYER_TAILS else path


def _labelled(label: bytes, path: str) -> Detail:
    return Detail(*names_in(label), payer_in(label, path))


def read_grant(entry: Entry) -> Detail:
    """The detail of a GRANT."""
    credit_type = _part(entry.detail, 1)
    return Detail(credit_type.decode(), None, entry.path, entry.detail[2 + len(credit_type) :])


def read_hold(entry: Entry) -> Detail:
    """The detail of a HOLD."""
    flags = entry.detail[6]
    at = 7 + (7 if flags & _HAS_FLOOR else 0)
    label = _part(entry.detail, at)
    return _labelled(label, entry.path)._replace(
        metadata=entry.detail[at + 1 + len(label) :],
        admitted=bool(flags & _ADMITTED),
        expires_ms=int_at(entry.detail, 0, 6),
    )


def read_charge(entry: Entry) -> Detail:
    """The detail of a CHARGE."""
    label = _part(entry.detail, 0)
    return _labelled(label, entry.path)._replace(metadata=entry.detail[1 + len(label) :])


def read_settle(entry: Entry) -> Detail:
    """The detail of a SETTLE; what is None is as its hold says."""
    flags, at = entry.detail[0], 8 if entry.detail[0] & _HAS_ASKED else 1
    payer = model = None
    if flags & _HAS_PAYER:
        payer, at = levels_of(entry.path)[entry.detail[at] - 1], at + 1
    if flags & _HAS_MODEL:
        used = _part(entry.detail, at)
        model, at = used.decode(), at + 1 + len(used)
    return Detail("", model, payer, entry.detail[at:])
