"""An operation is executed once, whatever happens to its requests and replies; an unprotected script is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import executions

OPERATIONS = 1_000


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_executions_per_operation(server, namespace, asynchronous, record_property):
    """A third of all requests disturbed, the client's own retries on: each operation has one ledger entry and tells
    its caller the first answer, with its event."""
    seen = executions.run(server, namespace, OPERATIONS, 7, asynchronous=asynchronous)
    per_operation = seen["executions"] / seen["operations"]
    kind = "async" if asynchronous else "sync"
    figure = f"{kind}: {per_operation:.3f} executions of {seen['operations']} operations, {seen['faults']} faults"
    record_property("figure", figure)
    assert seen["operations"] == seen["executions"] == OPERATIONS
    assert (seen["not once"], seen["told repeated"], seen["without event"]) == (0, 0, 0), seen
    assert seen["faults"] >= OPERATIONS // 4
    assert min(seen[kind] for kind in ("reply lost", "reply cut", "reply twice", "request lost", "request twice")) > 20
    assert min(seen["reply delayed"], seen["request late"]) > 1, seen


def test_the_unprotected_control_executes_twice(server, namespace, record_property):
    """redis-py's client as it comes repeats a script whose reply was lost: more executions than calls."""
    calls = 200
    made = executions.unprotected(server, f"{namespace}-control", calls, 7)
    record_property(
        "figure", f"unprotected control, redis-py's retries: {made / calls:.3f} executions of {calls} calls"
    )
    assert made > calls
