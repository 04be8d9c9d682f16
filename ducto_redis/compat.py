"""ducto's spellings: one table alias -> canonical name, put on the faces as plain methods.

Both generations of ducto are understood: v1 calls a hold a reservation, v2 a lease; ``hold`` is the word here. Results
carry ``reservation_id`` and ``lease_id`` beside ``hold_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, TypeVar

C = TypeVar("C")


class Alias(NamedTuple):
    """What an alias stands for, and how its keywords are spelled here."""

    canonical: str
    keywords: Mapping[str, str]


_HOLD_KEYWORDS: Final = {"lease_id": "hold", "reservation_id": "hold", "ttl_seconds": "ttl", "floor": "min_balance"}

#: Alias -> canonical name, on stores and managers alike.
ALIASES: Final[Mapping[str, Alias]] = {
    "create_lease": Alias("reserve", _HOLD_KEYWORDS),
    "settle_lease": Alias("settle", _HOLD_KEYWORDS),
    "release_lease": Alias("release", _HOLD_KEYWORDS),
    "renew_lease": Alias("renew", _HOLD_KEYWORDS),
    "deduct_with_allowance": Alias("deduct", {"floor": "min_balance"}),
}

#: Keywords that canonical names understand in ducto's spelling too.
KEYWORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "add_credits": {"tx_type": "type"},
    "settle": {"lease_id": "hold"},
    "release": {"lease_id": "hold"},
    "deduct_credits": {"reservation_id": "hold"},
}


def _respelled(method: Callable[..., Any], keywords: Mapping[str, str]) -> Callable[..., Any]:
    def canonical(options: dict[str, Any]) -> dict[str, Any]:
        return {keywords.get(name, name): value for name, value in options.items()}

    if iscoroutinefunction(method):

        @wraps(method)
        async def awaited(*args: Any, **options: Any) -> Any:
            return await method(*args, **(canonical(options) if options else options))

        return awaited

    @wraps(method)
    def called(*args: Any, **options: Any) -> Any:
        return method(*args, **(canonical(options) if options else options))

    return called


def with_aliases(cls: type[C]) -> type[C]:
    """Puts the aliases of the table on a face."""
    for name, keywords in KEYWORDS.items():
        setattr(cls, name, _respelled(getattr(cls, name), keywords))
    for name, alias in ALIASES.items():
        setattr(cls, name, _respelled(getattr(cls, alias.canonical), alias.keywords))
    return cls
