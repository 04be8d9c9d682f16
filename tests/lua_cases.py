"""Hostile input and broken namespaces, which every script meets alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lua_kit import GENERATION, Engine

from ducto_redis.codes import Code

#: Texts that Lua's tonumber takes for numbers, or that no double holds; none is an amount.
HOSTILE: Final = (
    "nan", "-nan", "inf", "-inf", "0x10", "1e3", "1E3", "5e-324", " 5", "5 ", "\t5", "5\n", "5\0", "\0005", "+5", "5.0",
    ".5", "5.", "-", "--5", "", " ", "five", "5,000", "1_000", "\N{ARABIC-INDIC DIGIT FIVE}",
    "9" * 40, str(2**53), str(-(2**53)), str(2**64), "0" * 17 + "5",
)  # fmt: skip
#: Numbers that a packed amount can hold and that are none.
NO_AMOUNTS: Final = (-1, -(2**53) + 1, -(2**55), 2**53, 2**55 - 1)
OTHER: Final = b"otherone"


def _other_root(engine: Engine) -> None:
    engine.grant("first", 100)
    engine.forge_root(generation=OTHER)


def no_namespace(engine: Engine) -> None:
    engine.client.delete(engine.config_key)


def no_namespace_but_a_root(engine: Engine) -> None:
    _other_root(engine)
    engine.client.delete(engine.config_key)


def another_generation(engine: Engine) -> None:
    engine.client.hset(engine.config_key, "generation", OTHER)


def another_generation_with_its_root(engine: Engine) -> None:
    _other_root(engine)
    engine.client.hset(engine.config_key, "generation", OTHER)


def a_root_of_another_generation(engine: Engine) -> None:
    _other_root(engine)


def still_creating(engine: Engine) -> None:
    engine.client.hset(engine.config_key, "state", "creating")


def still_restoring(engine: Engine) -> None:
    engine.client.hset(engine.config_key, "state", "restoring")


def no_state(engine: Engine) -> None:
    engine.client.hdel(engine.config_key, "state")


def a_newer_layout(engine: Engine) -> None:
    engine.grant("first", 100)
    engine.forge_root(layout=2)


def a_longer_record_of_a_newer_layout(engine: Engine) -> None:
    # Whatever a newer release writes behind the first byte is not looked at.
    a_newer_layout(engine)
    engine.client.hset(engine.state_key, "r", b"\xff")


_CODES: Final[dict[Callable[[Engine], None], Code]] = {
    no_namespace: Code.NAMESPACE_UNKNOWN,
    no_namespace_but_a_root: Code.NAMESPACE_UNKNOWN,
    another_generation: Code.NEEDS_RESTORE,
    another_generation_with_its_root: Code.NEEDS_RESTORE,
    a_root_of_another_generation: Code.NEEDS_RESTORE,
    still_creating: Code.NEEDS_RESTORE,
    still_restoring: Code.NEEDS_RESTORE,
    no_state: Code.NEEDS_RESTORE,
    a_newer_layout: Code.SCHEMA_NEWER,
    a_longer_record_of_a_newer_layout: Code.SCHEMA_NEWER,
}
#: Name -> what makes the root unusable, and the code that says so.
UNUSABLE: Final = {make.__name__: (make, int(code)) for make, code in _CODES.items()}
assert len(GENERATION) == len(OTHER)
