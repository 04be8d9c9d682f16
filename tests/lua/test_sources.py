"""The Lua text itself: includes, names, heads, commands. What a reader relies on is checked, so that it stays true."""

from __future__ import annotations

import re

import pytest
from lua_bytecode import names_in
from lua_sources import (
    BUILT_IN,
    LIBRARY,
    SCRIPTS,
    SOURCES,
    body,
    declared,
    direct,
    head,
    includes,
    only_declares,
    outer,
    provided,
    reached,
    told,
    used,
)  # fmt: skip

from ducto_redis.codes import Code
from ducto_redis.core import (
    batches,
    defaults,
    hitting,
    holding,
    limiting,
    operations,
    paying,
    planning,
    resolving,
    restoring,
    rolling,
    shards,
    sweeping,
)
from ducto_redis.core.scripts import INJECTED_CLOCK, PORTABLE_STRUCT, ScriptSet, expand, lua_root
from ducto_redis.core.space import Config, Space
from ducto_redis.models import SpendCap
from ducto_redis.rates import RateLimit
from ducto_redis.work_models import ChargeItem, ReserveItem

VARIANTS = {
    "production": ScriptSet(),
    "injected clock": ScriptSet(INJECTED_CLOCK),
    "embedded": ScriptSet({**PORTABLE_STRUCT, **INJECTED_CLOCK}, shebang=False),
}
READS = {"HGET", "HMGET", "XLEN", "ZRANGE", "TIME"}
WRITES = {"XADD", "HSET", "ZADD", "ZREM", "UNLINK", "XTRIM"}
#: Of the config, which is small, and seldom: fields of plans that are gone, a drainer that ends.
OF_CONFIG = {"set_defaults": {"HKEYS", "HDEL"}, "trim_ledger": {"HDEL"}}
#: Blocks of lib/apply with a write of their own.
BLOCKS_THAT_WRITE = {"lib/tell_crossed": {"XADD"}, "lib/mark_backlog": {"HSET"}}
#: Scripts on a shard, not on a root; and those on many roots, whose names for keys are lib/item_keys'.
ON_SHARDS = {"setup", "set_defaults", "trim_ledger", "restore_shard"}
ON_MANY = {"charge_many", "reserve_many"}
#: Scripts that put the root of a restore in its place, or give one up: no clock, no entry.
RESTORING = {"restore_root", "drop_root"}
#: The script of the stand-alone limiter: one key of its own, no root, no ledger.
ALONE = {"hit"}


def commands(name):
    """The commands of a file in the order of its text; each must be a literal."""
    found = re.findall(r"redis\.call\('([A-Z]+)'", SOURCES[name])
    assert len(found) == len(re.findall(r"\bredis\b", re.sub(r"--.*", "", body(name)))), name
    return found


def many(space, script, item):
    return batches.plan(space, script, [batches.BUILD[script](space, item, "a")])[0]


def calls():
    """One call of every operation, as the library builds it."""
    space = Space("n", shards=1)
    space.adopt(Config(b"12345678", 4, 1))
    cap = SpendCap(user_id="u", limit=5)
    return [
        operations.add_credits(space, "u", 1, op_id="a", own_key=False),
        operations.reserve(space, "u", 1, op_id="a", own_key=False),
        operations.settle(space, "u", "a", 1),
        operations.deduct_credits(space, "u", "a", 1),
        operations.release(space, "u", "a"),
        operations.deduct(space, "u", 1, op_id="a", own_key=False),
        holding.extend(space, "u", "a", 1, op_id="b"),
        holding.list_holds(space, "u"),
        resolving.resolve(space, "u", "a"),
        sweeping._sweep_call(space, space.keys.account("u")),
        next(sweeping._trim(space)).calls[0],
        *many(space, "charge_many", ChargeItem(user_id="u", amount=1)),
        *many(space, "reserve_many", ReserveItem(user_id="u", amount=1)),
        operations.set_spend_cap(space, cap, op_id="a"),
        operations.remove_spend_cap(space, "u", "daily", op_id="a"),
        paying.set_payer(space, "u", "u", op_id="a"),
        planning.set_plan(space, "u", None, op_id="a"),
        defaults.write_calls(space, [0], 1, "")[0],
        limiting.set_limit(space, "u", RateLimit("1/s"), op_id="a"),
        limiting.remove_limit(space, "u", RateLimit("1/s"), op_id="a"),
        hitting.HitPlan("n", (RateLimit("1/s"),)).call("hit", "u", 1),
        operations.get_balance(space, "u"),
        next(rolling.roll(operations.get_balance(space, "u"))),
        shards.shard_call(space, 0, "read"),
        next(restoring.begin(space, space.known, [b""])),
        *restoring.root_calls(space, restoring.RootImage("u", 1, {"n": b""}, {}, {}), 0),
        restoring.drop_call(space, b"n:{0}:s:u"),
    ]


CALLS = {call.script: call for call in calls()}


def test_the_names_of_a_text_are_read_out_right():
    """The reader behind these tests: scopes, nesting, comments and strings do not deceive it."""
    text = "local a, b = c, 'd' -- e\nf = function(g) local h = a; return g + h + i.j end\nfor k = 1, 2 do m[k] = b end"
    assert names_in(text) == (frozenset("cim"), frozenset("f"))


@pytest.mark.parametrize("name", SOURCES)
def test_includes_are_there_once_and_in_no_circle(name):
    """Every include names a file of lib, no file includes another twice, none includes itself by way of others."""
    targets = [target for _, target in includes(name)]
    assert set(targets) <= set(LIBRARY)
    assert len(targets) == len(set(targets))
    assert expand(name, {})
    assert [verb for verb, target in includes(name) if verb == "inline" and only_declares(target)] in ([], ["inline"])


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_includes_what_it_names(name):
    """Each name comes from a file that is included directly, or the head says that it is read or set here."""
    # In scripts on many roots lib/item_keys stands in for lib/keys.
    brought = set().union(*(provided(target) for target in direct(name)))
    assert sorted(used(name) - brought - told(name, "Reads") - told(name, "Sets")) == []
    assert (name in ON_MANY) == ("--- @replace lib/keys lib/item_keys\n" in SOURCES[name])


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_names_what_it_includes(name):
    """What only declares is included because one of its names is used; lib/struct, because something is packed."""
    packs = "struct" in outer(name).read or any(each.endswith("FORMAT") for each in declared(name))
    spare = {
        target
        for target in direct(name)
        if only_declares(target) and not provided(target) & used(name) and not (target == "lib/struct" and packs)
    } - ({"lib/item_keys", "lib/clock"} if name in ON_MANY else set())
    assert sorted(spare) == []


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in SCRIPTS])
def test_what_a_head_says_is_set_is_set(name):
    """A variable that a file sets and does not declare is named in its head, or comes from lib/queue or lib/load."""
    brought = provided("lib/queue") | provided("lib/load") | {"payer"}
    assert sorted(outer(name).set - brought - told(name, "Sets")) == []


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_needs_nothing_but_redis_and_lua(name, variant):
    """The text that runs reads no name but those given to every script and sets none."""
    text = VARIANTS[variant][name].text.decode()
    assert text.startswith("#!lua") == (variant != "embedded")
    names = names_in(re.sub(r"\A#!.*\n", "", text))
    assert names.read <= BUILT_IN
    assert names.set == frozenset()
    assert ("ARGV[#ARGV]" in text) == (variant != "production" and name not in ON_SHARDS | RESTORING)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_name_means_one_thing_in_a_script(name):
    """No two files that one script is made of declare the same name at their top level."""
    parts = reached(name) - ({"lib/keys"} if name in ON_MANY else set())
    names = [each for part in sorted(parts) for each in declared(part) if part != "lib/struct"]
    assert sorted({each for each in names if names.count(each) > 1} - {"flags"}) == []


@pytest.mark.parametrize("name", SOURCES)
def test_keys_and_arguments_are_named_in_one_place(name):
    """KEYS stands in lib/keys, lib/item_keys and scripts on shards; ARGV there, in scripts and the injected clock."""
    allowed = {"lib/keys", "lib/item_keys", *ON_SHARDS, *ALONE}
    assert "KEYS" not in outer(name).read or name in allowed
    assert "ARGV" not in outer(name).read or name in {*allowed, *SCRIPTS, "lib/variants/clock"}


@pytest.mark.parametrize("name", SOURCES)
def test_commands_are_few_and_writes_are_in_one_place(name):
    """lib/apply alone writes (two of its blocks too; setup its config); no key is listed, no clock read twice."""
    seen = set(commands(name))
    if name in ALONE:
        assert seen == {"GET", "SET", "UNLINK"}
        return
    assert seen <= READS | WRITES | OF_CONFIG.get(name, set())
    writes = seen & WRITES
    assert not writes or name in {"lib/apply", *ON_SHARDS, *RESTORING} or writes == BLOCKS_THAT_WRITE.get(name)
    assert "XTRIM" not in seen or name == "trim_ledger"
    assert "TIME" not in seen or name in {"lib/clock", "setup", "set_defaults", "restore_shard"}


@pytest.mark.parametrize("name", ["lib/apply", "setup", "set_defaults"])
def test_the_ledger_is_written_first(name):
    """No write stands before XADD."""
    writes = [command for command in commands(name) if command in WRITES]
    last_entry = max(at for at, command in enumerate(writes) if command == "XADD")
    assert set(writes[: last_entry + 1]) == {"XADD"}
    assert len(writes) > last_entry + 1


@pytest.mark.parametrize("name", SOURCES)
def test_amounts_never_pass_through_text(name):
    """Numbers above 2^53 / 10^14 lose digits as text: nothing is formatted, encoded or joined but texts."""
    code = re.sub(r"--.*", "", body(name)).replace("string.format('%.0f', ", "(")  # exact up to 2^53
    assert not re.search(r"\b(tostring|cjson|cmsgpack|format|random|loadstring|pcall|os|io)\b[.(]", code)
    numeric = (
        "(?:amount|balance|charged|asked|limit|held|lifetime|floor|room|units|code|kind|flags|\\w+_ms|\\w+_bound|i)"
    )
    assert not re.search(rf"\.\. *{numeric}\b(?! *[\[.(])", code)
    assert not re.search(rf"(?<![.\w\[]){numeric} *\.\.", code)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_head_of_a_script_is_its_contract(name):
    """Name, KEYS, ARGV, Reply, Codes and Entry, in this order; the first line is #!lua, with no flag but allow-oom."""
    assert SOURCES[name].splitlines()[0] in ("#!lua", "#!lua flags=allow-oom")
    assert head(name).startswith(f" {name}: ")
    words = re.findall(r"^  (KEYS|ARGV|Reply|Codes|Entry)\b", head(name), re.MULTILINE)
    assert words == ["KEYS", "ARGV", "Reply", "Codes", "Entry"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_codes_of_a_script_are_told(name):
    """The head lists exactly the codes that the script and the files it is made of can answer."""
    listed = re.search(r"^  Codes(.*?)^  (?:Rule|Entry)", head(name), re.MULTILINE | re.DOTALL)[1]
    codes = {code.name for code in Code} - {"OK"}
    named = set().union(*(used(part) for part in reached(name)))
    assert set(re.findall(r"\b[A-Z_]{4,}\b", listed)) == named & codes


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_arguments_of_a_script_are_told(name):
    """The last argument in the head is the last one used and the last one that the library sends; keys alike."""
    arguments = re.search(r"^  ARGV(.*?)^  Reply", head(name), re.MULTILINE | re.DOTALL)[1]
    last = max(int(number) for number in re.findall(r"^ *(?:\d-)?(\d+) ", arguments, re.MULTILINE))
    if name == "set_defaults":  # then pairs, as many as the fifth says
        assert (last, len(CALLS[name].args)) == (5, 5 + 2 * CALLS[name].args[4])
        return
    taken = [int(number) for number in re.findall(r"\bARGV\[(\d+)\]", SOURCES[name])]
    if name in ON_MANY:
        per_item = max(int(number) for number in re.findall(r"\+(\d+) ", arguments))
        assert (last, last + per_item) == (2, len(CALLS[name].args))
        assert max(int(number) for number in re.findall(r"\barg_at \+ (\d+)\]", SOURCES[name])) == per_item
        assert len(CALLS[name].keys) == 7
        return
    assert last == min(len(CALLS[name].args), {"resolve": 6, "restore_root": 5}.get(name, 99))
    if name not in {"resolve", *RESTORING}:  # it takes its fields in a loop
        assert max([*taken, min(last, 4) if name not in ON_SHARDS | ALONE else 0]) == last
    if name in ALONE:
        assert len(CALLS[name].keys) == len(set(re.findall(r"KEYS\[(\d)\]", SOURCES[name]))) == 1
    elif name in ON_SHARDS:
        assert len(CALLS[name].keys) == len(set(re.findall(r"KEYS\[(\d)\]", SOURCES[name]))) == 2
    else:
        assert len(set(re.findall(r"KEYS\[(\d)\]", SOURCES["lib/keys"]))) == 7
        charges = "lib/spend" in reached(name)
        assert len(CALLS[name].keys) == (7 if charges else 6)
        assert ("and its shard's events" in head(name)) == charges


def test_every_file_is_used_and_told():
    """Every script is called by an operation, every library file is part of a script, and README knows them all."""
    assert set(CALLS) == set(SCRIPTS)
    assert set().union(*(reached(name) for name in SCRIPTS)) == {*SCRIPTS, *LIBRARY}
    readme = (lua_root() / "README.md").read_text(encoding="utf-8")
    assert {name for name in (*SCRIPTS, *LIBRARY) if f"`{name}`" not in readme} == set()
    told_files = set(re.findall(r"\blib/\w+", readme + "".join(SOURCES.values()))) - {"lib/variants", "lib/x", "lib/y"}
    assert told_files <= set(LIBRARY)
