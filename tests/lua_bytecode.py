"""Which names a piece of Lua takes from outside, read out of its compiled form: scopes and comments do not deceive."""

from __future__ import annotations

from struct import unpack_from
from typing import Final, NamedTuple

from lupa.lua51 import LuaRuntime

_GET_GLOBAL, _SET_GLOBAL = 5, 7
_HEADER: Final = b"\x1bLuaQ\x00\x01\x04\x08\x04\x08\x00"  # Lua 5.1, little endian, 8-byte sizes and numbers

_compile = LuaRuntime(encoding=None).eval("function(text) return string.dump(assert(loadstring(text))) end")


class Names(NamedTuple):
    """Names that are not local in a text: those it reads and those it sets."""

    read: frozenset[str]
    set: frozenset[str]


class _Reader:
    """Walks over the functions of a dump."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(_HEADER), data[:12]
        self.data = data
        self.at = len(_HEADER)
        self.read: set[str] = set()
        self.set: set[str] = set()
        self.function()

    def take(self, form: str, size: int) -> int:
        self.at += size
        return unpack_from(form, self.data, self.at - size)[0]

    def number(self) -> int:
        return self.take("<i", 4)

    def text(self) -> str:
        size = self.take("<Q", 8)
        self.at += size
        return self.data[self.at - size : self.at - 1].decode("latin-1") if size else ""

    def constant(self) -> str | None:
        kind = self.take("<B", 1)
        if kind == 4:
            return self.text()
        self.at += {0: 0, 1: 1, 3: 8}[kind]
        return None

    def function(self) -> None:
        self.text()
        self.at += 12  # lines, upvalues, parameters, vararg, stack
        code = [self.take("<I", 4) for _ in range(self.number())]
        constants = [self.constant() for _ in range(self.number())]
        for instruction in code:
            if instruction & 63 in (_GET_GLOBAL, _SET_GLOBAL):
                (self.read if instruction & 63 == _GET_GLOBAL else self.set).add(str(constants[instruction >> 14]))
        for _ in range(self.number()):
            self.function()
        lines = self.number()
        self.at += 4 * lines
        for _ in range(self.number()):
            self.text()  # a local and where it lives
            self.at += 8
        for _ in range(self.number()):
            self.text()


def names_in(text: str) -> Names:
    """The outer names of a Lua text."""
    reader = _Reader(_compile(text.encode()))
    return Names(frozenset(reader.read), frozenset(reader.set))
