"""Writes the section on tuning, and the limits that tuning adds."""

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.tuning_statements import (
    Scalar,
    TuningStatistics,
    TypicalNumber,
    ValueCounts,
)
from datayield.config.params import STARTUP
from datayield.report import wording
from datayield.report.section import Picture, Section, Table

SHOWN = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000)  # numbers of trials in tables


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the section on tuning; it is empty where nothing was searched."""
    t = c.tuning
    if t is None:
        return Section("Tuning")
    found = (
        _gains(c, t),
        *_settings(t),
        _importances(t),
        _by_trials(t),
        _costs(t, c),
        _searches(t),
    )
    drawn = sum(len(x.scores) > 1 for x in t.by_trials)
    alt = f"Best validation {wording.metric(c.metric)} on {c.corpus} against the number of trials, by labels"
    return Section(
        "Tuning",
        (_how(t), *_worth(c, s, t), *_fell_back(t)),
        tuple(x for x in found if x is not None),
        (Picture("tuning", alt),) if drawn else (),
    )


def _how(t: TuningStatistics) -> str:
    steered = t.trials > STARTUP
    sampler = "TPE" if steered else "random"
    ended = ", those below the median of the complete ones ended early" if t.prune else ""
    scope = {
        "draw": "each draw's search reads that draw's own labels and no others",
        "regime": "a search reads the labels of a draw that no cell uses, which are paid for on top",
    }[t.scope]
    arms = {
        "own": "every arm has its own",
        "shared": "plain's search serves every arm of its architecture",
        "one": "one search serves every arm of a budget",
    }[t.arms]
    return (
        f"{len(t.searches)} searches of {t.trials} {sampler} trials each{ended}: {arms}, and"
        f" {scope}. The first trial is the untuned setting. Held-out labels inside the budget"
        " judge a trial (three folds up to 200 labels); test texts are never read."
    ).replace("_", " ")


def _worth(c: CorpusStatistics, s: StudyStatistics, t: TuningStatistics) -> list[str]:
    """Say what tuning was worth to the baseline, and whether that pays for the labels it read."""
    main = wording.main_budgets(c.scores)
    own = [g for g in t.gains if g.alone and g.arm == s.baseline and g.n in main]
    if not own:
        return []
    parts = []
    for g in own:
        m = f", worth {wording.times(g.multiplier, g.n)} its labels" if g.multiplier else ""
        parts.append(f"{wording.points(g.difference)} points at {g.n:,}{m}")
    out = [f"Tuning gains {s.baseline} {wording.listed(parts)}, against {own[0].untuned}."]
    if t.scope == "regime":
        out.append(
            "The search paid for as many labels again. To somebody who wants one model they are worth it"
            " only where the multiplier exceeds 2×."
        )
    return out


def _fell_back(t: TuningStatistics) -> list[str]:
    lost = [x for x in t.searches if x.best is None]
    return [
        f"No trial of the search for {x.arm} at {x.n:,} labels (draw {x.draw}) was completed"
        f"{': ' + x.errors[0] if x.errors else ''}. The arms that it serves stayed untuned."
        for x in lost
    ]


def _gains(c: CorpusStatistics, t: TuningStatistics) -> Table | None:
    rows = tuple(
        (
            f"{g.arm} minus {g.untuned}",
            f"{g.n:,}",
            wording.points(g.difference),
            wording.times(g.multiplier, g.n) if g.multiplier else "–",
        )
        for g in t.gains
    )
    caption = (
        f"What tuning is worth: {wording.metric(c.metric)} in percentage points, with intervals simultaneous over"
        " the rows of a budget, and in labels of the arm that it is compared with"
    )
    head = ("difference", "labels", "points", "multiplier")
    return Table(caption, head, rows) if rows else None


def _settings(t: TuningStatistics) -> list[Table]:
    return [
        Table(
            f"Best settings of {x.arm} by labels, and their rank correlation with the labels",
            ("setting", *(f"{n:,}" for n in x.budgets), "moves with labels"),
            tuple(
                (
                    _plain(y.name),
                    *(_chosen(y.chosen.get(n)) for n in x.budgets),
                    "–" if y.rho is None else f"{y.rho:+.2f}".replace("-", "−"),
                )
                for y in x.settings
            ),
        )
        for x in t.settings
    ]


def _plain(name: str) -> str:
    return name.removeprefix("model.").replace("_", " ")


def _chosen(found: TypicalNumber | ValueCounts | None) -> str:
    """Format `0.012 (0.004 to 0.03)`, `64`, `64 (2 of 3), 32`."""
    if found is None:
        return "–"
    if isinstance(found, TypicalNumber):
        text = f"{found.median:.2g}"
        same = found.low == found.high
        return text if same else f"{text} ({found.low:.2g} to {found.high:.2g})"
    total = sum(k for _, k in found.counts)
    parts = [f"{_value(v)} ({k} of {total})" if total > 1 else _value(v) for v, k in found.counts]
    return ", ".join(parts) or "–"


def _value(value: Scalar) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value).replace("_", " ")


def _importances(t: TuningStatistics) -> Table | None:
    rows = tuple(
        (
            x.arm,
            f"{x.n:,}",
            str(x.searches),
            ", ".join(f"{_plain(k)} {v:.2f}" for k, v in x.shares[:5]),
        )
        for x in t.importances
    )
    caption = f"Importances ({t.evaluator}): share of the complete trials' score variance, the five largest"
    return Table(caption, ("arm", "labels", "searches", "settings"), rows) if rows else None


def _by_trials(t: TuningStatistics) -> Table | None:
    found = [x for x in t.by_trials if x.scores]
    if not found:
        return None
    most = max(len(x.scores) for x in found)
    shown = [k for k in SHOWN if k <= most]
    shown += [most] if most not in shown else []
    rows = tuple(
        (
            x.arm,
            f"{x.n:,}",
            str(x.searches),
            *(wording.percent(x.scores[k - 1]) if k <= len(x.scores) else "–" for k in shown),
        )
        for x in found
    )
    caption = (
        "Best validation score after so many trials, averaged over the searches: picked on the same"
        " labels, so it flatters"
    )
    head = ("arm", "labels", "searches", *(f"{k} trial{'s' * (k > 1)}" for k in shown))
    return Table(caption, head, rows)


def _costs(t: TuningStatistics, c: CorpusStatistics) -> Table:
    rows = tuple(
        (
            x.arm, f"{x.n:,}", f"{x.searches}", f"{x.trials}", f"{x.pruned}",
            wording.number(x.labels, 0), wording.number(x.tokens, 0), wording.number(x.seconds),
            wording.number(x.cell_seconds),
            "–" if x.validation_gain is None else wording.signed(x.validation_gain),
            wording.points(x.gain) if x.gain else "–",
        )
        for x in t.cost
    )  # fmt: skip
    head = (
        "searched for", "labels", "searches", "trials", "ended early", "labels on top", "tokens",
        "seconds", "one cell, s", "gain in validation", f"gain in test {wording.metric(c.metric)}",
    )  # fmt: skip
    return Table("What the searches cost, and what they gained in points", head, rows)


def _searches(t: TuningStatistics) -> Table | None:
    rows = tuple(
        (x.arm, f"{x.n:,}", str(x.draw), str(x.failed), x.errors[0][:120])
        for x in t.searches
        if x.failed
    )
    head = ("arm", "labels", "draw", "failed", "first error")
    return Table("Trials that failed", head, rows) if rows else None


def caveat(s: StudyStatistics) -> list[str]:
    """Return the sentence that must stand next to the first claims of a tuned study."""
    found = [c.tuning for c in s.corpora if c.tuning]
    if not any(t.scope == "regime" for t in found):
        return []
    shared = "; it served plain training, and arms that want other settings are at a disadvantage"
    return [
        "Every statement here is conditional on one tuning: settings were searched once per budget, on a draw"
        f" that is never scored{shared * any(t.arms != 'own' for t in found)}."
    ]


def limits(s: StudyStatistics) -> list[str]:
    """Return the conclusions that tuning, or its absence, forbids."""
    found = {c.tuning.scope: c.tuning for c in s.corpora if c.tuning}
    if not found:
        return [
            "Settings were fixed beforehand, one per architecture; a tuned arm may rank differently."
        ]
    out = []
    if "regime" in found:
        out.append(
            "Settings were searched once per regime, on a draw that no cell uses: every statement is"
            " conditional on one tuning. Another search might have found other settings, which no"
            " interval here accounts for; the labels of that draw come on top of those shown."
        )
    if "draw" in found:
        out.append(
            "Each draw was tuned on its own labels, so intervals hold the luck of its search too."
        )
    if any(t.arms != "own" for t in found.values()):
        out.append(
            "One search served several arms; arms that want other settings are at a disadvantage."
        )
    return out
