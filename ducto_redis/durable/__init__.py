"""The ledger in SQL: every entry exactly once, in the order of its root (extra ``durable``; ``docs/durability.md``)."""

from ducto_redis.durable.database import open_database
from ducto_redis.durable.drain import DrainResult, LedgerDrain

__all__ = ["DrainResult", "LedgerDrain", "open_database"]
