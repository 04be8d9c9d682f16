"""The command line, ``ducto-redis``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; says how to install it when its extra is missing."""
    try:
        from ducto_redis.cli.app import app  # noqa: PLC0415 - an extra, imported only when it is used
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        sys.stderr.write("the command line needs an extra: pip install 'ducto-redis[cli,embedded]'\n")
        raise SystemExit(2) from None
    app()
