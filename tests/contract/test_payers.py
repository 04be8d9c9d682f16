"""Who pays: an account spends its own credits or those of one above it, whatever levels decide and count."""

from __future__ import annotations

import pytest

from ducto_redis import SpendCap
from ducto_redis.errors import InvalidArgumentError


@pytest.fixture
def team(store):
    """A team with credits; alice spends them, bob his own."""
    store.add_credits("acme/search", 100)
    store.add_credits("acme/search/bob", 10)
    store.add_credits("acme/search/alice", 1)
    assert store.set_payer("acme/search/alice", "acme/search").payer == "acme/search"
    return store


def left(store, account):
    told = store.get_available(account)
    return told.payer, told.balance, told.reserved


def test_the_payers_credits_are_held_and_charged(team):
    """Holds, charges, extensions and successors of alice are the team's; her own credit stays; books balance."""
    hold = team.reserve("acme/search/alice", 40)
    assert (hold.balance, hold.reserved_total) == (100, 40)
    assert left(team, "acme/search/alice") == left(team, "acme/search") == ("acme/search", 100, 40)
    assert team.extend("acme/search/alice", hold, 10).reserved_total == 50
    settled = team.settle("acme/search/alice", hold, 45, next_amount=5)
    assert (settled.balance_after, settled.next_hold.reserved_total) == (55, 5)
    assert team.release("acme/search/alice", settled.next_hold).released
    assert team.deduct("acme/search/alice", 55).balance_after == 0
    assert team.deduct("acme/search/alice", 1).error_code == "insufficient_credits"
    assert team.get_balance("acme/search/alice").balance == 1
    assert left(team, "acme/search/bob") == ("acme/search/bob", 10, 0)
    assert team.verify().differences == ()


def test_caps_of_every_level_decide_all_the_same(team):
    """Spend counts at alice, the team and the root, whoever pays."""
    team.set_spend_cap(SpendCap(user_id="acme/search/alice", limit=30))
    assert team.deduct("acme/search/alice", 30).error_code is None
    assert team.deduct("acme/search/alice", 1).error_code == "cap_reached"
    assert team.deduct("acme/search/bob", 5).balance_after == 5
    team.set_spend_cap(SpendCap(user_id="acme", limit=35))
    assert team.check_spend_cap("acme").current_spend == 35
    assert team.deduct("acme/search", 1).error_code == "cap_reached"


def test_open_holds_keep_their_payer(team, api):
    """A change of payer is for what comes: what was held of the team is charged there, late ones too."""
    first = team.reserve("acme/search/alice", 20)
    late = team.reserve("acme/search/alice", 20, ttl=60)
    seeds = team.reserve_credits("acme/search/alice", 7)
    team.set_payer("acme/search/alice", "acme/search/alice")
    assert team.reserve("acme/search/alice", 2).error_code == "insufficient_credits"
    assert team.settle("acme/search/alice", first, 15).balance_after == 85
    assert team.deduct_credits("acme/search/alice", seeds.hold_id, 7).balance_after == 78
    api.clock.advance(seconds=61)
    assert left(team, "acme/search") == ("acme/search", 78, 0)
    assert team.settle("acme/search/alice", late, 8, late_settlement="bill").balance_after == 70
    assert left(team, "acme/search/alice") == ("acme/search/alice", 1, 0)
    assert team.verify().differences == ()


def test_floors_are_the_payers(team):
    """min_balance and overdraft are about the balance that pays."""
    assert team.reserve("acme/search/alice", 60, min_balance=41).error_code == "insufficient_credits"
    assert team.reserve("acme/search/alice", 110, billing_mode="overdraft", overdraft_floor=-10).error_code is None


def test_only_the_account_or_one_above_it_can_pay(team):
    """A brother, a child, a stranger, nobody: refused with who could."""
    for payer in ("acme/search/bob", "acme/search/alice/x", "other", "", None):
        with pytest.raises(InvalidArgumentError, match="'acme', 'acme/search', 'acme/search/alice'"):
            team.set_payer("acme/search/alice", payer)
    assert team.set_payer("acme", "acme").payer == "acme"
