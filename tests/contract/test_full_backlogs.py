"""``backlog_full`` as callers meet it, on every combination of face and engine."""

from __future__ import annotations

import pytest

from ducto_redis import ChargeItem, LimitExceededError, ReserveItem
from ducto_redis.headers import http_status


@pytest.fixture
def full(api):
    """A store with two holds of u, whose shards have more entries than may wait."""
    store = api.store()
    store.add_credits("u", 100)
    for hold in ("h", "i"):
        store.reserve("u", 10, idempotency_key=hold)
    _bound(api, 1)
    return store


def _bound(api, most):
    """A drainer is registered, and what it lets wait is there, or is not."""
    for shard in range(4):
        marked = {"drain": 1, "max_entries": most, "d": "F" if most == 1 else ""}
        api.engine.hset(f"{api.namespace}:{{{shard}}}:config", mapping=marked)


def test_new_holds_and_charges_are_refused(api, full):
    """With code, message and status; nothing is taken, and no event of a cap or of credits is sent."""
    before = api.dumped()
    refused = [
        full.reserve("u", 1), full.reserve_credits("u", 1), full.deduct("u", 1), full.extend("u", "h", 1),
        *full.reserve_many([ReserveItem(user_id="u", amount=1)]),
        *full.charge_many([ChargeItem(user_id="u", amount=1)]),
        full.reserve("u", 1, dry_run=True), full.explain("u", 1),
    ]  # fmt: skip
    assert {each.error_code for each in refused} == {"backlog_full"}
    assert {each.message for each in refused} == {"backlog_full: too many ledger entries wait to be drained"}
    assert {http_status(each) for each in refused} == {503}
    assert not any(each.allowed for each in refused)
    assert (refused[0].balance, refused[0].available, refused[0].hold_id) == (100, 80, "")
    assert full.deduct("u", 1, idempotency_key="k").amount == 0
    assert api.dumped() == before
    _bound(api, 1_000_000)
    assert full.deduct("u", 1, idempotency_key="k").amount == 1  # a refusal is not remembered


def test_what_is_open_ends(full):
    """Settled, with its successor refused; released; repeated; and grants are made."""
    done = full.settle("u", "h", 4, next_amount=5)
    assert (done.amount, done.balance_after, done.next_hold.error_code) == (4, 96, "backlog_full")
    assert full.settle("u", "h", 4).idempotent
    assert full.renew("u", "i", 900).allowed
    assert full.reserve("u", 10, idempotency_key="i").idempotent
    assert full.release("u", "i").released
    assert full.add_credits("u", 5).new_balance == 101
    assert full.get_available("u").reserved == 0


def test_managers_raise(api, full):
    """A typed error with the code and the status; what ends holds is as ever."""
    manager = api.manager(full)
    for call in (lambda: manager.reserve("u", 1), lambda: manager.deduct("u", 1), lambda: manager.extend("u", "h", 1)):
        with pytest.raises(LimitExceededError, match="backlog_full: too many ledger entries wait") as caught:
            call()
        assert caught.value.code.text == "backlog_full"
        assert http_status(caught.value) == 503
    assert manager.explain("u", 1).error_code == "backlog_full"
    assert manager.settle("u", "h", 4).amount == 4
    assert manager.release("u", "i").released


def test_defaults_change_meanwhile(api, full):
    """The mark stays, and what is set holds when there is room again."""
    full.set_defaults([{"cap_type": "daily", "limit": 3}])
    assert full.deduct("u", 1).error_code == "backlog_full"
    _bound(api, 1_000_000)
    for shard in range(4):
        api.engine.hset(f"{api.namespace}:{{{shard}}}:config", "d", "1")
    assert full.deduct("u", 4).error_code == "cap_reached"
