"""Holds: repetition, expiry, clamping and hierarchy, on every combination of face and engine."""

from __future__ import annotations

import pytest

from ducto_redis import SpendCap


@pytest.fixture
def funded(store):
    store.add_credits("u", 100)
    return store


def test_the_same_key_makes_one_hold(funded):
    """Reserving twice with one key holds once and answers the same; other parameters are flagged, not executed."""
    first = funded.reserve("u", 30, idempotency_key="k")
    again = funded.reserve("u", 30, idempotency_key="k")
    other = funded.reserve("u", 40, idempotency_key="k")
    assert (first.hold_id, first.idempotent) == ("k", False)
    assert (again.hold_id, again.amount, again.available, again.idempotent, again.key_reused) == (
        "k",
        30,
        70,
        True,
        False,
    )
    assert (other.amount, other.idempotent, other.key_reused) == (30, True, True)
    assert again.expires_at == first.expires_at
    assert again.events == ()
    assert funded.get_available("u").reserved == 30


def test_the_same_key_grants_once(funded):
    """A retried webhook credits once; a key is scoped by account."""
    first = funded.add_credits("u", 10, type="purchase", idempotency_key="invoice-7")
    again = funded.add_credits("u", 10, type="purchase", idempotency_key="invoice-7")
    assert (again.transaction_id, again.new_balance, again.idempotent) == (first.transaction_id, 110, True)
    assert funded.add_credits("u", 11, type="purchase", idempotency_key="invoice-7").key_reused
    funded.add_credits("v", 10, idempotency_key="invoice-7")
    assert (funded.get_balance("u").balance, funded.get_balance("v").balance) == (110, 10)
    assert funded.get_balance("u").lifetime_purchased == 10


def test_settling_twice_charges_once(funded):
    """The second settle answers the first outcome, flagged; so does deduct_credits on a settled hold."""
    hold = funded.reserve("u", 30)
    first = funded.settle("u", hold, 20)
    again = funded.settle("u", hold, 20)
    assert (again.transaction_id, again.amount, again.balance_after, again.idempotent) == (
        first.transaction_id, 20, 80, True,
    )  # fmt: skip
    assert funded.settle("u", hold, 25).key_reused
    assert funded.deduct_credits("u", hold, 20).idempotent
    assert (funded.get_balance("u").balance, funded.get_available("u").reserved) == (80, 0)
    assert funded.release("u", hold).reason == "already_settled"


def test_a_refusal_is_repeated_like_the_first(funded):
    """A deduction that was refused is refused again with the same text, though there would be room by now."""
    funded.set_spend_cap(SpendCap(user_id="u", limit=10))
    hold = funded.reserve_credits("u", 30)
    first = funded.deduct_credits("u", hold, 30)
    funded.remove_spend_cap("u", "daily")
    again = funded.deduct_credits("u", hold, 30)
    assert (first.error_code, again.error_code) == ("cap_reached", "cap_reached")
    assert (again.error, again.idempotent, again.events) == (first.error, True, ())


def test_holds_expire_by_the_clock_and_free_their_credits(api):
    """Held until the millisecond before its expiry, free from then on; settling says lease_expired."""
    store = api.store()
    store.add_credits("u", 100)
    hold = store.reserve("u", 60, ttl=10)
    assert hold.expires_at.timestamp() * 1000 == api.clock.now_ms + 10_000
    api.clock.advance(milliseconds=9_999)
    assert store.get_available("u").reserved == 60
    api.clock.advance(milliseconds=1)
    assert store.get_available("u").available == 100
    late = store.settle("u", hold, 60)
    assert (late.error_code, late.balance_after) == ("lease_expired", 100)
    assert store.deduct_credits("u", hold, 60).error_code == "lease_expired"
    assert (store.release("u", hold).reason, store.release("u", hold).reason) == ("released", "already_released")


def test_a_crashed_workers_holds_are_freed_by_the_next_call(api):
    """250 holds of a vanished worker are freed in bounded steps of 100 by whatever runs next."""
    store = api.store()
    store.add_credits("u", 1_000)
    for _ in range(250):
        store.reserve("u", 1, ttl=5)
    api.clock.advance(seconds=5)
    assert [store.get_available("u").reserved for _ in range(4)] == [150, 50, 0, 0]


def test_strict_settling_is_clamped_by_caps_and_floor(funded):
    """Beyond its hold a settle takes what is free and fits every cap; the rest is shortfall, told and not charged."""
    hold = funded.reserve("u", 30)
    other = funded.reserve("u", 50)
    charged = funded.settle("u", hold, 90)
    assert (charged.amount, charged.shortfall, charged.balance_after) == (50, 40, 50)
    assert funded.settle("u", other, 50).balance_after == 0
    funded.add_credits("u", 1_000)
    funded.set_spend_cap(SpendCap(user_id="u", limit=150))
    capped = funded.settle("u", funded.reserve("u", 20), 400)
    assert (capped.amount, capped.shortfall) == (50, 350)
    assert capped.events[0].data["shortfall"] == 350


def test_an_admitted_hold_stays_settleable_under_a_lowered_cap(funded):
    """Lowering a limit binds new admissions; the hold is charged up to its amount and reported as over the cap."""
    hold = funded.reserve("u", 60)
    funded.set_spend_cap(SpendCap(user_id="u", limit=10))
    assert funded.reserve("u", 1).error_code == "cap_reached"
    charged = funded.settle("u", hold, 80)
    assert (charged.amount, charged.shortfall) == (60, 20)
    assert (charged.cap_warning.over_cap, charged.cap_warning.spent) == (True, 60)


def test_admitted_holds_count_against_the_cap(funded):
    """Two holds of 60 under a cap of 100: the second is refused at admission, with held told."""
    funded.add_credits("u", 900)
    funded.set_spend_cap(SpendCap(user_id="u", limit=100))
    funded.reserve("u", 60)
    refused = funded.reserve("u", 60)
    assert refused.error == "cap_reached"
    assert refused.message == "cap_reached: daily cap of 100: 0 spent, 60 held, 60 more asked"
    assert funded.check_spend_cap("u", amount=41).capped
    assert not funded.check_spend_cap("u", amount=40).capped
    assert funded.check_spend_cap("u").held == 60


def test_floors_of_the_billing_modes(funded):
    """strict keeps min_balance, overdraft may reach its floor, postpaid has none."""
    assert funded.reserve("u", 81, min_balance=20).error_code == "insufficient_credits"
    assert funded.reserve("u", 151, billing_mode="overdraft", overdraft_floor=-50).error_code == "insufficient_credits"
    hold = funded.reserve("u", 150, billing_mode="overdraft", overdraft_floor=-50)
    assert funded.settle("u", hold, 500).balance_after == -50
    owed = funded.settle("u", funded.reserve("u", 1, billing_mode="postpaid"), 10_000)
    assert (owed.balance_after, owed.shortfall) == (-10_050, 0)


def test_caps_of_every_level_decide_and_spend_rolls_up(store):
    """A cap of the organisation stops a user below it; siblings share it; balances stay their own."""
    for user in ("acme/search/alice", "acme/chat/bob"):
        store.add_credits(user, 1_000)
    store.set_spend_cap(SpendCap(user_id="acme", limit=100))
    store.set_spend_cap(SpendCap(user_id="acme/search", limit=70, cap_type="monthly"))
    charged = store.settle("acme/search/alice", store.reserve("acme/search/alice", 60), 60)
    assert charged.balance_after == 940
    refused = store.reserve("acme/search/alice", 50)
    assert [(note.scope, note.limit, note.spent) for note in refused.caps] == [
        ("acme", 100, 60),
        ("acme/search", 70, 60),
    ]
    assert "daily cap of 100" in refused.message
    assert "monthly cap of 'acme/search' of 70" in refused.message
    assert store.reserve("acme/chat/bob", 41).error_code == "cap_reached"
    assert store.reserve("acme/chat/bob", 40).error is None
    assert store.check_spend_cap("acme").held == 40
    assert (store.get_balance("acme").balance, store.get_balance("acme/chat/bob").balance) == (0, 1_000)


def test_a_charge_that_would_round_to_nothing_costs_one_unit(funded):
    """0.00001 credits at four places is one unit, half up otherwise; zero stays zero."""
    assert str(funded.settle("u", funded.reserve("u", 1), "0.00001").amount) == "0.0001"
    assert str(funded.settle("u", funded.reserve("u", 1), "0.00025").amount) == "0.0003"
    assert funded.settle("u", funded.reserve("u", 0), 0).amount == 0


def test_ductos_spellings_work(funded):
    """create_lease, settle_lease, release_lease and their keywords mean reserve, settle and release."""
    lease = funded.create_lease("u", 10, "inference", ttl_seconds=60, floor=5)
    assert lease.lease_id == lease.reservation_id == lease.hold_id
    assert funded.settle_lease("u", lease_id=lease.lease_id, amount=4).balance_after == 96
    assert funded.release_lease("u", funded.create_lease("u", 1, "x").lease_id).released
    assert funded.add_credits("u", 4, tx_type="purchase").new_balance == 100


def test_releasing_an_expired_hold_frees_it_once(api):
    """The first call after the expiry is the release itself: freed once, not twice, whoever holds besides."""
    store = api.store()
    store.add_credits("u", 100)
    hold = store.reserve("u", 60, ttl=10)
    store.reserve("u", 30, ttl=600)
    api.clock.advance(seconds=10)
    assert store.release("u", hold).reason == "released"
    assert store.get_available("u").reserved == 30
    assert store.release("u", hold).reason == "already_released"
