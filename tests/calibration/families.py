"""Studies of many strategies, simulated by their draw means: how often a family of claims is wrong.

Per budget a training adds noise, a text is answered by one arm and not by another on every draw
(persistent) or on one draw alone. Sizes are those of pydocs (shared/POWER.md): standard deviation of
one training .0095, .0065, .0045, .0030 at 100, 300, 1,000, 3,000 labels; a fifth of the text variance
of a difference, .105, .09, .077, .065, is persistent. The analysis is that of a real study from its
mean squares on (pooled_variance, holm).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from datayield.analysis.intervals import holm, p_values
from datayield.analysis.looks import level_of
from datayield.analysis.pooled_variance import (
    Moderated,
    moderate,
    of_its_own,
    pool,
    total_variance,
)
from datayield.analysis.visible_difference import Design, VarianceComponents, visible_difference

Floats = NDArray[np.float64]
NOISE = {100: 0.0095, 300: 0.0065, 1000: 0.0045, 3000: 0.0030}
TEXT = {100: 0.105, 300: 0.09, 1000: 0.077, 3000: 0.065}
PERSISTENT = 0.2
LOST = 0.08  # what a training that fails loses, from half to one and a half of it
FOUR, THREE = (100, 300, 1000, 3000), (300, 1000, 3000)


@dataclass(frozen=True)
class Case:
    """One kind of study."""

    name: str
    arms: int
    draws: int
    texts: int = 1440
    budgets: tuple[int, ...] = FOUR
    uneven: float = 0.25  # sd of the log of an arm's noise
    failing: float = 0.0  # share of trainings that fail
    tuning: float = 0.0  # sd of the luck of a search, by arm and budget; searches serve all draws
    helped: int = 0  # arms with a gain
    gain: float = 0.0  # theirs
    at: int | None = None  # column of the gain; None: every budget


CASES = (
    Case("9 strategies, 2 draws", 9, 2),
    Case("9 strategies, 3 draws", 9, 3),
    Case("9 strategies, 5 draws", 9, 5),
    Case("9 strategies, 10 draws", 9, 10),
    Case("9 strategies, 20 draws", 9, 20),
    Case("44 strategies, 3 draws, one budget", 44, 3, budgets=(300,)),
    Case("44 strategies, 3 draws, two budgets", 44, 3, budgets=(300, 1000)),
    Case("5 strategies, 6 draws, 4,760 texts", 5, 6, 4760, THREE),
    Case("5 strategies, 10 draws, 4,760 texts", 5, 10, 4760, THREE),
    Case("3 strategies, 3 draws", 3, 3, budgets=THREE),
    Case("noise twice as uneven, 3 draws", 9, 3, uneven=0.5),
    Case("noisy trainings (5 % fail), 3 draws", 9, 3, failing=0.05),
    Case("noisy trainings (5 % fail), 10 draws", 9, 10, failing=0.05),
    Case("noisy trainings, 4 strategies, 3 draws", 4, 3, failing=0.05),
    Case("100 test texts, 3 draws", 9, 3, 100),
    Case(
        "gain at one of two budgets, 8 of 13", 13, 3, 1440, (300, 1000), helped=8, gain=0.03, at=0
    ),
    Case("a search per budget (±1.5 points), 5 draws", 9, 5, tuning=0.0075),
)


@dataclass(frozen=True)
class Table:
    """What the analysis knows of a study, (arms, budgets + 1) each; the mean is the last column."""

    mean: Floats
    square: Floats  # draw mean squares
    text: Floats
    rest: Floats
    truth: Floats


@dataclass(frozen=True)
class Trained:
    """A study's differences per draw (arms, budgets + 1, draws), and what is true of them."""

    gaps: Floats
    truth: Floats


def simulate(case: Case, rng: np.random.Generator) -> Table:
    """One study."""
    return seen(case, train(case, rng), case.draws, rng)


def train(case: Case, rng: np.random.Generator) -> Trained:
    """All draws of one study."""
    size, draws = len(case.budgets), case.draws
    noise = np.array([NOISE[n] for n in case.budgets])
    text = np.array([TEXT[n] for n in case.budgets])
    shape = (case.arms + 1, size, draws)
    own = np.exp(rng.normal(0, case.uneven, (case.arms + 1, 1, 1)))
    y = rng.normal(0, 1, shape) * noise[:, None] * own
    fails = rng.random(shape) < case.failing
    y -= fails * LOST * rng.uniform(0.5, 1.5, shape) - case.failing * LOST
    y += rng.normal(0, 1, shape) * np.sqrt((1 - PERSISTENT) * text / 2 / case.texts)[:, None]
    y += (rng.normal(0, 1, shape[:2]) * np.sqrt(PERSISTENT * text / 2 / case.texts))[:, :, None]
    truth = rng.normal(0, 1, (case.arms, size)) * case.tuning
    truth[: case.helped, slice(None) if case.at is None else case.at] += case.gain
    gaps = y[1:] - y[:1] + truth[:, :, None]
    gaps = np.concatenate([gaps, gaps.mean(1, keepdims=True)], 1)
    return Trained(gaps, np.column_stack([truth, truth.mean(1)]))


def seen(case: Case, trained: Trained, draws: int, rng: np.random.Generator) -> Table:
    """What the analysis knows after the first so many draws."""
    gaps, size = trained.gaps[:, :, :draws], len(case.budgets)
    text = np.array([TEXT[n] for n in case.budgets])
    variance = np.append(text, text.sum() / size**2) / case.texts
    texts_seen = (PERSISTENT + (1 - PERSISTENT) / draws) * variance
    luck = rng.chisquare(case.texts - 1, (case.arms, size + 1)) / (case.texts - 1)
    return Table(
        gaps.mean(2),
        gaps.var(2, ddof=1),
        texts_seen * luck,
        np.broadcast_to((1 - PERSISTENT) / draws * variance, luck.shape),
        trained.truth,
    )


def pooled(case: Case, t: Table) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom of every mean, as the analysis computes them."""
    df = np.full(t.square.shape, case.draws - 1.0)
    budgets = len(case.budgets)
    common, lends = pool(t.square, df, budgets)
    spread = moderate(t.square, df, common)
    square, below = spread.square.copy(), spread.df.copy()
    for k in np.flatnonzero(~lends):
        alone = of_its_own(t.square[k], df[k], common, budgets)
        square[k], below[k] = alone.square, alone.df
    return total_variance(Moderated(square, below), case.draws, t.text, t.rest, case.texts)


def unpooled(case: Case, t: Table) -> tuple[Floats, Floats]:
    """The same from each contrast's own spread, as before anything was pooled."""
    own = Moderated(t.square, np.full(t.square.shape, case.draws - 1.0))
    return total_variance(own, case.draws, t.text, t.rest, case.texts)


def one_family(p: Floats, level: float = 0.95) -> NDArray[np.bool_]:
    """What Holm claims over all tests (arms, columns)."""
    found: NDArray[np.bool_] = np.reshape(holm(p.ravel().tolist()), p.shape) <= 1 - level
    return found


def one(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """(what was counted, value) for one study."""
    t = simulate(case, rng)
    for name, by in (("", pooled), ("own ", unpooled)):
        variance, df = by(case, t)
        off = p_values(t.mean - t.truth, variance, df)
        missed = off <= 0.05
        narrow = variance <= np.quantile(variance, 1 / 3, axis=0)
        p = p_values(t.mean, variance, df)
        wrong = one_family(p) & (np.sign(t.mean) != np.sign(t.truth))
        yield f"{name}covered", 1 - missed.mean()
        yield f"{name}covered, narrowest third", 1 - missed[narrow].mean()
        yield f"{name}better by luck", ((t.mean > t.truth) & missed).mean()
        yield f"{name}family", wrong.any()
        if case.tuning:
            unconditional = one_family(p) & (t.mean != 0)
            yield f"{name}covered without the searches' luck", 1 - (p <= 0.05).mean()
            yield f"{name}family without the searches' luck", unconditional.any()
        if case.helped:
            found = one_family(p)[: case.helped, case.at if case.at is not None else slice(None)]
            yield f"{name}found", found.any(-1).mean() if found.ndim > 1 else found.mean()


@dataclass(frozen=True)
class Plan:
    """One kind of study that adds draws at looks; the arms are those of `case`."""

    case: Case
    looks: tuple[int, ...] = (3, 6, 10)
    resolution: float = 0.01


LOOKS = (
    Plan(Case("5 useless strategies", 5, 10, 4760, THREE)),
    Plan(Case("9 useless strategies, 1,440 texts", 9, 10, 1440, THREE)),
    Plan(Case("5 strategies, 2 gain 1.2 points", 5, 10, 4760, THREE, helped=2, gain=0.012)),
    Plan(Case("5 strategies, 2 harm by 1.2 points", 5, 10, 4760, THREE, helped=2, gain=-0.012)),
    Plan(Case("5 useless, 5 % of trainings fail", 5, 10, 4760, THREE, failing=0.05)),
    Plan(Case("9 useless, noise twice as uneven", 9, 10, 4760, THREE, uneven=0.5)),
    Plan(Case("13 useless, looks at 2, 4, 8 and 16", 13, 16, 1440, THREE), (2, 4, 8, 16)),
)


def one_by_looks(plan: Plan, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """(what was counted, value) for one study that stops its arms at looks."""
    case, looks = plan.case, plan.looks
    trained = train(case, rng)
    columns = trained.truth.shape[1]
    claimed = np.zeros((case.arms, columns))  # sign of what is claimed in the end
    off = np.zeros(
        claimed.shape, bool
    )  # whether the interval of an arm's last look misses the truth
    none = np.zeros(case.arms, bool)  # whether a gain of the resolution is excluded
    going = np.ones(case.arms, bool)
    trainings = 0
    for k, draws in enumerate(looks):
        trainings += (going.sum() + 1) * (draws - (looks[k - 1] if k else 0)) * len(case.budgets)
        alpha = 1 - level_of(k, len(looks), 0.95)
        t = seen(case, trained, draws, rng)
        variance, df = pooled(replace(case, draws=draws), t)
        p = p_values(t.mean, variance, df)
        found = np.zeros(claimed.shape, bool)
        found[going] = one_family(np.where(going[:, None], p, 1.0), 1 - alpha)[going]
        each = alpha / (case.arms * columns)
        half = stdtrit(df, 1 - each / 2) * np.sqrt(variance)
        sees = (stdtrit(df, 1 - each / 2) + stdtrit(df, 0.8)) * np.sqrt(variance)
        claimed[going] = (np.sign(t.mean) * found)[going]
        off[going] = (p_values(t.mean - t.truth, variance, df) <= alpha)[going]
        none[going] = (~found & (t.mean + half < plan.resolution))[going, -1]
        settled = found[:, -1] | none | (sees[:, -1] <= plan.resolution)
        going &= ~settled
        if not going.any():
            break
    wrong = (claimed != 0) & (claimed != np.sign(trained.truth))
    yield "family", wrong.any()
    yield "covered", 1 - off.mean()
    yield "better by luck", (wrong & (claimed > 0)).any(1).mean()
    yield "trainings", trainings
    if case.helped:
        yield "found", (claimed[: case.helped] == np.sign(case.gain)).any(1).mean()
    yield "no gain", none[case.helped :].mean()


def averaged(studies: Iterable[Iterable[tuple[str, float]]]) -> dict[str, float]:
    """Mean of everything counted over these studies, by name."""
    counts: dict[str, list[float]] = {}
    for study in studies:
        for name, value in study:
            counts.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in counts.items()}


def run_by_looks(plan: Plan, studies: int) -> dict[str, float]:
    """Means of everything counted over this many studies."""
    rng = np.random.default_rng([1, plan.case.arms, plan.case.draws, len(plan.looks)])
    return averaged(one_by_looks(plan, rng) for _ in range(studies))


def looks_table(found: dict[str, dict[str, float]]) -> str:
    """The counts as a Markdown table."""
    lines = [
        "| draws added at looks | covered | family-wise false claims | effects found |"
        " useless ones without a gain of a point | trainings |",
        "|---" * 6 + "|",
    ]
    for plan in LOOKS:
        x, case = found[plan.case.name], plan.case
        whole = (case.arms + 1) * plan.looks[-1] * len(case.budgets)
        effects = f"{100 * x['found']:.1f} %" if "found" in x else "–"
        lines.append(
            f"| {case.name} | {100 * x['covered']:.1f} % | {100 * x['family']:.1f} % | {effects} |"
            f" {100 * x['no gain']:.1f} % | {x['trainings']:.0f} of {whole} |"
        )
    return "\n".join(lines)


def broken_looks(found: dict[str, dict[str, float]], studies: int, slack: float = 3.0) -> list[str]:
    """The bounds that studies with looks break by more than `slack` standard errors."""
    error = slack * (0.05 * 0.95 / studies) ** 0.5
    out = []
    for name, counts in found.items():
        if counts["covered"] < 0.95 - error / 3:
            out.append(f"{name}: coverage is {counts['covered']:.4f}, wanted >= 0.95")
        if counts["family"] > 0.05 + error:
            out.append(f"{name}: family-wise is {counts['family']:.4f}, wanted <= 0.05")
    return out


def run(case: Case, studies: int, seed: int = 0) -> dict[str, float]:
    """Means of everything counted over this many studies."""
    rng = np.random.default_rng([seed, case.arms, case.draws, case.texts])
    return averaged(one(case, rng) for _ in range(studies))


def visible(case: Case, column: int) -> float:
    """The smallest visible difference of a case at one column (the mean is the last), a share of 1."""
    noise = np.array([NOISE[n] for n in case.budgets])
    text = np.array([TEXT[n] for n in case.budgets])
    draw, size = 2 * noise**2 * np.exp(2 * case.uneven**2), len(case.budgets)
    draw, text = (np.append(v, v.sum() / size**2) for v in (draw, text))
    c = VarianceComponents(
        draw[column], PERSISTENT * text[column], (1 - PERSISTENT) * text[column], None, case.arms
    )
    found = visible_difference(c, Design(case.draws, case.texts, case.arms * (size + 1)))
    assert found is not None
    return found


def power_at_visible(case: Case, column: int, studies: int) -> float:
    """How often a gain of the smallest visible difference is claimed for one arm named beforehand."""
    gain = visible(case, column)
    last = column in (-1, len(case.budgets))
    planted = replace(case, helped=1, gain=gain, at=None if last else column)
    rng = np.random.default_rng(studies)
    found = []
    for _ in range(studies):
        t = simulate(planted, rng)
        claimed = one_family(p_values(t.mean, *pooled(planted, t)))[0]
        found.append(claimed.any() if last else claimed[column])
    return float(np.mean(found))


def table(found: dict[str, dict[str, float]]) -> str:
    """The counts as a Markdown table: by each contrast's own spread → pooled."""
    lines = [
        "| studies | coverage | in the narrowest third | better by luck | family-wise false claims |",
        "|---|---|---|---|---|",
    ]
    names = ("covered", "covered, narrowest third", "better by luck", "family")
    for case, counts in found.items():
        cells = [f"{100 * counts[f'own {n}']:.1f} → {100 * counts[n]:.1f} %" for n in names]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines)


DESIGNS = (
    Case("8 strategies, 4 budgets, 3 draws, 1,440 texts", 8, 3),
    Case("the same, 5 draws", 8, 5),
    Case("the same, 3 draws, 4,760 texts", 8, 3, 4760),
    Case("5 strategies, 3 budgets, 6 draws, 1,440 texts", 5, 6, 1440, THREE),
    Case("the same, 4,760 texts", 5, 6, 4760, THREE),
    Case("the same, 10 draws, 4,760 texts", 5, 10, 4760, THREE),
)


def visible_table() -> str:
    """The smallest visible difference of several designs, in points, as a Markdown table."""
    heads = " | ".join(f"{n:,}" for n in FOUR)
    lines = [f"| smallest visible, points | {heads} | mean over budgets |", "|---" * 6 + "|"]
    for case in DESIGNS:
        sizes = {n: visible(case, i) for i, n in enumerate(case.budgets)}
        cells = [f"{100 * sizes[n]:.1f}" if n in sizes else "–" for n in FOUR]
        lines.append(f"| {case.name} | {' | '.join(cells)} | {100 * visible(case, -1):.1f} |")
    return "\n".join(lines)


def broken(found: dict[str, dict[str, float]], studies: int, slack: float = 3.0) -> list[str]:
    """The bounds that counts break by more than `slack` standard errors of a share of studies.

    A study's contrasts share their baseline, so the errors of coverage are those of one share a study
    over three.
    """
    out = []
    for case, counts in found.items():
        error = slack * (0.05 * 0.95 / studies) ** 0.5
        if not 0.93 - error / 3 <= counts["covered"] <= 0.97 + error / 3:
            out.append(f"{case}: coverage is {counts['covered']:.4f}, wanted 0.93 to 0.97")
        if counts["better by luck"] > 0.025 + error / 3:
            out.append(f"{case}: better by luck is {counts['better by luck']:.4f}, wanted <= 0.025")
        if counts["family"] > 0.05 + error:
            out.append(f"{case}: family-wise is {counts['family']:.4f}, wanted <= 0.05")
    return out
