"""The asyncio faces: the names and documentation of ``ducto_redis.store`` and ``ducto_redis.manager``."""
