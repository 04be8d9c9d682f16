"""The tables as this release reads and writes them; what older ones lack is added by ``migrations``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

SCHEMA_VERSION: Final = 3
#: The most bytes of a root's name: 256, percent-encoded. Databases that check it must not meet more.
ROOT_BYTES: Final = 800
#: The most bytes of the field of an operation's record: letter, id and path, encoded.
FIELD_BYTES: Final = 1_600
_NAME: Final = 32
_GENERATION: Final = 16
_STREAM_ID: Final = 42

metadata = MetaData()

schema = Table("ducto_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

#: One row per entry; ``data`` is the entry as the script packed it, the columns beside it are for people and questions.
ledger = Table(
    "ducto_ledger",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("root", String(ROOT_BYTES), primary_key=True),
    Column("generation", String(8), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", Integer, nullable=False),
    Column("stream_id", String(_STREAM_ID), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("amount_units", BigInteger, nullable=False),
    Column("balance_after_units", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("within", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ducto_ledger_by_stream", ledger.c.namespace, ledger.c.shard, ledger.c.stream_id)

#: How far each shard's ledger is committed, and the fencing token of who committed it.
position = Table(
    "ducto_position",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("last", String(_STREAM_ID), nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False, server_default=text("0")),
)

#: Entries that could not be read or were given up (``accepting``), as they are.
dead = Table(
    "ducto_dead",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("stream_id", String(_STREAM_ID), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

#: What a namespace is, for restoring it.
namespaces = Table(
    "ducto_namespace",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("generation", String(_GENERATION), nullable=False),
    Column("precision", Integer, nullable=False),
    Column("shards", Integer, nullable=False),
    Column("state", Text, nullable=False),
)

#: The last snapshot of a root, packed, and the sequence that it stands for.
roots = Table(
    "ducto_root",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("root", String(ROOT_BYTES), primary_key=True),
    Column("generation", String(_GENERATION), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("holds", Integer, nullable=False),
)

#: Records of operations that a root's snapshot goes with: those of open holds, and of what ended in the last days.
records = Table(
    "ducto_record",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("root", String(ROOT_BYTES), primary_key=True),
    Column("field", String(FIELD_BYTES), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ducto_record_by_time", records.c.namespace, records.c.at_ms)

#: Roots with rows behind their snapshot.
dirty = Table(
    "ducto_dirty",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("root", String(ROOT_BYTES), primary_key=True),
)

#: Who drains a namespace: of many processes one, under a token that grows with each that takes over.
leases = Table(
    "ducto_lease",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)
