"""Drainers that are killed; ``make chaos-drain N=1000000`` repeats it. ``tests/durable`` has each place one by one."""

from __future__ import annotations

import drains
import pytest
from sql import DATABASES


@pytest.mark.parametrize("name", list(DATABASES))
def test_killed_drainers_lose_and_double_nothing(server, namespace, name, tmp_path, request, record_property):
    """Every entry is a row, once and as it was written."""
    database = DATABASES[name](tmp_path, lambda: request.getfixturevalue("postgres"))
    seen = drains.run(server, namespace, 1_000, 1, database)
    database.close()
    assert (seen["lost"], seen["doubled"], seen["other"]) == (0, 0, 0)
    assert seen["entries"] >= 1_000
    assert seen["killed"] >= 1
    told = f"{seen['entries']} entries, 0 lost, 0 doubled"
    record_property("figure", f"drainers killed {seen['killed']} times, {name}: {told}")
