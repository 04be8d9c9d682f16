"""``make chaos-<row>``: totals go on where they ended, failures stop and stay, only the row's place is written."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import chaos


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command with a row of its own, on files of its own."""
    seeds, bad = [], []

    def once(_server, _namespace, n, seed):
        seeds.append(seed)
        if bad:
            raise bad.pop()
        return chaos.rows.Figure(n, 0, Counter(steps=2))

    class NoServer:
        def stop(self) -> None:
            pass

    monkeypatch.setattr(chaos.rows, "ROWS", {"made-up": chaos.rows.Row("what is 0", "cases", 10, once)})
    monkeypatch.setattr(chaos, "RedisProcess", NoServer)
    monkeypatch.setattr(chaos, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(chaos, "TABLE", tmp_path / "table.md")

    def command(*args):
        monkeypatch.setattr(sys, "argv", ["chaos.py", *args])
        return chaos.main()

    command.seeds, command.bad, command.table = seeds, bad, tmp_path / "table.md"
    return command


def test_totals_add_up_over_runs(run, capsys):
    """N is the total to reach; a second run makes only what is missing, with other seeds; the table tells the sum."""
    assert run("made-up", "--n", "20") == 0
    assert run("made-up", "--n", "20") == 0
    assert run("made-up", "--n", "25") == 0
    assert run.seeds == [0, 1, 2]
    assert run("made-up") == 0
    assert run("report") == 0
    assert "made-up: 0 of 40 cases" in capsys.readouterr().out
    assert run.table.read_text().count("0 of 40 cases (code") == 1


def test_another_version_of_the_code_begins_anew(run, monkeypatch):
    """A total belongs to the code that it was found with."""
    run("made-up", "--n", "20")
    monkeypatch.setattr(chaos, "version", lambda: "other")
    run("made-up", "--n", "20")
    assert run.seeds == [0, 1, 0, 1]
    assert "0 of 20 cases (code other)" in run.table.read_text()


def test_a_failure_stops_and_stays(run, capsys):
    """What a row raises is one bad case, told with its seed; no later run hides it."""
    run("made-up", "--n", "10")
    run.bad.append(AssertionError("broken"))
    assert run("made-up", "--n", "100") == 1
    assert "seed 1: 1 bad" in capsys.readouterr().out
    assert run("made-up", "--n", "100") == 1
    assert run.seeds == [0, 1]
    assert "1 of 10 cases" in run.table.read_text()


def test_a_table_of_others_is_kept(run):
    """Only what stands between the marks is written; a row without marks changes nothing."""
    run.table.write_text("# Ours\n| <!-- chaos:made-up -->?<!-- /chaos:made-up --> | kept |\n")
    run("made-up")
    assert run.table.read_text().startswith("# Ours\n| <!-- chaos:made-up -->0 of 10 cases")
    assert run.table.read_text().endswith("<!-- /chaos:made-up --> | kept |\n")
    run.table.write_text("# Ours\n")
    run("made-up")
    assert run.table.read_text() == "# Ours\n"


def test_every_row_of_the_document_has_a_runner():
    """The table and the registry name the same rows."""
    text = chaos.TABLE.read_text(encoding="utf-8")
    assert [name for name in chaos.rows.ROWS if f"<!-- chaos:{name} -->" not in text] == []
