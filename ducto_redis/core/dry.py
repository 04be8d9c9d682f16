"""Admissions that only ask (``dry_run=True``): decided by the same script, and nothing is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ducto_redis.core.steps import Reply
from ducto_redis.models import DeductionResult, HoldResult

R = TypeVar("R", HoldResult, DeductionResult)


@dataclass(slots=True)
class DryReply(Generic[R]):
    """Reads the reply of an admission that only asked: nothing happened, so no hold, no transaction, no event."""

    parse: Callable[[Reply], R]

    def __call__(self, reply: Reply) -> R:
        """Makes the result of the reply."""
        result = self.parse(reply)
        result.caps = tuple(cap for cap in result.caps if cap.refused)
        result.events = ()
        if isinstance(result, HoldResult):
            result.hold_id = ""
        else:
            result.cap_warning = None
        return result
