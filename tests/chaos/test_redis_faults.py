"""Faults of Redis under load; ``make chaos-redis-kills N=1000`` and the like repeat them."""

from __future__ import annotations

import audit
import redis_faults

KILLS = 10


def told(seen):
    """The figure of a run."""
    return (
        f"{seen['acknowledged']:,} operations acknowledged, {seen['faults']} faults, {seen['lost']} lost,"
        f" {seen['credits lost']} credits lost, {seen['credits created']} created, {seen['doubled']} rows doubled"
    )


def nothing_wrong(seen):
    assert {name: seen[name] for name in audit.WRONG} == dict.fromkeys(audit.WRONG, 0), seen
    assert seen["verified"] == 3, seen


def test_killed_with_its_aof_it_loses_nothing(namespace, record_property):
    """SIGKILL under load, appendfsync always: what was acknowledged is there, once; what was in flight is told as
    unknown or repeated under its id, and executed at most once."""
    seen = redis_faults.kills(namespace, KILLS, 1)
    record_property("figure", f"Redis killed, appendfsync always: {told(seen)}; {seen['unknown']} outcomes unknown")
    nothing_wrong(seen)
    assert seen["faults"] == KILLS
    assert seen["acknowledged"] > 50 * KILLS
    assert min(seen["unknown"], seen["sent again"], seen["resolved"]) > 0, seen


def test_control_killed_without_aof(namespace, record_property):
    """All that was acknowledged is gone, and every caller is told so: none goes on with a balance of 0."""
    seen = redis_faults.kills(namespace, 1, 1, fsync="none")
    record_property("figure", f"control, Redis killed without AOF: {told(seen)}")
    assert seen["lost"] == seen["acknowledged"] > 50
    assert seen["wiped"] == 1


def test_control_unknown_sent_again_under_another_id(namespace, record_property):
    """What was executed and not answered is executed twice by callers that give it another id."""
    seen = redis_faults.kills(namespace, KILLS, 1, anew=True)
    record_property("figure", f"control, unknown outcomes sent again under another id: {told(seen)}")
    assert seen["lost"] == 0
    assert seen["doubled"] > 0
