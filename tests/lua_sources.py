"""The Lua files as text: what each includes, provides, takes from outside and says of itself in its head."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from lua_bytecode import Names, names_in

from ducto_redis.core.scripts import lua_root, script_names

#: What Lua and Redis give every script.
BUILT_IN: Final = frozenset(
    ["KEYS", "ARGV", "redis", "struct", "string", "table", "math", "unpack", "pairs", "ipairs", "tonumber", "error"]
)

_INCLUDE: Final = re.compile(r"^ *--- @(include|inline) (\S+)$", re.MULTILINE)
_REPLACE: Final = re.compile(r"^--- @replace (\S+) (\S+)$", re.MULTILINE)
_ANY_INCLUDE: Final = re.compile(r"^.*@(?:include|inline)\b.*$", re.MULTILINE)
_LOCAL: Final = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*)(?= =|$| --))", re.MULTILINE)
_DECLARATION: Final = re.compile(r"^local (?:function .*?^end|[^\n]*(?:\n  [^\n]*)*)$", re.MULTILINE | re.DOTALL)
_SENTENCE: Final = re.compile(r"\b(Reads|Sets) (.*?)(?:\.(?= |$)|$)")

SOURCES: Final = {
    str(path.relative_to(lua_root()).with_suffix("")): path.read_text(encoding="utf-8")
    for path in sorted(lua_root().rglob("*.lua"))
}
SCRIPTS: Final = script_names()
LIBRARY: Final = tuple(name for name in SOURCES if name.startswith("lib/") and "variants" not in name)


def body(name: str) -> str:
    """A file without its first line if that is the shebang."""
    return re.sub(r"\A#!.*\n", "", SOURCES[name])


def includes(name: str) -> list[tuple[str, str]]:
    """The include lines of a file: verb and target. A line that only looks like one fails."""
    found = _INCLUDE.findall(SOURCES[name])
    assert len(found) == len(_ANY_INCLUDE.findall(SOURCES[name])), name
    return found


def direct(name: str) -> set[str]:
    return {target for _, target in includes(name)}


def reached(name: str) -> set[str]:
    """A file and everything it includes, directly or not."""
    replaced = dict(_REPLACE.findall(SOURCES[name]))

    def walk(each: str) -> set[str]:
        return {each}.union(*(walk(replaced.get(target, target)) for target in direct(each)))

    return walk(name)


def declared(name: str) -> list[str]:
    """The names that a file declares at its top level, with repetitions."""
    found = _LOCAL.findall(SOURCES[name])
    return [each for function, names in found for each in ([function] if function else names.split(", "))]


@cache
def outer(name: str) -> Names:
    """The names that a file, taken alone, does not declare itself."""
    return names_in(body(name))


def used(name: str) -> set[str]:
    return set(outer(name).read | outer(name).set) - BUILT_IN


def head(name: str) -> str:
    """The comment that a file begins with, in one line."""
    if name in SCRIPTS:
        return re.search(r"\A#!.*\n--\[\[(.*?)\]\]", SOURCES[name], re.DOTALL)[1]
    return " ".join(line[2:].strip() for line in re.match(r"(?:--(?!-).*\n)*", SOURCES[name])[0].splitlines())


@cache
def told(name: str, verb: str) -> frozenset[str]:
    """The words of the head's sentence that begins with Reads or Sets; "what lib/x reads" brings those of that file."""
    words: set[str] = set()
    for kind, sentence in _SENTENCE.findall(head(name)):
        if kind == verb:
            words |= set(re.findall(r"\b[a-z_]\w*\b", re.sub(r"lib/\w+", "", sentence)))
            for other, what in re.findall(r"(lib/\w+) (reads|sets|declares)", sentence):
                words |= provided(other) if what in ("sets", "declares") else told(other, "Reads")
    return frozenset(words)


def provided(name: str) -> set[str]:
    """The names that including a file brings: those it declares, and those its head says it sets."""
    return set(declared(name)) | set(told(name, "Sets"))


def only_declares(name: str) -> bool:
    """Whether a file has nothing but declarations: including it does nothing by itself."""
    left = re.sub(r"--[^\n]*", "", SOURCES[name])
    return not _DECLARATION.sub("", left).strip()
