"""Looking into a database, and changing it, behind the library's back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


def change(url: str, statement: str, **values: Any) -> None:
    """Runs a statement that has to meet something."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        assert connection.execute(text(statement), values).rowcount != 0


def value(url: str, query: str) -> Any:
    """The one value that a query answers; bytes as such."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        found = connection.execute(text(query)).scalar_one()
    return bytes(found) if isinstance(found, memoryview) else found
