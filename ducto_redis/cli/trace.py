"""Reads a trace of LLM requests: arrival, context tokens, generated tokens; and draws users for them."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, NamedTuple

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
#: How unequal users are: user k gets a share in proportion to 1 / k^1.1.
_ZIPF: Final = 1.1
_MAX_TOKENS: Final = 10**9


class TraceError(Exception):
    """The trace cannot be read; the message says where and why."""


class Request(NamedTuple):
    """One request: seconds after the first one, and its tokens."""

    at_s: float
    context: int
    generated: int


def _tokens(text: str) -> int:
    value = int(text)
    if not 0 <= value <= _MAX_TOKENS:
        raise ValueError(f"{value} tokens")
    return value


def _rows(path: Path) -> Iterator[tuple[datetime, int, int]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise TraceError(f"{path.name}: the first line must name the columns {', '.join(COLUMNS)}; "
                             f"{', '.join(missing)} missing")  # fmt: skip
        for number, row in enumerate(reader, 2):
            try:
                # The trace has seven decimal places of seconds, Python reads six.
                at = datetime.fromisoformat(row["TIMESTAMP"][:26])
                yield at, _tokens(row["ContextTokens"]), _tokens(row["GeneratedTokens"])
            except (ValueError, TypeError) as cause:
                raise TraceError(f"{path.name}, line {number}: {cause}") from cause


def read_trace(path: Path, limit: int | None = None) -> list[Request]:
    """Reads a trace in the order of its lines.

    Args:
        path: A CSV file with the columns TIMESTAMP, ContextTokens, GeneratedTokens.
        limit: Only so many requests.

    Raises:
        TraceError: It is not there, empty, or a line cannot be read.
    """
    try:
        rows = list(islice(_rows(path), limit))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise TraceError(f"{path}: {cause}") from cause
    if not rows:
        raise TraceError(f"{path.name}: no requests in it")
    first = rows[0][0]
    return [Request((at - first).total_seconds(), context, generated) for at, context, generated in rows]


def draw_users(requests: int, users: int, seed: int) -> list[int]:
    """The user of each request, 0 up to ``users``, Zipf-drawn."""
    weights = list(accumulate(1 / (rank + 1) ** _ZIPF for rank in range(users)))
    return random.Random(seed).choices(range(users), cum_weights=weights, k=requests)  # noqa: S311 - no secret
