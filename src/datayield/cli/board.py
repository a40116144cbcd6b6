"""Draws the board of a running study: its stage, the cells done, the time left, the curves so far.

The board needs a terminal that can move its cursor. It is redrawn by this process alone, between two
looks at the log of DVC and at the small files that the stages write; no thread takes part.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.text import Text

from datayield.core.progress import duration
from datayield.integrations.dvc_log import DvcRun, messages
from datayield.integrations.dvc_repro import LoggedRun, logged_repro
from datayield.study.stage_progress import (
    MeanCurve,
    StageProgress,
    forget_progress,
    read_progress,
)

STAGES = {
    "corpus": "reading the texts",
    "audit": "checking the texts",
    "subsample": "drawing the labelled samples",
    "vectors": "training word vectors",
    "embed": "reading the texts with models from outside",
    "augment": "rewriting texts",
    "curriculum": "rating how difficult texts are",
    "tune": "searching settings",
    "study": "training and scoring",
    "analyse": "computing the statistics",
    "report": "writing the report",
}
"""What each stage of dvc.yaml does, in words; the last two run once for all corpora."""
ONCE = 2
SECONDS = 0.5  # between two drawings
ROWS = 6  # corpora that are named; the others are counted
BAR = 20  # columns
STEPS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class BoardState:
    """Everything that the board shows, at one moment."""

    study: str
    corpora: tuple[str, ...]
    run: DvcRun
    progress: Mapping[str, StageProgress]  # by corpus, of those that have begun
    begun: float  # seconds since the epoch
    now: float


def drawable(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a board can be drawn: on a terminal with a cursor that moves, without NO_COLOR and CI."""
    return (
        out.isatty()
        and "utf" in (out.encoding or "").lower()
        and environment.get("TERM", "") not in ("", "dumb", "unknown")
        and not environment.get("NO_COLOR")
        and environment.get("CI", "").lower() in ("", "0", "false")
    )


def run_with_board(root: Path, study: str, corpora: Sequence[str]) -> None:
    """Run the study of a folder by `dvc repro` and show its board on stderr until it ends.

    Args:
        root: the project's folder.
        study: name of the study.
        corpora: names of its corpora.

    Raises:
        UserError: a stage ended with an error; the message names the log.
    """
    console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
    log = root / "state" / "study.log"
    console.print(f"messages of DVC, Prefect and MLflow: {printable(str(log))}", soft_wrap=True)
    forget_progress(root)
    begun = time.time()

    def state(run: DvcRun) -> BoardState:
        progress = {x: p for x in corpora if (p := read_progress(root, x)) is not None}
        return BoardState(study, tuple(corpora), run, progress, begun, time.time())

    try:
        with logged_repro(root, log) as dvc:
            _show(dvc, state, console)
    finally:
        console.show_cursor(True)  # also where Ctrl-C came while it was being hidden


def _show(dvc: LoggedRun, state: Callable[[DvcRun], BoardState], console: Console) -> None:
    """Draw the board until DVC has ended; then take it away, and say how far a stopped study is."""
    run, ended = DvcRun(), False
    live = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        with live:
            width = console.width
            while not ended:
                ended = dvc.ended(SECONDS)
                lines = dvc.new_lines()
                run = run.after(lines)
                for message in messages(lines):
                    console.print(printable(message))
                if console.width < width:  # the terminal has folded the lines of the last drawing
                    console.control(Control.clear(), Control.home())
                width = console.width
                live.update(Group(*drawing(state(run), width)), refresh=True)
    except KeyboardInterrupt:
        console.print("stopping ...")
        raise
    finally:
        if dvc.process.returncode != 0:
            for name, progress in state(run).progress.items():
                console.print(f"{name}: {_done(progress)}")


def drawing(state: BoardState, width: int) -> list[Text]:
    """Return the lines of the board, each narrower than the terminal.

    Args:
        state: what is shown.
        width: columns of the terminal.
    """
    passed = duration(state.now - state.begun)
    lines = [
        Text(""),
        Text.assemble(("datayield study ", "bold"), (state.study, "bold"), f", {passed}"),
        Text(_stage(state)),
        *_corpora(state, width),
    ]
    current = state.progress.get(state.run.running.partition("@")[2])
    if current is not None:
        lines += [Text(f"latest: {current.latest}", style="dim")] if current.latest else []
        lines += _curves(current, width)
    lines += [
        Text(""),
        Text("Ctrl-C stops, the same command resumes", style="dim"),
    ]
    for line in lines:
        line.plain = printable(line.plain)
        line.truncate(width - 1, overflow="ellipsis")  # a full line would wrap
        line.no_wrap = True
    return lines


def _stage(state: BoardState) -> str:
    name, _, corpus = state.run.running.partition("@")
    if not name:
        return "looking which stages are out of date"
    count = (len(STAGES) - ONCE) * len(state.corpora) + ONCE
    of = f"{corpus}: " if corpus else ""
    return f"{of}{STAGES.get(name, name)} (stage {len(state.run.ended) + 1} of {count})"


def _corpora(state: BoardState, width: int) -> list[Text]:
    """Return a line for each corpus, the one that runs first where not all can be named."""
    running = state.run.running.partition("@")[2]
    first = sorted(state.corpora, key=lambda name: name != running)[:ROWS]
    named = [name for name in state.corpora if name in first]
    wide = min(max(map(len, named)), max(8, width // 4))
    lines = [_corpus(name, wide, state, width) for name in named]
    if others := [name for name in state.corpora if name not in first]:
        ended = sum(_is_done(name, state.run) for name in others)
        lines.append(Text(f"and {len(others)} more corpora, {ended} of them done"))
    return lines


def _corpus(name: str, wide: int, state: BoardState, width: int) -> Text:
    label = Text(name)
    label.truncate(wide, overflow="ellipsis", pad=True)
    progress = state.progress.get(name)
    if progress is None:
        return label.append(f"  {_status(name, state.run)}")
    share = progress.done / progress.total if progress.total else 1.0
    if width >= 80:
        full = int(BAR * share)
        label.append("  ").append("█" * full, "green").append("░" * (BAR - full), "dim")
    return label.append(f"  {_count(progress, state.now)}")


def _count(p: StageProgress, now: float) -> str:
    """Return how far a stage is: `45 of 120 cells, 2 failed (look 1 of 4, 3 min 10 s left)`."""
    left = None if p.seconds_left is None else p.seconds_left - (now - p.written)
    time_left = f"{duration(left)} left" if left is not None and left > 0 else ""
    more = ", ".join(filter(None, (p.step, time_left)))
    return f"{_done(p)}{f' ({more})' if more else ''}"


def _done(p: StageProgress) -> str:
    failed = f", {p.failed} failed" if p.failed else ""
    return f"{p.done:,} of {p.total:,} {p.unit}{failed}"


def _status(name: str, run: DvcRun) -> str:
    if _is_done(name, run):
        return "done"
    return "its data is prepared" if run.running.endswith(f"@{name}") else "waits"


def _is_done(name: str, run: DvcRun) -> bool:
    return f"study@{name}" in run.ended


def _curves(p: StageProgress, width: int) -> list[Text]:
    """Return the curves so far, on one scale, under a line that says what they are."""
    if not p.curves:
        return []
    metric = {"macro_f1": "macro-F1"}.get(p.metric, p.metric)
    scores = [score for c in p.curves for _, score in c.points]
    ends = [n for c in p.curves for n, _ in c.points]
    wide = min(max(len(c.title) for c in p.curves), max(8, width - 34))
    of = f"from {min(ends):,} to {max(ends):,}" if min(ends) < max(ends) else f"at {ends[0]:,}"
    head = Text(f"{metric} so far, {of} labels")
    note = Text("a picture of unfinished work, no result", style="dim")
    return [Text(""), head, *(_curve(c, wide, min(scores), max(scores)) for c in p.curves), note]


def _curve(curve: MeanCurve, wide: int, low: float, high: float) -> Text:
    title = Text(curve.title)
    title.truncate(wide, overflow="ellipsis", pad=True)
    (_, first), (_, last) = curve.points[0], curve.points[-1]
    title.append("  ").append(sparkline([score for _, score in curve.points], low, high), "cyan")
    between = f"{100 * first:.1f} % to " if len(curve.points) > 1 else ""
    return title.append(f"  {between}{100 * last:.1f} %")


def sparkline(scores: Sequence[float], low: float, high: float) -> str:
    """Return a block for each score, the higher the larger it is between `low` and `high`.

    >>> sparkline([0.5, 0.6, 0.7], 0.5, 0.7)
    '▁▅█'
    """
    scale = (len(STEPS) - 1) / (high - low) if high > low else 0.0
    return "".join(STEPS[int((x - low) * scale + 0.5)] for x in scores)


def printable(text: str) -> str:
    """Return a text in which control characters and line ends cannot move the cursor."""
    return "".join(c if c.isprintable() else "�" for c in text)
