"""The steps between core and drivers: a ``Call`` names a script, its keys and arguments and reads its reply.

Hot operations are one ``Call``. A ``Flow`` is a generator that yields steps and is sent what each of them gave: it is
used where several steps are needed, and either driver runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

#: What a script answers: a flat array of bytes and integers, the code first.
Reply: TypeAlias = Sequence[Any]


class Call(NamedTuple, Generic[T]):
    """One run of a script.

    Attributes:
        script: The name of its file in ``lua/``.
        keys: The keys, in the script's order.
        args: The arguments, in the script's order.
        parse: Makes the result of the reply.
        user_id: The account, for errors.
        op_id: The id under which it executes at most once, for errors; None when it changes nothing.
    """

    script: str
    keys: tuple[bytes, ...]
    args: tuple[bytes | str | int, ...]
    parse: Callable[[Reply], T]
    user_id: str | None = None
    op_id: str | None = None


class Batch(NamedTuple):
    """Several calls in one round trip; answers the list of their results."""

    calls: tuple[Call[Any], ...]


class ServerVersion(NamedTuple):
    """Asks for the server's version; answers text such as ``7.0.15``."""


class Scan(NamedTuple):
    """Looks at a part of the key space; answers where to go on (0: at the end) and the keys that match."""

    cursor: int
    pattern: str
    limit: int


class Ask(NamedTuple):
    """Several reading commands at one moment of the server (MULTI); answers the list of their raw replies."""

    commands: tuple[tuple[str | bytes | int, ...], ...]


class Tell(NamedTuple):
    """Several commands in one write, each for itself; answers the list of their replies, an error as what it is."""

    commands: tuple[tuple[str | bytes | int, ...], ...]


class Answer(NamedTuple, Generic[T]):
    """An operation that is answered without asking the server: refused input."""

    value: T


Step: TypeAlias = Call[Any] | Batch | ServerVersion | Scan | Ask | Tell
Flow: TypeAlias = Generator[Step, Any, T]
