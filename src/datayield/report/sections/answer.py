"""Writes the answer in a paragraph; every sentence is computed from the statistics."""

from collections.abc import Sequence
from dataclasses import dataclass

from datayield.analysis.claim_statements import Claim, Verdict
from datayield.analysis.intervals import Interval
from datayield.analysis.statements import ArmScore, ControlCheck
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.sections import screening
from datayield.report.wording import listed


def sentences(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Return the summary of one corpus, in the order in which a reader decides.

    Args:
        c: one corpus of the statistics.
        s: the statistics of the study, for level and baseline.
    """
    return [
        *_curve(c, s),
        *screening.sentence(c),
        *_strategies(c, s),
        *_simple(c, s),
        *_best(c),
        *target(c, s),
        *_controls(c, s),
        *_complete(c),
    ]


def _at(c: CorpusStatistics, arm: str) -> dict[int, ArmScore]:
    return {x.n: x for x in c.scores if x.arm == arm}


def _curve(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    own = _at(c, s.baseline)
    if not own:
        return [f"The baseline {s.baseline} was not run, so no gain could be measured."]
    first, last = min(own), max(own)
    lead = "a macro-F1 of " if c.metric == "macro_f1" else ""
    text = f"{s.baseline} reaches {lead}{wording.score(own[first].score)} with {first:,} labels"
    if last > first:
        text += f" and {wording.score(own[last].score)} with {last:,}"
    if not lead:
        return [f"{text} (chance of the largest class: {wording.percent(c.majority_share)})."]
    return [
        f"{text}. The largest class holds {wording.percent(c.majority_share)} of the test texts, so every"
        " score, difference and label count of this corpus is about macro-F1, which counts each class"
        f" alike; accuracy is {wording.percent(own[first].accuracy.estimate)} and"
        f" {wording.percent(own[last].accuracy.estimate)}."
    ]


def _strategies(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    tests = [x for x in claimed(c) if c.arms[x.arm].role == "strategy"]
    arms = sorted({x.arm for x in tests})
    if not arms:
        one = s.draws < 2
        why = "one draw gives no interval" if one else "no strategy was run next to its baseline"
        return [f"No statement about strategies: {why}."]
    by_arm = {arm: [x for x in tests if x.arm == arm] for arm in arms}
    out = [_effect(c, own, "helps", "better") for own in by_arm.values()]
    out += [_effect(c, own, "harms", "worse") for own in by_arm.values()]
    silent = [a for a in arms if not {x.verdict for x in by_arm[a]} & {"helps", "harms"}]
    none = [a for a in silent if {x.verdict for x in by_arm[a]} == {"no gain of a point"}]
    if none:
        bring = "brings" if len(none) == 1 else "bring"
        out.append(f"{_arms(none, arms)} {bring} no gain of a point at any budget.")
    open_arms = [a for a in silent if a not in none]
    if open_arms:
        out.append(_undecided(s, open_arms, arms, [x for a in open_arms for x in by_arm[a]]))
    return [text for text in out if text]


@dataclass(frozen=True, slots=True)
class Tested:
    """One test of a corpus's family in words."""

    arm: str
    n: int | None  # None: the mean over budgets
    where: str  # "at 300" or "on the mean over its budgets"
    baseline: str
    claim: Claim

    @property
    def verdict(self) -> Verdict:
        """The verdict of the claim."""
        return self.claim.verdict


def claimed(c: CorpusStatistics) -> list[Tested]:
    """Return every claim of a corpus, budgets first."""
    rows = [
        Tested(d.arm, d.n, f"at {d.n:,}", d.baseline, d.claim) for d in c.differences if d.claim
    ]
    return rows + [
        Tested(d.arm, None, "on the mean over its budgets", d.baseline, d.claim)
        for d in c.mean_differences
        if d.claim
    ]


def _effect(c: CorpusStatistics, tests: Sequence[Tested], verdict: str, word: str) -> str:
    """Say where an arm is better, or worse, than its baseline; empty where it is not."""
    parts = []
    for x in tests:
        if x.verdict == verdict:
            m = next((m for m in c.multipliers if (m.arm, m.n) == (x.arm, x.n)), None)
            value = f" (worth {wording.times(m.multiplier, m.n)} its labels)" if m else ""
            parts.append(f"{wording.points(x.claim.interval)} points {x.where}{value}")
    if not parts:
        return ""
    text = f"{tests[0].arm} is {word} than {tests[0].baseline}: {listed(parts)}"
    shared = next((m for m in c.shared_multipliers if m.arm == tests[0].arm), None)
    repeated = verdict == "harms" and any(x.verdict == "helps" for x in tests)
    if shared is None or repeated:
        return f"{text}."
    return f"{text}; for all its budgets together a label is worth {wording.shared_times(shared.multiplier)}."


def _arms(some: Sequence[str], among: Sequence[str]) -> str:
    if len(some) <= wording.MANY:
        return listed(some)
    return f"{len(some)} of {len(among)} strategies"


def _undecided(
    s: StudyStatistics, some: Sequence[str], among: Sequence[str], tests: Sequence[Tested]
) -> str:
    """Say which arms were not told apart, what the study could have seen, and what would decide."""
    widest = max(
        min(1.0, abs(end))  # no difference of two scores is larger
        for x in tests
        for end in (x.claim.interval.low, x.claim.interval.high)
        if end is not None
    )
    other = "the other " if len(some) < len(among) else ""
    whole = f"any of {other}{len(some)} arms" if len(some) > wording.MANY else listed(some)
    text = (
        f"At no budget could {whole} be told apart from the baseline (Holm over"
        f" {tests[0].claim.tests} tests, {wording.level(s.level)}); effects up to"
        f" {100 * widest:.1f} points either way are not excluded everywhere"
    )
    seen = visible(tests)
    if seen:
        text += f". A study like this sees, four times out of five, {seen}"
    more = [x.claim.more_draws for x in tests if x.n is None and x.claim.more_draws is not None]
    if more:
        text += (
            f"; if the estimates stand, {wording.more_draws(min(more))} decide the first of these means"
            if len(more) > 1
            else f"; if the estimate stands, {wording.more_draws(more[0])} decide the mean"
        )
    return f"{text}."


def visible(tests: Sequence[Tested]) -> str:
    """Return the smallest visible differences of some tests, by budget and on the mean; may be empty."""
    sizes: dict[int | None, list[float]] = {}
    for x in sorted(tests, key=lambda x: (x.n is None, x.n or 0)):
        if x.claim.visible is not None:
            sizes.setdefault(x.n, []).append(x.claim.visible)
    parts = [
        f"{wording.size(max(v))} {'for a gain that is equal at all budgets' if n is None else f'at {n:,}'}"
        for n, v in sizes.items()
    ]
    return f"a difference of {listed(parts)}" if parts else ""


def _simple(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    simple = c.best_simple
    known = [
        x for x in claimed(c) if x.arm == simple and x.baseline == s.baseline and x.n is not None
    ]
    if not known:
        return []
    text = f"The best simple baseline, {simple}, "
    for verdict, where in (("helps", "ahead of"), ("harms", "behind")):
        if all(x.verdict == verdict for x in known):
            return [f"{text}is {where} {s.baseline} at every budget measured for both."]
    parts: list[str] = []
    for verdicts, words in (
        (("helps",), "is ahead of {} at"),
        (("harms",), "is behind {} at"),
        (("no gain of a point",), "is not a point ahead of {} at"),
        (("undecided",), "cannot be told apart from {} at"),
    ):
        there = [x for x in known if x.verdict in verdicts]
        if there:
            at = listed([f"{x.n:,}" for x in there])
            parts.append(f"{words.format('it' if parts else s.baseline)} {at} labels")
    seen = visible([x for x in known if x.verdict == "undecided"])
    return [f"{text}{listed(parts)}{f' (visible: {seen})' if seen else ''}."]


def _best(c: CorpusStatistics) -> list[str]:
    if not c.recommended:
        return []
    parts = []
    for r in c.recommended:
        d = r.difference
        gap = f", {wording.points(d)} points" if d is not None and d.low is not None else ""
        parts.append(f"{r.arm} at {r.n:,} (of {r.of}{gap})")
    return [
        f"Picked by validation {wording.metric(c.metric)}, the best arm is "
        f"{listed(parts)}; the gaps are to the baseline on the test set, with simultaneous intervals."
    ]


def target(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Return the sentence about labels to the target; none where the baseline has no answer."""
    own = next((t for t in c.target if t.arm == s.baseline), None)
    if own is None:
        return []
    origin = " (the largest step of 5 points that the baseline reached)" if own.derived else ""
    others = [
        f"{t.arm} {wording.labels(t.labels)}"
        for t in c.target
        if t.arm != s.baseline and (t.labels.point is not None or t.labels.side == "below")
    ]
    name = "a macro-F1 of " if c.metric == "macro_f1" else ""
    text = (
        f"For {name}{wording.percent(own.target)}{origin} {s.baseline} needs"
        f" {wording.labels(own.labels)} labels"
    )
    return [f"{text}; {listed(others)}." if others else f"{text}."]


def _controls(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    known = [k for k in c.checks if k.holds is not None]
    if not known:
        return []
    broken = [f"{k.arm} at {k.n:,}" for k in known if not k.holds]
    expected = len(known) * (1 - s.level)
    if not broken:
        if len(known) == 1:
            return [f"The one comparison of a control or check ({known[0].arm}) agrees."]
        return [
            f"All {len(known)} comparisons of controls and checks agree with what they must equal{_hidden(known)}."
        ]
    return [
        f"{len(broken)} of {len(known)} comparisons of controls and checks exclude what they must equal"
        f" (about {expected:.1f} would by chance): {listed(broken)}."
    ]


def _hidden(known: Sequence[ControlCheck]) -> str:
    """Say how large a difference the widest of these comparisons would not see."""
    ends = [
        abs(end)
        for k in known
        if isinstance(k.measured, Interval)
        for end in (k.measured.low, k.measured.high)
        if end is not None
    ]
    return f"; the widest would hide a difference of {wording.size(max(ends))}" if ends else ""


def _complete(c: CorpusStatistics) -> list[str]:
    if not c.missing:
        return []
    return [
        f"The study is incomplete: {len(c.missing)} of {c.planned} cells failed"
        " (named below); statements rest on the others."
    ]
