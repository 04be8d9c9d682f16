"""The machine finds what it is there to find: faults planted in a copy of the scripts are seen within few runs."""

from __future__ import annotations

from collections import Counter

import pytest
from faults import FAULTS, hunt, is_found, planted

QUICK = (
    "warnings refuse and denials warn", "spend does not roll up", "settle forgets its admitted part",
    "a direct charge is not gated", "others' holds are listed", "windows never roll", "memberships are not asked",
    "a default cap stands beside an own one", "charges are made though the backlog is full",
)  # fmt: skip


def test_the_copy_itself_is_right(server):
    """Without a fault nothing is found in as many runs as most faults need."""
    tally: Counter[str] = Counter()
    with planted(None):
        hunt(server.url, 6, tally)
    assert tally["steps"] >= 100


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in QUICK], ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(server, fault):
    """Those that are met soon; ``make chaos-faults`` plants all."""
    assert is_found(server.url, fault, Counter())


def test_every_fault_can_be_planted():
    """Each stands for a line that is there, also those that only the long run plants."""
    for fault in FAULTS:
        with planted(fault):
            pass
    assert len(FAULTS) >= 40
    assert set(QUICK) <= {fault.name for fault in FAULTS}
