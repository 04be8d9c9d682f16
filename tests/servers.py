"""Real redis-server processes for tests: started on a unix socket in a folder of their own, ended by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: Options of a server whose data outlives its process.
PERSISTENT = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync")


class RedisProcess:
    """One redis-server without persistence, unless told otherwise; ``url`` reaches it.

    A missing binary fails, it does not skip. The folder stays over ``kill`` and ``start``.

    Args:
        options: Further options of the server; later ones count.
        password: What clients have to say.
        environment: Variables beside those of this process.
    """

    def __init__(
        self, *options: str, password: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        binary = os.environ.get("DUCTO_REDIS_SERVER") or shutil.which("redis-server")
        if not binary:
            msg = "redis-server is not installed; `make setup` installs it, or set DUCTO_REDIS_SERVER"
            raise RuntimeError(msg)
        # Socket paths are limited to about 100 bytes, so not below pytest's own folder.
        self.folder = Path(tempfile.mkdtemp(prefix="ducto-"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._environment = {**os.environ, **(environment or {})}
        self._command = [
            binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
            "--dir", str(self.folder), *(["--requirepass", password] if password else []), *options,
        ]  # fmt: skip
        # Without retries of its own: whoever asks while the server is down wants to know.
        self.client = redis.Redis(unix_socket_path=str(self.socket), password=password, retry=Retry(NoBackoff(), 0))
        self.start()

    def start(self) -> None:
        """Starts the process, on the data that is there, and waits until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, env=self._environment)
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
                time.sleep(0.001)
            else:
                return

    def kill(self) -> None:
        """SIGKILL: what the process has not handed to the kernel is gone."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def rewrite(self) -> None:
        """Writes the AOF anew, and waits until that is done."""
        self.client.bgrewriteaof()
        while any(self.client.info("persistence")[f"aof_rewrite_{name}"] for name in ("in_progress", "scheduled")):
            time.sleep(0.001)

    def stop(self) -> None:
        """Ends it and removes what it wrote."""
        self.client.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
