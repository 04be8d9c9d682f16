"""The demo: the seed's flow told readably, every figure checked against what it must be."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.table import Table

from ducto_redis.models import SpendCap
from ducto_redis.store import RedisStore

GRANT: Final = 50_000
CALLERS: Final = 16
ATTEMPTS: Final = 200


class _Story:
    """Prints steps and remembers whether each came out as announced."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.as_told = True

    def chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/bold]")

    def step(self, what: str, seen: object, expected: object) -> None:
        right = str(seen) == str(expected)
        self.as_told &= right
        mark = "[green]✔[/green]" if right else f"[red]✘ expected {expected}[/red]"
        self.console.print(f"  {mark} {what}: [cyan]{seen}[/cyan]", soft_wrap=True)


def _deny(store: RedisStore, story: _Story) -> None:
    story.chapter("A deny cap of 5000 a day")
    user = str(uuid.uuid4())
    store.add_credits(user, GRANT, type="seed")
    store.set_spend_cap(SpendCap(user_id=user, cap_type="daily", limit=5000, action="deny"))
    hold = store.reserve_credits(user, 3000, operation_type="inference")
    story.step(
        "3000 deducted, balance after", store.deduct_credits(user, hold.reservation_id, 3000).balance_after, 47000
    )
    check = store.check_spend_cap(user)
    story.step("capped, spend, limit", f"{check.capped} {check.current_spend} {check.cap_limit}", "False 3000 5000")
    hold = store.reserve_credits(user, 3000, operation_type="inference")
    denied = store.deduct_credits(user, hold.reservation_id, 3000)
    story.step("3000 more denied", denied.error, "cap_reached: daily cap of 5000: 3000 spent, 3000 more asked")
    available = store.get_available(user)
    story.step("balance, held after the denial", f"{available.balance} {available.reserved}", "47000 0")
    hold = store.reserve_credits(user, 2000)
    story.step("a smaller retry, balance after", store.deduct_credits(user, hold, 2000).balance_after, 45000)


def _soft(store: RedisStore, story: _Story) -> None:
    for action, event in (("warn", "credits.cap_warning"), ("notify", "credits.cap_notify")):
        story.chapter(f"A {action} cap of 500 a day")
        user = str(uuid.uuid4())
        store.add_credits(user, GRANT, type="seed")
        store.set_spend_cap(SpendCap.model_validate({"user_id": user, "type": "daily", "limit": 500, "action": action}))
        charge = store.deduct_credits(user, store.reserve_credits(user, 1000), 1000)
        story.step("1000 deducted, balance after", charge.balance_after, 49000)
        check = store.check_spend_cap(user)
        told = f"{check.current_spend} {check.cap_limit} {check.action}"
        story.step("spend, limit, action", told, f"1000 500 {action}")
        story.step("event", charge.events[-1].type, event)


def _runaway(store: RedisStore, story: _Story) -> None:
    story.chapter(f"A runaway loop: {CALLERS} threads, {ATTEMPTS} attempts of 7 against a cap of 1000")
    user = str(uuid.uuid4())
    store.add_credits(user, GRANT, type="seed")
    store.set_spend_cap(SpendCap(user_id=user, limit=1000))

    def attempt(_: int) -> bool:
        hold = store.reserve(user, 7)
        return hold.error_code is None and store.settle(user, hold, 7).error_code is None

    with ThreadPoolExecutor(CALLERS) as pool:
        admitted = sum(pool.map(attempt, range(ATTEMPTS)))
    spent = GRANT - store.get_balance(user).balance
    table = Table("attempts", "admitted", "denied", "spent", "cap", "above the cap")
    row = (ATTEMPTS, admitted, ATTEMPTS - admitted, spent, 1000, max(spent - 1000, Decimal(0)))
    table.add_row(*(str(value) for value in row))
    story.console.print(table)
    story.step("admitted = floor(1000 / 7), spent", f"{admitted} {spent}", "142 994")


def tell(store: RedisStore, console: Console, engine: str) -> bool:
    """Tells the story on a store.

    Args:
        store: Any store; the accounts it makes have fresh ids.
        console: Where to.
        engine: What to call the store's engine.

    Returns:
        Whether everything came out as announced.
    """
    console.print(f"[bold]ducto_redis[/bold] on {engine}: every decision below is one script, one round trip.")
    store.setup()
    story = _Story(console)
    _deny(store, story)
    _soft(store, story)
    _runaway(store, story)
    console.print("\n[green]All as announced.[/green]" if story.as_told else "\n[red]Not as announced.[/red]")
    return story.as_told
