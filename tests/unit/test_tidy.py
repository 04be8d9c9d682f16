"""Style as a test: bounds on files and functions, no leftovers, names built in one place, comments in Lua."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "ducto_redis").rglob("*.py"))
LUA = sorted((ROOT / "lua").rglob("*.lua"))
#: The faces hold one short method per operation; splitting them would part what is read together.
NAMES_KEYS = {"keys.lua", "item_keys.lua", "setup.lua", "set_defaults.lua", "trim_ledger.lua", "hit.lua",
              "restore_shard.lua"}  # fmt: skip
LONGER = {"ducto_redis/store.py": 400, "ducto_redis/aio/store.py": 400, "ducto_redis/core/operations.py": 320}


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*PYTHON, *LUA], ids=name_of)
def test_files_are_short_and_say_their_job(path):
    """At most 300 lines (the exceptions are listed), a first line that says what the file is for, no leftovers."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGER.get(name_of(path), 300)
    if path.name != "py.typed" and text:
        assert text.startswith(('"""', "--", "#!lua"))
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text)


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_functions_are_short(path):
    """At most 70 lines a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 70, node.name


def test_lua_functions_are_short():
    """At most 70 lines a function."""
    for path in LUA:
        for body in re.findall(r"^local function .*?^end$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            assert body.count("\n") < 70, (path, body[:60])


def test_keys_are_built_in_one_place():
    """No file but keys.py writes a hash tag, and no script builds a key."""
    for path in PYTHON:
        if path.name != "keys.py":
            assert not re.search(r"\{\{\{|:\{\{", path.read_text(encoding="utf-8")), path
    for path in LUA:
        text = path.read_text(encoding="utf-8")
        assert "KEYS[" not in text or path.name in NAMES_KEYS, path


def test_lua_is_well_commented():
    """A fifth or more of the Lua lines are comments or the contract at the head."""
    lines = [line.strip() for path in LUA for line in path.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(lines)
    comments = sum(line.startswith("--") for line in lines)
    comments += sum(block.count("\n") for block in re.findall(r"--\[\[.*?\]\]", text, re.DOTALL))
    assert comments / len([line for line in lines if line]) > 0.2


def test_nothing_names_this_machine():
    """No file of the project holds a path of the machine it was written on."""
    for path in [*PYTHON, *LUA, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "bench").rglob("*")]:
        if path.is_file():
            text = path.read_bytes()
            assert b"/wor" + b"k/" not in text, path
            assert b"/ro" + b"ot/" not in text, path
