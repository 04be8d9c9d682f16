"""Drainers that are killed; ``make chaos-drain N=1000000`` repeats it. ``tests/durable`` has each place one by one."""

from __future__ import annotations

import drains


def test_killed_drainers_lose_and_double_nothing(server, namespace, record_property):
    """Every entry is a row, once and as it was written."""
    seen = drains.run(server, namespace, 2_000, 1)
    assert (seen["lost"], seen["doubled"], seen["other"]) == (0, 0, 0)
    assert seen["entries"] >= 2_000
    assert seen["killed"] >= 1
    record_property("figure", f"drainers killed {seen['killed']} times: {seen['entries']} entries, 0 lost, 0 doubled")
