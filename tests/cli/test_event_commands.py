"""``ducto-redis events``: what crossed a threshold, as a table, as JSON lines, and on and on."""

from __future__ import annotations

import json

import redis
from typer.testing import CliRunner

from ducto_redis import SpendCap
from ducto_redis.cli import events
from ducto_redis.cli.app import app


def crossed(store, user):
    store.add_credits(user, 100)
    store.set_spend_cap(SpendCap(user_id=user, limit=10, thresholds=[80]))
    store.deduct(user, 8)


def test_events_are_listed(run):
    """Account, per cent, cap and spend; in JSON one event per line."""
    crossed(run.store, "alice")
    assert "80 % of the daily cap of 10: 8 spent" in run("events").output
    run.store.set_low_balance("alice", 91)
    run.store.deduct("alice", 1)
    assert "balance 91, low at 91" in run("events").output
    line, _ = run("events", "--json").output.splitlines()
    told = json.loads(line)
    assert (told["type"], told["user_id"], told["data"]["spent"]) == ("credits.cap_threshold", "alice", "8")


def test_following_goes_on_until_it_is_stopped(run, monkeypatch):
    """What comes between two looks is told by the next one; Ctrl-C ends it cleanly."""
    crossed(run.store, "alice")
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt
        if len(looks) == 1:
            crossed(run.store, "bob")

    monkeypatch.setattr(events, "pause", wait)
    lines = run("events", "--follow").output.splitlines()
    assert [line.split()[2] for line in lines] == ["alice", "bob"]
    assert looks == [1.0, 1.0, 1.0]


def test_names_are_no_markup(run):
    """Brackets in an account's name are shown as they are, here and in other tables."""
    for user in ("[red]a", "b[/x]"):
        crossed(run.store, user)
        run.store.reserve(user, 1, model=user)
    table = run("events").output
    assert "[red]a" in table
    assert "b[/x]" in table
    assert "b[/x]" in run("holds", "b[/x]").output


def test_strange_entries_are_listed(run, server):
    """With their fields, as a row and as a line; nothing stops."""
    crossed(run.store, "alice")
    redis.Redis.from_url(server.url).xadd(run.store._space.keys.events_key(0), {"type": "[/new]", "x": "1"})
    assert "unreadable: {'type': '[/new]', 'x': '1'}" in run("events").output
    told = [json.loads(line) for line in run("events", "--json").output.splitlines()]
    assert [event["type"] for event in told] == ["credits.cap_threshold", "unreadable"]


def test_nothing_to_tell(run):
    """An empty table, and in JSON no line."""
    assert "Events of" in run("events").output
    assert run("events", "--json").output == ""


def test_a_namespace_that_is_not_there_is_an_error(server):
    """Exit code 2 and a message, as of other commands."""
    result = CliRunner().invoke(app, ["events", "--redis", server.url, "--namespace", "nobody"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "namespace_unknown" in result.stderr
