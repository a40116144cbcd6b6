"""Writes what speaks against a recommendation, as far as the tables can tell."""

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the doubts, as a section of the report."""
    found = [f"{d[0].upper()}{d[1:]}" for d in doubts(c, s)]
    return Section("Doubts", tuple(found), short=True)


def doubts(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Return what speaks against the recommendation, as far as the tables can tell."""
    out = []
    for r in c.recommended:
        led, of = r.leads.draws, r.leads.of
        if 2 * led <= of:
            out.append(
                f"at {r.n:,} labels {r.arm} leads by validation on the mean over draws, and in"
                f" {f'only {led}' if led else 'none'} of the {of} draws with held-out texts; another"
                " sample may well pick another arm."
            )
        if r.ahead:
            out.append(
                f"at {r.n:,} labels validation picked {r.arm}, while the test set puts"
                f" {wording.listed(r.ahead)} ahead of it."
            )
    out += _without_draws(c, s.baseline)
    known = [k for k in c.checks if k.holds is not None]
    broken = [f"{k.arm} at {k.n:,}" for k in known if not k.holds]
    if broken:
        out.append(
            f"checks of the machinery do not agree: {wording.listed(broken)} ({len(broken)} of {len(known)};"
            f" about {len(known) * (1 - s.level):.1f} would by chance)."
        )
    if c.unbalanced:
        out.append(
            f"{len(c.unbalanced)} of {len(c.scores)} combinations of arm and budget have fewer draws than the"
            " study; each comparison uses the draws that both sides have."
        )
    out += _collapsed(c, s)
    out += _unequal_trainings(c, s)
    out += [
        f"tuning made {g.arm} worse at {g.n:,} labels ({wording.points(g.difference)} points against"
        f" {g.untuned}); what other arms are ahead of it there is partly that."
        for g in (c.tuning.gains if c.tuning else ())
        if g.alone and g.arm == s.baseline and (g.difference.high or 0) < 0
    ]
    out += _still_rising(c, s)
    ill = [o.arm for o in c.extrapolations if o.curve.drops]
    if ill:
        out.append(f"the learning curve of {wording.listed(ill)} falls somewhere with more labels.")
    if s.population == "pool" and len(s.corpora) == 1:
        out.append(
            "one corpus was studied; nothing here says that another one would rank the arms alike."
        )
    return out


def _still_rising(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Return a sentence about arms whose validation accuracy rose to the end of training."""
    rising = c.rising.rows
    if not rising:
        return []
    named = wording.listed([f"{r.arm} at {r.n:,} ({wording.points(r)})" for r in rising])
    chance = c.rising.of * (1 - s.level) / 2
    return [
        f"validation accuracy was still rising when training ended, in points: {named}; more updates may"
        f" lift them ({len(rising)} of {c.rising.of}; about {chance:.1f} would look so by chance)."
    ]


def _collapsed(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Name the trainings that held-out texts show to have collapsed."""
    named = [
        f"{x.arm} at {x.n:,} labels in draw {x.draw} ({wording.percent(x.accuracy)} against"
        f" {wording.percent(x.baseline)})"
        for x in c.collapsed
    ]
    if not named:
        return []
    return [
        f"trainings collapsed, their held-out texts being predicted far worse than by {s.baseline}:"
        f" {wording.listed(named)}."
    ]


def _unequal_trainings(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Say where the number of updates grows with the labels: arms of a budget share it, budgets do not."""
    steps: dict[float, int] = {}
    for x in sorted((x for x in c.costs if x.arm == s.baseline), key=lambda x: x.n):
        steps.setdefault(x.updates, x.n)
    if len(steps) < 2:
        return []
    named = wording.listed(
        [f"{updates:,.0f} updates from {n:,} labels on" for updates, n in steps.items()]
    )
    return [
        f"networks train {named}; what compares budgets across such a step (multipliers, twice the labels,"
        " labels to a target) compares trainings of different length too."
    ]


def _without_draws(c: CorpusStatistics, baseline: str) -> list[str]:
    """Return what changes without one draw: verdicts that turn round, the claim of the method to use, picks.

    Other claims are lost without one draw of a few in most studies, true ones too, so that says nothing.
    """
    used = c.decision.arm if c.decision is not None else baseline
    found = c.sensitivity
    if found.reason:
        return [f"no conclusion could be tried without one of its draws ({found.reason})."]
    out = []
    for change, text in (
        ("lost", "{} would no longer be told apart from the baseline"),
        ("reversed", "the verdict on {} would turn round"),
    ):
        rows = sorted(
            {
                (x.n, x.arm)
                for x in found.changed
                if x.change == change and (change == "reversed" or x.arm == used)
            }
        )
        if rows:
            named = wording.listed([f"{a} at {n:,}" for n, a in rows])
            out.append(f"without one of the {len(found.draws)} draws {text.format(named)}.")
    picks = sorted({x.n for x in found.picks})
    if picks:
        at = wording.listed([f"{n:,}" for n in picks])
        out.append(
            f"the pick at {at} labels changes when one of the {len(found.draws)} draws is left out."
        )
    return out
