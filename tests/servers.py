"""Real redis-server processes for tests: started on a unix socket in a folder of their own, ended by their pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis


class RedisProcess:
    """One redis-server without persistence; ``url`` reaches it. A missing binary fails, it does not skip."""

    def __init__(self, *options: str, password: str | None = None) -> None:
        binary = os.environ.get("DUCTO_REDIS_SERVER") or shutil.which("redis-server")
        if not binary:
            msg = "redis-server is not installed; `make setup` installs it, or set DUCTO_REDIS_SERVER"
            raise RuntimeError(msg)
        # Socket paths are limited to about 100 bytes, so not below pytest's own folder.
        self.folder = Path(tempfile.mkdtemp(prefix="ducto-"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), *(["--requirepass", password] if password else []), *options],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.client = redis.Redis(unix_socket_path=str(self.socket), password=password)
        self._await_start()

    def _await_start(self) -> None:
        # Waiting for a real process to come up is the one wait on real time; it ends at the first answer.
        until = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                if self._process.poll() is not None or time.monotonic() > until:
                    msg = f"redis-server did not start (exit code {self._process.poll()})"
                    raise RuntimeError(msg) from None
            else:
                return

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
