"""``ducto-redis defaults`` and ``plan``: set, list, remove; who is on which plan."""

from __future__ import annotations

import json

import pytest

from ducto_redis import SpendCap


def test_tiers_are_set_and_hold(run):
    """The seed's: 5,000 a day for the free tier, 50,000 for enterprise."""
    run("defaults", "set", "--plan", "free", "--cap", "daily=5000", "--rate", "60/minute", "--concurrency", "4")
    shown = run("defaults", "set", "--plan", "enterprise", "--cap", "daily=50000", "--cap", "monthly=9:warn").output
    for text in ("plan free", "5000 daily, deny", "60/minute requests, gcra", "4 open at once", "9 monthly, warn"):
        assert text in shown
    run.store.add_credits("alice", 100_000)
    assert run("plan", "alice", "free").output == "'alice' is on plan 'free'\n"
    assert run.store.deduct("alice", 5_001).error_code == "cap_reached"
    run("plan", "alice", "enterprise")
    assert run.store.deduct("alice", 5_001).error_code is None


def test_listing_as_json(run):
    """One object: version and sets, as they were given."""
    run(
        "defaults",
        "set",
        "--level",
        "2",
        "--rate",
        "100k/minute:tokens",
        "--rate",
        "9/s:shadow",
        "--cap",
        "total=5:shadow",
    )
    told = json.loads(run("defaults", "list", "--json").output)
    assert told["version"] == 1
    [each] = told["sets"]
    assert (each["level"], each["limits"][0]["rate"], each["limits"][0]["counts"]) == (2, "100k/minute", "tokens")
    assert (each["limits"][1]["shadow"], each["caps"][0]["shadow"]) == (True, True)
    assert "5 total, shadow" in run("defaults", "list").output


def test_removing(run):
    """What is there goes; what is not there ends with 1."""
    run("defaults", "set", "--cap", "total=7")
    assert run("defaults", "remove").output == "removed what was set for all\n"
    assert json.loads(run("defaults", "remove", "--plan", "x", "--json", code=1).output)["removed"] is False


def test_asking_for_a_plan(run):
    """Told, and left; an account that is not there is an error."""
    run("defaults", "set", "--plan", "pro")
    run.store.add_credits("alice", 1)
    assert run("plan", "alice").output == "'alice' is on no plan\n"
    run("plan", "alice", "pro")
    assert json.loads(run("plan", "alice", "--json").output) == {"user_id": "alice", "plan": "pro"}
    run("plan", "alice", "--none")
    assert run.store.get_available("alice").plan is None
    assert "account_unknown" in run("plan", "nobody", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("defaults", "set", "--cap", "5000"), "PERIOD=CREDITS"),
        (("defaults", "set", "--cap", "hourly=5"), "cap_type"),
        (("defaults", "set", "--cap", "daily=-1"), "limit"),
        (("defaults", "set", "--rate", "fast"), "a rate is"),
        (("plan", "alice", "nope"), "set_defaults"),
        (("plan", "alice", "nope", "--none"), "not both"),
    ],
)
def test_what_is_wrong_is_told(run, words, message):
    """On the error stream, with exit code 2."""
    assert message in " ".join(run(*words, code=2).stderr.split())


def test_shadows_are_set_listed_explained_and_removed(run):
    """``caps`` and ``limits`` with --shadow; the tables say what was counted."""
    run.store.add_credits("alice", 100)
    run("caps", "set", "alice", "50")
    run("caps", "set", "alice", "5", "--shadow")
    run("limits", "set", "alice", "1/hour", "--shadow")
    for _ in range(2):
        assert run.store.deduct("alice", 10).error_code is None
    assert "would have refused 2, of 20" in run("caps", "list", "alice").output
    assert "would have refused 1" in run("limits", "list", "alice").output
    assert run("explain", "alice", "1").output.count("would refuse") == 2
    run("caps", "remove", "alice", "--shadow")
    run("limits", "remove", "alice", "1/hour", "--shadow")
    assert [cap.shadow for cap in run.store.list_spend_caps("alice").caps] == [False]
    assert run.store.list_rate_limits("alice").limits == ()
    assert "a shadow counts" in run("caps", "set", "alice", "5", "--shadow", "--action", "warn", code=2).stderr


def test_explaining_within_a_membership(run):
    """Its caps are in the table; one that is no account is told."""
    run.store.add_credits("acme/alice", 100)
    run.store.set_spend_cap(SpendCap(user_id="acme/p", limit=5))
    told = run("explain", "acme/alice", "6", "--within", "acme/p", code=1).output
    assert "daily cap of 'acme/p' of 5" in told
    assert "account_unknown" in run("explain", "acme/alice", "6", "--within", "acme/q", code=1).output
