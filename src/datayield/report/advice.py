"""The first screen and the recommendation: which arm, how sure, and what speaks against it."""

from typing import Any

from datayield.report import tuning, words
from datayield.report.section import Section, Table

Stats = dict[str, Any]


def first_screen(s: Stats) -> Section:
    """What a reader must know who reads nothing else: best arms, what they are worth, the target."""
    paragraphs = [_picks(c, s) for c in s["corpora"]]
    rows = tuple(_row(c, s, r) for c in s["corpora"] for r in c["recommended"])
    tables = []
    if rows:
        tables.append(
            Table(
                "Best arm at each budget, picked by validation score",
                ("corpus", "labels", "best arm", _heading(s), f"a label is worth, in {s['baseline']}'s",
                 "cannot be told apart from it"),
                rows, stacks=True,
            )
        )  # fmt: skip
    goals = tuple(
        _goal(c, t) for c in s["corpora"] for t in c["target"] if t["arm"] in _curves(c, s)
    )
    if goals:
        tables.append(
            Table(
                "Labels to the target",
                ("corpus", "target", "arm", "labels needed"),
                goals,
                stacks=True,
            )
        )
    note = (
        f"Brackets are {words.level(s['level'])} intervals. In these lines and the first table they hold for all"
        " arms of a budget at once and are wider than those of one arm by itself further down. A strategy beats"
        " the baseline where two tests agree: that interval, and Holm's procedure over the corpus's strategies,"
        " then over the budgets of each. ≤ and ≥ mark ends beyond what was"
        f" measured. Worth 2× says: as good as {s['baseline']} with twice the labels."
    )
    tables += _who(s)
    return Section("In short", (*paragraphs, note, *tuning.caveat(s)), tuple(tables))


def _who(s: Stats) -> list[Table]:
    """What the baseline and the picked arms are, for those who do not know them."""
    said = {
        arm: c["arms"][arm]["summary"]
        for c in s["corpora"]
        for arm in (s["baseline"], *(r["arm"] for r in c["recommended"]))
        if arm in c["arms"]
    }
    return [Table("What these arms do", ("arm", "does"), tuple(said.items()))] if said else []


def _curves(c: Stats, s: Stats) -> list[str]:
    """The baselines, and what was picked and beats them."""
    sure = [r["arm"] for r in c["recommended"] if side(c, r, s["baseline"]) == "sure"]
    return [a for a in (s["baseline"], c["best_simple"], *sure) if a]


ONE_TEST = "one of two tests only"


def _picks(c: Stats, s: Stats) -> str:
    """One sentence: which picks beat the baseline, which cannot be told apart from it."""
    found, base = c["recommended"], s["baseline"]
    if not found:
        return f"{c['corpus']}: no budget has three arms with validation scores; nothing is picked."
    sides = [(r, side(c, r, base)) for r in found]
    sure = [r for r, stands in sides if stands == "sure"]
    parts = []
    if sure:
        named = [f"{r['arm']} at {r['n']:,} labels (worth {_worth(r)})" for r in sure]
        parts.append(f"{words.listed(named)} {'beat' if len(named) > 1 else 'beats'} {base}")
    for wanted, text in (
        ("half", f"validation picks {{}} labels, ahead of {base} by {ONE_TEST}"),
        ("unsure", f"validation picks {{}} labels, not told apart from {base}"),
        ("worse", f"validation picks {{}} labels, worse than {base} on the test set"),
        ("unknown", "validation picks {} labels, with too few draws for an interval"),
        ("own", f"no arm is picked before {base} at {{}} labels"),
    ):
        named = [
            f"{r['n']:,}" if wanted == "own" else f"{r['arm']} at {r['n']:,}"
            for r, stands in sides
            if stands == wanted
        ]
        if named:
            parts.append(text.format(words.listed(named)))
    beaten = sure or all(stands == "own" for _, stands in sides)
    who = "pick" if any(_better(d) for d in c["differences"]) else "arm"
    lead = "" if beaten else f"no {who} is shown to beat {base}; "
    return f"{c['corpus']}: {lead}{'; '.join(parts)}."


def side(c: Stats, r: Stats, base: str) -> str:
    """Where a pick stands against the study's baseline.

    "sure" is ahead by both tests of the note above, "half" by one of them. Holm's procedure judges
    strategies against their own architecture's baseline; the interval alone judges other picks.
    """
    d = r["difference"]
    if r["arm"] == base:
        return "own"
    if d is None or d["low"] is None:
        return "unknown"
    if d["high"] < 0:
        return "worse"
    tests = [d["low"] > 0]
    for other in c["differences"]:
        if (other["arm"], other["n"], other["baseline"]) == (r["arm"], r["n"], base):
            tests += [_better(other)] if "differs" in other else []
    if not any(tests):
        return "unsure"
    return "sure" if all(tests) and r["multiplier"] else "half"


def _better(d: Stats) -> bool:
    """Whether Holm's procedure says that the arm beats its baseline there."""
    return bool(d.get("differs")) and d["difference"]["estimate"] > 0


def _worth(r: Stats) -> str:
    return words.times({**r["multiplier"], "n": r["n"]})


def _row(c: Stats, s: Stats, r: Stats) -> tuple[str, ...]:
    worth = "1× (it is the baseline)"
    if r["arm"] != s["baseline"]:
        worth = _worth(r) if r["multiplier"] else "–"
    return (
        c["corpus"], f"{r['n']:,}", r["arm"], f"{words.score(r['score'])}{_other(c, s)}", worth,
        words.arms(r["ties"], s["baseline"]) or ("unknown: no interval" if r["unknown"] else "none"),
    )  # fmt: skip


def _heading(s: Stats) -> str:
    """`test accuracy`, or `test score` where the corpora are led by different metrics."""
    led = {words.metric(c) for c in s["corpora"]}
    return f"test {led.pop()}" if len(led) == 1 else "test score"


def _other(c: Stats, s: Stats) -> str:
    return f" {words.metric(c)}" if _heading(s) == "test score" else ""


def _goal(c: Stats, t: Stats) -> tuple[str, ...]:
    return c["corpus"], f"{words.percent(t['target'])} {words.metric(c)}", t["arm"], words.labels(t)


def recommendation(c: Stats, s: Stats) -> Section:
    """The evidence behind the picks, whether more labels do more, and every doubt found."""
    if not c["recommended"]:
        return Section("Recommendation")
    evidence = tuple(
        (
            f"{r['n']:,}", r["arm"], str(r["of"]), words.percent(r["validation"]),
            f"{r['leads']['draws']} of {r['leads']['of']}",
            words.points(r["difference"]) if r["difference"] else "–", words.points(r["within"]),
            ", ".join(r["behind"]) or "none", ", ".join(r["ahead"]) or "none",
        )
        for r in c["recommended"]
    )  # fmt: skip
    head = (
        "labels", "best arm", "of arms", f"validation {words.metric(c)}", "leads in draws",
        f"minus {s['baseline']}, points", "picked inside each draw, minus it",
        "worse on the test set", "better on the test set",
    )  # fmt: skip
    tables = [Table("Evidence for the best arm at each budget", head, evidence)]
    doubling = [(r["n"], d) for r in c["recommended"] if (d := r["doubling"])]
    if doubling:
        tables.append(_labels_or_arms(doubling))
    return Section(
        "Recommendation",
        (*_more_labels(doubling), *(f"Doubt: {d}" for d in doubts(c, s))),
        tuple(tables),
    )


VERDICTS = {
    "labels": "twice the labels do more",
    "arm": "the arm does more",
    "open": "not decided",
}


def _labels_or_arms(doubling: list[tuple[int, Stats]]) -> Table:
    rows = tuple(
        (
            f"{n:,}", d["arm"], words.signed(d["gain_arm"]), words.points(d["gain_labels"]),
            words.points(d["gap"]), VERDICTS[d["verdict"]],
        )
        for n, d in doubling
    )  # fmt: skip
    head = (
        "labels", "best strategy", "its gain, points", "gain of twice the labels, points",
        "strategy minus twice the labels, points", "verdict",
    )  # fmt: skip
    return Table("More labels or a cleverer arm", head, rows)


def _more_labels(doubling: list[tuple[int, Stats]]) -> list[str]:
    out = []
    for verdict, text in (
        (
            "labels",
            "More labels beat cleverness at {}: twice the labels do more there than the best strategy.",
        ),
        (
            "arm",
            "Cleverness beats more labels at {}: the best strategy does more there than twice the labels.",
        ),
        (
            "open",
            "Whether the best strategy or twice the labels do more is not decided at {} labels.",
        ),
    ):
        at = [f"{n:,}" for n, d in doubling if d["verdict"] == verdict]
        if at:
            out.append(text.format(words.listed(at)))
    return out


def doubts(c: Stats, s: Stats) -> list[str]:
    """What speaks against the recommendation, as far as the tables can tell."""
    out = []
    for r in c["recommended"]:
        led, of = r["leads"]["draws"], r["leads"]["of"]
        if 2 * led <= of:
            out.append(
                f"at {r['n']:,} labels {r['arm']} leads by validation in only {led} of {of} draws; another"
                " sample may well pick another arm."
            )
        if r["ahead"]:
            out.append(
                f"at {r['n']:,} labels validation picked {r['arm']}, while the test set puts"
                f" {words.listed(r['ahead'])} ahead of it."
            )
    out += _without_draws(c)
    known = [k for k in c["checks"] if k["holds"] is not None]
    broken = [f"{k['arm']} at {k['n']:,}" for k in known if not k["holds"]]
    if broken:
        out.append(
            f"checks of the machinery do not agree: {words.listed(broken)} ({len(broken)} of {len(known)};"
            f" about {len(known) * (1 - s['level']):.1f} would by chance)."
        )
    if c["unbalanced"]:
        out.append(
            f"{len(c['unbalanced'])} of {len(c['scores'])} combinations of arm and budget lack draws; each"
            " comparison uses the draws that both sides have."
        )
    out += _unequal_trainings(c, s)
    out += [
        f"tuning made {g['arm']} worse at {g['n']:,} labels ({words.points(g['difference'])} points against"
        f" {g['untuned']}); what other arms are ahead of it there is partly that."
        for g in (c["tuning"] or {"gains": []})["gains"]
        if g["alone"] and g["arm"] == s["baseline"] and (g["difference"]["high"] or 0) < 0
    ]
    rising = c["rising"]["rows"]
    if rising:
        named = words.listed([f"{r['arm']} at {r['n']:,} ({words.points(r)})" for r in rising])
        chance = c["rising"]["of"] * (1 - s["level"]) / 2
        out.append(
            f"validation accuracy was still rising when training ended, in points: {named}; more updates may"
            f" lift them ({len(rising)} of {c['rising']['of']}; about {chance:.1f} would look so by chance)."
        )
    ill = [o["arm"] for o in c["outlooks"] if o["drops"]]
    if ill:
        out.append(f"the learning curve of {words.listed(ill)} falls somewhere with more labels.")
    if s["population"] == "pool" and len(s["corpora"]) == 1:
        out.append(
            "one corpus was studied; nothing here says that another one would rank the arms alike."
        )
    return out


def _unequal_trainings(c: Stats, s: Stats) -> list[str]:
    """Numbers of updates that grow with the labels: arms of a budget share them, budgets do not."""
    steps: dict[float, int] = {}
    for x in sorted((x for x in c["costs"] if x["arm"] == s["baseline"]), key=lambda x: x["n"]):
        steps.setdefault(x["updates"], x["n"])
    if len(steps) < 2:
        return []
    named = words.listed(
        [f"{updates:,.0f} updates from {n:,} labels on" for updates, n in steps.items()]
    )
    return [
        f"networks train {named}; what compares budgets across such a step (multipliers, twice the labels,"
        " labels to a target) compares trainings of different length too."
    ]


def _without_draws(c: Stats) -> list[str]:
    found = c["sensitivity"]
    if found["reason"]:
        return [f"no conclusion could be tried without one of its draws ({found['reason']})."]
    out = []
    for change, text in (
        ("lost", "{} would no longer be told apart from the baseline"),
        ("new", "{} would be told apart from the baseline"),
        ("reversed", "the verdict on {} would turn round"),
    ):
        rows = sorted({(x["n"], x["arm"]) for x in found["changed"] if x["change"] == change})
        if rows:
            named = words.listed([f"{a} at {n:,}" for n, a in rows])
            out.append(f"without one of the {len(found['draws'])} draws {text.format(named)}.")
    picks = sorted({x["n"] for x in found["picks"]})
    if picks:
        at = words.listed([f"{n:,}" for n in picks])
        out.append(
            f"the pick at {at} labels changes when one of the {len(found['draws'])} draws is left out."
        )
    return out
