"""Statements over several corpora: a line each, families, published scores."""

from typing import Any

from datayield.report import words
from datayield.report.section import Section, Table


def overview(s: dict[str, Any]) -> list[Section]:
    """What stands before the corpora of a study of several: one row each, and published scores."""
    if len(s["corpora"]) < 2:
        return []
    rows = []
    for c in s["corpora"]:
        own = {x["n"]: x for x in c["scores"] if x["arm"] == s["baseline"]}
        shown = [n for n in words.main_budgets(c["scores"]) if n in own]
        simple = {x["n"]: x for x in c["scores"] if x["arm"] == c["best_simple"]}
        differ = [d for d in c["differences"] if d.get("differs")]
        better = sorted({d["arm"] for d in differ if d["difference"]["estimate"] > 0})
        worse = sorted({d["arm"] for d in differ if d["difference"]["estimate"] < 0})
        rows.append(
            (
                c["corpus"],
                words.metric(c),
                ", ".join(f"{words.percent(own[n]['score']['estimate'])} at {n:,}" for n in shown),
                ", ".join(
                    f"{words.percent(simple[n]['score']['estimate'])} at {n:,}"
                    for n in shown
                    if n in simple
                )
                + (f" ({c['best_simple']})" if c["best_simple"] else ""),
                words.listed(better) or "none",
                words.listed(worse) or "none",
            )
        )
    head = (
        "corpus", "metric", s["baseline"], "best simple baseline", "better than the baseline",
        "worse than the baseline",
    )  # fmt: skip
    families = {c["card"]["family"] for c in s["corpora"]}
    note = (
        f"{len(rows)} corpora of {len(families)} families. Better and worse are statements of the two-stage"
        " Holm procedure inside each corpus, for every strategy at any budget; what validation picks must also"
        " pass by its own interval before the first lines say that it beats the baseline."
    )
    return [
        Section("All corpora", (note,), (Table("Every corpus in a line", head, tuple(rows)),)),
        _families(s),
        *_published(s),
    ]


def _families(s: dict[str, Any]) -> Section:
    """Means over families with what hangs on one of them, or why there are none."""
    a, title = s["across"], "Over all families"
    refused = [f"{a['reason']}."] if a["reason"] else []
    if a["ranks"]["reason"]:
        refused.append(f"No ranks: {a['ranks']['reason']}.")
    if a["reason"]:
        return Section(title, tuple(x[0].upper() + x[1:] for x in refused))
    led = {c["corpus"]: words.metric(c) for c in s["corpora"] if c["corpus"] in a["corpora"]}
    mixed = [f"{metric} on {corpus}" for corpus, metric in led.items()]
    rows = tuple(
        (
            r["arm"], f"{r['n']:,}", words.points(r["difference"]), words.p(r["p_holm"]),
            words.points(r["iqm"]) if r["iqm"] else "–",
            words.score(r["improvement"]) if r["improvement"] else "–",
        )
        for r in a["rows"]
    )  # fmt: skip
    head = (
        "arm",
        "labels",
        "difference",
        "p, Holm",
        "interquartile mean",
        "probability of improvement",
    )
    note = (
        f"One corpus per family counts ({words.listed(a['corpora'])}); intervals are {a['method']}: what another"
        " corpus of the kind would show. The probability of improvement is that of a draw, ties half."
    )
    if len(set(led.values())) > 1:
        note += f" Points are of each corpus's leading metric: {words.listed(mixed)}."
    tables = (
        [Table("Arm minus its baseline, percentage points, over families", head, rows)]
        if rows
        else []
    )
    changed = [
        f"Without {x['without']}: {words.listed([_flip(c) for c in x['changed']])}."
        for x in a["sensitivity"]
        if x["changed"]
    ]
    if a["sensitivity"] and not changed:
        changed = ["No verdict changes when any one family is left out."]
    if not a["ranks"]["reason"]:
        tables.append(_rank_table(a["ranks"]))
    return Section(title, (note, *changed, *refused), tuple(tables))


def _flip(c: dict[str, Any]) -> str:
    return f"{c['arm']} at {c['n']:,} is {c['verdict']} (with it: {c['before']})"


def _rank_table(ranks: dict[str, Any]) -> Table:
    caption = (
        f"Mean ranks of the arms named beforehand (Friedman p {words.p(ranks['p'])}; ranks further apart than"
        f" {ranks['critical']:.2f} differ, Nemenyi)"
    )
    pairs = zip(ranks["arms"], ranks["mean_ranks"], strict=True)
    rows = tuple((arm, f"{rank:.2f}") for arm, rank in sorted(pairs, key=lambda x: x[1]))
    return Table(caption, ("arm", "mean rank"), rows)


def _published(s: dict[str, Any]) -> list[Section]:
    if not s["published"]:
        return []
    budgets = ("500", "2000", "5000", "full")
    rows = tuple(
        (
            row["who"],
            "ours" if row["ours"] else "published",
            *(words.percent(row["scores"].get(n)) for n in budgets),
        )
        for row in s["published"]
        if any(n in row["scores"] for n in budgets)
    )
    note = (
        "Mean accuracy over the five corpora of the EDA paper, in its authors' own files. Theirs start"
        " from GloVe vectors made of billions of words; ours start from nothing, and validation texts"
        " are paid out of the labels."
    )
    head = ("who", "source", "500 labels", "2,000", "5,000", "all")
    return [Section("Published beside ours", (note,), (Table("Mean accuracy", head, rows),))]
