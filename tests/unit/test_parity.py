"""The sync and the asyncio faces are one: same names, same parameters, same documentation; managers follow stores."""

from __future__ import annotations

import inspect
import re

import pytest

from ducto_redis import (
    AsyncCreditManager,
    AsyncRateLimiter,
    AsyncRedisStore,
    CreditManager,
    RateLimiter,
    RedisStore,
)
from ducto_redis.compat import ALIASES

#: Starts something and answers at once, on both faces.
PLAIN = {"start_sweeper"}
PAIRS = [(RedisStore, AsyncRedisStore), (CreditManager, AsyncCreditManager)]
LIMITERS = (RateLimiter, AsyncRateLimiter)


def public(face):
    parts = [part for part in face.__mro__[::-1] if part.__module__.startswith("ducto_redis")]
    every = {name: value for part in parts for name, value in vars(part).items()}
    return {name: value for name, value in every.items() if not name.startswith("_") and callable(value)}


def shape(function):
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default, str(each.annotation)) for each in parameters]


@pytest.mark.parametrize(("sync", "async_"), [*PAIRS, LIMITERS], ids=lambda face: face.__name__)
def test_names_parameters_and_docs_are_the_same(sync, async_):
    """Every public method is on both faces, with the same parameters, types, defaults, result and docstring."""
    ours, theirs = public(sync), public(async_)
    assert list(ours) == list(theirs)
    assert len(ours) > 12 or list(ours) == ["close", "hit", "peek", "reset", "wait"]
    for name, method in ours.items():
        other = theirs[name]
        assert shape(method) == shape(other), name
        assert inspect.signature(method).return_annotation == inspect.signature(other).return_annotation, name
        assert inspect.getdoc(method) == inspect.getdoc(other), name
        assert inspect.iscoroutinefunction(other) == (name not in PLAIN), name
        assert not inspect.iscoroutinefunction(method), name


def bare(function):
    """Its source without async, await and layout."""
    return re.sub(r"\basync |\bawait |\s", "", inspect.getsource(inspect.unwrap(function)))


@pytest.mark.parametrize(("sync", "async_"), [*PAIRS, LIMITERS], ids=lambda face: face.__name__)
def test_bodies_differ_only_by_await(sync, async_):
    """Without async, await and layout the code of each method is the same text."""
    for name, method in public(sync).items():
        assert bare(method) == bare(public(async_)[name]), name


def test_managers_have_the_stores_operations():
    """Every operation of the store is on the manager, with the same arguments (SPEC 2)."""
    operations = {name: method for name, method in public(RedisStore).items() if name not in {"close", "from_url"}}
    managed = public(CreditManager)
    assert set(operations) <= set(managed)
    for name, method in operations.items():
        assert shape(method) == shape(managed[name]), name


@pytest.mark.parametrize("face", [face for pair in PAIRS for face in pair], ids=lambda face: face.__name__)
def test_aliases_are_on_every_face(face):
    """Each alias of the table is a method whose canonical one exists."""
    for alias, target in ALIASES.items():
        assert inspect.unwrap(getattr(face, alias)) is inspect.unwrap(getattr(face, target.canonical))
