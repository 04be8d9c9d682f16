"""The ledger in SQL: every entry exactly once, in the order of its root (extra ``durable``; ``docs/durability.md``)."""

from ducto_redis.durable.drain import DrainResult, LedgerDrain
from ducto_redis.durable.schema import open_database

__all__ = ["DrainResult", "LedgerDrain", "open_database"]
