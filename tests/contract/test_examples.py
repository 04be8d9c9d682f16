"""Examples, demo and the code of README and docs: they run, and print what they announce."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ducto_redis.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{at}")
    for page in PAGES
    for at, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]
ANNOUNCED = [
    "Initial balance: 50000",
    "Cap registered: type=daily, limit=5000, action=deny",
    "Deduction succeeded: balance after = 47000",
    "Cap status: capped=False, current spend=3000",
    "Deduction denied: cap_reached: daily cap of 5000: 3000 spent, 3000 more asked",
    "Balance untouched: 47000",
    "Current spend: 1000 Cap limit: 500 Action: warn",
    "Runaway loop stopped after 16 calls: spent 4800 of 5000",
]
LIMITS_TOLD = [
    "Admitted: True, limits looked at: 3",
    "Charged: 0.04125, balance after = 499.95875",
    "429 concurrency_limit: user's limit of 4, with Retry-After",
    "429 rate_limited: user's limit of 100000, with Retry-After",
    "429 rate_limited: user's limit of 100000, never as it is",
    "429 rate_limited: user's limit of 60, with Retry-After",
    "429 cap_reached: user's limit of 5, never as it is",
    "429 cap_reached: team's limit of 200, with Retry-After",
]


def run(*command):
    return subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(("example", "announced"), [
    ("spend_caps", ANNOUNCED), ("spend_caps_async", ANNOUNCED),
    ("llm_limits", LIMITS_TOLD), ("llm_limits_async", LIMITS_TOLD),
])  # fmt: skip
@pytest.mark.parametrize("real", [False, True], ids=["embedded", "real"])
def test_the_examples_print_what_their_prose_announces(example, announced, real, request):
    """On both engines: 47000; capped=False, 3000; denied and explained; 1000 / 500 / warn; each limit of a gateway."""
    url = [request.getfixturevalue("server").url] if real else []
    done = run(f"examples/{example}.py", *url)
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()[1:]] == announced


@pytest.mark.parametrize("real", [False, True], ids=["embedded", "real"])
def test_the_demo_tells_the_story(real, request):
    """Every step as announced, exit code 0."""
    url = ["--redis", request.getfixturevalue("server").url] if real else []
    done = CliRunner().invoke(app, ["demo", *url])
    assert done.exit_code == 0, done.output
    assert "All as announced." in done.output
    assert "✘" not in done.output


def test_the_demo_fails_clearly_without_a_server():
    """An unreachable server or a wrong URL: exit code 2 and a sentence, no traceback."""
    for url, word in (("unix:///nowhere/redis.sock", "StoreUnavailable"), ("ftp://x", "ConfigError")):
        done = CliRunner().invoke(app, ["demo", "--redis", url])
        assert (done.exit_code, word in done.output, "Traceback" in done.output) == (2, True, False)


def test_help_shows_examples_and_the_version_is_told():
    """--help of the demo has examples; --version prints one line."""
    runner = CliRunner()
    assert "ducto-redis demo --redis redis://" in runner.invoke(app, ["demo", "--help"], env={"COLUMNS": "120"}).output
    assert re.fullmatch(r"ducto-redis \d+\.\d+\.\d+\n", runner.invoke(app, ["--version"]).output)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_code_of_the_pages_runs(block, server):
    """Each Python block of README and docs runs as it stands, on a fresh server's database where it names one."""
    code = block.replace("redis://localhost:6379/0", server.url)
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    for shown in re.findall(r"# prints (.+)$", block, re.MULTILINE):
        assert shown in done.stdout


def test_there_are_blocks_to_run():
    """README has at least a sync and an asyncio example."""
    assert len(BLOCKS) >= 2
