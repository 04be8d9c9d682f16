"""Results that are made without being checked are what checking would have made of them."""

from __future__ import annotations

import warnings

import pytest

from ducto_redis import RedisStore, SpendCap


@pytest.fixture
def results(server, namespace):
    """Every kind of result of a charge or a hold: done, refused by caps and by the balance, repeated, clamped."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u", 100)
        store.set_spend_cap(SpendCap(user_id="u", cap_type="daily", limit=30))
        store.set_spend_cap(SpendCap(user_id="u", cap_type="monthly", limit=1, action="warn"))
        hold = store.reserve("u", "2.5", idempotency_key="h")
        yield [
            hold,
            store.reserve("u", "2.5", idempotency_key="h"),
            store.reserve("u", 50),
            store.reserve("u", 10**6),
            store.reserve("nobody", 1),
            store.reserve("u", -1),
            store.deduct("u", "0.1234", idempotency_key="d"),
            store.deduct("u", "0.1234", idempotency_key="d"),
            store.deduct("u", 7, idempotency_key="d"),
            store.deduct("u", 50),
            store.deduct("nobody", 1),
            store.settle("u", hold, 90, next_amount=1),
            store.settle("u", "unknown", 1),
            store.deduct_credits("u", store.reserve_credits("u", 3), 3),
        ]


def test_what_is_made_would_pass_the_check(results):
    """Each result and event equals what its class makes of its values, has every field in order, and is dumped."""
    assert {result.error_code for result in results} >= {None, "cap_reached", "insufficient_credits", "lease_not_found"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydantic warns of a value of another type than the field's
        for model in [*results, *(event for result in results for event in result.events)]:
            kind = type(model)
            assert list(vars(model)) == list(kind.model_fields)
            assert kind.model_validate(vars(model), strict=True) == model
            assert kind.model_validate_json(model.model_dump_json()).model_dump_json() == model.model_dump_json()
            assert model.model_copy(deep=True) == model
