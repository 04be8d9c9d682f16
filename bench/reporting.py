"""Figures with their goals, as a table in Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis
from measuring import table

import ducto_redis

#: Title, explanation and figures of a part.
Section = tuple[str, str, list["Figure"]]

HEAD = ("goal", "figure", "median [least-greatest]", "wanted", "", "calls x repetitions", "remark")


@dataclass
class Figure:
    """One figure: its values, one per repetition, and what is wanted of it.

    Attributes:
        goal_id: Its row in the project's list of goals.
        what: What was divided by what, or weighed.
        values: One per repetition; none when it could not be measured.
        wanted: The goal; None when there is none.
        at_least: Whether the goal is a lower bound.
        calls: How many calls (or things) one repetition has.
        digits: Decimals that are told.
        remark: The times behind a ratio, or why there is no figure.
    """

    goal_id: str
    what: str
    values: Sequence[float] = ()
    wanted: float | None = None
    at_least: bool = False
    calls: int = 0
    digits: int = 2
    remark: str = ""

    @property
    def median(self) -> float | None:
        """The median of the repetitions."""
        return statistics.median(self.values) if self.values else None

    @property
    def missed_by(self) -> float:
        """How far the median lies on the wrong side of the goal, as it is told; 0 when it is met."""
        if self.median is None or self.wanted is None:
            return 0
        by = self.wanted - self.median if self.at_least else self.median - self.wanted
        return max(round(by, self.digits), 0.0)

    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        wanted = "" if self.wanted is None else f"{'>=' if self.at_least else '<='} {self.wanted:g}"
        if self.median is None:
            return self.goal_id, self.what, "-", wanted, "missing", "", self.remark
        kept = f"{self.median:,.{self.digits}f}"
        if len(self.values) > 1:
            kept += f" [{min(self.values):,.{self.digits}f}-{max(self.values):,.{self.digits}f}]"
        verdict = "" if self.wanted is None else f"missed by {self.missed_by:g}" if self.missed_by else "met"
        return self.goal_id, self.what, kept, wanted, verdict, f"{self.calls:,} x {len(self.values)}", self.remark

    def data(self) -> dict[str, Any]:
        """The figure for the JSON file."""
        values = [round(value, 4) for value in self.values]
        met = None if self.wanted is None or self.median is None else not self.missed_by
        return {**asdict(self), "values": values, "median": self.median and round(self.median, 4), "met": met}


def versions(client: redis.Redis) -> dict[str, str]:
    """What took part."""
    return {
        "redis-server": client.info("server")["redis_version"],
        "python": platform.python_version(),
        "redis-py": version("redis"),
        "hiredis": version("hiredis"),
        "pydantic": version("pydantic"),
        "ducto_redis": ducto_redis.__version__,
    }


def write(folder: Path | None, name: str, introduction: str, about: dict[str, Any], sections: Iterable[Section]) -> str:
    """Writes the page and its data; answers the page.

    Args:
        folder: Where to; None writes nothing.
        name: Of both files, without the ending.
        introduction: What stands at the head of the page.
        about: Command, versions and options of the run.
        sections: The parts.
    """
    parts = [introduction]
    data: list[dict[str, Any]] = []
    for title, text, figures in sections:
        parts += [f"## {title}", text, table(HEAD, [figure.row() for figure in figures])]
        data += [figure.data() for figure in figures]
    page = "\n\n".join(part for part in parts if part) + "\n"
    if folder:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.md").write_text(page, encoding="utf-8")
        whole = {**about, "cores": os.cpu_count(), "figures": data}
        (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return page
