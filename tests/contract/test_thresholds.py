"""Thresholds of caps on every combination of face and engine: who is told, once, and what the stream of events says."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from ducto_redis import InvalidAmountError, SpendCap
from ducto_redis.events import CAP_THRESHOLD, LOW_BALANCE

DAY_MS = 86_400_000


def funded(api, *thresholds, user="acme/alice", cap="acme", limit=1_000):
    store = api.store()
    store.add_credits(user, 100_000)
    store.set_spend_cap(SpendCap(user_id=cap, limit=limit, thresholds=thresholds))
    return store


def crossed(result):
    return [event.data["percent"] for event in result.events if event.type == CAP_THRESHOLD]


def test_each_threshold_is_told_once(api):
    """By the charge that reaches it, also several at once; what only holds, or comes after, tells nothing."""
    store = funded(api, 50, 80, 100)
    hold = store.reserve("acme/alice", 600)
    assert crossed(hold) == []
    assert crossed(store.settle("acme/alice", hold, 499)) == []
    assert crossed(store.deduct("acme/alice", 1)) == [50]
    assert crossed(store.deduct("acme/alice", 100)) == []
    assert crossed(store.deduct("acme/alice", 400)) == [80, 100]
    refused = store.deduct("acme/alice", 1)
    assert refused.error_code == "cap_reached"
    assert crossed(refused) == []


def test_the_event_says_what_was_reached(api):
    """The account whose cap it is, the threshold in credits, the spend, and an id of its own."""
    store = funded(api, 80)
    done = store.deduct("acme/alice", 850)
    [event] = [each for each in done.events if each.type == CAP_THRESHOLD]
    assert (event.user_id, event.data["scope"], event.data["cap_type"]) == ("acme/alice", "acme", "daily")
    assert [event.data[name] for name in ("percent", "threshold", "spent", "limit")] == [80, 800, 850, 1_000]
    assert event.id == f"{done.transaction_id}:acme:4:80"
    assert done.cap_warning is None
    assert done.caps == ()


def test_a_repetition_tells_no_event(api):
    """The same id again is the same charge."""
    store = funded(api, 50)
    assert crossed(store.deduct("acme/alice", 600, idempotency_key="k")) == [50]
    again = store.deduct("acme/alice", 600, idempotency_key="k")
    assert again.idempotent
    assert crossed(again) == []


def test_the_next_period_tells_again(api):
    """Spend begins anew, and so do its thresholds."""
    store = funded(api, 50)
    assert crossed(store.deduct("acme/alice", 600)) == [50]
    api.clock.now_ms += DAY_MS
    assert crossed(store.deduct("acme/alice", 499)) == []
    assert crossed(store.deduct("acme/alice", 1)) == [50]


def test_thresholds_are_listed_replaced_and_removed_with_their_cap(api):
    """Set again, the cap has the new ones; without any it has none. What is passed already tells nothing."""
    store = funded(api, 100, 50, 50)
    [cap] = store.list_spend_caps("acme").caps
    assert cap.thresholds == (50, 100)
    store.deduct("acme/alice", 700)
    store.set_spend_cap(SpendCap(user_id="acme", limit=1_000, thresholds=[60, 90]))
    assert crossed(store.deduct("acme/alice", 200)) == [90]
    store.set_spend_cap(SpendCap(user_id="acme", limit=1_000))
    [cap] = store.list_spend_caps("acme").caps
    assert cap.thresholds == ()
    assert crossed(store.deduct("acme/alice", 100)) == []
    assert store.remove_spend_cap("acme", "daily").removed


def test_a_threshold_is_rounded_up_to_a_unit(api):
    """50 % of 0.0003 is reached by 0.0002; tests/lua/test_set_spend_cap.py has the bounds."""
    store = funded(api, 50, limit="0.0003")
    assert crossed(store.deduct("acme/alice", "0.0001")) == []
    assert crossed(store.deduct("acme/alice", "0.0001")) == [50]


@pytest.mark.parametrize("given", [0, 101, 50.5, True, "50"])
def test_no_percentage_is_refused(given):
    """Before anything is sent."""
    with pytest.raises(ValidationError, match="whole percentages of 1 to 100"):
        SpendCap(user_id="a", thresholds=[given])


@pytest.mark.parametrize(
    "other",
    [{"timezone": "Asia/Kolkata"}, {"model": "m"}, {"cap_type": "hourly"}, {"cap_type": "monthly", "anchor_day": 31},
     {"cap_type": "total", "model": "m"}],
)  # fmt: skip
def test_thresholds_of_any_cap(api, other):
    """Of another period or zone, of one model: told once, on the result and in the stream, again in the next period."""
    store = api.store()
    store.add_credits("a", 10_000)
    store.set_spend_cap(SpendCap(user_id="a", limit=100, action="warn", thresholds=(50, 100), **other))
    store.deduct("a", 40, model="other")
    spent = 0 if other.get("model") else 40
    first = store.deduct("a", 60 - spent, model="m")
    assert crossed(first) == [50]
    [event] = [each for each in first.events if each.type == CAP_THRESHOLD]
    assert (event.data["threshold"], event.data["spent"], event.data["limit"]) == (50, 60, 100)
    assert crossed(store.deduct("a", 39, model="m")) == []
    last = store.deduct("a", 1, model="m")
    assert (crossed(last), last.caps) == ([100], ())
    told = store.read_events().events
    again = [each for each in last.events if each.type == CAP_THRESHOLD]
    assert [(each.id, each.data["percent"], each.data["model"]) for each in told] == [
        (each.id, each.data["percent"], other.get("model")) for each in (event, *again)
    ]
    [cap] = store.list_spend_caps("a").caps
    assert (cap.thresholds, cap.spent) == ((50, 100), 100)
    if other.get("cap_type") != "total":
        api.clock.now_ms += 40 * DAY_MS
        assert crossed(store.deduct("a", 50, model="m")) == [50]
    store.set_spend_cap(SpendCap(user_id="a", limit=200, action="warn", thresholds=(99,), **other))
    [cap] = store.list_spend_caps("a").caps
    assert cap.thresholds == (99,)
    assert store.remove_spend_cap("a", cap.cap_type, cap.model).removed
    assert store.list_spend_caps("a").caps == ()
    assert store.verify().differences == ()


def test_nine_are_too_many():
    """Eight fit; what has no end is refused too."""
    with pytest.raises(ValidationError, match="whole percentages"):
        SpendCap(user_id="a", thresholds=itertools.count(1))
    assert len(SpendCap(user_id="a", thresholds=range(1, 9)).thresholds) == 8
    with pytest.raises(ValidationError, match="at most 8"):
        SpendCap(user_id="a", thresholds=list(range(1, 10)))


def low(result):
    return [event.data["balance"] for event in result.events if event.type == LOW_BALANCE]


def test_a_low_balance_is_told_once_until_a_top_up(api):
    """By the charge that brings it to the threshold from above; a grant that lifts it above arms it again."""
    store = api.store()
    store.add_credits("a", 100)
    assert store.set_low_balance("a", 20).threshold == 20
    assert low(store.deduct("a", 79)) == []
    assert low(store.deduct("a", 1)) == [20]
    assert low(store.deduct("a", 10)) == []
    store.add_credits("a", 11)
    hold = store.reserve("a", 5)
    assert low(hold) == []
    done = store.settle("a", hold, 5)
    [event] = [each for each in done.events if each.type == LOW_BALANCE]
    assert [event.data[name] for name in ("balance", "threshold", "scope")] == [16, 20, "a"]
    told = store.read_events().events
    assert [each.data["balance"] for each in told] == [20, 16]
    assert told[-1].id == event.id
    assert told[-1].data == event.data


def test_the_payer_is_low(api):
    """Of an account that another pays for, the balance of the payer is told; its own is not touched."""
    store = api.store()
    store.add_credits("acme", 100)
    store.add_credits("acme/alice", 100)
    store.set_payer("acme/alice", "acme")
    store.set_low_balance("acme", 50)
    store.set_low_balance("acme/alice", 99)
    done = store.deduct("acme/alice", 60)
    [event] = [each for each in done.events if each.type == LOW_BALANCE]
    assert (event.user_id, event.data["scope"], event.data["balance"]) == ("acme/alice", "acme", 40)


def test_a_low_balance_is_replaced_and_removed(api):
    """It is no cap: it is not listed as one, refuses nothing, and takes none of the 32 places."""
    store = api.store()
    store.add_credits("a", 100)
    store.set_low_balance("a", 90)
    store.set_low_balance("a", 10)
    assert store.list_spend_caps("a").caps == ()
    assert not store.check_spend_cap("a", amount=95).capped
    assert low(store.deduct("a", 50)) == []
    assert store.set_low_balance("a", None).threshold is None
    assert store.set_low_balance("a", None).threshold is None
    assert low(store.deduct("a", 50)) == []
    with pytest.raises(InvalidAmountError):
        store.set_low_balance("a", -1)
