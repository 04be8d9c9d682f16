"""One table of the databases that tests of SQL run on; each gives an empty one and looks into it past the library."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from servers import PostgresProcess
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

_numbers = itertools.count(1)


class Database:
    """A database of a test's own; ``url`` is what the library is given."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.engine = create_engine(parsed)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"

    def close(self) -> None:
        self.engine.dispose()

    def tables(self) -> list[str]:
        return inspect(self.engine).get_table_names()

    def execute(self, *statements: str) -> None:
        """In one transaction."""
        with self.engine.begin() as connection:
            for each in statements:
                connection.execute(text(each))

    def rows(self, columns: str = "shard, stream_id, data", table: str = "ducto_ledger") -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(f"select {columns} from {table}"))]


def of_sqlite(folder: Path, _postgres: Callable[[], PostgresProcess]) -> Database:
    """A file."""
    return Database(f"sqlite:///{folder / f'ledger{next(_numbers)}.db'}")


def of_postgres(_folder: Path, postgres: Callable[[], PostgresProcess]) -> Database:
    """A schema of its own, which is a database as far as the library sees, and made a hundred times faster."""
    url, name = postgres().url, f"t{next(_numbers)}"
    whole = Database(url)
    whole.execute(f"create schema {name}")
    whole.close()
    return Database(f"{url}&options=-csearch_path%3D{name}")


#: name -> what makes one, from a folder and what answers the server, which is started when it is first asked for.
DATABASES = {"sqlite": of_sqlite, "postgres": of_postgres}


def run_on_each(run: Callable[[str, Database], Counter[str]]) -> Counter[str]:
    """Runs the same on every database, and adds up what it counted; PostgreSQL is a server of its own."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="ducto-") as folder, ExitStack() as stack:

        def postgres() -> PostgresProcess:
            process = PostgresProcess()
            stack.callback(process.stop)
            return process

        for name, made in DATABASES.items():
            database = made(Path(folder), postgres)
            stack.callback(database.close)
            seen += run(name, database)
    return seen
