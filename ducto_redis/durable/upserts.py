"""Insert or update, in the words of the database that a connection speaks to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Inserts rows; of those whose key is there already ``columns`` are updated - none: they stay as they are."""
    if not rows:
        return
    made: Any = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    key = list(table.primary_key.columns)
    if columns:
        changed = {name: made.excluded[name] for name in columns}
        made = made.on_conflict_do_update(index_elements=key, set_=changed)
    else:
        made = made.on_conflict_do_nothing(index_elements=key)
    connection.execute(made, rows)
