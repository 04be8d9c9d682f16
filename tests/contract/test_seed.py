"""The seed's promises, P01 to P28 of docs/seed.md, each on {sync, async} x {real, embedded}."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

import ducto_redis
from ducto_redis import CreditEventEmitter, SpendCap


def seeded(store, user="u", amount=50_000):
    store.add_credits(user, amount, type="seed")
    return user


def cap(store, user, limit, action="deny", cap_type="daily"):
    store.set_spend_cap(SpendCap(user_id=user, cap_type=cap_type, limit=limit, action=action))


def charge(store, user, amount):
    hold = store.reserve_credits(user, amount, operation_type="inference")
    return store.deduct_credits(user, hold.reservation_id, amount)


def test_p01_a_new_store_is_empty_and_setup_repeats(api):
    """setup() prepares an empty store and may be called again."""
    store = api.store(setup=False)
    assert store.setup().created is True
    assert store.setup().created is False
    assert api.store(setup=False).setup().created is False
    assert store.get_balance("u").balance == 0


def test_p02_the_notebooks_imports_resolve():
    """The names that the seed imports are here, except pricing's engine, which comes with pricing."""
    names = "MemoryStore CreditManager UsageMetrics ToolCall PricingConfigData PlanDefinition CreditMetadata SpendCap"
    assert all(hasattr(ducto_redis, name) for name in names.split())


def test_p03_a_grant_of_free_type_prints_whole(store):
    """A grant of type "seed" is the balance and prints without a fraction."""
    added = store.add_credits("u", 50_000, type="seed")
    assert str(added.new_balance) == str(store.get_balance("u").balance) == "50000"
    assert added.lifetime_purchased == 0


def test_p04_a_cap_has_readable_fields_and_refuses_other_values():
    """Cap type, limit and action are readable; the period may be called type; unknown values are refused."""
    made = SpendCap(user_id="u", cap_type="monthly", limit=5_000, action="notify")
    assert (made.cap_type, made.limit, made.action) == ("monthly", 5_000, "notify")
    assert SpendCap.model_validate({"user_id": "u", "type": "monthly"}).cap_type == "monthly"
    for wrong in ({"cap_type": "fortnightly"}, {"action": "shout"}, {"limit": -1}, {"limit": True}, {"kind": "daily"}):
        with pytest.raises(ValidationError):
            SpendCap(user_id="u", **wrong)


def test_p05_under_the_cap_the_deduction_succeeds(store):
    """3,000 under a cap of 5,000: no error, 47,000 left."""
    user = seeded(store)
    cap(store, user, 5_000)
    charged = charge(store, user, 3_000)
    assert (charged.error, charged.error_code, str(charged.balance_after)) == (None, None, "47000")
    assert charged.transaction_id


def test_p06_check_reports_spend_and_limit_also_while_not_capped(store):
    """False/0/5,000 before, False/3,000/5,000 after; no action until the cap is breached."""
    user = seeded(store)
    cap(store, user, 5_000)
    check = store.check_spend_cap(user)
    assert (check.capped, check.current_spend, check.cap_limit, check.action) == (False, 0, 5_000, None)
    charge(store, user, 3_000)
    check = store.check_spend_cap(user)
    assert (check.capped, str(check.current_spend), str(check.cap_limit), check.action) == (False, "3000", "5000", None)


def test_p07_a_reservation_alone_is_not_spend(store):
    """A hold lowers what is available, not the balance, and is no spend."""
    user = seeded(store)
    cap(store, user, 5_000)
    store.reserve_credits(user, 3_000)
    assert store.check_spend_cap(user).current_spend == 0
    available = store.get_available(user)
    assert (available.balance, available.reserved, available.available) == (50_000, 3_000, 47_000)


def denied_store(store):
    user = seeded(store)
    cap(store, user, 5_000)
    charge(store, user, 3_000)
    hold = store.reserve_credits(user, 3_000)
    return user, hold, store.deduct_credits(user, hold.reservation_id, 3_000)


def test_p08_the_store_refuses_what_passes_the_cap(store):
    """The hold is made, with a word that the cap would refuse; the deduction to 6,000 of 5,000 is refused."""
    _, hold, denied = denied_store(store)
    assert hold.error is None
    assert hold.reservation_id
    assert [(note.limit, note.spent) for note in hold.caps] == [(5_000, 3_000)]
    assert denied.error_code == "cap_reached"


def test_p09_the_refusal_is_a_result(store):
    """No exception, no transaction; balance_after is the untouched balance."""
    _, _, denied = denied_store(store)
    assert denied.error
    assert (denied.transaction_id, denied.amount, denied.balance_after) == ("", 0, 47_000)


def test_p10_the_refusal_explains_itself(store):
    """The text names cap, limit, spent and asked."""
    _, _, denied = denied_store(store)
    assert denied.error == "cap_reached: daily cap of 5000: 3000 spent, 3000 more asked"
    assert denied.message == denied.error
    assert [(note.limit, note.spent, note.action) for note in denied.caps] == [(5_000, 3_000, "deny")]


def test_p11_no_credits_leave_the_account(store):
    """Balance and recorded spend are as before the refusal."""
    user, _, _ = denied_store(store)
    assert store.get_balance(user).balance == 47_000
    assert store.check_spend_cap(user).current_spend == 3_000


def test_p12_the_refusal_releases_the_reservation(store):
    """After the refusal all credits can be reserved again, and the hold is gone."""
    user, hold, _ = denied_store(store)
    assert store.get_available(user).reserved == 0
    assert store.reserve_credits(user, 47_000).error is None
    assert store.release(user, hold.reservation_id).reason == "already_released"


def test_p13_a_smaller_retry_succeeds(store):
    """A new, smaller deduction within the cap goes through."""
    user, _, _ = denied_store(store)
    assert charge(store, user, 2_000).balance_after == 45_000


def test_p14_spend_may_reach_the_limit_and_stays_there(store):
    """Exactly the limit is allowed; from then on every deduction is refused and the account is capped."""
    user = seeded(store)
    cap(store, user, 5_000)
    assert charge(store, user, 5_000).error is None
    assert [charge(store, user, amount).error_code for amount in (1, Decimal("0.0001"), 5_000)] == ["cap_reached"] * 3
    check = store.check_spend_cap(user)
    assert (check.capped, check.current_spend, check.action) == (True, 5_000, "deny")
    assert store.check_spend_cap(user, amount="0.0001").capped
    assert not store.check_spend_cap(user, amount=0).capped


def test_p15_without_a_cap_the_same_deduction_succeeds(store):
    """Only the cap refuses: without one 6,000 are spent."""
    user = seeded(store)
    assert [charge(store, user, 3_000).error for _ in range(2)] == [None, None]
    assert store.get_balance(user).balance == 44_000
    check = store.check_spend_cap(user)
    assert (check.capped, check.current_spend, check.cap_type) == (False, 6_000, None)


def test_p16_a_runaway_loop_stops_at_the_cap(store):
    """A loop spends what fits and not a unit more."""
    user = seeded(store)
    cap(store, user, 1_000)
    results = [charge(store, user, 70).error_code for _ in range(40)]
    assert results == [None] * 14 + ["cap_reached"] * 26
    assert store.get_balance(user).balance == 50_000 - 980


async def charge_concurrently(store, user, amount, attempts):
    async def attempt():
        hold = await store.reserve_credits(user, amount)
        return (await store.deduct_credits(user, hold.reservation_id, amount)).error_code

    return await asyncio.gather(*(attempt() for _ in range(attempts)))


def test_p16_concurrent_callers_admit_exactly_what_fits(api):
    """Threads or tasks race for a cap of 100 with costs of 7: floor(100 / 7) are admitted (check-then-add: more)."""
    store = api.store()
    user = seeded(store)
    cap(store, user, 100)
    if api.asynchronous:
        outcomes = api.runner.run(charge_concurrently(store.face, user, 7, 80))
    else:
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(lambda _: charge(store, user, 7).error_code, range(160)))
    assert outcomes.count(None) == 14
    assert outcomes.count("cap_reached") == len(outcomes) - 14
    assert store.get_available(user).available == 50_000 - 98


def test_p17_caps_are_per_user(store):
    """5,000 for one, 50,000 for another, none for a third; they do not affect each other."""
    for user, limit in (("free", 5_000), ("enterprise", 50_000), ("none", None)):
        seeded(store, user, 100_000)
        if limit:
            cap(store, user, limit)
    assert [charge(store, user, 20_000).error_code for user in ("free", "enterprise", "none")] == [
        "cap_reached",
        None,
        None,
    ]
    assert store.check_spend_cap("free").current_spend == 0


def test_p18_daily_and_monthly_hold_side_by_side(api):
    """Each of two caps refuses on its own; the next day only the monthly one still counts the spend."""
    store = api.store()
    user = seeded(store)
    cap(store, user, 1_000, cap_type="daily")
    cap(store, user, 1_500, cap_type="monthly")
    charge(store, user, 1_000)
    assert [note.cap_type for note in charge(store, user, 600).caps] == ["daily", "monthly"]
    api.clock.advance(days=1)
    assert charge(store, user, 500).error is None
    assert [note.cap_type for note in charge(store, user, 1).caps] == ["monthly"]
    listed = {each.cap_type: each.spent for each in store.list_spend_caps(user).caps}
    assert listed == {"daily": 500, "monthly": 1_500}


def test_p19_a_daily_cap_starts_again_the_next_day(api):
    """Capped until the last millisecond of the UTC day, free from the first of the next."""
    store = api.store()
    user = seeded(store)
    cap(store, user, 1_000)
    api.clock.set(datetime(2028, 2, 29, 23, 59, 59, 999_000, UTC))
    assert charge(store, user, 1_000).error is None
    assert charge(store, user, 1).error_code == "cap_reached"
    assert store.check_spend_cap(user).reset_at == datetime(2028, 3, 1, tzinfo=UTC)
    api.clock.advance(milliseconds=1)
    assert store.check_spend_cap(user).current_spend == 0
    assert charge(store, user, 1_000).error is None


def test_p20_a_monthly_cap_starts_again_the_next_month(api):
    """The last day of a month is capped, the first of the next is not; so over a year's end too."""
    store = api.store()
    user = seeded(store)
    cap(store, user, 1_000, cap_type="monthly")
    for end in (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC)):
        api.clock.set(end)
        assert charge(store, user, 1_000).error is None
        assert charge(store, user, 1).error_code == "cap_reached"
        api.clock.advance(seconds=1)
        assert store.check_spend_cap(user).current_spend == 0


def warned(store, action="warn"):
    user = seeded(store)
    cap(store, user, 500, action)
    return user, charge(store, user, 1_000)


def test_p21_warn_lets_the_deduction_pass(store):
    """1,000 over a warn cap of 500 proceeds: 49,000 left."""
    _, charged = warned(store)
    assert (charged.error, charged.balance_after) == (None, 49_000)


def test_p22_check_confirms_the_overage(store):
    """1,000 against 500, action "warn", not capped."""
    user, _ = warned(store)
    check = store.check_spend_cap(user)
    assert (str(check.current_spend), str(check.cap_limit), check.action, check.capped) == (
        "1000",
        "500",
        "warn",
        False,
    )


def test_p23_warn_is_flagged_on_the_operation(store):
    """The result carries cap_warning; the crossing charge says first, the next one does not."""
    user, charged = warned(store)
    assert charged.cap_warning is not None
    assert (charged.cap_warning.spent, charged.cap_warning.first) == (1_000, True)
    assert charge(store, user, 1).cap_warning.first is False
    assert charge(store, seeded(store, "other"), 1).cap_warning is None


def test_p24_a_cap_is_replaced_by_registering_it_again(store):
    """warn becomes deny in mid-period on what was spent; a raised limit gives room at once; removed, it is gone."""
    user, _ = warned(store)
    cap(store, user, 500, "deny")
    assert len(store.list_spend_caps(user).caps) == 1
    assert charge(store, user, 1).error_code == "cap_reached"
    cap(store, user, 1_100, "deny")
    assert charge(store, user, 100).error is None
    assert charge(store, user, 1).error_code == "cap_reached"
    assert store.remove_spend_cap(user, "daily").removed is True
    assert store.remove_spend_cap(user, "daily").removed is False
    assert charge(store, user, 1).error is None


def test_p25_notify_lets_pass_and_is_visible(store):
    """A notify cap passes the deduction and the check tells the breach."""
    user, charged = warned(store, "notify")
    assert (charged.error, charged.balance_after) == (None, 49_000)
    assert store.check_spend_cap(user).action == "notify"


@pytest.mark.parametrize(("action", "kind"), [("warn", "credits.cap_warning"), ("notify", "credits.cap_notify")])
def test_p26_breaches_trigger_an_event_with_the_action(api, action, kind):
    """The store's emitter and the result both tell a breach, with action, limit, spend and a stable id."""
    emitter, heard = CreditEventEmitter(), []
    emitter.on(kind, heard.append)
    _, charged = warned(api.store(emitter=emitter), action)
    assert [event for event in charged.events if event.type == kind] == heard
    assert len(heard) == 1
    assert {key: heard[0].data[key] for key in ("action", "limit", "spent", "first")} == {
        "action": action, "limit": 500, "spent": 1_000, "first": True,
    }  # fmt: skip
    assert heard[0].id.startswith(charged.transaction_id)


def test_p27_a_denial_is_visible_to_the_application(api):
    """credits.cap_reached carries cap, spent and asked; the manager raises the typed error besides."""
    store = api.store()
    user, _, denied = denied_store(store)
    event = next(event for event in denied.events if event.type == "credits.cap_reached")
    assert (event.user_id, event.data["limit"], event.data["spent"], event.data["amount"]) == (
        user,
        5_000,
        3_000,
        3_000,
    )
    manager = api.manager(store)
    hold = manager.reserve_credits(user, 3_000)
    with pytest.raises(ducto_redis.CapReachedError, match="daily cap of 5000") as raised:
        manager.deduct_credits(user, hold.reservation_id, 3_000)
    assert isinstance(raised.value, ducto_redis.InsufficientCreditsError)
    assert raised.value.result.balance_after == 47_000


def test_p28_fractions_add_up_exactly(store):
    """Ten times 0.1 is 1; a cap of 1 is then reached, to the last unit."""
    user = seeded(store, amount=Decimal("1.0001"))
    cap(store, user, 1)
    assert [charge(store, user, 0.1).error for _ in range(10)] == [None] * 10
    assert store.check_spend_cap(user).current_spend == 1
    assert charge(store, user, "0.0001").error_code == "cap_reached"
    assert str(store.get_balance(user).balance) == "0.0001"


def test_every_promise_is_listed_with_its_test():
    """docs/seed.md names P01 to P28, each with a test of this file, and every such test is named there."""
    text = (Path(__file__).parents[2] / "docs" / "seed.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (P\d\d) \|.*\| (.+) \|$", text, re.MULTILINE))
    assert list(rows) == [f"P{number:02d}" for number in range(1, 29)]
    named = set(re.findall(r"test_p\d\d\w+", " ".join(rows.values())))
    here = {name for name in globals() if name.startswith("test_p")}
    assert named == here
    assert all(f"test_p{promise[1:]}" in tests for promise, tests in rows.items())
