"""Real redis-server processes for tests: started on a unix socket in a folder of their own, ended by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        self._command = [
            binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
            "--dir", str(self.folder), *(["--requirepass", password] if password else []), *options,
        ]  # fmt: skip
        self._start()
        self.client = redis.Redis(unix_socket_path=str(self.socket), password=password)
        self._await_start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill_and_start_again(self) -> None:
        """SIGKILL, then the same server on the same folder."""
        self.kill()
        self._start()
        self._await_start()

    def kill(self) -> None:
        """SIGKILL; the folder stays."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """A block in which the process stands still: connected, and answering nothing (SIGSTOP, SIGCONT)."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _await_start(self) -> None:
        # Waiting for a real process to come up is the one wait on real time; it ends at the first answer.
        until = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                if self._process.poll() is not None or time.monotonic() > until:
                    msg = f"redis-server did not start (exit code {self._process.poll()})"
                    raise RuntimeError(msg) from None
            else:
                return

    def stop(self) -> None:
        self.client.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ReplicatedPair:
    """A primary on a port of 127.0.0.1 and a replica of it."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        # The time-out of WAIT is looked at by a timer, hz times a second.
        bound = ("--hz", "500", "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
        self.primary = RedisProcess("--port", str(self.port), *bound)
        self.replica = RedisProcess(*bound)
        self.link()

    def link(self) -> None:
        """Makes the replica one of the primary, and waits until it is online."""
        self.replica.client.execute_command("REPLICAOF", "127.0.0.1", self.port)
        until = time.monotonic() + 20
        while self.primary.client.info("replication").get("slave0", {}).get("state") != "online":
            # Processes that come up, again: a replica connects once a second and is then sent what there is.
            time.sleep(0.02)
            assert time.monotonic() < until, "the replica did not come online"

    def cut(self) -> None:
        """Makes the replica a primary of its own; what it had it keeps."""
        self.replica.client.execute_command("REPLICAOF", "NO", "ONE")

    def stop(self) -> None:
        self.replica.stop()
        self.primary.stop()
