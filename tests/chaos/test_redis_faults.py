"""Faults of Redis under load; ``make chaos-redis-kills N=1000`` and the like repeat them."""

from __future__ import annotations

import shutil

import audit
import power
import pytest
import redis_faults

KILLS, POWER_LOSSES, DISTURBANCES, TORN = 10, 5, 12, 8


def told(seen):
    """The figure of a run."""
    return (
        f"{seen['acknowledged']:,} operations acknowledged, {seen['faults']} faults, {seen['lost']} lost,"
        f" {seen['credits lost']} credits lost, {seen['credits created']} created, {seen['doubled']} rows doubled"
    )


def nothing_wrong(seen, **options):
    assert audit.wrong(seen, **options) == {}, seen
    assert seen["verified"] == 3, seen


def on_a_disk(namespace, n, record_property, **options):
    """A run with syncs that are noted; None, told as a figure, where there is no compiler."""
    try:
        return redis_faults.power_losses(namespace, n, 1, **options)
    except power.NotMeasured as why:
        record_property("figure", f"power loss: not measured, {why}")
        return None


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


def test_power_lost_after_a_sync(namespace, record_property):
    """What was not synced is cut off: with appendfsync always no operation was acknowledged before it was synced."""
    seen = on_a_disk(namespace, POWER_LOSSES, record_property)
    if seen:
        figure = f"power lost, appendfsync always: {told(seen)}; {seen['bytes cut']:,} bytes cut"
        record_property("figure", figure)
        nothing_wrong(seen)
        assert seen["faults"] == POWER_LOSSES


def test_control_power_lost_between_syncs(namespace, record_property):
    """appendfsync everysec: what was acknowledged since the last sync is gone, and the rest adds up."""
    seen = on_a_disk(namespace, 2, record_property, fsync="everysec")
    if seen:
        record_property("figure", f"control, power lost, appendfsync everysec: {told(seen)}")
        assert seen["lost"] > 0
        assert audit.wrong(seen, may_lose=True) == {}, seen


def test_control_killed_during_a_sync(namespace, record_property):
    """appendfsync everysec holds writing back while the disk is busy with a sync: killed then, Redis loses what it had
    acknowledged, though the power stays."""
    seen = on_a_disk(namespace, 2, record_property, fsync="everysec", kept=True)
    if seen:
        record_property("figure", f"control, Redis killed during syncs of 0.4 s, appendfsync everysec: {told(seen)}")
        assert seen["lost"] > 0
        assert audit.wrong(seen, may_lose=True) == {}, seen


def test_no_compiler_is_said(namespace, monkeypatch):
    """A machine that cannot show it says so: it has no figure, and shows no 0."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(power.NotMeasured, match="no C compiler"):
        redis_faults.power_losses(namespace, 1, 1)


def test_stopped_flushed_disconnected_and_full(namespace, record_property):
    """SIGSTOP until callers give up, SCRIPT FLUSH, CLIENT KILL, maxmemory reached: nothing is lost; what takes memory
    is refused while it is full, settle and release go on."""
    seen = redis_faults.disturbances(namespace, DISTURBANCES, 1)
    figure = f"Redis stopped, flushed, disconnected, full: {told(seen)}; {seen['no memory']} refused for want of memory"
    record_property("figure", figure)
    nothing_wrong(seen)
    assert min(seen["unknown"], seen["no memory"]) > 0, seen
    assert seen["script failed"] == 0


def test_a_torn_aof_loses_its_end_alone(namespace, record_property):
    """Cut anywhere: no script is half done, if the AOF is rewritten after the start."""
    seen = redis_faults.torn_tails(namespace, TORN, 1)
    record_property("figure", f"AOF torn, rewritten after the start: {told(seen)}")
    nothing_wrong(seen, may_lose=True)
    assert seen["lost"] > 0


def test_control_a_torn_aof_that_is_not_rewritten(namespace, record_property):
    """Redis 7.0 leaves the beginning of a torn script in the file; the next start executes it: ``verify`` tells."""
    seen = redis_faults.torn_tails(namespace, TORN + 4, 1, rewrite=False)
    record_property("figure", f"control, AOF torn and not rewritten: {told(seen)}, {seen['differences']} differences")
    assert seen["differences"] > 0
