"""Writes the asyncio faces from the synchronous ones: the same text with await. Run it after changing one of them.

``tests/unit/test_parity.py`` fails when the two differ. Files not listed here are kept by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "ducto_redis"
MADE = (
    "store_base",
    "store_limits",
    "store_work",
    "store",
    "manager_base",
    "manager_limits",
    "manager_work",
    "manager",
    "limiter",
)
WORDS = {
    "redis.Redis": "redis.asyncio.Redis",
    "import redis\n": "import redis.asyncio\n",
    "ducto_redis.store_base": "ducto_redis.aio.store_base",
    "ducto_redis.store_work": "ducto_redis.aio.store_work",
    "ducto_redis.store_limits": "ducto_redis.aio.store_limits",
    "ducto_redis.manager_limits": "ducto_redis.aio.manager_limits",
    "ducto_redis.manager_base": "ducto_redis.aio.manager_base",
    "ducto_redis.manager_work": "ducto_redis.aio.manager_work",
    "ducto_redis.store import": "ducto_redis.aio.store import",
    "from ducto_redis.drivers import embedded, sync": "from ducto_redis.drivers import asyncio, embedded",
    "from ducto_redis.drivers import sync": "from ducto_redis.drivers import asyncio",
    "sync.SyncDriver": "asyncio.AsyncDriver",
    "sync.connect": "asyncio.connect",
    "sync.driver_of": "asyncio.driver_of",
    "The synchronous store: credits, holds and caps on a Redis server. Thread-safe and fork-safe.":
        "The asyncio store: credits, holds and caps on a Redis server. It belongs to the loop that first uses it.",
    "The stand-alone limiter, synchronous": "The stand-alone limiter for asyncio",
    "from time import sleep as pause\n": "from asyncio import sleep as pause\n",
    "from collections.abc import Callable\nfrom time": "from collections.abc import Awaitable, Callable\nfrom time",
    "Callable[[float], object]": "Callable[[float], Awaitable[object]]",
    "One limiter serves all threads.": "A limiter belongs to the loop that first uses it.",
    "synchronous": "asyncio",
    "A redis-py client": "A redis.asyncio client",
    "ducto_redis.sweeper": "ducto_redis.aio.sweeper",
}  # fmt: skip
AWAITED = (
    r"self\._run\(", r"self\._run_many\(", r"self\._driver\.run_flow\(", r"self\._driver\.close\(",
    r"self\._told(?:_all)?\(", r"self\._done\(", r"self\.store\.(?!start_sweeper)\w+\(", r"self\.close\(",
    r"self\._done_many\(", r"self\._sweeper\.stop\(", r"self\.hit\(", r"self\._sleep\(",
)  # fmt: skip
PLAIN = ("__init__", "from_url", "start_sweeper", "keep_to")


def converted(text: str) -> str:
    """The asyncio text of a synchronous face."""
    text = re.sub(r"\n@with_aliases\nclass MemoryStore.*|\nclass MemoryStore.*", "\n", text, flags=re.DOTALL)
    for old, new in WORDS.items():
        text = text.replace(old, new)
    text = re.sub(r"(?<![\w.])(StoreBase|ManagerBase|Driver|RedisStore|CreditManager)(?=[\s(:\]|,)])", r"Async\1", text)
    text = re.sub(r"(?<![\w.])WorkOperations", "AsyncWorkOperations", text)
    text = re.sub(r"(?<![\w.])ManagedWork", "AsyncManagedWork", text)
    text = re.sub(r"(?<![\w.])(LimitOperations|ManagedLimits|RateLimiter)", r"Async\1", text)
    for call in AWAITED:
        text = re.sub(rf"(?<!await )(?={call})", "await ", text)
    text = text.replace("emitter.emit_all(", "emitter.aemit_all(")
    text = re.sub(r"(?<!await )(?=self\.emitter\.aemit_all)", "await ", text)
    text = re.sub(r"^(    )def (?!(?:" + "|".join(PLAIN) + r")\()", r"\1async def ", text, flags=re.MULTILINE)
    text = text.replace("__enter__", "__aenter__").replace("__exit__", "__aexit__")
    text = text.replace(
        "embedded.EmbeddedDriver(embedded.connect(url))",
        "embedded.AsyncEmbeddedDriver(embedded.EmbeddedDriver(embedded.connect(url)))",
    )
    return re.sub(
        r"\[await self\._told\(result\) for result in results\]",
        "[await self._told(result) for result in results]",
        text,
    )


def main() -> None:
    """Writes every file and formats it."""
    paths = []
    for name in MADE:
        path = PACKAGE / "aio" / f"{name}.py"
        path.write_text(converted((PACKAGE / f"{name}.py").read_text(encoding="utf-8")), encoding="utf-8")
        paths.append(str(path))
    for options in (["check", "-q", "--fix-only", "--select", "I"], ["format", "-q"]):
        subprocess.run([sys.executable, "-m", "ruff", *options, *paths], check=True)  # noqa: S603 - our own files


if __name__ == "__main__":
    main()
