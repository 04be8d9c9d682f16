"""What managers make of results: a code becomes its typed error, except where the answer is no failure."""

from __future__ import annotations

from typing import TypeVar

from ducto_redis.codes import Code
from ducto_redis.errors import error_for
from ducto_redis.models import CapCheckResult, CapListResult, ReleaseResult, Result

R = TypeVar("R", bound=Result)

#: Results that answer a question; what they tell is never an error (``release`` never raises, SPEC 2).
_TELL = (CapCheckResult, CapListResult, ReleaseResult)


def check(result: R) -> R:
    """Gives the result back, or raises the typed error of its code.

    Raises:
        CreditError: The class of ``errors.ERROR_OF_CODE`` for the code; ``.result`` is the result.
    """
    if result.error_code is None or isinstance(result, _TELL):
        return result
    code = Code[result.error_code.upper()]
    raise error_for(code, result.message, result=result)
