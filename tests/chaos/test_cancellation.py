"""Cancelled asyncio calls: no later call reads their reply, and what they may have held is free after its time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import cancellation

CANCELLED = 2_000


@pytest.mark.parametrize("own", [False, True], ids=["pool", "kept"])
def test_cancelled_at_every_await_point(server, namespace, record_property, own):
    """2,000 calls cancelled at each of their await points in three ways: 0 wrong replies, 0 holds left, and every
    connection back in the pool."""
    seen = cancellation.run(server, namespace, CANCELLED, own=own)
    figure = f"{seen['cancelled']} calls cancelled at up to {seen['deepest'] + 1} await points: {seen['wrong replies']}"
    record_property("figure", f"{figure} wrong replies, {seen['held after']} holds left of {seen['held before']}")
    assert seen["cancelled"] >= CANCELLED
    assert (seen["wrong replies"], seen["held after"], seen["connections kept"], seen["errors"]) == (0, 0, 0, 0), seen
    assert seen["held before"] > 0
    assert seen["deepest"] >= 4, seen


def test_cancelled_while_a_level_waits(server, namespace, record_property):
    """Calls with a WAIT behind them have two replies outstanding: 0 wrong replies all the same."""
    waits = server.client.info("commandstats").get("cmdstat_wait", {}).get("calls", 0)
    seen = cancellation.run(server, namespace, 300, waits=True)
    waits = server.client.info("commandstats")["cmdstat_wait"]["calls"] - waits
    figure = f"{seen['cancelled']} calls cancelled with a WAIT behind them: {seen['wrong replies']} wrong replies"
    record_property("figure", figure)
    assert (seen["wrong replies"], seen["held after"], seen["connections kept"], seen["errors"]) == (0, 0, 0, 0), seen
    assert seen["cancelled"] >= 300
    assert waits >= 100


def test_the_unprotected_control_reads_wrong_replies(server, record_property):
    """A connection that is kept after a cancelled call answers the next question with the last one's reply."""
    wrong = cancellation.unprotected(server, 100)
    record_property("figure", f"unprotected control, one connection kept: {wrong} wrong replies to 100 questions")
    assert wrong > 0
