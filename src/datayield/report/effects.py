"""What the arms are worth: curves, multipliers, differences, controls and checks."""

from typing import Any

from datayield.report import words
from datayield.report.section import Picture, Section, Table


def _interval_note(s: dict[str, Any]) -> str:
    who = "this pool" if s["population"] == "pool" else "new texts"
    return (
        f"Brackets are {words.level(s['level'])} intervals ({s['method']}), valid for other draws from"
        f" {who} and other test texts of the same kind."
    )


def curves(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """Scores by arm and budget, with the learning curves."""
    shared = words.main_budgets(c["scores"])
    led = c["metric"] == "macro_f1"
    other, second = ("accuracy", "accuracy") if led else ("macro_f1", "F1")
    rows = []
    for arm in _by_role(c):
        own = {x["n"]: x for x in c["scores"] if x["arm"] == arm}
        shown = [
            f"{words.score(own[n]['score'])}; {second} {words.percent(own[n][other]['estimate'])}"
            if n in own
            else "–"
            for n in shared
        ]
        rows.append((arm, c["arms"][arm]["role"], *shown))
    table = Table(
        "Test macro-F1 with interval, and accuracy, by labels paid"
        if led
        else "Test accuracy with interval, and macro-F1, by labels paid",
        ("arm", "role", *(f"{n:,} labels" for n in shared)),
        tuple(rows),
    )
    alt = f"Learning curves on {c['corpus']}: test {words.metric(c)} against labels paid, with intervals"
    return Section("Learning curves", (_interval_note(s),), (table,), (Picture("curves", alt),))


def _by_role(c: dict[str, Any]) -> list[str]:
    order = ("plain", "baseline", "strategy", "control", "check")
    return sorted(c["arms"], key=lambda a: (order.index(c["arms"][a]["role"]), a))


def multipliers(c: dict[str, Any]) -> Section:
    """Data multipliers and label savings."""
    rows = []
    main = words.main_budgets(c["scores"])
    simple = {(m["arm"], m["n"]): m for m in c["multipliers_simple"]}
    for m in c["multipliers"]:
        role = c["arms"][m["arm"]]["role"]
        if role not in ("strategy", "baseline") or m["n"] not in main:
            continue
        other = simple.get((m["arm"], m["n"]))
        rows.append(
            (
                f"{m['arm']} at {m['n']:,}",
                words.times(m),
                words.share(m["saving"]["point"]),
                words.times(other) if other else "–",
            )
        )
    if not rows:
        return Section("What the labels are worth")
    table = Table(
        "Data multiplier and label saving",
        ("arm", "against its plain baseline", "labels saved",
         f"against {c['best_simple']}, the best simple baseline"),
        tuple(rows),
    )  # fmt: skip
    note = (
        "A multiplier of 2× says: as good as the baseline with twice the labels. Ranges hold every value"
        " that the two-way test does not reject; ≤ and ≥ mark ends beyond the measured budgets."
    )
    drawn = any(c["arms"][m["arm"]]["role"] == "strategy" for m in c["multipliers"])
    alt = f"Data multipliers on {c['corpus']} with ranges; the line at 1× is the baseline"
    pictures = (Picture("multipliers", alt),) if drawn else ()
    return Section("What the labels are worth", (note,), (table,), pictures)


def differences(c: dict[str, Any]) -> Section:
    """Paired differences with corrected p-values."""
    rows = [
        (
            d["arm"],
            f"{d['n']:,}",
            d["baseline"],
            words.points(d["difference"]),
            words.p(d["difference"]["p"]),
            words.p(d.get("p_holm")),
        )
        for d in c["differences"]
        if c["arms"][d["arm"]]["role"] != "check"
    ]
    if not rows:
        return Section("Differences to the baseline")
    table = Table(
        f"{words.metric(c, start=True)} minus the baseline's, percentage points, paired by draw and test text",
        ("arm", "labels", "baseline", "difference", "p", "p, Holm"),
        tuple(rows),
    )
    note = (
        "Holm's correction runs in two stages over strategies and, inside those that pass, over budgets;"
        " other rows are shown uncorrected."
    )
    alt = f"Differences to the baseline on {c['corpus']} by budget, with intervals"
    return Section("Differences to the baseline", (note,), (table,), (Picture("differences", alt),))


def against_controls(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """Strategies beside the control that could explain their gain."""
    rows = tuple(
        (
            d["arm"],
            f"{d['n']:,}",
            d["control"],
            words.points(d["difference"]),
            _verdict(d["difference"]),
        )
        for d in c["against_controls"]
    )
    if not rows:
        return Section("Against their controls")
    note = (
        "A control does everything that its strategy does but the idea itself: the same number of copies"
        " without new words, the same pacing in random order, as many labels at random. Intervals are"
        f" simultaneous over the rows of a budget ({words.level(s['level'])} for all of them)."
    )
    table = Table(
        f"{words.metric(c, start=True)} minus the control's, percentage points",
        ("arm", "labels", "control", "difference", "verdict"),
        rows,
    )
    return Section("Against their controls", (note,), (table,))


def interactions(c: dict[str, Any]) -> Section:
    """What compositions gain beyond their parts."""
    rows = tuple(
        (i["arm"], f"{i['n']:,}", words.points(i["interaction"]), words.p(i["interaction"]["p"]))
        for i in c["interactions"]
    )
    if not rows:
        return Section("Compositions")
    note = "What a composition gains beyond the sum of its parts' gains over plain, uncorrected."
    table = Table(
        "Interaction, percentage points", ("arm", "labels", "beyond the parts", "p"), rows
    )
    return Section("Compositions", (note,), (table,))


def _verdict(d: dict[str, Any]) -> str:
    if d["low"] is None:
        return "no interval"
    if d["low"] > 0:
        return "better than its control"
    return "worse than its control" if d["high"] < 0 else "cannot be told apart"


def checks(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """Arms whose result is known beforehand."""
    rows = []
    for k in c["checks"]:
        verdict = {True: "agrees", False: "does not agree", None: "no interval"}[k["holds"]]
        if not k.get("same_settings", True):
            verdict = "need not: settings of its own"
        if "equals" in k:
            wanted, got = f"equals {k['equals']}", f"{words.points(k['difference'])} points"
        else:
            wanted = f"worth {k['worth']:g}× of {k['baseline']}"
            got = words.times({**k["multiplier"], "n": k["n"]})
        rows.append((k["arm"], f"{k['n']:,}", c["arms"][k["arm"]]["summary"], wanted, got, verdict))
    if not rows:
        return Section("Controls and checks")
    note = (
        "Arms whose result is known beforehand. That an interval holds the expected value is no proof of"
        " equality; its width says how large a fault could hide."
    )
    known = [k for k in c["checks"] if k["holds"] is not None]
    if known:
        wrong = sum(not k["holds"] for k in known)
        note += (
            f" Of {len(known)} intervals at {words.level(s['level'])} about"
            f" {len(known) * (1 - s['level']):.1f} would leave out the right value by chance; {wrong}"
            f" {'does' if wrong == 1 else 'do'}."
        )
    table = Table(
        "Controls and checks of the machinery",
        ("arm", "labels", "what it is", "must be", "measured", "verdict"),
        tuple(rows),
    )
    return Section("Controls and checks", (note,), (table,))
