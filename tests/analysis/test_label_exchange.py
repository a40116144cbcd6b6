"""What a clean label is worth in noisy ones, by hand."""

import pytest

from datayield.analysis.label_exchange import exchanges
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.statements import ArmDescription, ArmMultiplier, LabelSaving
from datayield.report.sections.effects import exchange

ARMS = {
    "lstm:noisy": ArmDescription("strategy", cheap_labels=1000),
    "lstm:eda": ArmDescription("strategy"),
}


def multiplier(
    arm: str, point: float | None, low: float | None, high: float | None
) -> ArmMultiplier:
    side = None if point is not None else "above"
    return ArmMultiplier(
        arm,
        500,
        "lstm:plain",
        LabelRange(point, low, high, side, (100, 2000), 0.95),
        LabelSaving(0.5, None, None),
    )


def test_a_clean_label_is_worth_the_noisy_ones_that_replace_it() -> None:
    both = [multiplier("lstm:noisy", 1.5, 1.2, 3.0), multiplier("lstm:eda", 1.5, 1.2, 3.0)]
    (x,) = exchanges(both, ARMS, 5000, 0.02, 0.1)
    assert (x.worth, x.low, x.high) == pytest.approx((4.0, 1.0, 10.0))  # 1,000 for 250 [1000, 100]
    assert x.break_even == pytest.approx(0.08)
    said = exchange(x)
    assert "one clean label is worth 4 noisy labels [1, 10]" in said
    assert "cheaper while a clean one costs more than 0.08; it costs 0.1." in said


def test_noisy_labels_that_may_be_worth_nothing_leave_the_range_open() -> None:
    (x,) = exchanges([multiplier("lstm:noisy", 1.25, 0.9, None)], ARMS, 1500, None, None)
    assert (x.worth, x.low, x.high, x.break_even) == (8.0, None, None, None)
    assert "worth 8 noisy labels [0, no upper end]." in exchange(x)
    (x,) = exchanges([multiplier("lstm:noisy", 0.8, 0.5, 0.9)], ARMS, 1500, 0.1, None)
    assert x.worth is None and "more than this study can count" in exchange(x)


def test_fewer_noisy_labels_than_named_are_not_counted() -> None:
    assert exchanges([multiplier("lstm:noisy", 1.5, 1.2, 3.0)], ARMS, 1499, 0.1, None) == ()
