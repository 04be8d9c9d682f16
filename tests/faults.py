"""Faults to plant into a copy of the scripts, and how the machine hunts one down.

``make chaos-faults N=90`` hunts all of them; the test command a few that are found fast, one of each kind of script.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from hypothesis import Phase
from machine import Machine, run

from ducto_redis.core import scripts
from ducto_redis.errors import ScriptFailed

MAX_RUNS = 400


class Fault(NamedTuple):
    """A change of one line of one script."""

    name: str
    script: str
    line: str
    planted: str


FAULTS = (
    Fault("a cap is passed by one unit", "lib/gate", "if amount > cap_bound then", "if amount > cap_bound + 1 then"),
    Fault("warnings refuse and denials warn", "lib/cap", "DENY, WARN, NOTIFY = 0, 1", "DENY, WARN, NOTIFY = 1, 0"),
    Fault("ancestors' caps are not asked", "lib/bounds", "for i = 1, #levels do", "for i = #levels, #levels do"),
    Fault("spend does not roll up", "lib/spend", "for i = 1, #levels do", "for i = #levels, #levels do"),
    Fault("what others hold is spent", "lib/bounds", "payer[BALANCE] - payer[HELD] - floor", "payer[BALANCE] - floor"),
    Fault("the floor is forgotten", "lib/bounds", "payer[HELD] - floor", "payer[HELD]"),
    Fault("a refusal keeps the hold", "deduct_credits", "--- @include lib/release_hold", "charged = 0"),
    Fault("a refusal is not remembered", "lib/release_hold", "(refusal ~= OK and WAS_REFUSED or 0)", "0"),
    Fault("reserve_credits counts as admitted", "lib/open_hold", "(admit and amount or 0)", "amount"),
    Fault("settle forgets its admitted part", "settle", "= hold_amount, hold_admitted", "= hold_amount, 0"),
    Fault("settle passes caps in strict", "settle", "and charged > cap_bound", "and charged < 0"),
    Fault("caps bind in every mode", "settle", "hold_flags % (2 * IS_STRICT) >= IS_STRICT and", "true and"),
    Fault("every breach is the first", "lib/spend", "node[kind] - charged <= limit and", "true and"),
    Fault("a repeated grant grants again", "add_credits", "if record then", "if false then"),
    Fault("all grants are purchases", "add_credits", "(purchase and amount or 0)", "amount"),
    Fault("a hold lives a millisecond longer", "lib/expire", "if expires_ms > now_ms or", "if expires_ms >= now_ms or"),
    Fault("a hold is freed twice", "lib/find", "freed and freed.heads[FIELD]", "nil"),
    Fault("months never end", "lib/roll", "if node[MONTH_ID] ~= month then", "if false then"),
    Fault("spend ahead is forgotten", "lib/calendar", "(start >= present and", "(start == present and"),
    Fault("a day that comes again is empty", "lib/calendar", "(start >= present and", "(start > present and"),
    Fault("a wobble reopens a day", "lib/calendar", "ahead = ahead or start >= beyond", "ahead = false"),
    Fault("records go after a minute", "lib/apply", "age_ms >= ROTATE_MS", "age_ms >= 60000"),
    Fault("the previous store is not searched", "lib/find", "(deep or", "(false or"),
    Fault("a direct charge is made twice", "lib/charge", "elseif record then", "elseif false then"),
    Fault(
        "a direct charge forgets its floor", "lib/charge", "flags % 32 >= 16, nil", "flags % 32 >= 16, nil; floor = 0"
    ),
    Fault("a direct charge is not gated", "lib/charge", "--- @include lib/gate", ""),
    Fault("an extension is not gated", "extend", "--- @include lib/gate", ""),
    Fault(
        "an extension forgets its tokens",
        "extend",
        "label_rest + 1, label_tokens + tokens",
        "label_rest + 1, label_tokens",
    ),
    Fault("a crossing is told again", "lib/spend", "> limit and node[kind] - charged <= limit then", "> limit then"),
    Fault("a charge up to a threshold is quiet", "lib/bounds", "(left >= 0 and kind ~= BALANCE)", "false"),
    Fault("a low balance is met a unit late", "lib/bounds", "quiet_bound = -left - 1", "quiet_bound = -left"),
    Fault("a low balance above the payer is told", "lib/spend", "node == payer and ", ""),
    Fault("thresholds are rounded down", "set_spend_cap", "part * percent + 99", "part * percent"),
    Fault("thresholds outlive their cap", "lib/without_cap", "at + CAP_BYTES)", "at + CAP_BYTES) break"),
    Fault("an extension is made twice", "extend", "elseif also_record then", "elseif false then"),
    Fault("every extension counts as admitted", "extend", "(binding and amount or 0)", "amount"),
    Fault("an expiry moves back", "extend", "and now_ms + ttl_ms > expires_ms then", "then"),
    Fault("the index keeps the old expiry", "extend", "= expires_ms, expires_ms", "= expires_ms, hold_expires_ms"),
    Fault("the entry of an extension says the total", "extend", "now_ms, amount,", "now_ms, total,"),
    Fault("a successor is not gated", "lib/succeed", "--- @inline lib/gate", ""),
    Fault("a successor forgets its floor", "lib/succeed", "used_model = own_model", "used_model, floor = own_model, 0"),
    Fault("every successor counts as admitted", "lib/succeed", "hold_flags % 2 == IS_ADMITTED", "true"),
    Fault("a refused successor is told as made", "lib/succeed", "{ LEASE_NOT_FOUND, REPEATED", "{ OK, REPEATED"),
    Fault("a late settlement has its own part", "settle", "own_amount, own_admitted = 0, 0", "own_amount = own_amount"),
    Fault("late settlements are refused all the same", "settle", "bills_late and hold_state", "false and hold_state"),
    Fault("the model at settle is ignored", "settle", "charge_model or used_model", "used_model"),
    Fault("over_cap='record' clamps", "lib/admit", "strict = strict and flags % 16 < 8", "strict = strict"),
    Fault(
        "caps of a model count every model", "lib/spend", "item[T_MODEL] == '' or item[T_MODEL] == used_model", "true"
    ),
    Fault("caps of a model hold every model", "lib/timed_hold", "item[T_MODEL] == held_model", "true"),
    Fault(
        "caps of a model gate every model",
        "lib/timed_bounds",
        "if model == '' or model == used_model then",
        "if true then",
    ),
    Fault(
        "another model's hold is admitted",
        "lib/timed_bounds",
        "and 0 or own_admitted",
        "and own_admitted or own_admitted",
    ),
    Fault("expired holds of a model stay", "lib/expire", "[T_HELD] - admitted", "[T_HELD]"),
    Fault("a new cap of a model forgets its holds", "set_spend_cap", "added[T_HELD] = held_of_model", ""),
    Fault("weeks begin on Sunday", "lib/timed", "345600000", "259200000"),
    Fault("zoned periods never end", "roll_caps", "item[T_SPENT] = shift_counter", "local _ = shift_counter"),
    Fault(
        "hours are days",
        "lib/timed",
        "HOUR_MS, WEEK_MS, MONDAY_MS, FOREVER_MS = 3600000",
        "HOUR_MS, WEEK_MS, MONDAY_MS, FOREVER_MS = 86400000",
    ),
    Fault("a cancelled id is executed", "resolve", "if found == 0 and cancelled < count then", "if false then"),
    Fault("resolving leaves the hold", "resolve", "elseif ends and hold_state == OPEN then", "elseif false then"),
    Fault("others' holds are listed", "read_holds", "or '') == suffix then", "or '') ~= nil then"),
    Fault(
        "a fixed limit is passed by one",
        "lib/rates",
        "rate_used + cost > rate_limit and",
        "rate_used + cost > rate_limit + 1 and",
    ),
    Fault("a bucket is passed by one", "lib/rates", "> burst * period_ms", "> (burst + 1) * period_ms"),
    Fault(
        "the previous window counts in full",
        "lib/rates",
        "(part_ms < period_ms and part_ms or period_ms) / period_ms",
        "1",
    ),
    Fault("the previous window is rounded up", "lib/rates", "weighted - weighted % 1", "weighted"),
    Fault("ancestors' limits are not asked", "lib/rates", "for i = 1, #levels do", "for i = #levels, #levels do"),
    Fault(
        "limits of a model look at every model", "lib/rates", "rate_model == '' or rate_model == label_model", "true"
    ),
    Fault(
        "limits of a type look at every type",
        "lib/rates",
        "rate_operation == '' or rate_operation == label_operation",
        "true",
    ),
    Fault("what continues is a request", "lib/rates", "elseif requests > 0 then", "elseif true then"),
    Fault("a rate speaks before open holds", "lib/rates", "if rate_kind == CONCURRENT or rate_code", "if rate_code"),
    Fault("what a cap refuses is taken", "lib/take_rates", "elseif code == OK then", "else"),
    Fault("what a limit refuses is taken", "lib/take_rates", "code = rate_code", "code, limited = rate_code, rated"),
    Fault("limits refuse nothing", "lib/take_rates", "if rate_code ~= OK then", "if false then"),
    Fault(
        "the burst is ignored",
        "lib/limit_state",
        "burst, next_at = struct.unpack('<i7', items, next_at)",
        "next_at = next_at + 7",
    ),
    Fault(
        "a bucket drains twice",
        "lib/limit_state",
        "(now_ms - last_ms) * rate_limit",
        "2 * (now_ms - last_ms) * rate_limit",
    ),
    Fault("windows never roll", "lib/limit_state", "if start >= last_ms + period_ms then", "if false then"),
    Fault(
        "the previous window is forgotten", "lib/limit_state", "start == last_ms + period_ms and rate_used or 0", "0"
    ),
    Fault("a step back reopens the window", "lib/limit_state", "last_ms - now_ms > period_ms", "last_ms > now_ms"),
    Fault("a step back freezes the limit", "lib/limit_state", "last_ms - now_ms > period_ms", "false"),
    Fault("weeks of limits begin on Thursday", "lib/limit_state", "period_ms % WEEK_MS == 0 and MONDAY_MS or 0", "0"),
    Fault("amounts are not corrected", "lib/correct_rates", "more = actual_amount - estimated_amount", "more = 0"),
    Fault("tokens are not corrected", "lib/correct_rates", "more = actual_tokens - label_tokens", "more = 0"),
    Fault("a place is not given back", "lib/correct_rates", "more = -1", "more = 0"),
    Fault("a limit corrects what it never counted", "lib/correct_rates", "and admitted_sequence > since", ""),
    Fault(
        "a bucket gives back what has drained",
        "lib/correct_rates",
        "left < -more * period_ms and -left or more",
        "more",
    ),
    Fault(
        "a window gives back another's use",
        "lib/correct_rates",
        "elseif rate_kind == FIXED and more < 0 and",
        "elseif false and",
    ),
    Fault(
        "the previous window gives nothing back",
        "lib/correct_rates",
        "if admitted_ms >= last_ms - period_ms and",
        "if false and",
    ),
    Fault(
        "a limit set again forgets",
        "set_limit",
        "if replaced and string.byte(replaced) == given_kind",
        "if false",
    ),
    Fault("a new limit forgets open holds", "set_limit", "open = open + 1", "open = 0"),
    Fault("a successor asks for a place", "lib/succeed", "hold_state == OPEN and 2 or 1", "1"),
    Fault("a successor is a request", "lib/succeed", "label, 0, hold_state", "label, 1, hold_state"),
    Fault(
        "a successor forgets when it was admitted",
        "lib/succeed",
        "rate_shadowed and -now_ms or now_ms)",
        "0)",
    ),
    Fault("a default cap stands beside an own one", "lib/merge_defaults", "string.byte(own, each) == kind", "false"),
    Fault("a default limit stands beside an own one", "lib/merge_defaults", "elseif kept ~= true then", "else"),
    Fault("plans are not looked at", "lib/read_defaults", "of_plans[place] and found[of_plans[place]] or", ""),
    Fault(
        "default limits forget what was used",
        "lib/merge_defaults",
        "elseif kept and string.byte(kept) == kind then",
        "elseif false then",
    ),
    Fault("a default counts no open holds", "lib/merge_defaults", "nodes[merged_path][OPEN_HOLDS]", "0"),
    Fault("an own limit in place of a default begins anew", "set_limit", "found_limit or found_default", "found_limit"),
    Fault("what defaults have used counts for others", "lib/apply", "'m' .. path, string.sub", "'m', string.sub"),
    Fault("a shadow refuses", "lib/rates", "refuses and what % 8 >= IS_SHADOW", "false"),
    Fault("a shadow takes what it would have refused", "lib/rates", "(rate_kind == CONCURRENT and cost or 0)", "cost"),
    Fault(
        "a shadow is corrected of what it never took",
        "lib/correct_rates",
        "and not (label_shadowed and what % 8 >= IS_SHADOW)",
        "",
    ),
    Fault(
        "what a shadow would have refused is not counted", "lib/rates", "#packed_limit - 6) + 1)", "#packed_limit - 6))"
    ),
    Fault(
        "shadow caps count refusals of others",
        "lib/take_rates",
        "string.sub(notes, 1, -1 - #shadow_notes), nil",
        "notes, shadowed",
    ),
    Fault("a shadow cap forgets what was counted", "lib/count_shadows", "known_count, known_total\n", "0, 0\n"),
    Fault(
        "a shadow cap stands in its cap's place",
        "lib/without_cap",
        "and (string.byte(kept_caps, at + 1) == SHADOW) == is_shadow_cap",
        "",
    ),
    Fault("a shadow looks at spend alone", "lib/gate", "limit - node[kind] - node[ADMITTED]\n", "limit - node[kind]\n"),
    Fault("memberships are not asked", "lib/within_levels", "if not is_listed[level] then", "if false then"),
    Fault("a settled hold forgets its memberships", "lib/found_hold", "== WITHIN_NOTE then", "== 300 then"),
    Fault("an expired hold forgets its memberships", "lib/expire", "== WITHIN_NOTE then", "== 300 then"),
    Fault(
        "an extended or succeeded hold loses its memberships",
        "lib/gate",
        "notes, shadowed = within_note .. notes, nil",
        "shadowed = nil",
    ),
    Fault(
        "a membership that is met twice counts twice",
        "lib/within_levels",
        "is_listed[listed[at]] = true",
        "is_listed[listed[at]] = nil",
    ),
    Fault(
        "a freed hold comes back with a membership",
        "lib/load_level",
        "if level_node and not nodes[level] then",
        "if level_node then",
    ),
    Fault("open holds within are not counted", "lib/holds_below", "== WITHIN_NOTE then", "== 300 then"),
    Fault("timed shadows are not counted", "lib/timed_shadows", "item[T_ACTION] == SHADOW and (", "false and ("),
    Fault("a timed shadow looks at spend alone", "lib/timed_shadows", "item[T_SPENT] - held\n", "item[T_SPENT]\n"),
    Fault(
        "a timed threshold is met a unit early",
        "lib/timed_notes",
        "threshold = item[T_LIMIT] + 1",
        "threshold = item[T_LIMIT]",
    ),
    Fault(
        "thresholds outlive a timed cap",
        "lib/kept_timed",
        "(each[T_ACTION] == SHADOW) == is_shadow_cap then",
        "(each[T_ACTION] == SHADOW) == is_shadow_cap and each[T_ACTION] < THRESHOLD then",
    ),
    Fault(
        "a timed shadow stands in its cap's place",
        "lib/kept_timed",
        "and (each[T_ACTION] == SHADOW) == is_shadow_cap then",
        "then",
    ),
    Fault("charges are made though the backlog is full", "lib/charge", "elseif backlog_full then", "elseif false then"),
    Fault("holds are succeeded though it is", "lib/succeed", "elseif backlog_full then", "elseif false then"),
    Fault("no hold is renewed while it is", "extend", "backlog_full and amount > 0 then", "backlog_full then"),
    Fault("defaults take off that it is", "set_defaults", "mark .. ARGV[at + 1]", "ARGV[at + 1]"),
    Fault(
        "a charge up to a timed threshold is quiet",
        "lib/timed_bounds",
        "(item[T_ACTION] < THRESHOLD or left >= 0)",
        "item[T_ACTION] < THRESHOLD",
    ),
)


@contextmanager
def planted(fault: Fault | None) -> Iterator[None]:
    """A copy of the scripts, with the fault, in place of the real ones."""
    with tempfile.TemporaryDirectory(prefix="ducto-") as folder:
        copy = Path(shutil.copytree(scripts.lua_root(), Path(folder) / "lua"))
        if fault:
            path = copy / f"{fault.script}.lua"
            text = path.read_text(encoding="utf-8")
            assert fault.line in text, f"lua/{fault.script}.lua has changed: plant {fault.name!r} anew"
            path.write_text(text.replace(fault.line, fault.planted), encoding="utf-8")
        with mock.patch.object(scripts, "lua_root", return_value=copy):
            scripts._build.cache_clear()
            try:
                yield
            finally:
                scripts._build.cache_clear()


def hunt(url: str, runs: int, tally: Counter[str]) -> None:
    run(url, runs, tally, phases=[Phase.generate], database=None, derandomize=True, print_blob=False)


def is_found(url: str, fault: Fault, tally: Counter[str], seed: int | None = None) -> bool:
    """Whether the machine sees the fault, by a wrong answer or by the scripts' own check of their sums."""
    Machine._hypothesis_internal_use_seed = seed
    with planted(fault):
        try:
            hunt(url, MAX_RUNS, tally)
        except AssertionError:
            return True
        except ScriptFailed as error:
            return "ducto:" in str(error)
        finally:
            Machine._hypothesis_internal_use_seed = None
    return False
