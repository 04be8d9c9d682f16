"""Limits of three levels under 64 concurrent callers: every level's cap, rate and number of holds is exact."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ducto_redis import ConcurrencyLimit, RateLimit, RedisStore, SpendCap

COST, ORG, TEAM, USER = 7, 1000, 300, 100
TEAMS, USERS, CALLERS, CALLS = 4, 4, 64, 40


def accounts():
    return [f"org/team{team}/user{user}" for team in range(TEAMS) for user in range(USERS)]


def spent(store, account):
    return store.list_spend_caps(account).caps[0].spent


def race(call):
    """Each caller asks for every account in turn, from another one on; the codes of all answers."""
    names = accounts()

    def caller(at):
        return [call(names[(at + turn) % len(names)]).error_code for turn in range(CALLS)]

    with ThreadPoolExecutor(CALLERS) as pool:
        return [code for codes in pool.map(caller, range(CALLERS)) for code in codes]


def test_caps_of_three_levels_are_exact(server, namespace, record_property):
    """The organisation's cap is used to the last charge that fits; no team and no user is above its own."""
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        for level, limit in (("org", ORG), *((f"org/team{at}", TEAM) for at in range(TEAMS))):
            store.set_spend_cap(SpendCap(user_id=level, limit=limit))
        for name in accounts():
            store.add_credits(name, 10_000)
            store.set_spend_cap(SpendCap(user_id=name, limit=USER))
        codes = race(lambda name: store.deduct(name, COST))
        admitted = codes.count(None)
        assert set(codes) == {None, "cap_reached"}
        assert admitted == ORG // COST
        assert spent(store, "org") == admitted * COST
        assert all(spent(store, f"org/team{at}") <= TEAM for at in range(TEAMS))
        assert all(spent(store, name) <= USER for name in accounts())
        record_property(
            "figure", f"three levels, {CALLERS} callers: {len(codes)} attempts, {admitted} admitted, 0 above any cap"
        )
        assert store.verify().differences == ()


def test_rates_and_holds_of_three_levels_are_exact(server, namespace, record_property):
    """A rate of the organisation, open holds of teams: exactly as many as may pass, and places are free again."""
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        store.set_rate_limit("org", RateLimit("100/day", algorithm="fixed"))
        for at in range(TEAMS):
            store.set_concurrency_limit(f"org/team{at}", ConcurrencyLimit(20))
        for name in accounts():
            store.add_credits(name, 10_000)
        codes = race(lambda name: store.reserve(name, 1))
        assert codes.count(None) == 20 * TEAMS
        assert set(codes) == {None, "concurrency_limit"}
        for name in accounts():
            for hold in store.list_holds(name).holds:
                store.settle(name, hold.hold_id, 1)
        assert race(lambda name: store.deduct(name, 1)).count(None) == 100 - 20 * TEAMS
        assert [each.used for each in store.list_rate_limits("org").limits] == [100]
        record_property(
            "figure", f"three levels, {CALLERS} callers: rate and concurrency exact in {len(codes) * 2} attempts"
        )
        assert store.verify().differences == ()
