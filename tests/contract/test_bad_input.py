"""Wrong input: each its own code or error, nothing changed - on every combination of face and engine."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ducto_redis import InvalidAmountError, InvalidArgumentError, InvalidIdError, SpendCap
from ducto_redis.money import MAX_UNITS

WRONG_AMOUNTS = [
    -1, "-0.0001", Decimal("-0.00000001"), float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), True, None,
    "", " 5", "5 ", "0x10", "1_000", "٣", "five", b"5", [], MAX_UNITS, 2**63, "9" * 70, "1e999", Decimal("1e999999"),
    Decimal("1" * 80),
]  # fmt: skip
WRONG_IDS = ["", "x" * 257, "a//b", "/a", "a/", "a/b/c/d/e/f/g", "\ud800", None, 7, b"u", ["u"]]


def everything(api):
    """All that the engine holds for the namespace, byte for byte."""
    if not api.real:
        return None
    client = api.request_client
    return {key: client.dump(key) for key in sorted(client.keys(f"{api.namespace}:*"))}


@pytest.fixture
def account(api, request):
    """A store with a funded account, and a check that nothing changed."""
    store = api.store()
    store.add_credits("u", 1_000)
    if api.real:
        api.request_client = request.getfixturevalue("server").client
    before = everything(api)
    yield store
    assert everything(api) == before
    assert store.get_available("u").available == 1_000


@pytest.mark.parametrize("amount", WRONG_AMOUNTS, ids=repr)
def test_wrong_amounts(account, amount):
    """Not finite, bool, negative, not a number or beyond 2^53-1 units: invalid_amount; a grant raises."""
    for call in (account.reserve, account.reserve_credits):
        assert call("u", amount).error_code == "invalid_amount"
    for call in (account.settle, account.deduct_credits):
        result = call("u", "no-hold", amount)
        assert result.error_code == "invalid_amount"
        assert result.message.startswith("invalid_amount: ")
    with pytest.raises(InvalidAmountError):
        account.add_credits("u", amount, type="seed")
    if amount is not None:
        with pytest.raises(InvalidAmountError):
            account.check_spend_cap("u", amount=amount)


@pytest.mark.parametrize("user_id", WRONG_IDS, ids=repr)
def test_wrong_accounts(account, user_id):
    """An account id is text of 1 to 256 bytes in 1 to 6 segments; anything else is invalid_id or raises."""
    for result in (
        account.reserve(user_id, 1),
        account.settle(user_id, "h", 1),
        account.deduct_credits(user_id, "h", 1),
    ):
        assert result.error_code == "invalid_id"
    released = account.release(user_id, "h")
    assert (released.released, released.reason) == (False, "not_found")
    for call in (account.get_balance, account.get_available, account.check_spend_cap, account.list_spend_caps):
        with pytest.raises(InvalidIdError):
            call(user_id)
    with pytest.raises(InvalidIdError):
        account.add_credits(user_id, 1)


@pytest.mark.parametrize("hold", ["", "x" * 129, None, 7, "\ud800"], ids=repr)
def test_wrong_hold_ids(account, hold):
    """A hold id is text of 1 to 128 bytes."""
    assert account.settle("u", hold, 1).error_code == "invalid_id"
    assert account.deduct_credits("u", hold, 1).error_code == "invalid_id"
    assert account.release("u", hold).reason == "not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl": 0}, {"ttl": 0.999}, {"ttl": 604_801}, {"ttl": -1}, {"ttl": float("nan")}, {"ttl": "600"}, {"ttl": True},
        {"billing_mode": "free"}, {"billing_mode": None}, {"billing_mode": "overdraft"},
        {"billing_mode": "overdraft", "overdraft_floor": 1}, {"operation_type": ""}, {"operation_type": "x" * 65},
        {"operation_type": None}, {"model": ""}, {"model": "x" * 129}, {"model": 4}, {"metadata": {"x": "y" * 2048}},
        {"metadata": {"x": {1}}}, {"metadata": "text"}, {"metadata": {"x": float("nan")}},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_arguments(account, wrong):
    """TTL, mode, floor, type, model and metadata out of bounds: invalid_argument, and the text names the argument."""
    result = account.reserve("u", 1, **wrong)
    assert result.error_code == "invalid_argument"
    assert next(iter(wrong)) in result.message or "overdraft_floor" in result.message


def test_wrong_caps(account):
    """A period to remove must be known; a limit must fit; zones must exist, names of models be of bounded length."""
    with pytest.raises(InvalidArgumentError, match="daily, monthly"):
        account.remove_spend_cap("u", "fortnightly")
    with pytest.raises(InvalidAmountError):
        account.set_spend_cap(SpendCap(user_id="u", limit=MAX_UNITS))
    with pytest.raises(InvalidIdError):
        account.set_spend_cap(SpendCap(user_id="", limit=1))
    for model in ("", "x" * 129):
        with pytest.raises(InvalidArgumentError, match="model"):
            account.check_spend_cap("u", model=model)
        with pytest.raises(InvalidArgumentError, match="model"):
            account.remove_spend_cap("u", "daily", model=model)
        with pytest.raises(ValueError, match="model"):
            SpendCap(user_id="u", limit=1, model=model)
    for zone in ("Mars/Olympus", "../etc", "\0", "Europe"):
        with pytest.raises(ValueError, match="time zone"):
            SpendCap(user_id="u", limit=1, timezone=zone)


def test_only_an_adjustment_may_be_negative_and_zero_is_not_rounded_to(account):
    """A grant <= 0, or one that rounds to 0, raises; types are text of 1 to 64 bytes."""
    for amount, kind in ((0, "seed"), (-5, "purchase"), ("0.00004", "seed"), ("0.00004", "adjustment")):
        with pytest.raises(InvalidAmountError):
            account.add_credits("u", amount, type=kind)
    for kind in ("", "x" * 65, None):
        with pytest.raises(InvalidArgumentError, match="type"):
            account.add_credits("u", 1, type=kind)


def test_a_balance_beyond_the_exact_range_is_refused_by_the_script(account):
    """The amount alone fits, the balance it leads to does not: invalid_amount from Lua."""
    largest = Decimal(MAX_UNITS).scaleb(-4)
    with pytest.raises(InvalidAmountError):
        account.add_credits("u", largest, type="seed")


def test_unknown_and_foreign_holds(store):
    """A hold must exist and belong to the account: lease_not_found for unknown ones and for a sibling's."""
    for user in ("acme/u", "acme/v"):
        store.add_credits(user, 5)
    hold = store.reserve("acme/v", 5)
    for wrong in ("unknown", hold):
        for result in (store.settle("acme/u", wrong, 1), store.deduct_credits("acme/u", wrong, 1)):
            assert (result.error_code, result.amount, result.balance_after) == ("lease_not_found", 0, 5)
        assert store.release("acme/u", wrong).reason == "not_found"
    assert store.get_available("acme/v").reserved == 5
    assert store.release("acme/v", hold).released


def test_unknown_accounts_are_refused_and_leave_no_key(api, request):
    """strict: insufficient_credits; overdraft and postpaid: account_unknown; reading says account_unknown."""
    store = api.store()
    if api.real:
        api.request_client = request.getfixturevalue("server").client
    before = everything(api)
    assert store.reserve("nobody", 1).error_code == "insufficient_credits"
    assert store.reserve("nobody", 0).error_code == "insufficient_credits"
    assert store.reserve("nobody", 1, billing_mode="postpaid").error_code == "account_unknown"
    assert store.reserve("nobody", 1, billing_mode="overdraft", overdraft_floor=-5).error_code == "account_unknown"
    assert store.get_balance("nobody").error_code == "account_unknown"
    assert store.get_available("nobody").error_code == "account_unknown"
    assert store.settle("nobody", "h", 1).error_code == "lease_not_found"
    assert store.release("nobody", "h").reason == "not_found"
    assert everything(api) == before


def test_hostile_ids_are_accounts_of_their_own(store):
    """Ids with braces, colons, percent signs and the like never reach another account's credits."""
    hostile = [
        "alice",
        "alice}:s",
        "{alice}",
        "alice%7D",
        "alice:s",
        "ALICE",
        "alice ",
        "al\0ice",
        "álice",
        "a\u0301lice",
        "🧮",
    ]
    for at, user in enumerate(hostile, 1):
        store.add_credits(user, at)
    assert [store.get_balance(user).balance for user in hostile] == list(range(1, len(hostile) + 1))
