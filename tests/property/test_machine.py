"""Random calls and clock steps are answered by the library as by a model that shares no line with it (tests/model.py).

``DUCTO_EXAMPLES`` sets how many runs of up to 50 steps the real server sees. Without it the runs are the same each time
(the test command must not turn red by chance); with it they are drawn anew.
"""

from __future__ import annotations

import os
from collections import Counter

from machine import run

EXAMPLES = int(os.environ.get("DUCTO_EXAMPLES", "234"))
FIXED = "DUCTO_EXAMPLES" not in os.environ


def assert_mixed(tally: Counter[str]) -> None:
    """Steps of every kind were met: a run of refusals, or one in which time stands still, proves nothing."""
    told = dict(sorted(tally.items()))
    steps, holds = tally["steps"], tally["reserve: done"]
    asked = tally["calls"] - tally["questions"]  # a step may make several calls
    assert tally["sent again"] >= 0.10 * steps, told
    assert tally["replayed"] >= 0.07 * steps, told
    assert 0.10 * asked <= tally["refused"] <= 0.50 * asked, told
    assert tally["settle: done"] + tally["deduct: done"] >= 0.08 * steps, told
    assert tally["expired"] >= 0.05 * holds, told
    assert tally["backward"] >= 0.03 * steps, told
    met = (
        "carried", "shortfall", "breached", "forgotten", "deduct: cap_reached", "settle: lease_expired",
        "deduct: lease_expired", "settle: lease_not_found", "release: released", "release: already_settled",
        "reserve: cap_reached", "reserve: account_unknown", "crossed",
        *(f"{name}: backlog_full" for name in ("reserve", "charge", "extend", "successor", "reserve_many")),
    )  # fmt: skip
    assert not [kind for kind in met if tally[kind] == 0], told


def test_a_real_server_answers_like_the_model(server, record_property):
    """Over 10,000 steps, every answer, balance, hold, spend and cap is the model's; deny caps hold."""
    tally = run(server.url, EXAMPLES, derandomize=FIXED)
    told = (
        f"{tally['steps']} steps, {tally['calls']} calls, {tally['refused']} refused, {tally['sent again']} sent again"
    )
    record_property("figure", f"model and real server: {told}, 0 differences")
    assert tally["steps"] >= (10_000 if FIXED else 33 * EXAMPLES), tally
    if EXAMPLES >= 200:
        assert_mixed(tally)


def test_the_embedded_engine_answers_like_the_model():
    """The same on the embedded engine, whose packing of numbers is another."""
    tally = run("memory://machine", max(1, EXAMPLES // 48), derandomize=FIXED)
    print(dict(sorted(tally.items())))
    assert tally["steps"] >= EXAMPLES // 2
