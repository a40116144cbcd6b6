"""What methods cost: the size of exported models, and which methods no other one beats in score and time."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datayield.analysis.arm_costs import costs, exported_sizes
from datayield.analysis.exported_size import exported_bytes
from datayield.analysis.intervals import Interval
from datayield.analysis.statements import ArmScore
from datayield.core.types import Cost, Settings, TrainingSet, names_of
from datayield.models import device, linear
from datayield.models.saved import format
from datayield.models.trainer import TrainingHooks, train
from datayield.report.price_figure import front, price_figure
from datayield.report.sections.first_screen import names
from datayield.report.sections.prices import priced
from datayield.study import export
from tests.conftest import REPO
from tests.report_data import page_text, statistics

NETWORKS = {
    "lstm": Settings(updates=2, rounds=1),
    "gru": Settings(
        updates=2, rounds=1, cell="gru", layers=2, normalised=True, pooling="last", embedding=48
    ),
}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """English texts: 400 lines of this project's documentation."""
    lines = [x for p in sorted((REPO / "docs").glob("*.md")) for x in p.read_text().splitlines()]
    return [x for x in lines if len(x.split()) > 5][:400]


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("architecture", [*NETWORKS, "tfidf", "nbsvm"])
def test_the_computed_size_is_that_of_an_exported_model(
    texts: list[str], architecture: str, classes: int
) -> None:
    device.configure()
    ids = np.arange(len(texts))
    targets = np.eye(classes, dtype=np.float32)[ids % classes]
    rows = TrainingSet(tuple(texts), targets, np.ones(len(ids), np.float32), ids)
    settings: dict[str, Any] = {}
    if architecture in NETWORKS:
        settings = {"model": NETWORKS[architecture].to_dict()}
        fit: Any = train(rows, ([], ids[:0]), NETWORKS[architecture], TrainingHooks(), (1,))
    else:
        fit = linear.FITTERS[architecture](rows, 1)
    parts = export.parts_of(fit)
    written = format.written([parts], {"kind": parts.kind, "settings": settings}, "a card")
    computed = exported_bytes(architecture, fit.parameters, settings, classes)
    assert computed == pytest.approx(sum(map(len, written.values())), rel=0.1)


def _line(arm: str, draw: int, parameters: int, seconds: float) -> dict[str, Any]:
    cost = dict.fromkeys(names_of(Cost), 0) | {"language_models": ""}
    spent = {"train_seconds": seconds, "inference_seconds": seconds / 10, "parameters": parameters}
    own = {
        "arm": arm,
        "n": 100,
        "cell": f"{arm}{draw}",
        "architecture": arm.split(":", maxsplit=1)[0],
    }
    settings = {"model": Settings().to_dict()} if ":" in arm else {}
    return cost | spent | own | {"settings": json.dumps(settings), "test_size": 500}


def test_a_blend_weighs_as_much_as_its_members() -> None:
    lines = [_line("tfidf", 0, 3000, 1), _line("lstm:plain", 0, 100_000, 1)]
    lines.append(_line("blend(lstm:plain*2, tfidf)", 0, 203_000, 3))
    sizes = exported_sizes(lines, 2)
    both = 2 * (sizes["lstm:plain", 100] or 0) + (sizes["tfidf", 100] or 0)
    assert sizes["blend(lstm:plain*2, tfidf)", 100] == both > 800_000
    assert exported_sizes(lines[1:], 2)["blend(lstm:plain*2, tfidf)", 100] is None


def test_seconds_are_told_for_a_thousand_predictions_and_for_all_learning() -> None:
    line = _line("lstm:lm", 0, 1000, 20.0) | {"prepare_seconds": 3.0}
    other = _line("lstm:lm", 1, 1000, 20.0) | {"prepare_seconds": 3.0}
    shared = [x | {"language_models": "one", "pretrain_seconds": 8.0} for x in (line, other)]
    (cost,) = costs(shared, 2)
    assert cost.seconds_per_thousand == 4.0  # 2 seconds for 500 texts
    assert cost.learning_seconds == 27.0  # half of the language model


def _scored(arm: str, score: float) -> ArmScore:
    x = Interval(score, None, None, 0.95, "pool", 1)
    return ArmScore(arm, 100, x, x, x, None, 1)


def test_no_method_on_the_line_is_beaten_in_both() -> None:
    """Slower and better methods follow each other; one whose time is not known in full is left out."""
    found = {
        "fast": (1, 0.7),
        "beaten": (2, 0.65),
        "good": (3, 0.8),
        "equal": (4, 0.8),
        "reads": (0.1, 0.9),
    }
    lines = [_line(arm, 0, 10, seconds) for arm, (seconds, _) in found.items()]
    scores = {arm: _scored(arm, score) for arm, (_, score) in found.items()}
    best = front(costs(lines, 2), scores, "seconds_per_thousand", {"reads"})
    assert [k.arm for k in best] == ["fast", "good"]


def test_methods_that_read_other_text_are_marked_in_table_and_picture() -> None:
    s = statistics({"strong": 3.0})
    (c,) = s.corpora
    arms = {**c.arms, "lstm:strong": replace(c.arms["lstm:strong"], outside=True)}
    told = page_text(replace(s, corpora=(replace(c, arms=arms),)))
    assert "neither the time in which their model from outside" in told
    assert "lstm:strong, has read other text" in told
    assert "neither the time" not in page_text(s)
    assert price_figure(c, priced(c), names(c), s.baseline).svg.count("<title>") == 6  # 3 methods
