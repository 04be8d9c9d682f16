"""A proxy of our own between a client and a real redis-server: it loses, cuts, repeats and delays what passes.

It understands just enough of the protocol to know where a request and a reply end. What happens to a request is decided
by a plan - a function of its words - before it is forwarded; only EVALSHA is ever disturbed. Nothing sleeps: "late"
always means "after the client has given up", which is seen by its hanging up.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any, Self

Words = list[bytes]


class Fault(Enum):
    """What happens to a request."""

    NONE = auto()  # forwarded, answered
    REPLY_LOST = auto()  # executed; the connection is closed in place of the reply
    REPLY_CUT = auto()  # executed; half of the reply arrives
    REPLY_DELAYED = auto()  # executed; the reply comes after the client has given up
    REPLY_TWICE = auto()  # executed; the reply arrives twice at once
    REQUEST_LOST = auto()  # not executed; the connection is closed
    REQUEST_TWICE = auto()  # arrives a second time, on another connection; the first reply is given
    REQUEST_LATE = auto()  # the client gives up; it arrives when the next request has been answered


#: Those that make a client wait for its own timeout.
SLOW = (Fault.REPLY_DELAYED, Fault.REQUEST_LATE)
QUICK = tuple(fault for fault in Fault if fault not in (*SLOW, Fault.NONE))


class Random:
    """A plan drawn from a seed: a share of requests meets a fault, each kind in turn of the draw."""

    def __init__(self, seed: int, share: float = 0.3, kinds: tuple[Fault, ...] = QUICK, slow: float = 0.01) -> None:
        self._draw, self._share, self._kinds, self._slow = random.Random(seed), share, kinds, slow

    def __call__(self, _words: Words) -> Fault:
        drawn = self._draw.random()
        if drawn < self._slow:
            return self._draw.choice(SLOW)
        return self._draw.choice(self._kinds) if drawn < self._share else Fault.NONE


class Listed:
    """A plan that is told: the faults of the next requests in order, then the last one for ever."""

    def __init__(self, *faults: Fault, then: Fault = Fault.NONE) -> None:
        self._faults, self._then = deque(faults), then

    def __call__(self, _words: Words) -> Fault:
        return self._faults.popleft() if self._faults else self._then


def read_frame(source: Any) -> bytes:
    """One whole request or reply, of protocol 2 or 3; b"" at the end."""
    line = source.readline()
    if not line.endswith(b"\r\n"):
        return b""
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!" and rest != b"-1":
        return line + source.read(int(rest) + 2)
    if kind in b"*~>%|" and rest != b"-1":
        return line + b"".join(read_frame(source) for _ in range(int(rest) * (1 + (kind in b"%|"))))
    return line


def words_of(frame: bytes) -> Words:
    """The words of a request."""
    return frame.split(b"\r\n")[2::2]


def hang_up(*sockets: socket.socket) -> None:
    """Ends connections; without the shutdown a thread that reads from one would never notice."""
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


class Proxy:
    """Listens on a unix socket of its own and forwards to a server's.

    Attributes:
        url: Where clients connect.
        plan: What happens to each request; may be exchanged at any time.
        met: How often each fault happened.
    """

    def __init__(self, server: Path, plan: Callable[[Words], Fault] = Listed()) -> None:  # noqa: B008 - it has no state
        self._server = str(server)
        self.plan = plan
        self.met: Counter[Fault] = Counter()
        self._late: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="ducto-proxy-"))
        self.path = str(self._folder / "proxy.sock")
        self.url = f"unix://{self.path}"
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(256)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        hang_up(self._listener, *self._open)
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _upstream(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(self._server)
        return made

    def _serve(self, client: socket.socket) -> None:
        server = self._upstream()
        with (
            contextlib.suppress(OSError, ValueError),
            client.makefile("rb") as requests,
            server.makefile("rb") as replies,
        ):
            while frame := read_frame(requests):
                eligible = words_of(frame)[0] == b"EVALSHA"
                with self._lock:
                    fault = self.plan(words_of(frame)) if eligible else Fault.NONE
                    self.met[fault] += eligible
                if not self._pass(fault, frame, (client, server, replies)):
                    break
                if eligible:
                    self.deliver_late()
        hang_up(client, server)
        self._open.discard(client)

    def _pass(self, fault: Fault, frame: bytes, ends: tuple[socket.socket, socket.socket, Any]) -> bool:
        """Forwards a request under a fault; answers whether the connection lives on."""
        client, server, replies = ends
        if fault is Fault.REQUEST_LOST:
            return False
        if fault is Fault.REQUEST_LATE:
            client.recv(1)  # the client hangs up
            self._late.append(frame)
            return False
        server.sendall(frame)
        reply = read_frame(replies)
        if fault is Fault.REQUEST_TWICE:
            self._send_apart(frame)
        elif fault is Fault.REPLY_DELAYED:
            client.recv(1)
            return False
        elif fault is Fault.REPLY_CUT:
            client.sendall(reply[: len(reply) // 2])
        elif fault is Fault.REPLY_TWICE:
            client.sendall(reply + reply)
        if fault in (Fault.NONE, Fault.REQUEST_TWICE):
            client.sendall(reply)
        return bool(reply) and fault not in (Fault.REPLY_LOST, Fault.REPLY_CUT)

    def _send_apart(self, frame: bytes) -> None:
        """Sends a request on a connection of its own; its reply goes nowhere."""
        apart = self._upstream()
        apart.sendall(frame)
        with apart.makefile("rb") as replies:
            read_frame(replies)
        hang_up(apart)

    def deliver_late(self) -> None:
        """Lets the requests arrive that were delayed."""
        while True:
            try:
                frame = self._late.popleft()
            except IndexError:
                return
            self._send_apart(frame)
