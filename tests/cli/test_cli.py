"""Habits of the command line: help with examples, JSON, completion, colours, doctor."""

import argparse
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datayield.cli import doctor, main
from datayield.cli.doctor import SHELLS
from datayield.core import files
from datayield.report import metrics_file
from tests.conftest import REPO, datayield, tool_environment
from tests.report_data import statistics


def commands(
    parser: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be typed, with its parser."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if name:
        yield name, parser
    for group in groups:
        for word, own in group.choices.items():
            yield from commands(own, f"{name} {word}".strip())


ALL = dict(commands(main.parser()))


@pytest.mark.parametrize("name", ALL)
def test_help_ends_with_examples_that_can_be_parsed(name: str) -> None:
    import shlex

    text = ALL[name].format_help()
    examples = [x.strip() for x in text.split("examples:\n")[1].splitlines() if x.strip()]
    assert examples
    for line in examples:
        typed = line.split("  #")[0].split(" >")[0].split(" && ")[-1]
        words = shlex.split(typed.split(" < ")[0])
        assert words[0] in ("datayield", "prefect")
        if words[0] == "datayield":
            main.parser().parse_args(words[1:])


def test_a_commands_summary_is_lower_case() -> None:
    text = main.parser().format_help()
    for word in ("init", "study", "next", "doctor", "plan", "need"):
        (line,) = (x for x in text.splitlines() if x.strip().startswith(f"{word} "))
        assert line.split(maxsplit=1)[1][0].islower()


@pytest.fixture
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)


@pytest.mark.usefixtures("in_repository")
@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        (["corpora", "list"], "pydocs"),
        (["corpora", "check", "sms_spam"], "sms_spam"),
        (["strategies", "list"], "eda_nn"),
        (["strategies", "show", "eda_nn"], "summary"),
    ],
)
def test_listings_as_json(
    arguments: list[str], holds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*arguments, "--json"]) == 0
    assert holds in json.loads(capsys.readouterr().out)


def test_compare_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_json(metrics_file.metrics(statistics({"useless": 1.0})), tmp_path / "metrics.json")
    assert main.main(["compare", str(tmp_path), str(tmp_path), "--json"]) == 0
    assert "A" in json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("in_repository")
def test_unknown_strategy_stays_an_error_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["strategies", "show", "eda_n", "--json"]) == 2
    assert 'did you mean "eda_nn"' in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script_of_that_shell(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("study", "corpora", "unlabelled"))
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=script, text=True, check=False, capture_output=True
        )
        assert checked.returncode == 0, checked.stderr


def shown(*command: str, **environment: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in tool_environment(TERM="xterm").items() if k != "NO_COLOR"}
    subprocess.run(command, stdout=theirs, env={**kept, **environment}, check=False, cwd=REPO)
    os.close(theirs)
    out = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the terminal has gone
            break
        if not block:
            break
        out += block
    os.close(ours)
    return out.decode()


@pytest.mark.slow
def test_colours_on_terminals_alone_unless_refused(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "datayield", "doctor")
    assert "\x1b[" in shown(*command)
    assert "\x1b[" not in shown(*command, NO_COLOR="1")
    assert "\x1b[" not in datayield(tmp_path, "doctor").stdout


# ---- doctor
def test_doctor_says_what_to_do_and_ends_with_1(tmp_path: Path) -> None:
    """A folder with a wrong params.yaml, no mirror, a server that does not answer."""
    (tmp_path / "params.yaml").write_text("study: 3\n")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = datayield(
        tmp_path, "doctor", "--json", DATAYIELD_MIRROR="/no/such/folder",
        MLFLOW_TRACKING_URI=f"http://me:secret@127.0.0.1:{port}",
    )  # fmt: skip
    found = {f["name"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1 and "Traceback" not in done.stderr
    problems = {k for k, f in found.items() if f["state"] == "problem"}
    assert problems == {"mirror", "MLFLOW_TRACKING_URI", "params.yaml", "dvc"}
    assert all(found[k]["fix"] for k in problems)
    assert "secret" not in done.stdout and f"127.0.0.1:{port}" in done.stdout
    assert found["torch"]["state"] == "ok" and "==2.13.0" in found["torch"]["message"]


def test_doctor_finds_a_server_and_a_running_study(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "state").mkdir()
    with socket.socket() as server, FileLock(tmp_path / "state" / "study.lock"):
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert (
            doctor.check_server("X", f"postgresql+psycopg2://u:p@127.0.0.1:{port}/db").state == "ok"
        )
        assert [f.state for f in doctor._study(tmp_path)] == ["notice", "notice"]
    assert list(doctor._study(tmp_path))[1].state == "ok"


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (doctor.check_version("torch", "2.12.0", "==2.13.0"), "problem"),
        (doctor.check_version("torch", "2.13.0+cpu", "==2.13.0"), "ok"),
        (doctor.check_space("disk", 0.4, 2, "make room"), "problem"),
        (doctor.check_space("disk", 1.4, 2, "make room"), "notice"),
        (doctor.check_space("disk", 9.0, 2, "make room"), "ok"),
        (doctor.check_server("X", "http://127.0.0.1:notaport"), "problem"),
        (doctor.check_server("X", "sqlite:///a.db"), "ok"),
    ],
)
def test_findings(finding: doctor.Finding, state: str) -> None:
    assert finding.state == state and (state == "ok") == (not finding.fix)
