"""Killed workers strand nothing: their holds are free when their time is over; a counter they kept is not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import workers

KILLED = 200


def test_killed_workers_leave_nothing_held(server, namespace, record_property):
    """200 processes die by SIGKILL at any step of reserve and settle: 0 holds left after their time to live."""
    seen = workers.run(server, namespace, KILLED, 7)
    figure = f"{seen['killed']} workers killed: {seen['held after']} holds left of {seen['held before']}"
    record_property("figure", f"{figure} after their time; unprotected control, a counter: {seen['naive left']} left")
    assert seen["killed"] == KILLED
    assert seen["held before"] > KILLED // 10, seen
    assert (seen["held after"], seen["reserved after"], seen["wrong balances"]) == (0, 0, 0), seen
    assert seen["charges"] > KILLED // 10, seen
    assert seen["naive left"] > 0
