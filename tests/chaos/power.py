"""A disk whose power fails: what a server did not sync is cut from its AOF, as far as the page cache had it.

``synced.c`` tells how far each file was synced. Directories are taken to be safe; the disk keeps what it says it kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path


class NotMeasured(Exception):
    """This machine cannot show it."""


class Disk:
    """A disk that a server's syncs are noted on.

    Args:
        slow_us: How much longer each sync takes.

    Attributes:
        environment: For the server.
        cut: Bytes that were lost with the power so far.

    Raises:
        NotMeasured: There is no C compiler.
    """

    def __init__(self, slow_us: int = 0) -> None:
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if not compiler:
            raise NotMeasured("there is no C compiler")
        self._folder = Path(tempfile.mkdtemp(prefix="ducto-disk-"))
        self._log, library = self._folder / "synced", self._folder / "synced.so"
        source = Path(__file__).with_name("synced.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.environment = {
            "LD_PRELOAD": str(library), "DUCTO_SYNC_LOG": str(self._log), "DUCTO_SYNC_DELAY_US": str(slow_us)
        }  # fmt: skip
        self.cut = 0

    def syncs(self) -> int:
        """How many there were."""
        return self._log.read_bytes().count(b"\n")

    def lose_power(self, folder: Path) -> None:
        """Cuts each file of a killed server's AOF to what was synced of it."""
        synced = dict(map(int, line.split()) for line in self._log.read_text().splitlines())
        for path in (folder / "appendonlydir").iterdir():
            found = path.stat()
            kept = min(found.st_size, synced.get(found.st_ino, 0))
            self.cut += found.st_size - kept
            os.truncate(path, kept)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
