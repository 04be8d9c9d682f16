"""Changing a database behind the library's back."""

from __future__ import annotations

from typing import Any

from sql import Database
from sqlalchemy import text


def change(url: str, statement: str, **values: Any) -> None:
    """Runs a statement that has to meet something."""
    database = Database(url)
    with database.engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount != 0
    database.close()


def value(url: str, query: str) -> Any:
    """The one value that a query answers; bytes as such."""
    database = Database(url)
    with database.engine.connect() as connection:
        found = connection.execute(text(query)).scalar_one()
    database.close()
    return bytes(found) if isinstance(found, memoryview) else found
