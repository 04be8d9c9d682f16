"""One table of codes: Lua, Python and docs say the same, in the order of precedence."""

from __future__ import annotations

import re
from pathlib import Path

from ducto_redis.codes import MEANINGS, Code
from ducto_redis.core.scripts import read_source
from ducto_redis.errors import ERROR_OF_CODE, CreditError, error_for

ROOT = Path(__file__).parents[2]


def lua_codes():
    found = {}
    lines = "\n".join(read_source("lib/codes"))
    for names, values in re.findall(r"^local ([A-Z_, ]+) = ([\d, ]+)$", lines, re.MULTILINE):
        found |= dict(zip(names.split(", "), map(int, values.split(", ")), strict=True))
    return found


def test_lua_and_python_have_the_same_codes():
    """Names and numbers of lua/lib/codes.lua are those of the enum."""
    assert lua_codes() == {code.name: int(code) for code in Code}


def test_the_docs_list_them_by_precedence():
    """docs/results.md has a row for each code, in ascending order of its number."""
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+?) \| `?(\w+|-)`? \|$", text, re.MULTILINE)
    assert [(int(number), name) for number, name, _, _ in rows] == [(int(code), code.text) for code in Code]
    assert [meaning for _, _, meaning, _ in rows] == [MEANINGS[code] for code in Code]
    assert [error for *_, error in rows if error != "-"] == [cls.__name__ for cls in ERROR_OF_CODE.values()]


def test_every_code_has_a_meaning_and_an_error():
    """Each code but OK raises a CreditError that carries it."""
    assert set(MEANINGS) == set(Code)
    for code in set(Code) - {Code.OK}:
        error = error_for(code, "why")
        assert isinstance(error, CreditError)
        assert error.code is code


def test_the_order_is_specs():
    """invalid, namespace, replay, holds, account, bounds, concurrency, rates, caps, balance (SPEC 2)."""
    told = """invalid_amount namespace_unknown needs_restore schema_newer cancelled lease_not_found lease_expired
        account_unknown feature_not_entitled backlog_full too_many_holds concurrency_limit rate_limited cap_reached
        insufficient_credits"""
    numbers = [Code[name.upper()] for name in told.split()]
    assert numbers == sorted(numbers)
