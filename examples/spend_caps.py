"""Spend caps: the walk-through of the project's seed document, from an empty store to a stopped runaway loop.

Run it: ``python examples/spend_caps.py``, or with a URL such as ``redis://localhost:6379/0`` as its argument.
"""

import sys
import uuid

from ducto_redis import MemoryStore, RedisStore, SpendCap


def main(store: RedisStore) -> None:
    """Walks through deny and warn caps and a loop that a cap stops."""
    store.setup()
    print("✔ store ready.")

    # Set a daily deny-cap of 5,000
    user = str(uuid.uuid4())
    store.add_credits(user, 50_000, type="seed")
    print(f" Initial balance: {store.get_balance(user).balance}")
    cap = SpendCap(user_id=user, cap_type="daily", limit=5_000, action="deny")
    store.set_spend_cap(cap)
    print(f" Cap registered: type=daily, limit={cap.limit}, action={cap.action}")

    # Deduct under the cap
    res = store.reserve_credits(user, 3_000, operation_type="inference")
    ded = store.deduct_credits(user, res.reservation_id, 3_000)
    print(f" Deduction succeeded: balance after = {ded.balance_after}")
    check = store.check_spend_cap(user)
    print(f" Cap status: capped={check.capped}, current spend={check.current_spend}")

    # Exceed the cap: 3,000 spent + 3,000 new > 5,000
    res2 = store.reserve_credits(user, 3_000, operation_type="inference")
    ded2 = store.deduct_credits(user, res2.reservation_id, 3_000)
    if ded2.error:
        print(f" Deduction denied: {ded2.error}")
    else:
        print(f" Deduction allowed: balance after = {ded2.balance_after}")
    print(f" Balance untouched: {store.get_balance(user).balance}")

    # A warn cap lets pass and flags
    user2 = str(uuid.uuid4())
    store.add_credits(user2, 50_000, type="seed")
    store.set_spend_cap(SpendCap(user_id=user2, cap_type="daily", limit=500, action="warn"))
    res3 = store.reserve_credits(user2, 1_000, operation_type="inference")
    store.deduct_credits(user2, res3.reservation_id, 1_000)
    check2 = store.check_spend_cap(user2)
    print(f" Current spend: {check2.current_spend} Cap limit: {check2.cap_limit} Action: {check2.action}")

    # A runaway loop ends at the cap
    user3 = str(uuid.uuid4())
    store.add_credits(user3, 50_000, type="seed")
    store.set_spend_cap(SpendCap(user_id=user3, cap_type="daily", limit=5_000, action="deny"))
    calls = 0
    while True:
        hold = store.reserve_credits(user3, 300)
        if store.deduct_credits(user3, hold.reservation_id, 300).error:
            break
        calls += 1
    print(f" Runaway loop stopped after {calls} calls: spent {store.check_spend_cap(user3).current_spend} of 5000")


if __name__ == "__main__":
    with RedisStore.from_url(sys.argv[1]) if len(sys.argv) > 1 else MemoryStore() as chosen:
        main(chosen)
