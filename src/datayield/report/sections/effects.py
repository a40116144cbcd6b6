"""Writes the sections on the worth of arms: curves, multipliers, differences, controls and checks."""

from datayield.analysis.claim_statements import Claim
from datayield.analysis.intervals import Interval
from datayield.analysis.label_exchange import LabelExchange
from datayield.analysis.looks import LooksTaken
from datayield.analysis.statements import ArmScore, ControlDifference
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Picture, Section, Table


def _interval_note(s: StudyStatistics) -> str:
    who = "this pool" if s.population == "pool" else "new texts"
    return (
        f"Brackets are {wording.level(s.level)} intervals ({s.method}), valid for other draws from"
        f" {who} and other test texts of the same kind."
    )


def curves(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show scores by arm and budget, with the learning curves."""
    shared = wording.main_budgets(c.scores)
    led = c.metric == "macro_f1"
    rows = []
    for arm in _by_role(c):
        own = {x.n: x for x in c.scores if x.arm == arm}
        cells = [_both_scores(own[n], led) if n in own else "–" for n in shared]
        rows.append((arm, c.arms[arm].role + (OUTSIDE if c.arms[arm].outside else ""), *cells))
    table = Table(
        "Test macro-F1 with interval, and accuracy, by labels paid"
        if led
        else "Test accuracy with interval, and macro-F1, by labels paid",
        ("arm", "role", *(f"{n:,} labels" for n in shared)),
        tuple(rows),
        csv="scores",
    )
    alt = f"Learning curves on {c.corpus}: test {wording.metric(c.metric)} against labels paid, with intervals"
    notes = (_interval_note(s), *outside(c))
    return Section("Learning curves", notes, (table,), (Picture("curves", alt),))


OUTSIDE = ", has read other text"


def outside(c: CorpusStatistics) -> list[str]:
    """Say which arms know more than the texts of the corpus; [] where none does."""
    known = sorted(arm for arm, described in c.arms.items() if described.outside)
    if not known:
        return []
    return [
        f"{wording.listed(known)} {'has' if len(known) == 1 else 'have'} read other text than this corpus: a"
        " model from outside, made with many more texts. What it knows does not come from these labels."
    ]


def _both_scores(x: ArmScore, led: bool) -> str:
    """Format the leading score with its interval, then the other one."""
    name, other = ("accuracy", x.accuracy) if led else ("F1", x.macro_f1)
    return f"{wording.score(x.score)}; {name} {wording.percent(other.estimate)}"


def _by_role(c: CorpusStatistics) -> list[str]:
    order = ("plain", "baseline", "strategy", "control", "check")
    return sorted(c.arms, key=lambda a: (order.index(c.arms[a].role), a))


def multipliers(c: CorpusStatistics) -> Section:
    """Show data multipliers and label savings, one for all budgets of an arm first."""
    shown = ("strategy", "baseline")
    rows = []
    main = wording.main_budgets(c.scores)
    simple = {(m.arm, m.n): m for m in c.multipliers_simple}
    for m in c.multipliers:
        if c.arms[m.arm].role not in shown or m.n not in main:
            continue
        other = simple.get((m.arm, m.n))
        rows.append(
            (
                f"{m.arm} at {m.n:,}",
                wording.times(m.multiplier, m.n),
                wording.share(m.saving.point),
                wording.times(other.multiplier, other.n) if other else "–",
            )
        )
    if not rows:
        return Section("What the labels are worth")
    table = Table(
        "Data multiplier and label saving",
        ("arm", "against its plain baseline", "labels saved",
         f"against {c.best_simple}, the best simple baseline"),
        tuple(rows), csv="multipliers",
    )  # fmt: skip
    note = (
        "A multiplier of 2× says: as good as the baseline with twice the labels. Ranges hold every value"
        " that the two-way test does not reject; ≤ and ≥ mark ends beyond the measured budgets."
    )
    tables = _shared(c, shown)
    if tables:
        note += (
            " One multiplier for all budgets is the sharpest: every value for which the mean over budgets of"
            " the arm minus the baseline with that many times the labels may be 0."
        )
    notes = (note, *map(exchange, c.exchanges))
    drawn = any(c.arms[m.arm].role == "strategy" for m in c.multipliers)
    alt = f"Data multipliers on {c.corpus} with ranges; the line at 1× is the baseline"
    pictures = (Picture("multipliers", alt),) if drawn else ()
    return Section("What the labels are worth", notes, (*tables, table), pictures)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def exchange(x: LabelExchange) -> str:
    """Say what a clean label is worth in noisy ones, and in money where the prices are known."""
    low = "0" if x.low is None else _amount(x.low)
    high = "no upper end" if x.high is None else _amount(x.high)
    worth = "more than this study can count" if x.worth is None else _amount(x.worth)
    sentence = (
        f"With {x.n:,} clean labels and {x.noisy:,} noisy ones ({x.arm}) one clean label is worth {worth}"
        f" noisy labels [{low}, {high}]."
    )
    if x.break_even is None:
        return sentence
    sentence += (
        f" At {x.price:g} for a noisy label they are cheaper while a clean one costs more than"
    )
    sentence += f" {_amount(x.break_even)}"
    return f"{sentence}; it costs {x.clean_price:g}." if x.clean_price else f"{sentence}."


def _shared(c: CorpusStatistics, roles: tuple[str, ...]) -> list[Table]:
    """Return the table of multipliers that hold for all budgets of an arm; [] where there are none."""
    whole = tuple(
        (
            m.arm,
            wording.listed([f"{n:,}" for n in m.multiplier.budgets]),
            wording.shared_times(m.multiplier),
            wording.share(m.saving.point),
        )
        for m in c.shared_multipliers
        if c.arms[m.arm].role in roles
    )
    head = ("arm", "budgets", "against its plain baseline", "labels saved")
    return (
        [Table("One multiplier for all budgets of an arm", head, whole, csv="shared_multipliers")]
        if whole
        else []
    )


def differences(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show paired differences with the claims of the corpus's family."""
    rows = [
        (d.arm, f"{d.n:,}", d.baseline, *_claimed(d.claim, d.difference))
        for d in c.differences
        if c.arms[d.arm].role != "check"
    ]
    means = [
        (d.arm, f"mean of {len(d.budgets)}", d.baseline, *_claimed(d.claim, d.difference))
        for d in c.mean_differences
        if c.arms[d.arm].role != "check"
    ]  # fmt: skip
    if not rows:
        return Section("Differences to the baseline")
    table = Table(
        f"{wording.metric(c.metric, start=True)} minus the baseline's, percentage points, paired by draw and"
        " test text",
        ("arm", "labels", "baseline", "difference", "p, Holm", "smallest visible", "verdict"),
        (*means, *rows), csv="differences",
    )  # fmt: skip
    tests = max((d.claim.tests for d in c.differences if d.claim), default=0)
    note = (
        f"Strategies and simple baselines, at every budget and on the mean over their budgets: {tests} tests"
        f" share the level of {wording.level(s.level)} (Holm), and their intervals hold all at once."
        " The spread over draws is pooled over the arms of an architecture. Helps and harms: the test"
        " excludes 0. No gain of a point: a gain of 1.0 points is excluded. Smallest visible: the"
        " true difference that a study like this claims four times out of five. More draws: those that decide"
        " if the estimate stands. Rows without p carry no claim, and each of their intervals holds by itself."
    )
    alt = f"Differences to the baseline on {c.corpus} by budget, with intervals"
    notes = (note,) if c.looks is None else (note, looks(c, c.looks))
    return Section("Differences to the baseline", notes, (table,), (Picture("differences", alt),))


ENDINGS = {
    "settled": "because every strategy was settled",
    "minutes": "because the next look would have taken more minutes than were allowed",
    "last look": "with the last look",
}


def looks(c: CorpusStatistics, taken: LooksTaken) -> str:
    """Return how draws were added, what each look settled, and what that costs its intervals."""
    by_look = []
    for k in range(taken.ended):
        settled = [a for a, look in taken.settled.items() if look == k]
        arms = [a for a in settled if c.arms[a].role == "strategy"]  # controls follow theirs
        named = wording.listed(arms) if arms else "nothing"
        by_look.append(f"the look at {taken.planned[k]} draws settled {named}")
    levels = wording.listed([f"{100 * level:.1f}" for level in taken.levels])
    ends = f"The study ended at {taken.planned[taken.ended]} draws, {ENDINGS[taken.ending]}"
    return (
        f"Draws were added at looks ({wording.listed([str(d) for d in taken.planned])} were planned), and"
        " settled strategies got no more: those with a claim, those that gain less than"
        f" {100 * taken.resolution:g} points, those whose gain of so much would be seen. {ends}"
        f"{'; ' + wording.listed(by_look) if by_look else ''}. The looks share the study's level:"
        f" their intervals, and all brackets of this corpus after the last look, are {levels} % intervals, so"
        " that all claims together are wrong as seldom as those of one look."
    )


def _claimed(x: Claim | None, alone: Interval) -> tuple[str, str, str, str]:
    """Format a claim as interval, p, smallest visible difference and verdict.

    Args:
        x: the claim.
        alone: the interval of a row without a claim.
    """
    if x is None:
        return wording.points(alone), "–", "–", "–"
    more = f", {wording.more_draws(x.more_draws)}" if x.more_draws else ""
    visible = "–" if x.visible is None else f"{100 * min(1.0, x.visible):.1f}"
    return wording.points(x.interval), wording.p(x.p), visible, f"{x.verdict}{more}"


def against_controls(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Compare strategies with the control that could explain their gain."""
    rows = tuple(
        (
            d.arm,
            f"{d.n:,}",
            d.control,
            wording.points(d.difference),
            _verdict(d),
        )
        for d in c.against_controls
    )
    if not rows:
        return Section("Against their controls")
    note = (
        "A control does everything that its strategy does but the idea itself: the same number of copies"
        " without new words, the same pacing in random order, as many labels at random. Intervals are"
        f" simultaneous over the rows of a budget ({wording.level(s.level)} for all of them)."
    )
    table = Table(
        f"{wording.metric(c.metric, start=True)} minus the control's, percentage points",
        ("arm", "labels", "control", "difference", "verdict"),
        rows,
        csv="against_controls",
    )
    return Section("Against their controls", (note,), (table,))


def interactions(c: CorpusStatistics) -> Section:
    """Show the gain of compositions beyond their parts."""
    rows = tuple(
        (
            i.arm,
            f"{i.n:,}",
            wording.points(i.interaction),
            wording.p(i.interaction.p),
        )
        for i in c.interactions
    )
    if not rows:
        return Section("Compositions")
    note = "What a composition gains beyond the sum of its parts' gains over plain, uncorrected."
    table = Table(
        "Interaction, percentage points", ("arm", "labels", "beyond the parts", "p"), rows
    )
    return Section("Compositions", (note,), (table,))


def _verdict(row: ControlDifference) -> str:
    d = row.difference
    if d.low is None:
        return "no interval"
    if not d.excludes_zero:
        seen = f" (visible: {wording.size(row.visible)})" if row.visible is not None else ""
        return f"cannot be told apart{seen}"
    return "better than its control" if d.estimate > 0 else "worse than its control"


def checks(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show arms whose result is known beforehand."""
    rows = []
    for k in c.checks:
        verdict = {True: "agrees", False: "does not agree", None: "no interval"}[k.holds]
        if not k.same_settings:
            verdict = "need not: settings of its own"
        wanted = f"equals {k.expected_arm}"
        if k.expected_multiplier is not None:
            wanted = f"worth {k.expected_multiplier:g}× of {k.expected_arm}"
        got = (
            f"{wording.points(k.measured)} points"
            if isinstance(k.measured, Interval)
            else wording.times(k.measured, k.n)
        )
        rows.append((k.arm, f"{k.n:,}", c.arms[k.arm].summary, wanted, got, verdict))
    if not rows:
        return Section("Controls and checks")
    note = (
        "Arms whose result is known beforehand. That an interval holds the expected value is not a proof of"
        " equality; its width says how large a fault could hide."
    )
    known = [k for k in c.checks if k.holds is not None]
    if known:
        wrong = sum(not k.holds for k in known)
        note += (
            f" Of {len(known)} intervals at {wording.level(s.level)} about"
            f" {len(known) * (1 - s.level):.1f} would leave out the right value by chance; {wrong}"
            f" {'does' if wrong == 1 else 'do'}."
        )
    table = Table(
        "Controls and checks of the machinery",
        ("arm", "labels", "what it is", "must be", "measured", "verdict"),
        tuple(rows),
        csv="checks",
    )
    return Section("Controls and checks", (note,), (table,), short=True)
