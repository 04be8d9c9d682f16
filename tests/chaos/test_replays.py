"""A replay whose Redis is killed and restored from SQL in the middle; ``make chaos-replays N=100000`` repeats it."""

from __future__ import annotations

import pytest
import replays
from sql import DATABASES

REQUESTS = 200


@pytest.mark.parametrize("variant", replays.VARIANTS)
@pytest.mark.parametrize("name", list(DATABASES))
def test_books_balance_over_a_kill(namespace, name, variant, tmp_path, request, record_property):
    """SIGKILL, an empty server, a restore: grants = balances + charges in Redis and in SQL, to the unit, and both are
    what callers were told; nothing is there twice. Nothing is lost where all was drained; else what is lost is made
    anew, once, when it is sent again."""
    database = DATABASES[name](tmp_path, lambda: request.getfixturevalue("postgres"))
    seen = replays.run(namespace, database, REQUESTS, 1, variant)
    database.close()
    again = seen["repeated"] + seen["anew"] + seen["refused now"]
    told = f"{seen['lost']} lost ({seen['credits lost']} credits), {seen['doubled']} rows doubled, "
    told += f"{seen['units created']} units created, {seen['repeated']} of {again} known when sent again"
    record_property(
        "figure", f"replay, killed and restored, {variant}, {name}: {seen['acknowledged']} operations, {told}"
    )
    assert replays.wrong(seen) == {}
    assert seen["acknowledged"] >= REQUESTS
    assert seen["NeedsRestore"] >= 4  # the empty server, and at three steps of the restore
    assert seen["StoreUnavailable"] + seen["OutcomeUnknown"] >= 1
    if variant == "quiet":
        assert (seen["lost"], seen["anew"], seen["refused now"]) == (0, 0, 0)
        assert seen["repeated"] == seen["acknowledged"]
    else:
        assert 0 < seen["lost"] <= seen["anew"] + seen["refused now"] < seen["repeated"]
        assert seen["anew"] > 0


def test_a_restore_that_forgets_is_found(namespace, tmp_path, monkeypatch, record_property):
    """A planted fault: operations that have ended are not brought back, so what is sent again is executed twice."""
    monkeypatch.setattr("ducto_redis.durable.restore.known_since", lambda *_: 2**60)
    database = DATABASES["sqlite"](tmp_path, lambda: None)
    seen = replays.run(namespace, database, REQUESTS, 1, "quiet")
    database.close()
    record_property("figure", f"replay, control, a restore without operation records: {seen['doubled']} rows doubled")
    assert seen["doubled"] > 10
    assert replays.wrong(seen)["not once"] >= seen["doubled"]


def test_the_control_loses_everything(record_property):
    """The same kill without a durable store: nothing of what callers were told is there."""
    seen = replays.control(REQUESTS, 1)
    record_property(
        "figure",
        f"unprotected control, no durable store: {seen['acknowledged']} of {seen['acknowledged']} operations lost, "
        f"{seen['granted']} credits granted, {seen['charged']} of them charged, {seen['units left']} left",
    )
    assert (seen["units left"], seen["roots left"]) == (0, 0)
    assert seen["acknowledged"] >= REQUESTS / 2
    assert seen["granted"] > seen["charged"] > 0
