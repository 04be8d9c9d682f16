"""What users install: every script in wheel and sdist, found when installed and in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ducto_redis.core import scripts

ROOT = Path(__file__).parents[2]
LUA = {str(path.relative_to(ROOT / "lua")) for path in (ROOT / "lua").rglob("*.lua")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_the_wheel_holds_every_script_and_the_marker_of_types(built):
    """lua/ of the repository is ducto_redis/lua/ of the wheel; py.typed is there; tests and bench are not."""
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    assert {name.removeprefix("ducto_redis/lua/") for name in names if name.endswith(".lua")} == LUA
    assert "ducto_redis/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


def test_the_sdist_holds_what_builds_it(built):
    """Scripts, package, README and project file are in the source archive."""
    with tarfile.open(built[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"lua/{name}" for name in LUA} <= names
    assert {"pyproject.toml", "README.md", "ducto_redis/__init__.py"} <= names


def test_an_installed_wheel_works_alone(built, tmp_path):
    """Unpacked elsewhere, without the repository, the scripts are found and run on the embedded engine."""
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path)
    code = (
        "import ducto_redis, pathlib; from ducto_redis.core.scripts import lua_root;"
        "s = ducto_redis.MemoryStore(); s.setup(); s.add_credits('u', 5);"
        "print(pathlib.Path(ducto_redis.__file__).parent / 'lua' == lua_root(), s.get_balance('u').balance)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "5"]


def test_a_checkout_finds_the_top_level_folder():
    """In a checkout and an editable install the scripts are those beside the package."""
    assert scripts.lua_root() == ROOT / "lua"
    assert set(scripts.script_names()) == {name.removesuffix(".lua") for name in LUA if "/" not in name}


def test_importing_starts_nothing():
    """import ducto_redis opens no thread, no socket and imports no extra."""
    code = (
        "import sys, threading, ducto_redis;"
        "print(threading.active_count(), [m for m in ('fakeredis', 'lupa', 'typer', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "1 []"


def test_a_missing_extra_is_told(tmp_path):
    """Without the extra the error names the install command."""
    (tmp_path / "fakeredis.py").write_text("raise ImportError('not installed')", encoding="utf-8")
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no', name='typer')", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "import ducto_redis\ntry: ducto_redis.MemoryStore()\nexcept ducto_redis.ConfigError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert "ducto-redis[embedded]" in done.stdout
    told = subprocess.run(
        [sys.executable, "-m", "ducto_redis", "demo"], env=environment, check=False, capture_output=True, text=True
    )
    assert (told.returncode, "ducto-redis[cli" in told.stderr) == (2, True)
