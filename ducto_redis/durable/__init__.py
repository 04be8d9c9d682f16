"""The ledger in SQL, snapshots and restore: what survives Redis (extra ``durable``; ``docs/durability.md``)."""

from ducto_redis.durable.accepting import AcceptResult, accept_redis
from ducto_redis.durable.books import DaySpend, SqlBooks, books_in_redis, books_in_sql, settled_by_day
from ducto_redis.durable.database import open_database
from ducto_redis.durable.drain import DrainResult, LedgerDrain
from ducto_redis.durable.history import SqlHistory
from ducto_redis.durable.listing import SqlLedger
from ducto_redis.durable.restore import Restore, RestoreResult
from ducto_redis.durable.snapshots import SnapshotResult, Snapshots
from ducto_redis.durable.snapshotter import AsyncSnapshotter, Lag, Snapshotter
from ducto_redis.durable.verifying import verify_sql

__all__ = [
    "AcceptResult",
    "AsyncSnapshotter",
    "DaySpend",
    "DrainResult",
    "Lag",
    "LedgerDrain",
    "Restore",
    "RestoreResult",
    "SnapshotResult",
    "Snapshots",
    "Snapshotter",
    "SqlBooks",
    "SqlHistory",
    "SqlLedger",
    "accept_redis",
    "books_in_redis",
    "books_in_sql",
    "open_database",
    "settled_by_day",
    "verify_sql",
]
