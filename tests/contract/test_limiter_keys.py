"""The stand-alone limiter's keys, decisions and refusals of bad input, on each face and engine."""

from __future__ import annotations

import warnings

import pytest

from ducto_redis import InvalidArgumentError, InvalidIdError, RateDecision, RateLimit, http_status, rate_limit_headers
from ducto_redis.money import MAX_UNITS

FIXED, SLIDING = {"algorithm": "fixed"}, {"algorithm": "sliding"}


@pytest.fixture
def make(api):
    """Makes limiters of each combination on one clock, engine and namespace."""
    return api.limiter


def hits(limiter, count):
    return [limiter.hit("u").allowed for _ in range(count)]


@pytest.mark.parametrize("options", [{}, {"burst": 25}, FIXED, SLIDING], ids=str)
def test_no_key_without_an_end(api, make, options):
    """One key per id, with a time to live from its last admission (tests/unit/test_hitting.py says why so long)."""
    limiter = make(RateLimit("10/hour", **options))
    limiter.hit("u")
    limiter.hit("v", 9)
    limiter.hit("v", 30)
    limiter.peek("w")
    periods = {"gcra": 1 + options.get("burst", 10) / 10, "fixed": 2, "sliding": 3}[options.get("algorithm", "gcra")]
    assert len(api.dumped()) == 2
    for key in api.dumped():
        assert 3_600_000 * periods - 60_000 < api.engine.pttl(key) <= 3_600_000 * periods


def test_the_longest_time_to_live(make):
    """A level that takes as long to drain as units can count is kept on both engines."""
    limiter = make(RateLimit("1/366d", burst=MAX_UNITS // (366 * 86_400_000)))
    assert limiter.hit("u").allowed
    assert limiter.peek("u").remaining == MAX_UNITS // (366 * 86_400_000) - 1


HOSTILE = [
    "u", "U", "u ", "u}:x", "{u}", "u:q:v", "u/v", "u%2Fv", "*", "u\n", "\x00", "\u00e9", "e\u0301", "u" * 256,
    "ducto:{0}:q:x:u",
]  # fmt: skip


def test_hostile_ids_do_not_collide(make, api):
    """Ids that look like keys, patterns or each other's encoding: a key each, under the namespace."""
    limiter = make(RateLimit("1/hour"))
    assert [limiter.hit(each).allowed for each in HOSTILE] == [True] * len(HOSTILE)
    assert [limiter.hit(each).allowed for each in HOSTILE] == [False] * len(HOSTILE)
    assert len(api.dumped()) == len(HOSTILE)


def test_whose_state_it_is(make, api):
    """The same limits share it, also from another face; another order, limit or namespace does not."""
    pair = (RateLimit("1/hour"), RateLimit("5/day"))
    assert hits(make(*pair), 1) == [True]
    assert hits(make(RateLimit("1/h"), RateLimit("5/day", algorithm="gcra")), 1) == [False]
    assert hits(make(*pair[::-1]), 1) == [True]
    assert hits(make(*pair, RateLimit("1/hour")), 1) == [True]
    assert hits(make(*pair, namespace=f"{api.namespace}.other"), 1) == [True]


def test_it_lives_beside_a_store(make, api):
    """A limiter in the namespace of a store, before and after setup(): neither sees the other."""
    limiter = make(RateLimit("1/hour"))
    assert hits(limiter, 1) == [True]
    store = api.store()
    store.add_credits("u", 5)
    assert hits(limiter, 1) == [False]
    assert store.get_balance("u").balance == 5
    assert store.deduct("u", 1).limits == ()


def test_the_decision(make):
    """All its fields are in order and pass the check; it has no truth value; headers and status are told of it."""
    limiter = make(RateLimit("1/hour"))
    passed, refused = limiter.hit("u"), limiter.hit("u")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for decision in (passed, refused):
            assert list(vars(decision)) == list(RateDecision.model_fields)
            assert RateDecision.model_validate(vars(decision), strict=True) == decision
            assert RateDecision.model_validate_json(decision.model_dump_json()).model_dump() == decision.model_dump()
    with pytest.raises(TypeError, match=r"ask \.allowed"):
        bool(refused)
    assert [http_status(each) for each in (passed, refused)] == [200, 429]
    assert rate_limit_headers(refused)["RateLimit"] == '"requests-hour";r=0;t=3600'
    assert rate_limit_headers(refused)["Retry-After"] == "3600"


WRONG_LIMITS = [
    ("1/s",), (None,), (RateLimit("1/s", counts="tokens"),), (RateLimit("1/s", counts="amount"),),
    (RateLimit("1/s", model="m"),), (RateLimit("1/s", operation_type="t"),), (), (RateLimit("1/s"),) * 33,
]  # fmt: skip


@pytest.mark.parametrize("limits", WRONG_LIMITS, ids=lambda limits: repr(limits)[:40])
def test_wrong_limits(make, limits):
    """1 to 32 limits that count requests, of every model and type; 32 are allowed."""
    with pytest.raises(InvalidArgumentError, match="invalid_argument: a limiter"):
        make(*limits)
    assert len(make(*[RateLimit("1/s")] * 32).hit("u").limits) == 32


def test_wrong_arguments(make, api):
    """Costs, ids, timeouts and namespaces that are none: an error of their own, and nothing is written."""
    limiter = make(RateLimit("5/hour"))
    for cost in (0, -1, True, 1.0, "1", None, MAX_UNITS + 1, float("nan")):
        for call in (limiter.hit, limiter.peek, limiter.wait):
            with pytest.raises(InvalidArgumentError, match="cost must be"):
                call("u", cost)
    assert limiter.hit("u", MAX_UNITS).retry_after is None
    for limited_id in ("", "u" * 257, "\ud800", None, 5, b"u"):
        for call in (limiter.hit, limiter.peek, limiter.wait, limiter.reset):
            with pytest.raises(InvalidIdError):
                call(limited_id)
    for timeout in (-1, float("nan"), "1", True):
        with pytest.raises(InvalidArgumentError, match="timeout must be"):
            limiter.wait("u", timeout=timeout)
    with pytest.raises(InvalidArgumentError, match="namespace"):
        make(RateLimit("1/s"), namespace="a b")
    assert api.dumped() == {}
