"""Finds the Lua files, expands their includes and knows their SHA; the text that runs is made here, nowhere else.

A script is the file named after its operation. ``--- @include lib/name`` puts a shared file in this place, once per
script; ``--- @inline lib/name`` puts it in this place every time. Shared files are blocks of statements that read and
set named variables, as their heads say: a closure costs a script 0.1 to 0.3 us at each run, for Redis runs a script's
whole text, so the hot path has none to spare. For the same reason constants (capital names with a literal value, a key
or an argument) are folded into the text: a captured constant costs as much as a closure. Variants put another file in
place of an include: the injected clock of the tests, the packing library of the embedded engine.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_INCLUDE = re.compile(r"^ *--- @(include|inline) (lib/[a-z_/]+)$")
_REPLACE = re.compile(r"^--- @replace (lib/[a-z_/]+) (lib/[a-z_/]+)$")
_CONSTANTS = re.compile(r"^local ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*) = (.+)$")
_LITERAL = re.compile(r"-?\d+|(?:KEYS|ARGV)\[\d\]|'[^']*'")
_STRINGS = re.compile(r"('[^'\n]*')")
_NAME = re.compile(r"(?<![\w.])[A-Z][A-Z0-9_]*\b")
_JOINED = re.compile(r"'([^'\n]*)' \.\. '([^'\n]*)'")
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\w+")
_SHEBANG = "#!lua"

# A local is read in a tenth of the time of a global, and each of these is read many times in a run.
_LOCALS: Final = "local KEYS, ARGV, redis, struct, string, unpack = KEYS, ARGV, redis, struct, string, unpack"

#: Includes that are replaced for the embedded engine and for injected time.
PORTABLE_STRUCT: Final[Mapping[str, str]] = {"lib/struct": "lib/variants/struct"}
INJECTED_CLOCK: Final[Mapping[str, str]] = {"lib/clock": "lib/variants/clock"}


class Script(NamedTuple):
    """A script ready to send: its name, its text and the SHA-1 that the server knows it by."""

    name: str
    text: bytes
    sha: bytes


@cache
def lua_root() -> Path:
    """The folder of the Lua files: inside an installed package, beside the package in a checkout.

    Raises:
        FileNotFoundError: Neither is there; the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "lua", package.parent / "lua"):
        if (folder / "lib").is_dir():
            return folder
    msg = "ducto_redis is installed without its Lua scripts; install it again"
    raise FileNotFoundError(msg)


def script_names() -> tuple[str, ...]:
    """The names of all scripts."""
    return tuple(sorted(path.stem for path in lua_root().glob("*.lua")))


def read_source(name: str) -> list[str]:
    """The lines of a Lua file, by its name below ``lua/`` without the ending."""
    return (lua_root() / f"{name}.lua").read_text(encoding="utf-8").splitlines()


def expand(name: str, variants: Mapping[str, str]) -> list[str]:
    """Expands the includes of a script, each once, in the order of first need.

    Args:
        name: The script, or an include.
        variants: Include name -> the include put in its place.

    Raises:
        ValueError: An include is circular; the message names the chain.
    """
    done: set[str] = set()
    replaced = {found[1]: found[2] for line in read_source(name) if (found := _REPLACE.match(line))}
    variants = {**variants, **replaced}

    def lines_of(source: str, chain: tuple[str, ...]) -> list[str]:
        if source in chain:
            msg = f"circular include: {' -> '.join((*chain, source))}"
            raise ValueError(msg)
        out: list[str] = []
        for line in read_source(source):
            found = _INCLUDE.match(line)
            if not found:
                out.append(line)
                continue
            verb, target = found[1], variants.get(found[2], found[2])
            if verb == "inline" or target not in done:
                # Marked only after its own includes are out, so that a cycle is seen as one.
                out += lines_of(target, (*chain, source))
                if verb == "include":
                    done.add(target)
        return out

    return lines_of(name, ())


def _without_comments(lines: list[str]) -> list[str]:
    # The server keeps every script's text; whole-line comments are for readers of the repository.
    out: list[str] = []
    in_block = False
    for line in lines:
        text = line.strip()
        if in_block or text.startswith("--[["):
            in_block = not text.endswith("]]")
        elif text and not text.startswith("--"):
            out.append(line)
    return out


def _fold_constants(lines: list[str]) -> str:
    """Puts the values of constants in their places and joins literals that then stand side by side."""
    values: dict[str, str] = {}
    out: list[str] = []
    for line in lines:
        found = _CONSTANTS.match(line)
        names, literals = (found[1].split(", "), found[2].split(", ")) if found else ([], [])
        if names and len(names) == len(literals) and all(_LITERAL.fullmatch(literal) for literal in literals):
            values.update(zip(names, literals, strict=True))
        else:
            out.append(line)
    parts = _STRINGS.split("\n".join(out))
    parts[::2] = [_NAME.sub(lambda name: values.get(name[0], name[0]), part) for part in parts[::2]]
    return _JOINED.sub(r"'\1\2'", "".join(parts))


def _without_unused_functions(text: str) -> str:
    """Leaves out functions that nothing calls: their closure would be made at every run all the same."""
    words = Counter(_WORD.findall(text))

    def kept(function: re.Match[str]) -> str:
        return function[0] if words[function[1]] > 1 else ""

    return _FUNCTION.sub(kept, text)


@cache
def _build(name: str, variants: tuple[tuple[str, str], ...], shebang: bool) -> Script:
    lines = expand(name, dict(variants))
    if not lines[0].startswith(_SHEBANG):
        msg = f"lua/{name}.lua must start with {_SHEBANG}"
        raise ValueError(msg)
    body = f"{_LOCALS}\n{_without_unused_functions(_fold_constants(_without_comments(lines[1:])))}"
    text = (f"{lines[0]}\n{body}" if shebang else body).encode()
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


class ScriptSet:
    """The scripts in one variant.

    Args:
        variants: Include name -> the include put in its place.
        shebang: Whether the engine understands ``#!lua`` (the embedded one does not).
    """

    def __init__(self, variants: Mapping[str, str] | None = None, *, shebang: bool = True) -> None:
        self._variants = tuple(sorted((variants or {}).items()))
        self._shebang = shebang

    def __getitem__(self, name: str) -> Script:
        return _build(name, self._variants, self._shebang)
