"""The emitter: call or decorator, sync and async handlers, in order; a failing handler changes nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from ducto_redis import CreditEvent, CreditEventEmitter, CreditManager, MemoryStore

EVENT = CreditEvent(type="credits.added", timestamp=datetime(2026, 1, 1, tzinfo=UTC), user_id="u")


def test_handlers_are_called_in_order_however_registered():
    """on() as a call, as a decorator, with "*" for all types; off() and the clears take them away."""
    emitter, heard = CreditEventEmitter(), []
    emitter.on("credits.added", lambda _: heard.append("call"))

    @emitter.on("credits.added")
    def decorated(event):
        heard.append(event.user_id)

    emitter.on("*", lambda _: heard.append("any"))
    emitter.emit(EVENT)
    assert heard == ["call", "u", "any"]
    emitter.off("credits.added", decorated)
    emitter.off("credits.added", decorated)
    emitter.emit(EVENT)
    assert heard[3:] == ["call", "any"]
    emitter.clear_type("credits.added")
    emitter.clear_all()
    emitter.emit(EVENT)
    assert len(heard) == 5


def test_a_failing_handler_is_logged_and_the_rest_runs(caplog):
    """An exception in one handler, sync or async, reaches neither the others nor the caller."""
    emitter, heard = CreditEventEmitter(), []

    @emitter.on("credits.added")
    def fails(_):
        raise RuntimeError

    @emitter.on("credits.added")
    async def fails_too(_):
        raise RuntimeError

    emitter.on("credits.added", heard.append)
    emitter.emit(EVENT)
    asyncio.run(emitter.aemit(EVENT))
    assert heard == [EVENT, EVENT]
    assert len(caplog.records) == 4


def test_coroutine_handlers_run_from_every_world():
    """emit() runs them to the end, also as a task inside a running loop; aemit() awaits them."""
    emitter, heard = CreditEventEmitter(), []

    @emitter.on("credits.added")
    async def handler(event):
        await asyncio.sleep(0)
        heard.append(event)

    emitter.emit(EVENT)

    async def inside():
        emitter.emit(EVENT)
        await emitter.aemit(EVENT)
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(inside())
    assert heard == [EVENT] * 3


def test_manager_and_store_emit_each_event_once():
    """A manager with an emitter of its own tells each event once there and once at the store's; shared, once in all."""
    store, own, heard_store, heard_own = MemoryStore(), CreditEventEmitter(), [], []
    store.emitter.on("*", lambda event: heard_store.append(event.type))
    own.on("*", lambda event: heard_own.append(event.type))
    manager = CreditManager(store, emitter=own)
    manager.setup()
    manager.add_credits("u", 5)
    assert heard_store == heard_own == ["credits.added"]
    CreditManager(store).add_credits("u", 5)
    assert (heard_store, heard_own) == (["credits.added"] * 2, ["credits.added"])
