"""Headers and statuses of decisions; names that no text can break out of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ducto_redis import (
    AuthenticationFailed,
    CapReachedError,
    Code,
    HoldResult,
    IdempotencyConflict,
    InvalidAmountError,
    LimitNotice,
    OutcomeUnknown,
    RateLimitedError,
    ScriptFailed,
    StoreUnavailable,
    http_status,
    rate_limit_headers,
)
from ducto_redis.headers import STATUS_OF

#: A list of strings with integer or string parameters (RFC 8941), as far as these headers use it.
_STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_ITEM = rf"{_STRING}(?:;[a-z]+=(?:\d{{1,15}}|{_STRING}))+"
LIST = re.compile(rf"{_ITEM}(?:, {_ITEM})*", re.ASCII)


def limit(**told):
    usual = {"scope": "u", "algorithm": "fixed", "counts": "requests", "limit": 60, "period_ms": 60_000, "used": 48,
             "remaining": 12, "reset_after": 29.001, "retry_after": 0.0}  # fmt: skip
    return LimitNotice(**{**usual, **told})


def test_an_admission():
    """Every limit in order in the new headers, the one with the least part in the older ones; no Retry-After."""
    opened = limit(algorithm="concurrency", limit=4, period_ms=0, used=1, remaining=3, reset_after=None)
    tokens = limit(counts="tokens", limit=10**9, period_ms=10_000, remaining=10**9, reset_after=0.0, model="m")
    credit = limit(counts="amount", limit="2.5", remaining="1.9", operation_type="t", scope="acme")
    result = HoldResult(user_id="u", limits=(limit(), opened, tokens, credit))
    assert rate_limit_headers(result) == {
        "RateLimit-Policy": '"requests-minute";q=60;w=60, "concurrent";q=4;qu="concurrent-requests", '
        '"tokens-10-seconds model=m";q=1000000000;qu="tokens";w=10, '
        '"amount-minute type=t of=acme";q=2;qu="credits";w=60',
        "RateLimit": '"requests-minute";r=12;t=30, "concurrent";r=3, "tokens-10-seconds model=m";r=1000000000;t=0, '
        '"amount-minute type=t of=acme";r=1;t=30',
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "12",
        "X-RateLimit-Reset": "30",
    }


def test_refusals():
    """Retry-After in whole seconds, rounded up; absent when waiting does not help."""
    late = limit(refused=True, remaining=0, retry_after=0.2)
    result = HoldResult(user_id="u", error_code="rate_limited", limits=(late,))
    assert rate_limit_headers(result)["Retry-After"] == "1"
    never = result.model_copy(update={"limits": (limit(refused=True, retry_after=None),)})
    assert "Retry-After" not in rate_limit_headers(never)
    broke = HoldResult(user_id="u", error_code="insufficient_credits", limits=(limit(),))
    assert set(rate_limit_headers(broke)) == {"RateLimit", "RateLimit-Policy"}
    assert rate_limit_headers(HoldResult(user_id="u")) == {}
    huge = HoldResult(user_id="u", limits=(limit(limit=2**53 - 1, remaining=2**53 - 1),))
    assert rate_limit_headers(huge)["RateLimit"] == '"requests-minute";r=999999999999999;t=30'


@given(scope=st.text(), model=st.text(), kind=st.text())
def test_no_text_leaves_its_quotes(scope, model, kind):
    """Whatever scope, model and type hold, both headers stay one well-formed item of printable ASCII."""
    told = rate_limit_headers(HoldResult(user_id="u", limits=(limit(scope=scope, model=model, operation_type=kind),)))
    for name in ("RateLimit", "RateLimit-Policy"):
        assert LIST.fullmatch(told[name])
        assert told[name].count('"') == 2


def test_hostile_text_is_told_apart():
    """Blanks, quotes, equal signs and line ends are escaped, so two limits never share a name."""
    pairs = [
        ("a type=b", None),
        ("a", "b"),
        ('a"', None),
        ("a\\", None),
        ("a\r\nX: 1", None),
        ("a%22", None),
        ("ä", None),
    ]
    limits = tuple(limit(model=model, operation_type=kind) for model, kind in pairs)
    told = rate_limit_headers(HoldResult(user_id="u", limits=limits))["RateLimit"]
    assert LIST.fullmatch(told)
    assert len(set(told.split(", "))) == len(pairs)
    assert '"requests-minute model=a%0D%0AX:%201"' in told


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (HoldResult(user_id="u"), 200),
        (HoldResult(user_id="u", error_code="insufficient_credits"), 402),
        (HoldResult(user_id="u", error_code="rate_limited"), 429),
        (HoldResult(user_id="u", error_code="concurrency_limit"), 429),
        (HoldResult(user_id="u", error_code="cap_reached"), 429),
        (HoldResult(user_id="u", error_code="invalid_amount"), 400),
        (HoldResult(user_id="u", error_code="of a newer release"), 500),
        (StoreUnavailable("x"), 503), (OutcomeUnknown("x"), 503), (AuthenticationFailed("x"), 503),
        (ScriptFailed("x"), 503), (RateLimitedError("x"), 429), (CapReachedError("x"), 429),
        (InvalidAmountError("x"), 400), (IdempotencyConflict("x"), 409), (ValueError("x"), 500),
    ],
    ids=lambda value: getattr(value, "error_code", None) or type(value).__name__,
)  # fmt: skip
def test_statuses(outcome, status):
    """Of results and of exceptions."""
    assert http_status(outcome) == status


def test_every_code_has_a_status():
    """Those about the namespace are 503."""
    assert set(STATUS_OF) == set(Code)
    assert {STATUS_OF[code] for code in Code if 10 <= code < 20} == {503}
    assert {STATUS_OF[code] for code in Code if 0 < code < 10} == {400}
