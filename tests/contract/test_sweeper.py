"""The background sweep: frees what nobody touches, outlives failures and forks, ends with the store."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial

import pytest

from ducto_redis.aio.sweeper import Sweeper as TaskSweeper
from ducto_redis.errors import InvalidArgumentError, StoreUnavailable
from ducto_redis.sweeper import Sweeper
from ducto_redis.work_models import SweepResult


class Turns:
    """Stands in for waiting: lets a sweeper go on a number of times, then blocks it until it is stopped."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.done = threading.Event()
        self.over = threading.Event()

    def __call__(self, _seconds: float) -> bool:
        self.turns -= 1
        if self.turns < 0:
            self.done.set()
            self.over.wait(20)
            return True
        return False


@pytest.mark.parametrize("api", ["sync-real", "sync-embedded"], indirect=True)
def test_a_thread_sweeps_until_it_is_stopped(api):
    """Holds of three accounts are freed without a call on any of them; a stopped sweeper sweeps no more."""
    store = api.store()
    for at in range(3):
        store.add_credits(f"u{at}", 10)
        store.reserve(f"u{at}", 5, ttl=1)
    api.clock.advance(seconds=2)
    turns = Turns(2)
    sweeper = Sweeper(partial(store.sweep, 100_000), 60, turns)
    assert turns.done.wait(20)
    assert (sweeper.sweeps, sweeper.freed, sweeper.last_error, sweeper.running) == (2, 3, None, True)
    turns.over.set()
    sweeper.stop()
    assert not sweeper.running


def test_a_failure_does_not_stop_it():
    """The error is kept until a sweep succeeds again."""
    answers = [StoreUnavailable("away"), SweepResult(user_id="", freed=4)]
    seen = []

    def sweep():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(_seconds):
        seen.append(sweeper.last_error if "sweeper" in names else None)
        return not answers

    names: dict[str, bool] = {}
    ready = threading.Event()

    def first_wait(seconds):
        ready.wait(20)
        return wait(seconds)

    sweeper = Sweeper(sweep, 1, first_wait)
    names["sweeper"] = True
    ready.set()
    sweeper._thread.join(20)
    assert [type(error) for error in seen] == [type(None), StoreUnavailable, type(None)]
    assert (sweeper.sweeps, sweeper.freed, sweeper.last_error) == (2, 4, None)


def test_the_store_starts_one_and_ends_it_with_itself(api):
    """Started twice it is one; closing the store ends it, on both faces."""
    face = api.store()

    if api.asynchronous:

        async def check():
            store = face.face
            first = store.start_sweeper(every=3600)
            assert store.start_sweeper(every=3600) is first
            assert first.running
            await store.close()
            assert not first.running

        api.runner.run(check())
    else:
        first = face.start_sweeper(every=3600)
        assert face.start_sweeper(every=3600) is first
        assert first.running
        face.close()
        assert not first.running


def test_a_task_sweeps():
    """The asyncio sweeper counts what it frees and keeps an error until a sweep succeeds."""

    async def check():
        answers = [SweepResult(user_id="", freed=2), StoreUnavailable("away")]

        async def sweep():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def wait(_seconds):
            return not answers

        sweeper = TaskSweeper(sweep, 1, wait)
        await asyncio.wait_for(sweeper._task, 20)
        assert (sweeper.sweeps, sweeper.freed, type(sweeper.last_error)) == (2, 2, StoreUnavailable)
        await sweeper.stop()

    asyncio.run(check())


def test_it_goes_on_in_a_forked_child():
    """The child, which has none of the parent's threads, has a sweeping thread of its own."""
    sweeper = Sweeper(lambda: SweepResult(user_id=""), 3600)
    child = os.fork()
    if child == 0:
        os._exit(0 if sweeper.running else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sweeper.running
    sweeper.stop()


@pytest.mark.parametrize("every", [0, -1, True, "1", None, float("nan")])
def test_odd_intervals_are_refused(every):
    """Only a number of seconds from 0.01 on."""
    with pytest.raises(InvalidArgumentError):
        Sweeper(lambda: SweepResult(user_id=""), every)
