"""From probabilities.parquet to statements: which budget, which arms, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datayield.analysis.frame import Frame
from datayield.analysis.intervals import two_way
from datayield.analysis.probability_findings import probability_findings
from datayield.analysis.probability_scores import brier_scores, log_losses
from datayield.analysis.probability_statements import ProbabilityStatements
from datayield.analysis.statements import ArmDescription
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.core.probability_rows import write_probabilities
from datayield.core.types import Cell, Cost, Probabilities, Row

TRUTH = np.arange(60) % 3
ROLES = {"lstm:plain": "plain", "tfidf": "baseline", "nbsvm": "baseline", "lstm:twin": "check"}
ROLES |= {"majority": "baseline"}


def cell(arm: str, n: int, draw: int, seed: int = 0, texts: int = 60, sure: Any = None) -> Row:
    rng = np.random.default_rng([n, draw, seed, len(arm)])
    p = rng.dirichlet(np.ones(3), texts) if sure is None else np.tile(sure, (texts, 1))
    half = p.astype(np.float16)
    kept = None if arm == "nbsvm" else Probabilities(half, np.arange(4), half[:4])
    name, _, strategy = arm.partition(":")
    return Row(
        Cell("c", n, Arm(name, (strategy,) if strategy else ()), draw, seed, {}, {}),
        f"{arm}{n}{draw}{seed}", n, 0, 0.0, 0.0, 0.0, 0.0, p.argmax(1), np.ones(texts, bool), "t",
        Cost(*[0.0] * 14), (), None, kept,
    )  # fmt: skip


def lines(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {"arm": str(r.cell.arm), "n": r.cell.n, "draw": r.cell.draw, "seed": r.cell.seed, "cell": r.key}
        for r in rows
    ]  # fmt: skip


def frame() -> Frame:
    arms = {arm: ArmDescription(role) for arm, role in ROLES.items()}  # type: ignore[arg-type]
    return Frame({}, arms, "lstm:plain", 0.95, "pool", 1000)


def found(rows: list[Row], path: Path, every: list[Row] | None = None) -> ProbabilityStatements:
    write_probabilities(rows, path)
    return probability_findings(path, lines(every or rows), frame(), TRUTH)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "probabilities.parquet"


def study() -> list[Row]:
    """Three arms at 100 labels, a single one at 400; 2 draws with 2 seeds."""
    at = [("lstm:plain", 100), ("tfidf", 100), ("nbsvm", 100), ("lstm:twin", 100), ("tfidf", 400)]
    return [cell(arm, n, draw, seed) for arm, n in at for draw in (0, 1) for seed in (0, 1)]


def test_the_largest_budget_that_most_arms_share(path: Path) -> None:
    p = found(study(), path)
    assert p.n == 100 and [a.arm for a in p.arms] == ["lstm:plain", "tfidf"]
    assert p.without == ("nbsvm",)  # the check is not compared at all
    assert all((a.cells, a.of) == (4, 4) and a.log_loss.draws == 2 for a in p.arms)


def test_seeds_are_averaged_inside_a_draw(path: Path) -> None:
    rows = study()
    own = [r for r in rows if str(r.cell.arm) == "tfidf" and r.cell.n == 100]
    by_draw = [[r.probabilities.test for r in own if r.cell.draw == d] for d in (0, 1)]
    for score, values in (("log_loss", log_losses), ("brier", brier_scores)):
        by_hand = np.array([np.mean([values(p, TRUTH) for p in draw], axis=0) for draw in by_draw])
        got = getattr(found(rows, path).arms[1], score)
        assert got.estimate == pytest.approx(by_hand.mean())
        assert got == replace(two_way(by_hand, 0.95), p=None)


def test_an_older_study_has_none(path: Path) -> None:
    p = probability_findings(path, lines(study()), frame(), TRUTH)
    assert p == ProbabilityStatements(None, ())


def test_cells_from_before_are_left_out(path: Path) -> None:
    rows = study()
    kept = [r for r in rows if not (str(r.cell.arm) == "tfidf" and r.cell.draw == 1)]
    p = found(kept, path, rows)
    assert [(a.arm, a.cells, a.of) for a in p.arms] == [("lstm:plain", 4, 4), ("tfidf", 2, 4)]
    assert p.arms[1].log_loss.low is None and p.arms[1].log_loss.reason  # one draw
    nothing = found([], path, rows)
    assert nothing == ProbabilityStatements(None, ())


def test_an_arm_that_is_always_certain_gives_no_probabilities(path: Path) -> None:
    rows = [*study(), *(cell("majority", 100, d, sure=[0.0, 1.0, 0.0]) for d in (0, 1))]
    assert found(rows, path).without == ("majority", "nbsvm")


@pytest.mark.parametrize("margins", [[-0.3, 0.2, 0.4], [0.1, 0.2, 0.3], [0.2, 0.3, np.inf]])
def test_margins_are_no_probabilities(path: Path, margins: Any) -> None:
    rows = [*study(), *(cell("majority", 100, d, sure=margins) for d in (0, 1))]
    assert found(rows, path).without == ("majority", "nbsvm")


@pytest.mark.parametrize(("texts", "sure"), [(59, None), (60, [0.4, 0.6])])
def test_probabilities_of_other_texts_are_refused(path: Path, texts: int, sure: Any) -> None:
    rows = [cell("tfidf", 100, d, texts=texts, sure=sure) for d in (0, 1)]
    with pytest.raises(UserError, match=rf"the cell tfidf10000 has {texts} texts"):
        found(rows, path)
