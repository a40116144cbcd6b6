"""The board of `datayield study`: what it shows, and that it leaves every terminal clean."""

import io
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len

from datayield.cli import board
from datayield.cli.board import BoardState
from datayield.core.errors import UserError
from datayield.integrations.dvc_log import DvcRun, messages
from datayield.study import stage_progress
from datayield.study.stage_progress import MeanCurve, StageProgress
from datayield.study.study_progress import Scores, curves_so_far
from tests.conftest import REPO, datayield, make_project, tool_environment
from tests.pty_screen import PtyProgram

PROGRESS = StageProgress(
    "tickets", "cells", 45, 120, "look 1 of 4", 2, 190.0, "tickets lstm:eda n=400 draw=3 seed=0", "accuracy",
    (MeanCurve("plain LSTM", ((50, 0.5), (400, 0.7))), MeanCurve("TF-IDF", ((50, 0.6), (400, 0.8)))),
    written=1000.0,
)  # fmt: skip
RUN = DvcRun("study@tickets", ("corpus@tickets",) * 8)
STATE = BoardState("shop", ("tickets", "reviews"), RUN, {"tickets": PROGRESS}, 0.0, 1010.0)


def drawn(state: BoardState, width: int) -> str:
    return "\n".join(line.plain for line in board.drawing(state, width))


def test_the_board_says_stage_cells_time_and_curves() -> None:
    assert drawn(STATE, 100) == textwrap.dedent("""
        datayield study shop, 16 min 50 s
        tickets: training and scoring (stage 9 of 20)
        tickets  ███████░░░░░░░░░░░░░  45 of 120 cells, 2 failed (look 1 of 4, 3 min 00 s left)
        reviews  waits
        latest: tickets lstm:eda n=400 draw=3 seed=0

        accuracy so far, from 50 to 400 labels
        plain LSTM  ▁▆  50.0 % to 70.0 %
        TF-IDF      ▃█  60.0 % to 80.0 %
        a picture of unfinished work, no result

        Ctrl-C stops, the same command resumes""")


@pytest.mark.parametrize("width", [20, 40, 79, 80, 200])
@pytest.mark.parametrize("title", ["plain LSTM", "[red]x[/red]", "多" * 60, "e\u0301\u202e" * 50])
def test_no_line_reaches_the_edge_of_the_terminal(width: int, title: str) -> None:
    curves = (MeanCurve(title, ((50, 0.5), (12_800, 0.7))),)
    state = replace(STATE, progress={"tickets": replace(PROGRESS, curves=curves, latest=title)})
    lines = board.drawing(state, width)
    assert max(cell_len(line.plain) for line in lines) < width
    assert all(line.plain.isprintable() for line in lines)
    if "[" in title and width > 40:
        assert title in drawn(state, width)


def test_controls_of_a_terminal_are_not_passed_on() -> None:
    latest = "\x1b[2J\x07 \r \n"
    state = replace(STATE, progress={"tickets": replace(PROGRESS, latest=latest)})
    assert "latest: �[2J  �" in drawn(state, 100)
    assert board.printable("a\u202eb") == "a�b"


def test_many_corpora_take_few_lines() -> None:
    names = tuple(f"c{i}" for i in range(40))
    run = DvcRun("study@c30", tuple(f"study@c{i}" for i in range(30)))
    state = BoardState("many", names, run, {"c30": replace(PROGRESS, corpus="c30")}, 0.0, 0.0)
    text = drawn(state, 100)
    assert "c0   done" in text and "c30  ███████" in text
    assert "and 34 more corpora, 25 of them done" in text and len(text.splitlines()) < 20


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (DvcRun(), "looking which stages are out of date"),
        (DvcRun("analyse", ("x",) * 18), "computing the statistics (stage 19 of 20)"),
        (DvcRun("own@tickets"), "tickets: own (stage 1 of 20)"),
    ],
)
def test_a_stage_is_named_by_what_it_does(run: DvcRun, said: str) -> None:
    assert drawn(replace(STATE, run=run, progress={}), 100).splitlines()[2] == said


def test_a_corpus_without_numbers_says_where_it_stands() -> None:
    run = DvcRun("audit@tickets", ("study@reviews",))
    lines = drawn(replace(STATE, run=run, progress={}), 100).splitlines()
    assert lines[3:5] == ["tickets  its data is prepared", "reviews  done"]


def test_every_stage_of_the_pipeline_has_words() -> None:
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]
    assert list(board.STAGES) == list(stages)
    assert sum("matrix" not in stage for stage in stages.values()) == board.ONCE


def test_time_that_has_run_out_is_not_shown() -> None:
    late = replace(STATE, now=2000.0)
    assert "45 of 120 cells, 2 failed (look 1 of 4)" in drawn(late, 100)


def test_equal_scores_are_a_flat_line() -> None:
    assert board.sparkline([0.5, 0.5], 0.5, 0.5) == "▁▁"
    assert board.sparkline([0.5, 0.6, 0.7], 0.5, 0.7) == "▁▅█"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "fits"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_where_a_board_is_drawn(environment: dict[str, str], fits: bool) -> None:
    assert board.drawable(Terminal(), environment) is fits
    assert not board.drawable(io.StringIO(), environment)


def test_a_log_of_dvc_is_read() -> None:
    log = """Stage 'corpus@a' didn't change, skipping
Running stage 'audit@a':
> python -m datayield stage audit --corpus a
notice: a budget was left out
Updating lock file 'dvc.lock'

Stage 'study@a' is cached - skipping run, checking out outputs
Running stage 'study@b':
[3/9 cells]  31%, 00:03 passed, 00:06 left, b tfidf n=200 draw=1 seed=0
failed: b tfidf n=200 draw=1 seed=0: out of memory
of 12 strategies go on: lstm:eda
after 3 draws: settled: lstm:eda; 4 go on""".splitlines()
    assert DvcRun().after(log) == DvcRun("study@b", ("corpus@a", "audit@a", "study@a"))
    assert DvcRun().after(log[:3]).after(log[3:]) == DvcRun().after(log)
    assert [line.split()[0] for line in messages(log)] == ["notice:", "failed:", "of", "after"]


def test_progress_is_written_and_read(tmp_path: Path) -> None:
    assert stage_progress.read_progress(tmp_path, "tickets") is None
    stage_progress.write_progress(PROGRESS, tmp_path)
    assert stage_progress.read_progress(tmp_path, "tickets") == PROGRESS
    path = tmp_path / "state" / "progress" / "tickets.json"
    for damaged in ("", "[]", "{}", '{"curves": []}', '{"curves": [1]}', "\x00"):
        path.write_text(damaged)
        assert stage_progress.read_progress(tmp_path, "tickets") is None
    stage_progress.forget_progress(tmp_path)
    stage_progress.forget_progress(tmp_path)
    assert not path.exists()


def test_progress_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    stage_progress.write_progress(PROGRESS, tmp_path)
    assert stage_progress.read_progress(tmp_path, "tickets") is None


def test_curves_compare_common_draws() -> None:
    first, second = (0, 0), (1, 0)
    plain = {10: {first: 0.5, second: 0.3}, 20: {first: 0.6}}
    scores: Scores = {
        "lstm:plain": plain,
        "lstm:better": {10: {first: 0.6}, 20: {first: 0.7, second: 0.1}},
        "lstm:one_budget": {20: {first: 0.99}},
        "lstm:worse": {10: {first: 0.1}, 20: {first: 0.1}},
    }
    assert curves_so_far(scores, "lstm:plain") == [
        ("lstm:plain", ((10, 0.5), (20, 0.6))),
        ("lstm:better", ((10, 0.6), (20, 0.7))),
    ]
    alone = [("lstm:plain", ((10, 0.4), (20, 0.6)))]
    assert curves_so_far({"lstm:plain": plain}, "lstm:plain") == alone
    few = {k: scores[k] for k in ("lstm:plain", "lstm:one_budget")}
    assert curves_so_far(few, "lstm:plain")[1] == ("lstm:one_budget", ((20, 0.99),))
    assert (
        curves_so_far({k: scores[k] for k in ("lstm:plain", "lstm:worse")}, "lstm:plain") == alone
    )
    assert curves_so_far({"tfidf": plain}, "lstm:plain") == curves_so_far({}, "lstm:plain") == []


# ---- on a real pseudo-terminal, below a DVC that does what the test says
STUDY = """
import sys
from pathlib import Path
from datayield.cli import board
from datayield.core.system.subprocesses import exit_code_of
sys.exit(exit_code_of(lambda: board.run_with_board(Path(), "shop", ["tickets", "reviews"])))
"""
DVC = """
import sys, time
from pathlib import Path
from datayield.study.stage_progress import MeanCurve, StageProgress, write_progress
curve = MeanCurve("plain LSTM", ((50, 0.5), (400, 0.7)))
print("chatter of DVC", flush=True)
for corpus in ("tickets", "reviews"):
    print(f"Running stage 'study@{corpus}':", flush=True)
    print("notice: one class is [red]thin[/red]", file=sys.stderr)
    for done in (40, 80, 120):
        progress = StageProgress(corpus, "cells", done, 120, metric="accuracy", curves=(curve,))
        write_progress(progress, Path())
        time.sleep(0.6)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project folder in which `python -m dvc` is the program above."""
    (tmp_path / "dvc").mkdir()
    (tmp_path / "dvc" / "__init__.py").write_text("")
    (tmp_path / "dvc" / "__main__.py").write_text(DVC)
    return tmp_path


def on_terminal(folder: Path, columns: int = 60, *arguments: str) -> PtyProgram:
    path = f"{folder}:{REPO}:{REPO / 'src'}"
    environment = tool_environment(PYTHONPATH=path, TERM="xterm", CI="", NO_COLOR="")
    command = [sys.executable, *(arguments or ("-c", STUDY))]
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    return PtyProgram(command, folder, columns, **environment)


def left_clean(program: PtyProgram) -> str:
    """The text that stays on the terminal, once nothing of the board does."""
    text = program.screen.text.replace("^C", "")
    assert program.screen.cursor_shown
    assert "Ctrl-C stops" not in text and "so far" not in text
    return text


@pytest.mark.parametrize("columns", [40, 100])
def test_a_study_that_succeeds_leaves_its_messages(shop: Path, columns: int) -> None:
    with on_terminal(shop, columns) as program:
        program.until(lambda s: "120 of 120 cells" in s.text and not s.cursor_shown)
        assert "accuracy so far" in program.screen.text
        assert max(map(len, program.screen.lines[1:])) < columns
        assert program.end() == 0
    text = left_clean(program)
    assert text.splitlines()[0].startswith("messages of DVC, Prefect and MLflow: state/stu")
    assert text.count("notice: one class is [red]thin[/red]") == 2
    assert "chatter" not in text and "chatter of DVC" in (shop / "state" / "study.log").read_text()


def test_a_stage_that_fails_shows_its_cause(shop: Path) -> None:
    failing = DVC + (
        "print('datayield: the disk is full', file=sys.stderr)\n"
        "print('ERROR: failed to reproduce', file=sys.stderr)\nsys.exit(255)\n"
    )
    (shop / "dvc" / "__main__.py").write_text(failing)
    with on_terminal(shop) as program:
        assert program.end() == 2
    assert left_clean(program).endswith(
        "tickets: 120 of 120 cells\nreviews: 120 of 120 cells\n"
        "datayield: the disk is full\nAll messages: state/study.log\n"
        "The same command continues from there."
    )


def test_ctrl_c_leaves_the_terminal_clean(shop: Path) -> None:
    with on_terminal(shop) as program:
        program.until(lambda s: "40 of 120 cells" in s.text)
        program.press_ctrl_c()
        assert program.end() == 130
    text = left_clean(program)
    assert "stopping ...\ntickets: " in text
    assert "finished cells are kept, the same command continues" in text
    assert "KeyboardInterrupt" in (shop / "state" / "study.log").read_text()


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises((UserError, OSError), match="state"):
        board.run_with_board(tmp_path, "shop", ["tickets"])


def test_the_command_draws_a_board_and_passes_an_error_on(tmp_path: Path) -> None:
    """The real DVC, which ends at once in a folder without `dvc init`."""
    make_project(tmp_path)
    (tmp_path / "dvc.yaml").write_text((REPO / "dvc.yaml").read_text())
    with on_terminal(tmp_path, 100, "-m", "datayield", "study") as program:
        assert program.end() == 2
    text = left_clean(program)
    assert "messages of DVC, Prefect and MLflow: state/study.log" in text
    assert "not inside of a DVC repository" in text and "All messages: state/study.log" in text


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / "dvc.yaml").write_text((REPO / "dvc.yaml").read_text())
    done = datayield(tmp_path, "study", TERM="xterm", CI="", NO_COLOR="")
    assert done.returncode == 2 and done.stderr.startswith("ERROR: you are not inside of a DVC")
    assert "`dvc repro` ended with an error (above)" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert not (tmp_path / "state" / "study.log").exists()
