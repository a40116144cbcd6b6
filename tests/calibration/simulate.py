"""Table-level studies with known truth: nested draws of a finite pool, shared test texts, four curves.

Correctness of draw k on text i at n labels is Bernoulli with probability
logistic(ability(n) + sample(k, n) + noise(k, n) + tuning(n) - difficulty(i) + mix(k, i)). The sample effect is
the mean of the qualities of the pool texts that draw k takes first, so it is nested in n, shrinks with n and
vanishes where a draw takes the whole pool. An arm worth mu has the ability of mu n labels; arms share
draws and texts. Cells may be missing, or stand at chance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

Floats = NDArray[np.float64]
BUDGETS = (100, 141, 200, 283, 400, 566, 800, 1131, 1600)
ARM_BUDGETS = (200, 400)
CHANCE = 0.25  # what a training that failed gets right
# Expected accuracy against labels, from 50 to 60 % up to 80 to 85 %.
FAMILIES: dict[str, Callable[[float], float]] = {
    "log": lambda n: float(expit(0.62 * np.log(n / 100) - 0.05)),
    "power": lambda n: 1 - (0.05 + 0.6 * ((n + 80) / 100) ** -0.6),
    "exponential": lambda n: 1 - (0.15 + 0.35 * np.exp(-n / 500)),
    "mmf4": lambda n: 1 - (0.1 + 0.45 / (1 + (n / 350) ** 1.1)),
}


@dataclass(frozen=True)
class Study:
    """What is simulated; sd in units of the logit."""

    draws: int = 3
    texts: int = 800
    effects: dict[str, float] = field(default_factory=dict)  # arm -> true multiplier
    family: str = "log"
    pool: int = 4000
    draw_sd: float = 0.12  # of the sample effect at 200 labels
    noise_sd: float = 0.1  # of a single training: plain and twin on pydocs, 100 to 3,000 labels
    text_sd: float = 1.5
    mix_sd: float = 0.5  # draw x text, shared by arms and budgets
    tuning_sd: float = 0.0  # of an arm at a budget, shared by its draws: one search serves all
    missing: float = 0.0  # share of cells that are not there
    failed: float = 0.0  # share of cells at chance


@dataclass(frozen=True)
class Made:
    """A simulated study: cells (draws, texts) with NaN rows where missing, and what was shared."""

    cells: dict[str, dict[int, Floats]]
    tuning: dict[str, dict[int, float]]  # arm -> budget -> shift of the ability
    pool_shift: dict[str, float]  # arm -> how this pool differs from all texts


def budgets_of(arm: str) -> tuple[int, ...]:
    """The budgets at which an arm is measured."""
    return BUDGETS if arm == "plain" else ARM_BUDGETS


def make(study: Study, seed: int) -> Made:
    """One study."""
    rng = np.random.default_rng(seed)
    arms = {"plain": 1.0, **study.effects}
    difficulty = rng.normal(0, study.text_sd, study.texts)
    mix = rng.normal(0, study.mix_sd, (study.draws, study.texts))
    # One quality that all arms feel and one of each arm, of every text of the pool.
    scale = study.draw_sd * np.sqrt(200)
    quality = rng.normal(0, scale, (study.pool, 1 + len(arms))) * np.array([1] + [0.5] * len(arms))
    order = rng.permuted(np.tile(np.arange(study.pool), (study.draws, 1)), axis=1)
    felt = quality[order[:, : BUDGETS[-1]]].cumsum(1)  # (D, n, 1 + arms)
    tuning = {
        arm: {n: float(rng.normal(0, study.tuning_sd)) for n in budgets_of(arm)} for arm in arms
    }
    whole = quality.mean(0)
    cells: dict[str, dict[int, Floats]] = {}
    for j, (arm, worth) in enumerate(arms.items()):
        cells[arm] = {}
        for n in budgets_of(arm):
            sample = (felt[:, n - 1, 0] + felt[:, n - 1, 1 + j]) / n
            noise = rng.normal(0, study.noise_sd, study.draws)
            level = ability(worth * n, study.family) + tuning[arm][n] + sample + noise
            chance = expit(level[:, None] - difficulty + mix)
            fate = rng.random(study.draws)
            chance[fate < study.failed] = CHANCE
            hits = (rng.random(chance.shape) < chance).astype(float)
            hits[fate > 1 - study.missing] = np.nan
            cells[arm][n] = hits
    shift = {arm: float(whole[0] + whole[1 + j]) for j, arm in enumerate(arms)}
    return Made(cells, tuning, shift)


def simulate(study: Study, seed: int) -> dict[str, dict[int, Floats]]:
    """Arm → budget → correctness (draws, texts)."""
    return make(study, seed).cells


_SD = float(np.hypot(1.5, 0.5))  # of difficulty and mix, at which the families are defined
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


def _mixed(level: Floats | float, sd: Floats | float) -> Floats:
    """E logistic(level + sd Z), Z standard normal, by quadrature."""
    at = np.asarray(level)[..., None] + np.asarray(sd)[..., None] * _NODES
    found: Floats = expit(at) @ _WEIGHTS / _WEIGHTS.sum()
    return found


@cache
def ability(n: float, family: str) -> float:
    """The logit at which the expected accuracy is that of the family."""
    wanted = FAMILIES[family](n)
    return float(brentq(lambda a: float(_mixed(a, _SD)) - wanted, -12, 12, xtol=1e-10))


def truth(study: Study, made: Made, arm: str, n: float, population: str = "pool") -> float:
    """Expected accuracy of an arm at n labels, given its searches, over draws and test texts.

    Between two measured budgets the luck of their searches is linear in log n.
    population pool: draws from this pool; new_texts: from anywhere.
    """
    known = sorted(made.tuning[arm])
    if n in known or not any(made.tuning[arm].values()):
        return _truth(study, made, arm, n, made.tuning[arm].get(int(n), 0.0), population)
    shift = float(np.interp(np.log(n), np.log(known), [made.tuning[arm][k] for k in known]))
    return _truth(study, made, arm, n, shift, population)


def _truth(study: Study, made: Made, arm: str, n: float, shift: float, population: str) -> float:
    worth = {"plain": 1.0, **study.effects}[arm]
    level = ability(round(worth * n, 6), study.family) + shift
    sampled = 1.25 * study.draw_sd**2 * 200 / n
    if population == "pool":
        level += made.pool_shift[arm]
        sampled *= 1 - n / study.pool
    sd = np.sqrt(study.text_sd**2 + study.mix_sd**2 + study.noise_sd**2 + sampled)
    right = float(_mixed(level, sd))
    return (1 - study.failed) * right + study.failed * CHANCE


def true_multiplier(study: Study, made: Made, arm: str, n: int, population: str = "pool") -> float:
    """The multiplier of an arm at n: where the baseline's true curve has the arm's true accuracy."""
    wanted = truth(study, made, arm, n, population)

    def gap(log_mu: float) -> float:
        return truth(study, made, "plain", float(np.exp(log_mu)) * n, population) - wanted

    return float(np.exp(brentq(gap, -4, 4, xtol=1e-6)))


def true_shared_multiplier(study: Study, made: Made, arm: str) -> float:
    """The one multiplier at which the mean over budgets of arm minus baseline is truly 0."""
    wanted = sum(truth(study, made, arm, n) for n in ARM_BUDGETS)

    def gap(log_mu: float) -> float:
        mu = float(np.exp(log_mu))
        return sum(truth(study, made, "plain", mu * n) for n in ARM_BUDGETS) - wanted

    return float(np.exp(brentq(gap, -4, 4, xtol=1e-6)))


def true_accuracy(n: float, study: Study) -> float:
    """Expected accuracy of plain over all pools, untuned."""
    none = Made({}, {"plain": dict.fromkeys(BUDGETS, 0.0)}, {"plain": 0.0})
    return truth(study, none, "plain", n, "new_texts")
