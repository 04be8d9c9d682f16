"""``ducto-redis events``: what crossed a threshold, as a table, as JSON lines, and on and on."""

from __future__ import annotations

import json

from ducto_redis import SpendCap
from ducto_redis.cli import events


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
