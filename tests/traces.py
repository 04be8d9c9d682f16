"""Traces for tests: of bursts, unequal requests, some of which generate more than the replay lets them; or a real one.

``DUCTO_TRACE`` names a file as ``ducto-redis replay --trace`` takes it; it is then used where a run is long.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

from ducto_redis.cli.trace import Request, read_trace


def write_trace(path: Path, requests: int, seed: int = 3) -> Path:
    """A made-up trace in the form of the real one."""
    draw = random.Random(seed)
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for at in range(requests):
        context, generated = draw.randint(1, 4_000), draw.choice([1, 20, 300, 3_000])
        lines.append(f"2023-11-16 18:{at // 60 % 60:02}:{at % 60:02}.9799600,{context},{generated}")
    path.write_text("\n".join(lines))
    return path


def part_of_trace(requests: int, seed: int) -> list[Request]:
    """Requests in a row, from a place that the seed draws; of a made-up trace where no real one is named."""
    named = os.environ.get("DUCTO_TRACE")
    if named:
        rows = read_trace(Path(named))
        at = random.Random(seed).randrange(max(1, len(rows) - requests))
        return rows[at : at + requests]
    with tempfile.TemporaryDirectory(prefix="ducto-") as folder:
        return read_trace(write_trace(Path(folder) / "trace.csv", requests, seed))
