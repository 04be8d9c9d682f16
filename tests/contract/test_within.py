"""Memberships (``within=``) on every combination of face and engine: what decides, what counts, until the hold ends."""

from __future__ import annotations

import pytest

from ducto_redis import ChargeItem, ConcurrencyLimit, DefaultCap, RateLimit, ReserveItem, SpendCap
from ducto_redis.events import CAP_THRESHOLD

PROJECT = "acme/projects/p %1"
DAY_MS = 86_400_000


@pytest.fixture
def store(api):
    """alice with credits, and a project beside her team with a cap of 100 a day."""
    made = api.store()
    made.add_credits("acme/search/alice", 1_000)
    made.set_spend_cap(SpendCap(user_id=PROJECT, limit=100, thresholds=(50,)))
    return made


def of_project(store, user=PROJECT):
    [cap] = [cap for cap in store.list_spend_caps(user).caps if cap.cap_type == "daily"]
    return cap.spent, cap.held


def test_its_cap_decides_and_counts(store):
    """Beside those of the own path; the refusal names it; without the membership nothing of it is asked."""
    assert store.deduct("acme/search/alice", 80, within=[PROJECT]).error_code is None
    refused = store.deduct("acme/search/alice", 21, within=[PROJECT])
    assert (refused.error_code, refused.scope, refused.caps[0].spent) == ("cap_reached", PROJECT, 80)
    assert "'acme/projects/p %1'" in refused.message
    assert store.deduct("acme/search/alice", 21).error_code is None
    assert of_project(store) == (80, 0)
    assert store.get_balance("acme/search/alice").balance == 899


def test_a_hold_keeps_its_memberships(store):
    """Settled, extended, succeeded and released without naming them again."""
    hold = store.reserve("acme/search/alice", 30, within=[PROJECT])
    assert of_project(store) == (0, 30)
    assert store.extend("acme/search/alice", hold, 20).error_code is None
    refused = store.extend("acme/search/alice", hold, 51)
    assert (refused.error_code, refused.scope) == ("cap_reached", PROJECT)
    done = store.settle("acme/search/alice", hold, 50, next_amount=10)
    assert [event.data["scope"] for event in done.events if event.type == CAP_THRESHOLD] == [PROJECT]
    assert of_project(store) == (50, 10)
    assert store.release("acme/search/alice", done.next_hold).released
    assert of_project(store) == (50, 0)
    seeds = store.reserve("acme/search/alice", 60, within=[PROJECT])
    assert seeds.error_code == "cap_reached"
    assert store.verify().differences == ()


def test_an_expired_hold_leaves_them(api, store):
    """Freed by whatever call comes, here one that meets the same levels; billed late it counts there."""
    gone = store.reserve("acme/search/alice", 40, ttl=1, within=[PROJECT])
    kept = store.reserve("acme/search/alice", 5, within=[PROJECT])
    api.clock.now_ms += 2_000
    assert store.settle("acme/search/alice", kept, 5).error_code is None
    assert of_project(store) == (5, 0)
    assert store.settle("acme/search/alice", gone, 30, late_settlement="bill").amount == 30
    assert of_project(store) == (35, 0)
    assert store.verify().differences == ()


def test_limits_and_open_holds_of_a_membership(store):
    """Rates, tokens corrected at settle, concurrency - also one that is set when the hold is open."""
    store.set_rate_limit("acme/projects", RateLimit("1000/minute", counts="tokens", algorithm="fixed"))
    hold = store.reserve("acme/search/alice", 1, tokens=900, within=[PROJECT])
    assert store.reserve("acme/search/alice", 1, tokens=200, within=[PROJECT]).scope == "acme/projects"
    store.set_concurrency_limit("acme/projects", ConcurrencyLimit(1))
    assert store.reserve("acme/search/alice", 1, within=[PROJECT]).error_code == "concurrency_limit"
    store.settle("acme/search/alice", hold, 1, tokens=100)
    assert store.reserve("acme/search/alice", 1, tokens=900, within=[PROJECT]).error_code is None
    assert store.verify().differences == ()


def test_a_zoned_cap_of_a_membership_meets_its_next_day(api, store):
    """At an admission, and at a settlement that only the hold's record tells of it."""
    store.set_spend_cap(SpendCap(user_id="acme/projects", limit=50, timezone="Asia/Kolkata"))
    hold = store.reserve("acme/search/alice", 30, ttl=7 * 86_400, within=[PROJECT])
    assert store.deduct("acme/search/alice", 20, within=[PROJECT]).error_code is None
    api.clock.now_ms += 2 * DAY_MS
    assert store.settle("acme/search/alice", hold, 30).amount == 30
    assert of_project(store, "acme/projects") == (30, 0)
    api.clock.now_ms += 2 * DAY_MS
    assert store.deduct("acme/search/alice", 50, within=[PROJECT]).error_code is None
    assert store.deduct("acme/search/alice", 1, within=[PROJECT]).scope == "acme/projects"
    assert store.verify().differences == ()


def test_a_level_counts_once(store):
    """Named twice, or on the own path as well."""
    store.set_spend_cap(SpendCap(user_id="acme", limit=500))
    within = [PROJECT, PROJECT, "acme", "acme/search", "acme/projects"]
    assert store.explain("acme/search/alice", 1, within=within).error_code == "invalid_argument"  # five of them
    assert store.deduct("acme/search/alice", 10, within=within[:4]).error_code is None
    assert (of_project(store), of_project(store, "acme")) == ((10, 0), (10, 0))


def test_a_stranger_is_refused(api, store):
    """A membership that is no account; nothing is taken, nothing created."""
    before = api.dumped()
    for mode in ("strict", "postpaid"):
        refused = store.reserve("acme/search/alice", 1, billing_mode=mode, within=["acme/projects/none"])
        assert refused.error_code == "account_unknown"
    assert store.deduct("acme/search/alice", 1, within=["acme/projects/none"]).error_code == "account_unknown"
    assert api.dumped() == before


@pytest.mark.parametrize("within", [["other/p"], ["acme/a"] * 5, "acme/projects", ["acme//p"], [""], [7]])
def test_what_is_no_membership(store, within):
    """Another root, too many, text in place of a list, no id: told, and nothing is sent."""
    assert store.reserve("acme/search/alice", 1, within=within).error_code in ("invalid_argument", "invalid_id")
    assert store.deduct("acme/search/alice", 1, within=within).error_code in ("invalid_argument", "invalid_id")


def test_sent_again(store):
    """The same key answers the same; with other memberships it is flagged."""
    first = store.reserve("acme/search/alice", 5, within=[PROJECT], idempotency_key="k")
    again = store.reserve("acme/search/alice", 5, within=[PROJECT], idempotency_key="k")
    assert (again.idempotent, again.key_reused, again.hold_id) == (True, False, first.hold_id)
    for within in ([], ["acme/projects"]):
        assert store.reserve("acme/search/alice", 5, within=within, idempotency_key="k").key_reused
    assert of_project(store) == (0, 5)


def test_batches_defaults_and_asking(store):
    """Items have their own memberships; what is a default for a level holds for a membership at it."""
    store.set_defaults([DefaultCap(limit=60)], level=2)
    items = [ChargeItem(user_id="acme/search/alice", amount=40, within=(PROJECT,))] * 2
    assert [each.scope for each in store.charge_many(items)] == [None, "acme/search"]
    holds = [ReserveItem(user_id="acme/search/alice", amount=15, within=(PROJECT,)) for _ in range(2)]
    assert [each.error_code for each in store.reserve_many(holds)] == [None, "cap_reached"]
    asked = store.explain("acme/search/alice", 30, within=[PROJECT])
    assert [(cap.scope, cap.refused) for cap in asked.caps] == [
        ("acme/search", True), ("acme/projects", True), (PROJECT, False),
    ]  # fmt: skip


def test_the_manager_passes_them(api, store):
    """A refusal is raised, with the membership's account."""
    manager = api.manager(store)
    hold = manager.reserve("acme/search/alice", 60, within=[PROJECT])
    manager.settle("acme/search/alice", hold, 60)
    manager.deduct("acme/search/alice", 40, within=[PROJECT])
    assert of_project(store) == (100, 0)
