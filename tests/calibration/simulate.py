"""Table-level studies with known truth: nested draws, shared test texts, one learning curve.

Correctness of draw k on text i at n labels is Bernoulli with probability
logistic(ability(n) + draw effect(k, n) - difficulty(i) + interaction(k, i)); the draw effect moves
slowly with n, because draws are nested. An arm worth mu has the ability of mu n labels.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BUDGETS = (100, 141, 200, 283, 400, 566, 800, 1131, 1600)
ARM_BUDGETS = (200, 400)


@dataclass(frozen=True)
class Study:
    """What is simulated."""

    draws: int = 3
    texts: int = 800
    effects: dict[str, float] = field(default_factory=dict)  # arm -> true multiplier
    draw_sd: float = 0.12
    text_sd: float = 1.5
    interaction_sd: float = 0.5


def ability(n: float) -> float:
    """A learning curve on the logit scale, from about 50 % to about 85 %."""
    return 0.9 * float(np.log(n / 100)) - 0.1


def simulate(study: Study, seed: int) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Arm → budget → correctness (draws, texts)."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, study.text_sd, study.texts)
    arms = {"plain": 1.0, **study.effects}
    shared = rng.normal(0, study.draw_sd, (study.draws, 2))
    mix = rng.normal(0, study.interaction_sd, (study.draws, study.texts))
    out: dict[str, dict[int, NDArray[np.float64]]] = {}
    for arm, worth in arms.items():
        own = rng.normal(0, study.draw_sd / 2, (study.draws, 1))
        out[arm] = {}
        for n in BUDGETS if arm == "plain" else ARM_BUDGETS:
            w = np.log(n / BUDGETS[0]) / np.log(BUDGETS[-1] / BUDGETS[0])
            draw = (shared @ np.array([1 - w, w]))[:, None]
            noise = rng.normal(0, study.draw_sd / 2, (study.draws, 1))
            logit = ability(worth * n) + draw + own + noise - difficulty + 0.7 * mix
            out[arm][n] = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float)
    return out


def true_accuracy(n: float, study: Study) -> float:
    """Expected correctness at n over draws and texts."""
    rng = np.random.default_rng(12345)
    sd = np.sqrt(study.text_sd**2 + (0.7 * study.interaction_sd) ** 2 + study.draw_sd**2 * 1.25)
    z = rng.normal(0, sd, 400_000)
    return float((1 / (1 + np.exp(-(ability(n) + z)))).mean())
