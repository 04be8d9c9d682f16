"""The commands that look at one account, its caps and holds: tables, JSON, exit codes, clear errors."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from ducto_redis import RateLimit, SpendCap
from ducto_redis.cli.app import app


def told(result):
    return json.loads(result.stdout)


def test_top_up_and_balance(run):
    """Credits are granted once per key and shown exactly."""
    granted = told(run("top-up", "alice", "500.25", "--key", "invoice-17", "--json"))
    assert (granted["amount"], granted["new_balance"], granted["idempotent"]) == ("500.25", "500.25", False)
    assert told(run("top-up", "alice", "500.25", "--key", "invoice-17", "--json"))["idempotent"] is True
    run.store.reserve("alice", 100)
    assert told(run("balance", "alice", "--json")) == {
        "user_id": "alice", "balance": "500.25", "reserved": "100", "available": "400.25",
        "lifetime_purchased": "500.25",
        "plan": None,
        "low_balance": None,
    }  # fmt: skip
    assert "400.25" in run("balance", "alice").output


def test_what_cannot_be_done_says_why_and_exits_with_2(run):
    """Unknown accounts, amounts, periods, zones; nothing is written."""
    assert "account_unknown" in run("balance", "nobody", code=2).stderr
    assert "invalid_amount" in run("top-up", "alice", "much", code=2).stderr
    assert "cap_type" in run("caps", "set", "alice", "5", "--period", "fortnightly", code=2).stderr
    assert "time zone" in run("caps", "set", "alice", "5", "--timezone", "Mars/Olympus", code=2).stderr
    assert "anchor_day belongs to monthly caps" in run("caps", "set", "alice", "5", "--anchor-day", "15", code=2).stderr
    assert "week_start" in run("caps", "set", "alice", "5", "--period", "weekly", "--week-start", "x", code=2).stderr
    assert run.store.list_accounts() == []


def test_an_absent_server_or_namespace_is_told(server):
    """Exit code 2 and a message, no traceback."""
    result = CliRunner().invoke(app, ["verify", "--redis", server.url, "--namespace", "absent"])
    assert (result.exit_code, "namespace_unknown" in result.output) == (2, True)


def test_caps_are_set_listed_and_removed(run):
    """Every kind of cap; removing what is not there exits with 1."""
    run("caps", "set", "alice", "5000")
    run(
        "caps",
        "set",
        "alice",
        "200",
        "--period",
        "monthly",
        "--action",
        "warn",
        "--model",
        "gpt",
        "--timezone",
        "Asia/Tokyo",
    )
    listed = told(run("caps", "list", "alice", "--json"))
    assert [(cap["cap_type"], cap["limit"], cap["action"], cap["model"], cap["timezone"]) for cap in listed] == [
        ("daily", "5000", "deny", None, "UTC"), ("monthly", "200", "warn", "gpt", "Asia/Tokyo"),
    ]  # fmt: skip
    assert told(run("caps", "remove", "alice", "--json"))["removed"] is True
    run("caps", "remove", "alice", code=1)
    assert "Asia/Tokyo" in run("caps", "list", "alice").output
    [cap] = told(run("caps", "set", "bob", "100", "--threshold", "80", "--threshold", "50", "--json"))
    assert cap["thresholds"] == [50, 80]
    assert "50 %, 80 %" in run("caps", "list", "bob").output
    run("caps", "set", "bob", "100", "--threshold", "101", code=2)


def test_weeks_and_months_start_where_they_are_told_to(run):
    """--week-start and --anchor-day are kept, shown beside the zone and told in JSON."""
    run("caps", "set", "alice", "50", "--period", "weekly", "--week-start", "sunday", "--timezone", "Asia/Tokyo")
    run("caps", "set", "alice", "900", "--period", "monthly", "--anchor-day", "31")
    listed = told(run("caps", "list", "alice", "--json"))
    assert [(cap["cap_type"], cap["timezone"], cap["week_start"], cap["anchor_day"]) for cap in listed] == [
        ("weekly", "Asia/Tokyo", "sunday", 1), ("monthly", "UTC", "monday", 31),
    ]  # fmt: skip
    shown = run("caps", "list", "alice").output
    assert "from sunday" in " ".join(shown.split())
    assert "day 31" in " ".join(shown.split())


def test_the_report_lists_who_is_over_a_warn_cap(run):
    """Largest overshoot first; deny caps and caps that are not passed are left out."""
    for user, spent in (("a", 30), ("b/team", 80), ("c", 5), ("d", 50)):
        run.store.add_credits(user, 100)
        run.store.set_spend_cap(SpendCap(user_id=user, limit=20, action="deny" if user == "d" else "warn"))
        if user != "d":
            run.store.deduct(user, spent)
    assert [(cap["scope"], cap["spent"]) for cap in told(run("caps", "report", "--json"))] == [
        ("b/team", "80"),
        ("a", "30"),
    ]


def test_holds_are_listed(run):
    """Soonest expiry first, with what a caller gave at admission."""
    run.store.add_credits("alice", 100)
    run.store.reserve("alice", 10, "chat", model="gpt", ttl=500, idempotency_key="late")
    run.store.reserve_credits("alice", 5, ttl=100, idempotency_key="soon/{}")
    listed = told(run("holds", "alice", "--json"))
    assert listed["total"] == 2
    assert [(hold["hold_id"], hold["amount"], hold["admitted"], hold["model"]) for hold in listed["holds"]] == [
        ("soon/{}", "5", False, None), ("late", "10", True, "gpt"),
    ]  # fmt: skip
    assert "soon/{}" in run("holds", "alice").output


def test_verify_passes_on_what_the_scripts_wrote(run):
    """Holds, caps and charges of several accounts: nothing differs."""
    for user in ("a", "b/c", "{d}"):
        run.store.add_credits(user, 100)
        run.store.set_spend_cap(SpendCap(user_id=user, limit=20, cap_type="hourly"))
        run.store.reserve(user, 5)
        run.store.deduct(user, 5)
    result = told(run("verify", "--json"))
    assert (result["roots"], result["holds"], result["differences"], result["unverifiable"]) == (3, 3, [], 0)


def test_verify_finds_what_was_changed_behind_the_scripts(run, server):
    """A forged balance, a hold taken from the index, a lost state: exit code 1 and the account is named."""
    for user in ("a", "b", "c"):
        run.store.add_credits(user, 100)
        run.store.reserve(user, 5)
    keys = {user: run.store._space.keys.account(user).keys for user in "abc"}
    node = server.client.hget(keys["a"][0], "n")
    server.client.hset(keys["a"][0], "n", b"\xff" + node[1:])
    server.client.delete(keys["b"][1])
    server.client.delete(keys["c"][0])
    result = told(run("verify", "--json", code=1))
    assert {(each["root"], each["what"].split()[0]) for each in result["differences"]} == {
        ("a", "node"), ("b", "open"), ("c", "state"),
    }  # fmt: skip


def test_a_trimmed_ledger_is_not_called_verified(run, server, namespace):
    """Without its first entries an account cannot be verified, and is counted so."""
    run.store.add_credits("a", 100)
    shard = run.store._space.keys.account("a").shard
    for _ in range(3):
        run.store.add_credits("a", 1)
    server.client.xtrim(f"{namespace}:{{{shard}}}:ledger", maxlen=2, approximate=False)
    result = told(run("verify", "--json"))
    assert (result["unverifiable"], result["differences"]) == (1, [])


def test_every_command_has_help_with_an_example():
    """--help of each command shows how it is called."""
    for words in (["balance"], ["holds"], ["top-up"], ["verify"], ["ledger"], ["replay"], ["caps", "set"],
                  ["caps", "report"], ["limits", "set"], ["limits", "list"], ["limits", "remove"]):  # fmt: skip
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0
        assert "Example" in result.output
        assert f"ducto-redis {words[0]}" in result.output


def test_explain_says_what_would_be_decided(run):
    """A table and JSON of every cap and limit; exit code 1 for a refusal, 2 for bad input; nothing is taken."""
    run.store.add_credits("team/alice", 50)
    run.store.set_spend_cap(SpendCap(user_id="team", limit=20))
    run.store.set_rate_limit("team/alice", RateLimit("100/minute", counts="tokens"))
    seen = told(run("explain", "team/alice", "5", "--tokens", "60", "--json"))
    assert (seen["allowed"], [cap["cap_type"] for cap in seen["caps"]]) == (True, ["daily"])
    assert [limit["remaining"] for limit in seen["limits"]] == [100]
    seen = told(run("explain", "team/alice", "21", "--json", code=1))
    assert (seen["reason"], seen["scope"], seen["caps"][0]["refused"]) == ("cap_reached", "team", True)
    table = run("explain", "team/alice", "5", "--tokens", "101", code=1).output
    assert "rate_limited: 100 tokens/minute" in table
    assert "refuses" in table
    assert "invalid_amount" in run("explain", "team/alice", "much", code=2).stderr
    assert run.store.get_available("team/alice").reserved == 0
