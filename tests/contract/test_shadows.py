"""Shadows of caps and limits on every combination of face and engine: they refuse nothing, and count."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ducto_redis import ConcurrencyLimit, DefaultCap, RateLimit, SpendCap, rate_limit_headers
from ducto_redis.events import CAP_WARNING, SHADOW_DENIED


@pytest.fixture
def shadowed(api):
    """A cap of 500 a day with a shadow of 50 beside it."""
    store = api.store()
    store.add_credits("ann", 10_000)
    store.set_spend_cap(SpendCap(user_id="ann", limit=500))
    store.set_spend_cap(SpendCap(user_id="ann", limit=50, shadow=True))
    return store


def counted(store, user="ann"):
    [cap] = [cap for cap in store.list_spend_caps(user).caps if cap.shadow]
    return cap.shadow_denied, cap.shadow_denied_amount


def told(result):
    return [event for event in result.events if event.type == SHADOW_DENIED]


def test_a_shadow_cap_lets_pass_and_counts(shadowed):
    """What is within it counts nothing; what a deny cap of its limit would refuse counts with its amount."""
    assert told(shadowed.deduct("ann", 50)) == []
    assert counted(shadowed) == (0, 0)
    done = shadowed.deduct("ann", 20)
    assert (done.error_code, done.cap_warning) == (None, None)
    [event] = told(done)
    assert (event.data["limit"], event.data["spent"], event.data["amount"]) == (50, 50, 20)
    assert CAP_WARNING not in [each.type for each in done.events]
    [cap] = done.caps
    assert (cap.shadow, cap.would_refuse, cap.refused) == (True, True, False)
    hold = shadowed.reserve("ann", 7)
    assert (hold.error_code, hold.caps[0].would_refuse) == (None, True)
    assert counted(shadowed) == (2, 27)
    shadowed.settle("ann", hold, 7)
    assert counted(shadowed) == (2, 27)


def test_the_seeds_flow_counts_once(shadowed):
    """``reserve_credits`` is gated by no cap, ``deduct_credits`` is."""
    hold = shadowed.reserve_credits("ann", 60)
    assert hold.caps == ()
    assert counted(shadowed) == (0, 0)
    assert shadowed.deduct_credits("ann", hold, 60).error_code is None
    assert counted(shadowed) == (1, 60)


def test_what_is_refused_or_repeated_counts_nothing(api, shadowed):
    """By its cap, by a rate, by money; every key stays as it was."""
    shadowed.deduct("ann", 400, idempotency_key="k")
    assert counted(shadowed) == (1, 400)
    shadowed.set_rate_limit("ann", RateLimit("1/hour"))
    shadowed.deduct("ann", 60)
    before = api.dumped()
    assert shadowed.deduct("ann", 400, idempotency_key="k").idempotent
    assert shadowed.deduct("ann", 1).error_code == "rate_limited"
    assert shadowed.deduct("ann", 1).caps == ()
    shadowed.remove_rate_limit("ann", RateLimit("1/hour"))
    assert shadowed.deduct("ann", 300).error_code == "cap_reached"
    assert shadowed.explain("ann", 5).allowed
    shadowed.set_rate_limit("ann", RateLimit("1/hour"))
    assert counted(shadowed) == (2, 460)
    assert before.keys() == api.dumped().keys()


def test_a_shadow_comes_and_goes_beside_its_cap(shadowed):
    """Setting and removing one leaves the other; set again it counts anew."""
    shadowed.deduct("ann", 60)
    shadowed.set_spend_cap(SpendCap(user_id="ann", limit=400, thresholds=(50,)))
    assert [(cap.limit, cap.shadow) for cap in shadowed.list_spend_caps("ann").caps] == [(50, True), (400, False)]
    assert counted(shadowed) == (1, 60)
    shadowed.set_spend_cap(SpendCap(user_id="ann", limit=80, shadow=True))
    assert counted(shadowed) == (0, 0)
    assert shadowed.remove_spend_cap("ann", "daily", shadow=True).removed
    assert not shadowed.remove_spend_cap("ann", "daily", shadow=True).removed
    [cap] = shadowed.list_spend_caps("ann").caps
    assert (cap.limit, cap.thresholds) == (400, (50,))
    assert shadowed.verify().differences == ()


def test_a_zoned_cap_has_a_shadow_too(api):
    """One of a zone has a counter of its own; the shadow looks at the UTC day."""
    store = api.store()
    store.add_credits("ann", 1_000)
    store.set_spend_cap(SpendCap(user_id="ann", limit=100, timezone="Asia/Kolkata"))
    store.set_spend_cap(SpendCap(user_id="ann", limit=10, shadow=True))
    assert store.deduct("ann", 100).error_code is None
    assert store.deduct("ann", 1).error_code == "cap_reached"
    assert counted(store) == (1, 100)
    store.remove_spend_cap("ann", "daily", shadow=True)
    [cap] = store.list_spend_caps("ann").caps
    assert cap.timezone == "Asia/Kolkata"


def test_shadows_of_every_level_count(api):
    """Each where it stands."""
    store = api.store()
    store.add_credits("acme/ann", 1_000)
    for user, limit in (("acme", 100), ("acme/ann", 50)):
        store.set_spend_cap(SpendCap(user_id=user, limit=limit, shadow=True))
    store.deduct("acme/ann", 60)
    assert [event.data["scope"] for event in told(store.deduct("acme/ann", 60))] == ["acme", "acme/ann"]
    assert (counted(store, "acme"), counted(store, "acme/ann")) == ((1, 60), (2, 120))


def test_a_shadow_is_a_default(api):
    """A stricter cap is tried out on everybody before it holds."""
    store = api.store()
    store.set_defaults([DefaultCap(limit=100), DefaultCap(limit=10, shadow=True)], [RateLimit("1/minute", shadow=True)])
    store.add_credits("ann", 1_000)
    assert [store.deduct("ann", 40).error_code for _ in range(3)] == [None, None, "cap_reached"]
    assert counted(store) == (2, 80)
    [limit] = store.list_rate_limits("ann").limits
    assert (limit.default, limit.shadow, limit.used, limit.shadow_denied) == (True, True, 1, 1)


def test_a_shadow_limit_takes_nothing_of_what_it_would_have_refused(api):
    """As if it had refused: 2 a minute of four, and room again as it drains. It decides nothing and is in no header."""
    store = api.store()
    store.add_credits("ann", 100)
    store.set_rate_limit("ann", RateLimit("10/minute"))
    store.set_rate_limit("ann", RateLimit("2/minute", shadow=True))
    done = [store.deduct("ann", 1) for _ in range(4)]
    assert [each.limits[1].would_refuse for each in done] == [False, False, True, True]
    assert (done[3].limit, done[3].remaining, done[3].allowed) == (10, 6, True)
    assert rate_limit_headers(done[3])["RateLimit-Policy"] == '"requests-minute";q=10;w=60'
    assert [event.data["limit"] for event in told(done[3])] == [2]
    api.clock.now_ms += 30_000
    assert not store.deduct("ann", 1).limits[1].would_refuse
    [_, shadow] = store.list_rate_limits("ann").limits
    assert (shadow.used, shadow.shadow_denied) == (2, 2)
    assert store.remove_rate_limit("ann", RateLimit("2/minute", shadow=True)).removed
    assert [limit.limit for limit in store.list_rate_limits("ann").limits] == [10]


def test_a_shadow_of_tokens_is_corrected_of_what_it_took(api):
    """A hold that it would have refused gives nothing back, one that it counted does; an extension likewise."""
    store = api.store()
    store.add_credits("ann", 100)
    store.set_rate_limit("ann", RateLimit("100/minute", counts="tokens", algorithm="fixed", shadow=True))

    def used():
        [limit] = store.list_rate_limits("ann").limits
        return limit.used, limit.shadow_denied

    first, second = store.reserve("ann", 1, tokens=80), store.reserve("ann", 1, tokens=80)
    assert used() == (80, 1)
    store.settle("ann", second, 1, tokens=10)
    assert used() == (80, 1)
    store.settle("ann", first, 1, tokens=10)
    assert used() == (10, 1)
    grown = store.reserve("ann", 1, tokens=50)
    assert used() == (60, 1)
    assert store.extend("ann", grown, 0, tokens=50).error_code is None
    assert used() == (60, 2)
    store.settle("ann", grown, 1, tokens=1)
    assert used() == (60, 2)


def test_a_shadow_of_open_holds_counts_them(api):
    """They are open all the same."""
    store = api.store()
    store.add_credits("ann", 100)
    store.set_concurrency_limit("ann", ConcurrencyLimit(1, shadow=True))
    holds = [store.reserve("ann", 1) for _ in range(3)]
    assert [hold.limits[0].would_refuse for hold in holds] == [False, True, True]
    for hold in holds:
        store.release("ann", hold)
    [limit] = store.list_concurrency_limits("ann").limits
    assert (limit.used, limit.shadow_denied) == (0, 2)
    assert store.verify().differences == ()


def test_asking_tells_and_counts_nothing(api, shadowed):
    """``explain`` and ``dry_run`` say what a shadow would do."""
    shadowed.deduct("ann", 50)
    before = api.dumped()
    asked = shadowed.explain("ann", 5)
    assert asked.allowed
    assert [(cap.limit, cap.would_refuse) for cap in asked.caps] == [(500, False), (50, True)]
    assert shadowed.reserve("ann", 5, dry_run=True).allowed
    assert shadowed.check_spend_cap("ann", amount=5).cap_limit == 500
    assert api.dumped() == before


def test_the_stand_alone_limiter_has_shadows(api):
    """Nothing is refused by one."""
    limiter = api.limiter(RateLimit("5/minute"), RateLimit("2/minute", shadow=True))
    decisions = [limiter.hit("x") for _ in range(6)]
    assert [decision.allowed for decision in decisions] == [True] * 5 + [False]
    assert [decision.limits[1].would_refuse for decision in decisions] == [False] * 2 + [True] * 4
    assert decisions[4].limits[1].shadow_denied == 2


@pytest.mark.parametrize(
    "options", [{"cap_type": "hourly"}, {"cap_type": "total", "model": "m"}, {"timezone": "Asia/Tokyo"}, {"model": "m"}]
)
def test_a_shadow_of_any_cap(api, options):
    """Of other periods, of a zone, of one model: beside the cap, with a counter of its own."""
    store = api.store()
    store.add_credits("ann", 1_000)
    store.set_spend_cap(SpendCap(user_id="ann", limit=100, **options))
    store.set_spend_cap(SpendCap(user_id="ann", limit=50, shadow=True, **options))
    assert [store.deduct("ann", 40, model="m").error_code for _ in range(3)] == [None, None, "cap_reached"]
    assert counted(store) == (1, 40)
    store.deduct("ann", 5, model="other")
    hold = store.reserve("ann", 10, model="m")
    assert counted(store)[0] == (2 if options.get("model") else 3)
    store.settle("ann", hold, 10)
    assert store.remove_spend_cap("ann", options.get("cap_type", "daily"), options.get("model"), shadow=True).removed
    [cap] = store.list_spend_caps("ann").caps
    assert (cap.shadow, cap.limit) == (False, 100)
    assert store.verify().differences == ()


@pytest.mark.parametrize("options", [{"action": "warn"}, {"thresholds": (50,)}])
def test_what_no_shadow_can_be(options):
    """Told when the cap is written down."""
    with pytest.raises(ValidationError, match="shadow"):
        SpendCap(user_id="ann", limit=1, shadow=True, **options)


def test_a_shadow_in_another_calendar_than_its_cap(api):
    """Months from the 31st beside months from the 1st, of one model: each goes into its own next period."""
    store = api.store()
    store.add_credits("ann", 1_000)
    store.set_spend_cap(SpendCap(user_id="ann", cap_type="monthly", limit=100, model="m", anchor_day=31))
    store.set_spend_cap(SpendCap(user_id="ann", cap_type="monthly", limit=50, model="m", shadow=True))
    ends = [cap.reset_at for cap in store.list_spend_caps("ann").caps]
    api.clock.now_ms += 40 * 86_400_000
    store.deduct("ann", 60, model="m")
    caps = store.list_spend_caps("ann").caps
    assert [cap.spent for cap in caps] == [60, 60]
    assert caps[0].reset_at != caps[1].reset_at
    assert all(cap.reset_at > end for cap, end in zip(caps, ends, strict=True))
    assert counted(store) == (1, 60)
    assert store.verify().differences == ()
