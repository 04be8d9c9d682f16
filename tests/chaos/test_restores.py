"""Accounts restored from SQL, compared one by one; ``make chaos-restores N=1000000`` for more."""

from __future__ import annotations

import pytest
import restores
from sql import DATABASES

ACCOUNTS = 1_000


@pytest.mark.parametrize("name", list(DATABASES))
def test_accounts_come_back(server, namespace, name, tmp_path, request, record_property):
    """A wipe after the last drain: 0 accounts differ; the control, a copy of each from before, lost what came."""
    database = DATABASES[name](tmp_path, lambda: request.getfixturevalue("postgres"))
    seen = restores.run(server, namespace, ACCOUNTS, 1, database)
    database.close()
    figure = f"{seen['differ']} of {seen['accounts']} accounts differ, {seen['holds']} open holds came back"
    control = f"unprotected control, a copy of each taken before: {seen['differ without']} differ"
    record_property("figure", f"wiped and restored from {name}: {figure}; {control}")
    assert (seen["differ"], seen["differences"]) == (0, 0)
    assert seen["differ without"] > ACCOUNTS // 2
    assert seen["holds"] >= ACCOUNTS // 4
