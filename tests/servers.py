"""Real server processes for tests: started in a folder of their own, on loopback or a socket, ended by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: Options of a server whose data outlives its process.
PERSISTENT = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync")
PASSWORD = "not-to-be-told"


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

    def kill_and_start_again(self) -> None:
        """SIGKILL, then the same server on the same folder."""
        self.kill()
        self.start()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """A block in which the process stands still: connected, and answering nothing."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

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


def _postgres_folder() -> Path:
    """Where ``initdb`` and ``postgres`` lie: DUCTO_POSTGRES_BIN, the path, or where Debian puts the newest."""
    named, found = os.environ.get("DUCTO_POSTGRES_BIN"), shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    for each in (named and Path(named) / "initdb", found and Path(found).resolve(), *reversed(debian)):
        if each and each.exists() and each.with_name("postgres").exists():
            return each.parent
    msg = "PostgreSQL is not installed; `make setup` installs it, or set DUCTO_POSTGRES_BIN (a folder)"
    raise RuntimeError(msg)


class PostgresProcess:
    """One PostgreSQL server whose commits are on the disk, as they are in production; ``url`` reaches it.

    It does not run as root: then the user ``postgres``, whom its package creates, owns the folder and the process.
    A missing binary fails, it does not skip.
    """

    SETTINGS = ("listen_addresses=", "shared_buffers=16MB", "max_connections=30", "wal_level=minimal",
                "max_wal_senders=0", "autovacuum=off", "jit=off", "timezone=UTC")  # fmt: skip

    def __init__(self, *settings: str) -> None:
        binaries = _postgres_folder()
        self.folder = Path(tempfile.mkdtemp(prefix="ducto-"))
        self._as: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.getuid() == 0 else {}
        )
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        password, data = self.folder / "password", self.folder / "data"
        password.write_text(PASSWORD)
        password.chmod(0o644)  # in a folder of its owner's alone
        self.url = f"postgresql://ducto:{PASSWORD}@/postgres?host={self.folder}"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "ducto", "-A", "scram-sha-256", "--pwfile", password,
             "--locale=C", "--encoding=UTF8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._as,
        )  # fmt: skip
        options = [word for setting in (*self.SETTINGS, *settings) for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", self.folder, *options],
                stdout=subprocess.DEVNULL, stderr=log, cwd=self.folder, **self._as,
            )  # fmt: skip
        self._await_start()

    def _await_start(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    msg = f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}"
                    raise RuntimeError(msg) from None
            else:
                return

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)  # with its children; SIGKILL would leave them
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
