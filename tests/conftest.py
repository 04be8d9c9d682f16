"""Fixtures: a real server per worker, a namespace per test, and the ``api`` that contract tests run on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from apis import COMBINATIONS, Api
from hypothesis import settings
from servers import PostgresProcess, RedisProcess

settings.register_profile("ducto", deadline=None, print_blob=True, derandomize=False)
settings.load_profile("ducto")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[RedisProcess]:
    """A real server, one per worker."""
    process = RedisProcess()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """A real PostgreSQL, one per worker that has a test for it."""
    process = PostgresProcess()
    yield process
    process.stop()


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"t{next(_numbers)}"


@pytest.fixture(params=list(COMBINATIONS))
def api(request: pytest.FixtureRequest, namespace: str) -> Iterator[Api]:
    """Each combination of face and engine in turn."""
    real = COMBINATIONS[request.param][1]
    url = request.getfixturevalue("server").url if real else f"memory://{namespace}"
    made = Api(request.param, url, namespace)
    yield made
    made.close()


@pytest.fixture
def store(api: Api):
    """A ready store of each combination."""
    return api.store()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in ("test_machine.py", "test_planted_faults.py"))


def pytest_terminal_summary(terminalreporter) -> None:
    """Prints the figures that tests recorded, so that a run shows n beside each 0."""
    figures = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "figure" and report.when == "call"
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(figure)
