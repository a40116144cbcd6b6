"""Trainings that collapsed are found on held-out texts, and sound ones are left in peace."""

import numpy as np

from datayield.analysis.collapses import CollapsedTraining, collapsed
from datayield.analysis.statements import ArmDescription

ARMS = {
    "lstm:plain": ArmDescription("plain", ""),
    "lstm:a": ArmDescription("strategy", ""),
    "lstm:random": ArmDescription("control", ""),
    "majority": ArmDescription("baseline", ""),
    "blend(lstm:a, tfidf)": ArmDescription("strategy", "", members=("lstm:a", "tfidf")),
}


def line(arm: str, draw: int, right: float, held_out: int = 100, n: int = 500) -> dict[str, object]:
    return {"arm": arm, "n": n, "draw": draw, "seed": 0, "n_validation": held_out,
            "validation_accuracy": right if held_out else float("nan"), "accuracy": 0.0}  # fmt: skip


def test_a_collapsed_training_is_named_with_its_draw() -> None:
    lines = [line("lstm:plain", d, 0.75) for d in range(3)]
    lines += [line("lstm:a", 0, 0.35), line("lstm:a", 1, 0.74), line("lstm:a", 2, 0.62)]
    lines += [line(a, 0, 0.2) for a in ("lstm:random", "majority", "blend(lstm:a, tfidf)")]
    assert collapsed(lines, ARMS, "lstm:plain", 0.95) == (
        CollapsedTraining("lstm:a", 500, 0, 0.35, 0.75),
    )


def test_nothing_is_said_without_held_out_texts_or_a_baseline() -> None:
    without = [line("lstm:plain", 0, 0.75, 0), line("lstm:a", 0, 0.1, 0)]
    assert collapsed(without, ARMS, "lstm:plain", 0.95) == ()
    assert collapsed([line("lstm:a", 0, 0.1)], ARMS, "lstm:plain", 0.95) == ()
    other = [line("lstm:plain", 0, 0.75, n=100), line("lstm:a", 0, 0.1)]
    assert collapsed(other, ARMS, "lstm:plain", 0.95) == ()
    small = [line("lstm:plain", 0, 0.99, 5000), line("lstm:a", 0, 0.92, 5000)]
    assert collapsed(small, ARMS, "lstm:plain", 0.95) == (), "worse, and no collapse"


def test_sound_studies_rarely_have_one() -> None:
    """At most 5 % of 400 studies of 20 equally good trainings, with 40 held-out texts each."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(400):
        lines = [
            line(arm, d, rng.binomial(40, 0.7) / 40, 40)
            for d in range(20)
            for arm in ("lstm:plain", "lstm:a")
        ]
        found += bool(collapsed(lines, ARMS, "lstm:plain", 0.95))
    assert found <= 28  # 20 are expected at most; three standard deviations above
