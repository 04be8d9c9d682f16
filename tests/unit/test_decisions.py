"""What a decision says: replies with limits become notices, messages, events, and the one limit that decided."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from struct import pack

import pytest

from ducto_redis import ConcurrencyLimit, DeductionResult, HoldResult, LimitListResult, RateLimit
from ducto_redis.codes import Code
from ducto_redis.core.codec import DeductionReply, HoldReply
from ducto_redis.core.keys import KeyMaker
from ducto_redis.core.limit_items import LimitItem, item_of, pack_item
from ducto_redis.core.outcomes import check
from ducto_redis.core.scale import Scale
from ducto_redis.errors import ConcurrencyLimitError, RateLimitedError
from ducto_redis.events import CONCURRENCY_LIMITED, CREDIT_EVENT_TYPES, RATE_LIMITED

NOW = 1_767_225_600_000  # midnight UTC
SCALE = Scale(4, KeyMaker("ns", 1).account("acme/alice"))


def note(limit, *, level=2, refused=False, cost=1, used=0, at=NOW):
    item = limit if isinstance(limit, LimitItem) else item_of(limit, 4)._replace(at_ms=at, used=used)
    return bytes([level, refused]) + pack("<q", cost)[:7] + pack_item(item)


def cap_note(spent=90_0000, limit=100_0000, level=2, kind=4):
    return bytes([level, kind, 0, 1]) + b"".join(pack("<q", value)[:7] for value in (limit, spent, 0))


def reserved(code=Code.OK, notes=b"", amount=5_0000, repetition=0):
    reply = [code, NOW, repetition, 1000_0000, 0, amount, NOW + 600_000, notes]
    return HoldReply(SCALE, "h", "chat", "strict")(reply)


def deducted(code=Code.OK, notes=b"", asked=5_0000, repetition=0, hold=""):
    charged = 0 if code else asked
    reply = [code, NOW, repetition, 1000_0000, charged, asked, 0, b"1-1" if not code else b"", notes]
    return DeductionReply(SCALE, hold, message_as_error=bool(hold))(reply)


MINUTE = RateLimit("60/minute")


def test_without_limits_nothing_is_said():
    """No section, no notices: admitted by money and caps alone."""
    for result in (reserved(), deducted()):
        assert (result.allowed, result.reason, result.limits, result.decider) == (True, None, (), None)
        assert [result.scope, result.limit, result.remaining, result.reset_after, result.retry_after] == [None] * 5


def test_an_admission_tells_each_limit_after_it():
    """The item comes without this cost; what is told counts it. The least remaining part speaks for the decision."""
    result = reserved(notes=b"\0" + note(RateLimit("10/s", algorithm="fixed"), level=1, used=3) + note(MINUTE))
    wide, near = result.limits[1], result.limits[0]
    assert near.model_dump() == {
        "scope": "acme", "algorithm": "fixed", "counts": "requests", "limit": 10, "period_ms": 1000, "burst": None,
        "model": None, "operation_type": None, "used": 4, "remaining": 6, "reset_after": 1.0, "retry_after": 0.0,
        "refused": False, "default": False, "shadow": False, "would_refuse": False, "shadow_denied": 0,
    }  # fmt: skip
    assert (wide.scope, wide.burst, wide.used, wide.remaining, wide.reset_after) == ("acme/alice", 60, 1, 59, 1.0)
    assert (result.allowed, result.scope, result.limit, result.remaining) == (True, "acme", 10, 6)
    assert (result.reset_after, result.retry_after) == (1.0, 0.0)


def test_the_least_part_is_of_the_burst_where_there_is_one():
    """A burst of 100, half used, is tighter than 60 of 100, though 50 is more than its rate; in any order."""
    burst = note(RateLimit("10/s", burst=100), used=49 * 1000)
    window = note(RateLimit("100/h", algorithm="fixed"), used=39)
    for notes in (burst + window, window + burst):
        assert (reserved(notes=b"\0" + notes).limit, reserved(notes=b"\0" + notes).remaining) == (10, 50)


def test_a_rate_refusal_says_when_to_come_back():
    """Code, message, event and the figures of the limit that refused; nothing was consumed."""
    full = note(MINUTE, refused=True, used=60 * 60_000 - 200 * 60)
    result = deducted(Code.RATE_LIMITED, b"\0" + note(RateLimit("1/h", model="m"), used=0) + full)
    assert result.message == "rate_limited: 60 requests/minute of 'acme/alice': 0 left, retry after 0.8 s"
    assert (result.allowed, result.reason, result.error) == (False, "rate_limited", "rate_limited")
    assert (result.scope, result.limit, result.remaining, result.retry_after) == ("acme/alice", 60, 0, 0.8)
    assert result.reset_after == 59.8
    assert result.limits[0].remaining == 1
    failed, limited = result.events
    assert (failed.type, failed.data["error"], limited.type) == ("credits.deduct_failed", "rate_limited", RATE_LIMITED)
    assert limited.data == {
        "amount": 5, "counts": "requests", "limit": 60, "used": 60, "period_ms": 60_000, "algorithm": "gcra",
        "scope": "acme/alice", "model": None, "operation_type": None, "retry_after": 0.8,
    }  # fmt: skip
    assert limited.timestamp == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(RateLimitedError) as raised:
        check(result)
    assert raised.value.result is result


def test_a_plain_account_is_not_named():
    """The message of a plain id is as short as it gets; type and model are told."""
    scale = Scale(4, KeyMaker("ns", 1).account("u"))
    limit = ConcurrencyLimit(4, operation_type="chat")
    reply = [50, NOW, 0, 9, 0, 5, 0, b"\0" + note(limit, level=1, refused=True, used=4, at=0)]
    result = HoldReply(scale, "h", "chat", "strict")(reply)
    assert result.message == "concurrency_limit: 4 of 4 open, chat"
    assert (result.limit, result.remaining, result.retry_after, result.reset_after) == (4, 0, 1.0, None)
    assert [event.type for event in result.events] == ["credits.deduct_failed", CONCURRENCY_LIMITED]
    with pytest.raises(ConcurrencyLimitError):
        check(result)
    every = note(RateLimit("5/10s", counts="tokens", model="m", operation_type="t"), level=1, refused=True, cost=6)
    result = HoldReply(scale, "h", "t", "strict")([51, NOW, 0, 9, 0, 5, 0, b"\0" + every])
    assert result.message == "rate_limited: 5 tokens/10 seconds for m, t: 5 left, never fits"
    assert result.retry_after is None


def test_several_that_refuse_wait_for_the_last():
    """Of those with the code of the result, the longest wait decides; one of another code never does."""
    short = note(RateLimit("1/s", algorithm="fixed"), refused=True, used=1)
    long = note(RateLimit("1/minute", algorithm="fixed"), level=1, refused=True, used=1)
    opened = note(ConcurrencyLimit(2), refused=True, used=2, at=0)
    passed = note(RateLimit("100/h", algorithm="fixed"), used=5)
    for notes in (short + long, long + short):
        result = reserved(Code.RATE_LIMITED, b"\0" + passed + notes)
        assert (result.scope, result.retry_after) == ("acme", 60.0)
        assert result.message.count(";") == 1
    result = reserved(Code.CONCURRENCY_LIMIT, b"\0" + short + long + opened)
    assert (result.limit, result.retry_after) == (2, 1.0)
    assert len(result.events) == 2
    never = note(RateLimit("5/s"), refused=True, cost=6)
    assert reserved(Code.RATE_LIMITED, b"\0" + never + long).retry_after is None


def test_credits_are_told_as_credits():
    """An amount limit is told in Decimal credits, others in whole numbers."""
    limit = RateLimit("2.5/minute", burst=5, counts="amount")
    told = reserved(notes=b"\0" + note(limit, cost=1_5000)).limits[0]
    assert (told.limit, told.burst, told.used, told.remaining) == (
        Decimal("2.5"), Decimal(5), Decimal("1.5"), Decimal("3.5"),
    )  # fmt: skip
    assert told.reset_after == 36.0


def test_a_cap_decides_with_its_boundary():
    """Caps and limits in one reply: a cap that refused tells its scope, what it had left and when its period ends."""
    passed = b"\0" + note(MINUTE, used=60_000)
    for result in (
        reserved(Code.CAP_REACHED, cap_note() + passed, amount=50_0000),
        deducted(Code.CAP_REACHED, cap_note() + passed, asked=50_0000, hold="h"),
    ):
        assert (result.scope, result.limit, result.remaining) == ("acme/alice", 100, 10)
        assert (result.reset_after, result.retry_after) == (86_400.0, 86_400.0)
        assert (result.limits[0].used, result.limits[0].refused, result.refusing) == (1, False, ())
        assert "credits.cap_reached" in [event.type for event in result.events]
        assert RATE_LIMITED not in [event.type for event in result.events]
    too_much = reserved(Code.CAP_REACHED, cap_note() + cap_note(kind=6, level=1), amount=50_0000)
    assert (too_much.scope, too_much.reset_after, too_much.retry_after) == ("acme", None, None)
    assert reserved(Code.CAP_REACHED, cap_note(), amount=101_0000).retry_after is None


def test_money_and_repetitions_do_not_wait():
    """Waiting does not bring credits; a repeated refusal is what it was, whatever the time is now."""
    result = reserved(Code.INSUFFICIENT_CREDITS, cap_note() + b"\0" + note(MINUTE))
    assert (result.allowed, result.reason, result.retry_after, result.scope) == (
        False, "insufficient_credits", None, None,
    )  # fmt: skip
    again = deducted(Code.CAP_REACHED, cap_note(), asked=50_0000, repetition=1, hold="h")
    assert (again.limit, again.remaining, again.retry_after, again.events) == (100, 10, None, ())


def test_limits_of_an_account_are_listed():
    """Rates or open holds, in order, as they are now; they are an answer and never an error."""
    rate = item_of(MINUTE, 4)._replace(at_ms=NOW, used=60_000)
    window = item_of(RateLimit("5/s", algorithm="fixed"), 4)._replace(at_ms=NOW - 500, used=0)
    held = item_of(ConcurrencyLimit(3), 4)._replace(used=2)
    data = pack_item(rate) + pack_item(held) + pack_item(window)
    rates = SCALE.listed_limits(data, NOW, concurrency=False)
    assert [(each.scope, each.limit, each.used, each.refused) for each in rates] == [
        ("acme/alice", 60, 1, False), ("acme/alice", 5, 0, False),
    ]  # fmt: skip
    (concurrent,) = SCALE.listed_limits(data, NOW, concurrency=True)
    assert (concurrent.limit, concurrent.used, concurrent.retry_after) == (3, 2, 0.0)
    listed = LimitListResult(user_id="u", error_code="account_unknown", limits=rates)
    assert check(listed) is listed


def test_names_of_a_decision_hide_no_field():
    """Properties and fields of the results are apart, and both events are among the types."""
    words = {"allowed", "reason", "scope", "limit", "remaining", "reset_after", "retry_after", "decider", "refusing"}
    for result in (HoldResult, DeductionResult):
        assert not words & set(result.model_fields)
        assert all(isinstance(getattr(result, word), property) for word in words)
    assert {RATE_LIMITED, CONCURRENCY_LIMITED} <= set(CREDIT_EVENT_TYPES)
