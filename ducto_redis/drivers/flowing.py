"""Runs a flow step by step: sends it what each step gave, throws in what it raised, returns what the flow returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ducto_redis.core.steps import Flow, Step

T = TypeVar("T")


def drive(flow: Flow[T], do: Callable[[Step], Any]) -> T:
    """Runs a flow with a function that carries out one step."""
    try:
        step = next(flow)
        while True:
            try:
                outcome = do(step)
            except Exception as error:
                step = flow.throw(error)
            else:
                step = flow.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def adrive(flow: Flow[T], do: Callable[[Step], Awaitable[Any]]) -> T:
    """Runs a flow with a coroutine function that carries out one step."""
    try:
        step = next(flow)
        while True:
            try:
                outcome = await do(step)
            except Exception as error:
                step = flow.throw(error)
            else:
                step = flow.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result
