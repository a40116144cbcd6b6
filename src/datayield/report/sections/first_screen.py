"""Writes the first screen: the answer, three numbers, one picture, how sure, what to do next."""

from datayield.analysis.decision_statements import Decision
from datayield.analysis.statements import TargetLabels
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.visible_difference import RESOLUTION, Design, visible_difference
from datayield.report import sentences, wording
from datayield.report.section import FirstScreen, Number, Picture

CHEAPER = 2  # times as fast: from there on a method that does as well is worth a sentence
WORDS = {
    "accuracy": "share of new texts that get the right class",
    "macro-F1": "score that counts every class alike, rare ones too; 100 % is perfect",
}


def names(c: CorpusStatistics) -> dict[str, str]:
    """Return what readers call each arm: its title, or the arm itself where it has none."""
    return {arm: described.title or arm for arm, described in c.arms.items()}


def first_screen(c: CorpusStatistics, s: StudyStatistics) -> FirstScreen:
    """Return the first screen of one corpus."""
    alt = (
        f"Learning curves on {c.corpus}: {wording.metric(c.metric)} against labels, with {wording.level(s.level)}"
        " bands"
    )
    d = c.decision
    if d is None:
        text = f"The baseline {s.baseline} was not run, so no gain could be measured."
        return FirstScreen((text,), (), Picture("first", alt), (), (), ())
    return FirstScreen(
        answer=tuple(_answer(c, s, d)),
        numbers=tuple(_numbers(c, s, d)),
        picture=Picture("first", alt),
        sure=tuple(_sure(c, s)),
        steps=tuple(_steps(c, s, d)),
        words=tuple(_words(c, s, d)),
    )


def _answer(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[str]:
    called = names(c)
    base = called[s.baseline]
    out = [sentences.expect(d, called[d.arm], wording.metric(c.metric))]
    ours = [r for r in c.methods if r.baseline == s.baseline]
    helping = _helping(c, s, d)
    if d.shown:
        out.append(sentences.better(d, base))
    elif helping:
        out.append(sentences.not_leading([called[arm] for arm in helping], base))
    else:
        out.append(sentences.no_pick(ours, called, base))
    out += _tied(c, d)
    if d.next is not None and (d.last is None or d.next.estimate is not None):
        other = None if d.next.arm == d.arm else called[d.next.arm]
        out.append(sentences.more_labels(d.next, other))
    if d.last is not None:
        out += [x for x in [sentences.last_labels(d.last)] if x]
    if d.doubled is not None:
        gains = [
            x.claim.interval
            for x in c.differences
            if x.n == d.n and x.claim and x.arm in {r.arm for r in ours}
        ]
        own = next(x.score.estimate for x in c.scores if (x.arm, x.n) == (s.baseline, d.n))
        out += [x for x in [sentences.twice(d.doubled, base, own, gains)] if x]
    return out


def _helping(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[str]:
    """Return the methods that are shown to beat the baseline, at these labels or on the mean."""
    means = [r.arm for r in c.methods if r.baseline == s.baseline and r.claim.verdict == "helps"]
    there = [
        x.arm
        for x in c.differences
        if (x.n, x.baseline) == (d.n, s.baseline) and x.claim and x.claim.verdict == "helps"
    ]
    return list(dict.fromkeys([*means, *there]))


def _tied(c: CorpusStatistics, d: Decision) -> list[str]:
    """Name the methods that the test set does not tell from the recommended one, and a much faster one."""
    called, seconds, tied = names(c), _seconds(c, d), _ties(c, d)
    if not tied:
        return []
    scores = {x.arm: wording.percent(x.score.estimate) for x in c.scores if x.n == d.n}
    fast = _much_faster(c, d)
    others = [f"{called[a]} ({scores[a]})" for a in tied]
    fastest = called[fast] if fast else None
    return [sentences.tied(others, fastest, seconds[d.arm], seconds[tied[0]])]


def _seconds(c: CorpusStatistics, d: Decision) -> dict[str, float]:
    """Return the seconds of one training at the labels of the screen, by arm."""
    return {x.arm: x.cell_seconds for x in c.costs if x.n == d.n}


def _ties(c: CorpusStatistics, d: Decision) -> list[str]:
    """Return the methods that do as well as the recommended one, the fastest first."""
    seconds = _seconds(c, d)
    if not d.shown or d.arm not in seconds:
        return []
    return sorted((a for a in d.ties if a in seconds), key=lambda a: seconds[a])


def _much_faster(c: CorpusStatistics, d: Decision) -> str | None:
    """Return the fastest of them where it is much faster."""
    seconds, tied = _seconds(c, d), _ties(c, d)
    return tied[0] if tied and seconds[d.arm] >= CHEAPER * seconds[tied[0]] else None


def _numbers(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[Number]:
    called = names(c)
    metric = wording.metric(c.metric)
    out = [
        Number(
            f"{metric} with {d.n:,} labels",
            wording.percent(d.score.estimate),
            _between(_share(d.score.low), _share(d.score.high), 100, " %") + called[d.arm],
        )
    ]
    target = _target(c, s, d)
    if target is not None:
        m = target.labels
        value = f"{m.point:,.0f}" if m.point is not None else f"over {m.measured[1]:,}"
        if m.point is None and m.side == "below":
            value = f"under {m.measured[0]:,}"
        out.append(
            Number(
                f"labels needed for {100 * target.target:.3g} % {metric}",
                value,
                _between(m.low, m.high, 1, "") + called[target.arm],
            )
        )
    if d.worth is not None and d.worth.point is not None and not d.worth.reason:
        between = _between(d.worth.low, d.worth.high, 1, "", 2)
        note = f"{between}labels of {called[s.baseline]}"
        out.append(Number("each label does the work of", f"{d.worth.point:.2f}", note))
    elif d.doubled is not None:
        g = d.doubled.gain
        out.append(
            Number(
                f"twice the {d.n:,} labels add",
                sentences.in_points_of(g.estimate),
                _between(g.low, g.high, 100, "", 1) + called[s.baseline],
            )
        )
    return out


def _share(value: float | None) -> float | None:
    """Keep an end of an interval inside [0, 1], where scores lie."""
    return None if value is None else min(1.0, max(0.0, value))


def _target(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> TargetLabels | None:
    """Return the labels to the target of the recommended method, else of the baseline."""
    return next((t for a in (d.arm, s.baseline) for t in c.target if t.arm == a), None)


def _between(
    low: float | None, high: float | None, factor: float, unit: str, digits: int | None = None
) -> str:
    """Write `70.1 to 72.2 %; `; an open end is named as such."""
    if low is None and high is None:
        return ""
    places = (1 if unit else 0) if digits is None else digits
    left = f"{factor * low:,.{places}f}" if low is not None else None
    right = f"{factor * high:,.{places}f}" if high is not None else None
    if left is None:
        return f"at most {right}{unit}; "
    return f"{left} to {right}{unit}; " if right else f"at least {left}{unit}; "


def _sure(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    if s.draws < 2:
        return ["With one draw nothing is known of how far these numbers vary."]
    every = [(r.claim.visible, len(r.budgets)) for r in c.methods if r.claim.visible is not None]
    known = [x for x in c.components if x.baseline == s.baseline and x.visible is not None]
    if not known and not every:
        return []
    base = names(c)[s.baseline]
    if not known:
        size, budgets = max(every)
        return [sentences.visible(size, size, budgets, base)]
    widest = max(known, key=lambda x: (len(x.budgets), x.budgets))
    assert widest.visible is not None
    sizes = [v for v, budgets in every if budgets == len(widest.budgets)]
    most = max([widest.visible, *sizes])
    out = [sentences.visible(widest.visible, most, len(widest.budgets), base)]
    twice = Design(2 * widest.draws, widest.texts, max(1, widest.tests), s.level)
    seen = visible_difference(widest.components, twice)
    if seen is not None and seen < widest.visible and s.population == "pool":
        out.append(sentences.more_draws(widest.draws, seen, _minutes(c) * widest.draws))
    return out


def _minutes(c: CorpusStatistics) -> float:
    """Return the minutes of computing that one more draw takes."""
    return sum(x.cell_seconds for x in c.costs if not c.arms[x.arm].members) / 60


def _steps(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[str]:
    called = names(c)
    out = []
    if any(k.holds is False for k in c.checks):
        out.append("See first why a check of the machinery does not agree (Controls and checks).")
    if d.arm == s.baseline:
        why = (
            "another method is not sure to pay" if _helping(c, s, d) else "no other is shown to pay"
        )
        out.append(f"Keep {called[d.arm]}: {why}.")
    else:
        fast = _much_faster(c, d)
        same = f", or {called[fast]}, which is as good here and faster" if fast else ""
        out.append(f"Use {called[d.arm]}{same}.")
    target = _target(c, s, d)
    if target is not None and target.labels.high is not None and target.labels.high <= d.n:
        out.append(f"The target, {100 * target.target:.3g} %, is reached.")
    out += _labels_step(d)
    never = round(c.map.never * c.map.texts) if c.map.draws else 0
    if never:
        out.append(
            f"Look at the labels of the {never:,} of {c.map.texts:,} training texts that {called[c.map.arm]} never"
            " learnt (below, The texts): some may be wrong."
        )
    return out


def _labels_step(d: Decision) -> list[str]:
    g = d.next
    if g is None or g.estimate is None:
        return []
    if g.high is not None and g.high < RESOLUTION:
        return [
            f"Stop labelling, unless less than a point is worth the price of {g.more:,} labels."
        ]
    sure = (
        "" if g.low is not None and g.low > 0 else ", though they may add nothing that can be seen"
    )
    return [
        f"Label {g.more:,} more if about {sentences.in_points_of(g.estimate)} are worth their price{sure}; "
        "datayield need counts the price."
    ]


def _words(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[tuple[str, str]]:
    metric = wording.metric(c.metric)
    out = [(metric, WORDS[metric]), ("points", "percent of all texts")]
    shown = dict.fromkeys(a for a in (s.baseline, c.best_simple, d.arm) if a)
    out += [(names(c)[arm], _described(c, arm)) for arm in shown]
    if d.score.low is not None and d.spread is not None:
        out.append(
            (
                "(… to …)",
                f"holds the true average in {100 * s.level:.0f} of 100 such studies; one sample of labels"
                f" differs from the average by {100 * d.spread:.1f} points, give or take",
            )
        )
        out.append(("draw", f"a random sample of labelled texts; all was repeated on {s.draws}"))
    return out


def _described(c: CorpusStatistics, arm: str) -> str:
    described = c.arms[arm]
    if described.role == "plain":
        return f"a neural network trained on the labels as they are ({arm})"
    return f"{described.summary} ({arm})" if described.summary else arm
