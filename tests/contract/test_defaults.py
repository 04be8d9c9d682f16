"""Defaults and plans on every combination of face and engine: what holds for whom, at once, and what is written."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ducto_redis import (
    ConcurrencyLimit,
    DefaultCap,
    DefaultSet,
    InvalidAmountError,
    InvalidArgumentError,
    NamespaceUnknown,
    RateLimit,
    RedisStore,
    SchemaNewer,
    SpendCap,
)

DAY_MS = 86_400_000


def codes(store, user, amount, times):
    return [store.deduct(user, amount).error_code for _ in range(times)]


@pytest.fixture
def tiers(api):
    """The seed's tiers: 5,000 a day for free accounts, 50,000 for enterprise."""
    store = api.store()
    store.set_defaults([DefaultCap(limit=5_000)], plan="free")
    store.set_defaults([DefaultCap(limit=50_000)], plan="enterprise")
    for user, plan in (("ann", "free"), ("bob", "free"), ("eve", "enterprise")):
        store.add_credits(user, 200_000)
        assert store.set_plan(user, plan).plan == plan
    return store


def test_the_seeds_tiers(tiers):
    """Each account spends up to the cap of its own plan and counts by itself."""
    assert codes(tiers, "ann", 2_500, 3) == [None, None, "cap_reached"]
    assert codes(tiers, "bob", 5_000, 2) == [None, "cap_reached"]
    assert codes(tiers, "eve", 25_000, 3) == [None, None, "cap_reached"]
    refused = tiers.deduct("ann", 1)
    assert (refused.scope, refused.caps[0].cap_type, refused.caps[0].limit) == ("ann", "daily", 5_000)


def test_an_account_changes_its_plan(api, tiers):
    """In the middle of a day, which keeps what was spent; back again, and to none."""
    codes(tiers, "ann", 5_000, 1)
    tiers.set_plan("ann", "enterprise")
    assert tiers.get_available("ann").plan == "enterprise"
    assert codes(tiers, "ann", 45_000, 2) == [None, "cap_reached"]
    tiers.set_plan("ann", "free")
    assert codes(tiers, "ann", 1, 1) == ["cap_reached"]
    api.clock.now_ms += DAY_MS
    assert codes(tiers, "ann", 5_000, 2) == [None, "cap_reached"]
    assert tiers.set_plan("ann", None).plan is None
    assert tiers.get_available("ann").plan is None
    assert codes(tiers, "ann", 90_000, 1) == [None]


def test_a_change_holds_for_every_process_at_its_next_call(api, tiers):
    """Another store, which never heard of it, decides by the new cap; nothing was written to the account."""
    other = api.store(setup=False)
    assert codes(other, "ann", 5_000, 2) == [None, "cap_reached"]
    before = {key: value for key, value in api.dumped().items() if b":s:" in key}
    tiers.set_defaults([DefaultCap(limit=6_000)], plan="free")
    assert before == {key: value for key, value in api.dumped().items() if b":s:" in key}
    assert codes(other, "ann", 1_000, 2) == [None, "cap_reached"]


def test_its_own_cap_wins(tiers):
    """Until it is removed; lists say which is a default."""
    tiers.set_spend_cap(SpendCap(user_id="ann", limit=7_000))
    [cap] = tiers.list_spend_caps("ann").caps
    assert (cap.limit, cap.default) == (7_000, False)
    assert codes(tiers, "ann", 7_000, 2) == [None, "cap_reached"]
    tiers.remove_spend_cap("ann", "daily")
    [cap] = tiers.list_spend_caps("ann").caps
    assert (cap.limit, cap.spent, cap.default) == (5_000, 7_000, True)


def test_a_zoned_cap_of_its_own_wins_too(tiers):
    """It is the account's daily cap, wherever its days begin; one of a model is another cap."""
    tiers.set_spend_cap(SpendCap(user_id="ann", limit=9_000, timezone="Asia/Kolkata"))
    tiers.set_spend_cap(SpendCap(user_id="bob", limit=9_000, model="m"))
    assert codes(tiers, "ann", 9_000, 2) == [None, "cap_reached"]
    assert codes(tiers, "bob", 5_000, 2) == [None, "cap_reached"]


def test_what_is_said_for_less_wins(api):
    """A plan's over a level's, each for one level over the same for all; the others say what a set does not."""
    store = api.store()
    store.set_defaults([DefaultCap(limit=10), DefaultCap(cap_type="total", limit=100)])
    store.set_defaults([DefaultCap(limit=20)], level=2)
    store.set_defaults([DefaultCap(limit=30)], plan="p")
    store.set_defaults([DefaultCap(limit=40)], plan="p", level=2)
    for user in ("a", "a/b", "a/c", "d"):
        store.open_account(user)
    store.set_plan("a/c", "p")
    store.set_plan("d", "p")
    for user, limit in (("a", 10), ("a/b", 20), ("a/c", 40), ("d", 30)):
        assert [cap.limit for cap in store.list_spend_caps(user).caps] == [limit, 100], user


def test_limits_are_defaults_too(api):
    """A rate and open holds; each account has its own, told as a default; its own one wins and goes on."""
    store = api.store()
    store.set_defaults(limits=[RateLimit("3/minute"), ConcurrencyLimit(2)])
    for user in ("ann", "bob"):
        store.add_credits(user, 100)
    first = store.reserve("ann", 1)
    assert store.reserve("ann", 1).error_code is None
    refused = store.reserve("ann", 1)
    assert (refused.error_code, refused.limits[1].default) == ("concurrency_limit", True)
    store.release("ann", first)
    assert store.reserve("ann", 1).error_code is None
    assert store.deduct("ann", 1).error_code == "rate_limited"
    assert store.deduct("bob", 1).error_code is None
    store.set_rate_limit("ann", RateLimit("5/minute"))
    [limit] = store.list_rate_limits("ann").limits
    assert (limit.limit, limit.used, limit.default) == (5, 3, False)
    assert codes(store, "ann", 1, 3) == [None, None, "rate_limited"]
    [open_holds] = store.list_concurrency_limits("ann").limits
    assert (open_holds.used, open_holds.default) == (2, True)


def test_tokens_are_corrected(api):
    """The estimate at reserve is made what was used, as with an account's own limit."""
    store = api.store()
    store.set_defaults(limits=[RateLimit("1000/minute", counts="tokens", algorithm="fixed")])
    store.add_credits("ann", 100)
    hold = store.reserve("ann", 1, tokens=800)
    assert store.reserve("ann", 1, tokens=300).error_code == "rate_limited"
    store.settle("ann", hold, 1, tokens=100)
    assert store.reserve("ann", 1, tokens=900).error_code is None


def test_thresholds_and_warnings(api):
    """They are told like those of an account's own caps."""
    store = api.store()
    store.set_defaults([DefaultCap(limit=100, action="warn", thresholds=(50,))])
    store.add_credits("ann", 1_000)
    assert [event.data["percent"] for event in store.deduct("ann", 60).events if "percent" in event.data] == [50]
    warned = store.deduct("ann", 60)
    assert (warned.error_code, warned.cap_warning.limit) == (None, 100)


def test_asking_shows_them(tiers):
    """``explain`` and ``check_spend_cap``; nothing is taken."""
    tiers.set_defaults(limits=[RateLimit("60/minute")])
    asked = tiers.explain("ann", 6_000)
    assert (asked.error_code, [cap.limit for cap in asked.caps]) == ("cap_reached", [5_000])
    assert [(limit.limit, limit.used) for limit in asked.limits] == [(60, 0)]
    assert tiers.check_spend_cap("ann", amount=6_000).capped


def test_they_are_listed_replaced_and_removed(tiers):
    """As they were given; a version tells each change, and none where nothing changes."""
    listed = tiers.list_defaults()
    assert listed.version == 2
    assert listed.sets[0] == DefaultSet(plan="free", caps=(DefaultCap(limit=5_000),))
    again = tiers.set_defaults([DefaultCap(limit=5_000)], plan="free")
    assert again.version == 2
    everything = tiers.set_defaults([], [RateLimit("2k/minute", counts="amount", burst="7.5"), ConcurrencyLimit(3)])
    assert everything.sets[-1].limits == (RateLimit("2k/minute", counts="amount", burst="7.5"), ConcurrencyLimit(3))
    assert tiers.list_defaults().sets == everything.sets
    removed = tiers.remove_defaults(plan="free")
    assert (removed.removed, removed.version, len(removed.sets)) == (True, 4, 2)
    assert not tiers.remove_defaults(plan="free").removed
    assert tiers.remove_defaults().version == 5
    assert codes(tiers, "ann", 100_000, 1) == [None]  # on a plan of which nothing is left
    with pytest.raises(InvalidArgumentError, match="first: set_defaults"):
        tiers.set_plan("bob", "free")


def test_setup_brings_every_shard_to_the_same(api, tiers):
    """A change that did not come to all shards, and a shard from before there were defaults."""
    engine, keys = api.engine, [f"{api.namespace}:{{{shard}}}:config" for shard in range(4)]
    whole = [engine.hgetall(key) for key in keys]
    assert whole[0] == whole[3]
    tiers.set_defaults([DefaultCap(limit=6_000)], plan="free")
    after = engine.hgetall(keys[0])
    engine.delete(keys[1], keys[2])
    engine.hset(keys[1], mapping=whole[1])
    old = ("generation", "layout", "precision", "shards", "state")
    engine.hset(keys[2], mapping={name: whole[2][name.encode()] for name in old})
    api.store()
    assert [engine.hgetall(key) for key in keys] == [after] * 4


def test_a_change_that_did_not_come_to_all_shards_is_finished_by_trying_again(api, tiers):
    """The same call once more finds nothing to change on the first shard, and brings the others to it."""
    keys = [f"{api.namespace}:{{{shard}}}:config" for shard in range(4)]
    before = [api.engine.hgetall(key) for key in keys]
    tiers.set_defaults([DefaultCap(limit=6_000)], plan="pro")
    after = api.engine.hgetall(keys[0])
    for key, config in zip(keys[2:], before[2:], strict=True):
        api.engine.delete(key)
        api.engine.hset(key, mapping=config)
    assert tiers.set_defaults([DefaultCap(limit=6_000)], plan="pro").version == 3
    assert [api.engine.hgetall(key) for key in keys] == [after] * 4


def test_changes_at_the_same_time_lose_none(server, namespace):
    """Four stores change at once, five times each - fewer than one tries; every change is there, on every shard."""
    stores = [RedisStore.from_url(server.url, namespace=namespace, shards=4) for _ in range(4)]
    stores[0].setup()
    barrier = threading.Barrier(4)

    def change(at):
        barrier.wait()
        return [stores[at].set_defaults([DefaultCap(limit=at)], plan=f"p{at}.{turn}").version for turn in range(5)]

    with ThreadPoolExecutor(4) as pool:
        versions = sorted(version for each in pool.map(change, range(4)) for version in each)
    assert versions == list(range(1, 21))
    assert len(stores[0].list_defaults().sets) == 20
    configs = [server.client.hgetall(f"{namespace}:{{{shard}}}:config") for shard in range(4)]
    assert configs == [configs[0]] * 4
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plan": ""}, "1 to 64 bytes"),
        ({"plan": "x" * 65}, "1 to 64 bytes"),
        ({"level": 0}, "level"),
        ({"level": 7}, "level"),
        ({"caps": [DefaultCap(limit=1), DefaultCap(limit=2)]}, "one cap per period"),
        ({"caps": [SpendCap(user_id="u", limit=1)]}, "caps"),
        ({"limits": [ConcurrencyLimit(1, model="m")]}, "open holds"),
        ({"limits": ["60/minute"]}, "limits"),
        ({"limits": [RateLimit(f"1/{seconds}s") for seconds in range(1, 34)]}, "at most 32"),
        ({"limits": [RateLimit("100g/day", counts="amount")]}, "too much"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(store, options, message):
    """With a message that says what; nothing changes."""
    with pytest.raises(InvalidArgumentError, match=message):
        store.set_defaults(**options)
    assert store.list_defaults().version == 0


def test_other_bad_input(api):
    """Amounts that units cannot count, plans that are no text, no namespace, text of a newer release."""
    store = api.store(setup=False)
    with pytest.raises(NamespaceUnknown):
        store.set_defaults([DefaultCap(limit=1)])
    store.setup()
    with pytest.raises(InvalidAmountError):
        store.set_defaults([DefaultCap(limit=10**13)])
    for plan in ("", "x" * 65, 7, "\ud800"):
        with pytest.raises(InvalidArgumentError):
            store.set_plan("u", plan)
    api.engine.hset(f"{api.namespace}:{{0}}:config", "defaults", '{"sets": [{"later": 1}]}')
    with pytest.raises(SchemaNewer):
        store.list_defaults()


def test_names_of_plans_are_anything(store):
    """They never reach another field of the config."""
    names = ["free", "a/b", "d1:free", "ä %:{}", "x" * 64]
    for at, name in enumerate(names):
        store.set_defaults([DefaultCap(limit=at)], plan=name)
        store.set_plan(f"u{at}", name)
    for at, name in enumerate(names):
        assert store.get_available(f"u{at}").plan == name
        assert [cap.limit for cap in store.list_spend_caps(f"u{at}").caps] == [at]


def test_the_manager_has_them(api, tiers):
    """The same names; a refusal is raised."""
    manager = api.manager(tiers)
    manager.set_defaults([DefaultCap(limit=1)], plan="free")
    assert manager.list_defaults().version == 3
    manager.set_plan("ann", "enterprise")
    assert manager.remove_defaults(plan="free").removed
