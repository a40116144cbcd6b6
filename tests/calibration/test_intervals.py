"""How often the intervals cover the truth, over simulated studies (`make calibrate` prints it)."""

import numpy as np
import pytest

from datayield.stats import interval as interval_module
from datayield.stats.curves import worth
from datayield.stats.interval import Spread, spread, two_way
from tests.calibration.simulate import Study, simulate, true_accuracy

STUDIES = 600
EFFECT = 1.6


def _coverage(draws: int) -> dict[str, float]:
    study = Study(draws=draws, effects={"arm": EFFECT, "useless": 1.0})
    truth = {n: true_accuracy(n, study) for n in (400, 400 * EFFECT)}
    gap = truth[400 * EFFECT] - truth[400]
    hits = {"difference": 0, "multiplier": 0, "target": 0, "useless better": 0, "open": 0}
    for seed in range(STUDIES):
        made = simulate(study, seed)
        plain, arm = made["plain"], made["arm"][400]
        d = two_way(arm - plain[400], 0.95)
        hits["difference"] += d.low <= gap <= d.high
        m = worth(arm, plain, 0.95).scaled(400)
        hits["multiplier"] += (m.low or 0) <= EFFECT <= (m.high or np.inf)
        hits["open"] += m.low is None or m.high is None
        goal = worth(np.full_like(arm, truth[400]), plain, 0.95)
        hits["target"] += (goal.low or 0) <= 400 <= (goal.high or np.inf)
        hits["useless better"] += two_way(made["useless"][400] - plain[400], 0.95).low > 0
    return {k: v / STUDIES for k, v in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("draws", [3, 5, 10])
def test_coverage(draws: int) -> None:
    found = _coverage(draws)
    print(
        f"\n{draws} draws, {STUDIES} studies: "
        + ", ".join(f"{k} {v:.3f}" for k, v in found.items())
    )
    # 600 studies: three standard errors of 95 % are 2.7 points. The procedure may be cautious
    # (the texts' variance is counted in full), never short.
    for what in ("difference", "multiplier", "target"):
        assert found[what] >= 0.925, what
    assert found["useless better"] <= 0.045  # 2.5 % and three standard errors


@pytest.mark.slow
def test_leaving_out_the_test_texts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: an interval over draws alone fails the coverage bound."""

    def over_draws(x: np.ndarray, share: float = 0.0, population: str = "pool") -> Spread:
        full = spread(x)
        return Spread(full.mean, float(x.mean(1).var(ddof=1)) / len(x), 10.0 * len(x))

    monkeypatch.setattr(interval_module, "spread", over_draws)
    study = Study(draws=10, draw_sd=0.02, effects={"arm": EFFECT})
    gap = true_accuracy(400 * EFFECT, study) - true_accuracy(400, study)
    covered = 0
    for seed in range(200):
        made = simulate(study, seed)
        d = two_way(made["arm"][400] - made["plain"][400], 0.95)
        covered += d.low <= gap <= d.high
    assert covered / 200 < 0.925
