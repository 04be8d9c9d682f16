"""What SQL knows of a namespace: which life of it the rows belong to, and whether it is being restored."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, select, update

from ducto_redis.core.space import Config, Space
from ducto_redis.durable.schema import namespaces, position
from ducto_redis.durable.upserts import upsert
from ducto_redis.errors import NamespaceUnknown, NeedsRestore, PrecisionMismatch

READY, RESTORING = "ready", "restoring"


class Known(NamedTuple):
    """A namespace as SQL has it."""

    config: Config
    state: str


def read_namespace(connection: Connection, name: str) -> Known | None:
    """What is known of a namespace; None: nothing of it was ever drained."""
    row = connection.execute(select(namespaces).where(namespaces.c.namespace == name)).first()
    return None if row is None else Known(Config(bytes.fromhex(row.generation), row.precision, row.shards), row.state)


def lock(connection: Connection, space_name: str, *, alone: bool, generation: bytes | None = None) -> None:
    """Keeps drains (together) and snapshots (alone) apart to the end of the transaction.

    Else a mark that a drain found set could be taken away by snapshots that did not see its rows. SQLite's transactions
    exclude each other anyhow.

    Args:
        connection: In a transaction.
        space_name: The namespace.
        alone: Whether nobody else may hold it.
        generation: Of what is to be written; None: nothing of Redis is.

    Raises:
        NeedsRestore: It was restored, or is being restored, since what is to be written was read.
    """
    row = select(namespaces.c.generation, namespaces.c.state).where(namespaces.c.namespace == space_name)
    found = connection.execute(row.with_for_update(read=not alone)).all()
    if generation is not None and found != [(generation.hex(), READY)]:
        raise NeedsRestore(f"needs_restore: {space_name!r} was restored, or is being restored, since it was read")


def claim(engine: Engine, space: Space) -> None:
    """Makes sure that rows of this namespace may be written to the database; the first time it says so there.

    Raises:
        NeedsRestore: The rows that are there belong to another life of the namespace, or it is being restored.
        PrecisionMismatch: They count otherwise.
    """
    config = space.known
    with engine.begin() as connection:
        known = read_namespace(connection, space.name)
        if known is None:
            mine = {"generation": config.generation.hex(), "precision": config.precision, "shards": config.shards}
            upsert(connection, namespaces, [{"namespace": space.name, "state": READY, **mine}], ())
            known = read_namespace(connection, space.name) or Known(config, READY)  # ours, or who came first
    if (known.config.precision, known.config.shards) != (config.precision, config.shards):
        raise PrecisionMismatch(
            f"the database holds namespace {space.name!r} with precision {known.config.precision} and"
            f" {known.config.shards} shards, Redis with {config.precision} and {config.shards}; they are two - give"
            " one of them another name or database"
        )
    if known.state == RESTORING:
        raise NeedsRestore(f"needs_restore: {space.name!r} is being restored; run `ducto-redis restore` to its end")
    if known.config.generation != config.generation:
        raise NeedsRestore(
            f"needs_restore: the database holds generation {known.config.generation.hex()} of {space.name!r}, Redis"
            f" {config.generation.hex()}: it was emptied and set up anew, or is another Redis - nothing was written;"
            " `ducto-redis restore` brings back what the database holds"
        )


def begin_restore(engine: Engine, name: str, generation: bytes) -> Known:
    """Says that a namespace is being restored under a generation; what began before goes on under the one it had.

    Raises:
        NamespaceUnknown: Nothing of it was ever drained.
    """
    with engine.begin() as connection:
        known = read_namespace(connection, name)
        if known is None:
            raise NamespaceUnknown(f"namespace_unknown: the database holds nothing of namespace {name!r}")
        if known.state == RESTORING:
            return known
        where = namespaces.c.namespace == name
        connection.execute(update(namespaces).where(where).values(generation=generation.hex(), state=RESTORING))
        # The streams begin anew, and a clock that is behind would number their entries below what was read.
        connection.execute(delete(position).where(position.c.namespace == name))
        return Known(known.config._replace(generation=generation), RESTORING)


def end_restore(engine: Engine, name: str) -> None:
    """Says that a namespace is ready."""
    with engine.begin() as connection:
        connection.execute(update(namespaces).where(namespaces.c.namespace == name).values(state=READY))
