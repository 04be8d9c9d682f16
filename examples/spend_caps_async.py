"""Spend caps under asyncio: the seed document's walk-through, from an empty store to a stopped runaway loop.

Run it: ``python examples/spend_caps_async.py``, or with a URL such as ``redis://localhost:6379/0`` as its argument.
"""

import asyncio
import sys
import uuid

from ducto_redis import AsyncRedisStore, SpendCap


async def main(store: AsyncRedisStore) -> None:
    """Walks through deny and warn caps and a loop that a cap stops."""
    await store.setup()
    print("✔ store ready.")

    # Set a daily deny-cap of 5,000
    user = str(uuid.uuid4())
    await store.add_credits(user, 50_000, type="seed")
    print(f" Initial balance: {(await store.get_balance(user)).balance}")
    cap = SpendCap(user_id=user, cap_type="daily", limit=5_000, action="deny")
    await store.set_spend_cap(cap)
    print(f" Cap registered: type=daily, limit={cap.limit}, action={cap.action}")

    # Deduct under the cap
    res = await store.reserve_credits(user, 3_000, operation_type="inference")
    ded = await store.deduct_credits(user, res.reservation_id, 3_000)
    print(f" Deduction succeeded: balance after = {ded.balance_after}")
    check = await store.check_spend_cap(user)
    print(f" Cap status: capped={check.capped}, current spend={check.current_spend}")

    # Exceed the cap: 3,000 spent + 3,000 new > 5,000
    res2 = await store.reserve_credits(user, 3_000, operation_type="inference")
    ded2 = await store.deduct_credits(user, res2.reservation_id, 3_000)
    if ded2.error:
        print(f" Deduction denied: {ded2.error}")
    else:
        print(f" Deduction allowed: balance after = {ded2.balance_after}")
    print(f" Balance untouched: {(await store.get_balance(user)).balance}")

    # A warn cap lets pass and flags
    user2 = str(uuid.uuid4())
    await store.add_credits(user2, 50_000, type="seed")
    await store.set_spend_cap(SpendCap(user_id=user2, cap_type="daily", limit=500, action="warn"))
    res3 = await store.reserve_credits(user2, 1_000, operation_type="inference")
    await store.deduct_credits(user2, res3.reservation_id, 1_000)
    check2 = await store.check_spend_cap(user2)
    print(f" Current spend: {check2.current_spend} Cap limit: {check2.cap_limit} Action: {check2.action}")

    # A runaway loop ends at the cap
    user3 = str(uuid.uuid4())
    await store.add_credits(user3, 50_000, type="seed")
    await store.set_spend_cap(SpendCap(user_id=user3, cap_type="daily", limit=5_000, action="deny"))
    calls = 0
    while True:
        hold = await store.reserve_credits(user3, 300)
        if (await store.deduct_credits(user3, hold.reservation_id, 300)).error:
            break
        calls += 1
    print(
        f" Runaway loop stopped after {calls} calls: spent {(await store.check_spend_cap(user3)).current_spend} of 5000"
    )


async def run(url: str) -> None:
    """Opens the store on this loop and closes it."""
    async with AsyncRedisStore.from_url(url) as store:
        await main(store)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1] if len(sys.argv) > 1 else "memory://"))
