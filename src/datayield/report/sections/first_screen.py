"""Writes the first screen: the answer, three numbers, one picture, how sure, what to do next."""

from datayield.analysis.decision_statements import Decision, MethodRow
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
        f"Learning curves on {c.corpus}: {wording.metric(c.metric)} against labels, with bands that hold the"
        " true curve"
    )
    d = c.decision
    if d is None:
        text = f"The baseline {s.baseline} was not run, so no gain could be measured."
        return FirstScreen((text,), (), Picture("first", alt), (), (), ())
    row = next((r for r in c.methods if r.arm == d.arm), None)
    return FirstScreen(
        answer=tuple(_answer(c, s, d, row)),
        numbers=tuple(_numbers(c, s, d, row)),
        picture=Picture("first", alt),
        sure=tuple(_sure(c, s)),
        steps=tuple(_steps(c, s, d)),
        words=tuple(_words(c, s, d)),
    )


def _answer(
    c: CorpusStatistics, s: StudyStatistics, d: Decision, row: MethodRow | None
) -> list[str]:
    called = names(c)
    base = called[s.baseline]
    out = [sentences.expect(d, called[d.arm], wording.metric(c.metric))]
    ours = [r for r in c.methods if r.baseline == s.baseline]
    out.append(
        sentences.better(row, called[d.arm], base)
        if d.shown and row
        else sentences.no_pick(ours, called, base)
    )
    out += _cheaper(c, d, row)
    if d.next is not None and (d.last is None or d.next.estimate is not None):
        other = None if d.next.arm == d.arm else called[d.next.arm]
        out.append(sentences.more_labels(d.next, other))
    if d.last is not None:
        out += [x for x in [sentences.last_labels(d.last)] if x]
    if c.yardstick is not None:
        out += [x for x in [sentences.compared_with_labels(c.yardstick, ours)] if x]
    return out


def _cheaper(c: CorpusStatistics, d: Decision, row: MethodRow | None) -> list[str]:
    """Name the fastest method that the test set does not tell apart from the recommended one."""
    pick = next((r for r in c.recommended if (r.n, r.arm) == (d.n, d.arm)), None)
    if pick is None or row is None or row.time is None:
        return []
    times = {r.arm: r.time for r in c.methods if r.arm in pick.ties and r.time}
    fastest = min(times, key=lambda arm: times[arm], default=None)
    if fastest is None or row.time < CHEAPER * times[fastest]:
        return []
    return [sentences.cheaper(names(c)[fastest], row.time / times[fastest])]


def _numbers(
    c: CorpusStatistics, s: StudyStatistics, d: Decision, row: MethodRow | None
) -> list[Number]:
    called = names(c)
    metric = wording.metric(c.metric)
    out = [
        Number(
            f"{metric} with {d.n:,} labels",
            wording.percent(d.score.estimate),
            _between(d.score.low, d.score.high, 100, " %") + called[d.arm],
        )
    ]
    target = next((t for a in (d.arm, s.baseline) for t in c.target if t.arm == a), None)
    if target is not None:
        m = target.labels
        value = f"{m.point:,.0f}" if m.point is not None else f"over {m.measured[1]:,}"
        if m.point is None and m.side == "below":
            value = f"under {m.measured[0]:,}"
        out.append(
            Number(
                f"labels to {100 * target.target:.3g} % {metric}",
                value,
                _between(m.low, m.high, 1, "") + called[target.arm],
            )
        )
    if d.shown and row and row.multiplier and row.multiplier.point is not None:
        m2 = row.multiplier
        note = f"{_between(m2.low, m2.high, 1, '', 2)}labels of {called[row.baseline]}"
        out.append(Number("a label is worth", f"{row.multiplier.point:.2f}", note))
    elif c.yardstick is not None:
        g = c.yardstick.gain
        out.append(
            Number(
                "twice the labels add",
                sentences.in_points_of(g.estimate),
                _between(g.low, g.high, 100, "", 1) + called[c.yardstick.baseline],
            )
        )
    return out


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
    known = [x for x in c.components if x.baseline == s.baseline and x.visible is not None]
    if not known:
        of_methods = [
            (r.claim.visible, len(r.budgets)) for r in c.methods if r.claim.visible is not None
        ]
        return [sentences.visible(*max(of_methods))] if of_methods else []
    widest = max(known, key=lambda x: (len(x.budgets), x.budgets))
    assert widest.visible is not None
    out = [sentences.visible(widest.visible, len(widest.budgets))]
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
    broken = [k for k in c.checks if k.holds is False]
    out = []
    if broken:
        out.append("See first why a check of the machinery does not agree (Controls and checks).")
    if d.arm == s.baseline:
        out.append(f"Keep {called[d.arm]}: no change of method is shown to pay.")
    else:
        out.append(f"Use {called[d.arm]}.")
    out += _labels_step(d)
    never = round(c.map.never * c.map.texts) if c.map.draws else 0
    if never:
        out.append(
            f"Look at the labels of the {never:,} texts that the network never learnt (The texts); some may be"
            " wrong."
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
        f"Label {g.more:,} more if about {sentences.in_points_of(g.estimate)} are worth their price{sure};"
        " datayield need counts it in money."
    ]


def _words(c: CorpusStatistics, s: StudyStatistics, d: Decision) -> list[tuple[str, str]]:
    metric = wording.metric(c.metric)
    out = [(metric, WORDS[metric])]
    shown = dict.fromkeys(a for a in (d.arm, s.baseline, c.best_simple) if a)
    out += [(names(c)[arm], _described(c, arm)) for arm in shown]
    if d.score.low is not None:
        out.append(("(… to …)", f"holds the true value in {100 * s.level:.0f} of 100 such studies"))
    return out


def _described(c: CorpusStatistics, arm: str) -> str:
    summary = c.arms[arm].summary
    written = f"{arm} in params.yaml and tables"
    return f"{summary}; {written}" if summary else written
