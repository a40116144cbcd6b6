"""statistics → sections of text, tables and figures: what both HTML and Markdown show."""

from typing import Any

from datayield.report import answer, tuning, words
from datayield.report.section import Picture, Section, Table

MANY = 0.01  # share of common texts from which on two corpora are hardly independent


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
        " Holm procedure inside each corpus; nothing is averaged over so few families."
    )
    return [
        Section("All corpora", (note,), (Table("Every corpus in a line", head, tuple(rows)),)),
        *_published(s),
    ]


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


def sections(c: dict[str, Any], s: dict[str, Any]) -> list[Section]:
    """The report of one corpus, in the order of DESIGN §9; empty sections are left out."""
    found = [
        Section("The answer", tuple(answer.sentences(c, s))),
        _curves(c, s),
        _multipliers(c, s),
        _differences(c, s),
        _interactions(c),
        _against_controls(c, s),
        _checks(c, s),
        _costs(c),
        _architectures(c),
        tuning.section(c, s),
        _history(c, s),
        _audit(c, s),
        _card(c),
        _missing(c),
    ]
    return [x for x in found if x.paragraphs or x.tables or x.pictures]


def _interval_note(s: dict[str, Any]) -> str:
    who = "this pool" if s["population"] == "pool" else "new texts"
    return (
        f"Brackets are {words.level(s['level'])} intervals ({s['method']}), valid for other draws from"
        f" {who} and other test texts of the same kind."
    )


def _curves(c: dict[str, Any], s: dict[str, Any]) -> Section:
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


def _multipliers(c: dict[str, Any], s: dict[str, Any]) -> Section:
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
                words.times(answer.measured(m)),
                words.share(m["saving"]["point"]),
                words.times(answer.measured(other)) if other else "–",
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


def _differences(c: dict[str, Any], s: dict[str, Any]) -> Section:
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


def _against_controls(c: dict[str, Any], s: dict[str, Any]) -> Section:
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


def _interactions(c: dict[str, Any]) -> Section:
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


def _checks(c: dict[str, Any], s: dict[str, Any]) -> Section:
    rows = []
    for k in c["checks"]:
        verdict = {True: "agrees", False: "does not agree", None: "no interval"}[k["holds"]]
        if "equals" in k:
            wanted, got = f"equals {k['equals']}", f"{words.points(k['difference'])} points"
        else:
            entry = {**k["multiplier"], "n": k["n"]}
            low, high = (v / k["n"] for v in k["multiplier"]["measured"])
            wanted = f"worth {k['worth']:g}× of {k['baseline']}"
            got = words.times({**entry, "measured_low": low, "measured_high": high})
        rows.append((k["arm"], f"{k['n']:,}", c["arms"][k["arm"]]["summary"], wanted, got, verdict))
    if not rows:
        return Section("Controls and checks")
    note = (
        "Arms whose result is known beforehand. That an interval holds the expected value is no proof of"
        " equality; its width says how large a fault could hide."
    )
    table = Table(
        "Controls and checks of the machinery",
        ("arm", "labels", "what it is", "must be", "measured", "verdict"),
        tuple(rows),
    )
    return Section("Controls and checks", (note,), (table,))


def _costs(c: dict[str, Any]) -> Section:
    shared = words.main_budgets(c["costs"])
    scores = {(x["arm"], x["n"]): x["score"]["estimate"] for x in c["scores"]}
    rows = tuple(
        (
            k["arm"], f"{k['n']:,}", words.percent(scores[k["arm"], k["n"]]),
            words.number(k["examples"], 0), words.number(k["unlabelled"], 0),
            words.number(k["updates"], 0), words.number(k["tokens"], 0),
            words.number(k["helper_fits"], 0), words.number(k["pretrain_seconds"], 1),
            words.number(k["amortised_pretrain_seconds"], 1), words.number(k["prepare_seconds"], 2),
            words.number(k["train_seconds"], 2), words.number(k["inference_seconds"], 2),
            words.number(k["peak_memory_mib"], 0), words.number(k["parameters"], 0),
        )
        for k in c["costs"]
        if k["n"] in shared
    )  # fmt: skip
    head = (
        "arm", "labels", words.metric(c), "examples", "unlabelled texts", "updates", "tokens", "helper fits",
        "language model, s", "shared, s", "prepare, s", "train, s", "inference, s", "peak MiB", "parameters",
    )  # fmt: skip
    note = (
        "Means per cell. Labels count validation texts; tokens are those training read; inference is the"
        " whole test set; times were taken with one thread per worker while other workers ran. A language"
        " model of the pool is told in full (tokens and seconds) and shared among the cells that used it."
    )
    return Section("Cost", (note,), (Table("What each arm cost", head, rows),))


def _architectures(c: dict[str, Any]) -> Section:
    if not c["architectures"]:
        return Section("LSTM, LSTM-64, LSTM-256, GRU")
    rows = tuple(
        (
            a["architecture"], f"{a['n']:,}",
            f"{'bidirectional ' if a['bidirectional'] else ''}{a['cell'].upper()} {a['hidden']} × {a['layers']}",
            str(a["embedding"]), words.number(a["parameters"], 0), words.number(a["train_seconds"], 1),
            words.number(a["inference_seconds"], 2), f"{a['inference_ms_per_text']:.2f}",
            words.score(a["accuracy"]), words.score(a["macro_f1"]),
        )
        for a in c["architectures"]
    )  # fmt: skip
    head = (
        "architecture", "labels", "layers", "embedding", "parameters", "training time, s",
        "test time, s", "test time per text, ms", "accuracy", "macro-F1",
    )  # fmt: skip
    caption = "The article's comparison: training time, test time, embedding, accuracy"
    return Section("LSTM, LSTM-64, LSTM-256, GRU", (), (Table(caption, head, rows),))


def _history(c: dict[str, Any], s: dict[str, Any]) -> Section:
    if not c["history"]:
        return Section("Training")
    alt = f"Training loss and validation accuracy of {s['baseline']} on {c['corpus']} by updates"
    note = (
        "Every network of a budget trains the same number of updates on a learning rate that falls to"
        " zero; the last weights are the model. Validation never picks an epoch."
    )
    return Section("Training", (note,), (), (Picture("history", alt),))


def _audit(c: dict[str, Any], s: dict[str, Any]) -> Section:
    found = [f for f in c["audit"]["findings"] if f["count"]]
    rows = tuple(
        (
            f["what"],
            f"{f['count']:,}",
            words.percent(f["count"] / f["of"]),
            " · ".join(f["examples"]),
        )
        for f in found
    )
    tables = (
        [Table("What the audit found", ("finding", "rows", "share", "examples"), rows)]
        if rows
        else []
    )
    clear = [f["what"] for f in c["audit"]["findings"] if not f["count"]]
    told = [f"Looked for and not found: {'; '.join(clear)}."] if clear else []
    overlap = c["audit"]["overlap"]
    if overlap["scores"]:
        shown = words.main_budgets(overlap["scores"])
        lines = tuple(
            (x["arm"], f"{x['n']:,}", words.percent(x["all"]), words.percent(x["without"]),
             words.signed(x["without"] - x["all"]))
            for x in overlap["scores"]
            if x["n"] in shown and c["arms"][x["arm"]]["role"] in ("plain", "baseline", "strategy")
        )  # fmt: skip
        tables.append(
            Table(
                f"{words.metric(c, start=True)} without the {overlap['texts']:,} of {overlap['of']:,} test"
                " texts that the pool holds too, exactly or nearly",
                ("arm", "labels", "all test texts", "without them", "change, points"),
                lines,
            )
        )
    told += [
        _sharing(c["corpus"], pair) for pair in s["shared_texts"] if c["corpus"] in pair["corpora"]
    ]
    return Section("Corpus audit", tuple(told), tuple(tables))


def _sharing(corpus: str, pair: dict[str, Any]) -> str:
    here = pair["corpora"].index(corpus)
    other = pair["corpora"][1 - here]
    text = (
        f"Texts that also occur in {other}, compared by their letters: {pair['texts']:,}"
        f" ({words.percent(pair['share'])} of the smaller corpus), among them"
        f" {pair['test_in_other'][here]:,} test texts of {corpus}."
    )
    if pair["other_class"]:
        text += f" {pair['other_class']:,} of them have another class there."
    if pair["same_family"]:
        return f"{text} The two are one family: they are no independent evidence."
    if pair["share"] > MANY:
        text += " The two are named as different families and are hardly independent."
    return text


def _card(c: dict[str, Any]) -> Section:
    rows = tuple((k, v) for k, v in _flat(c["card"]) if k != "corpus")
    return Section("Corpus card", (), (Table(f"What {c['corpus']} is", ("", "value"), rows),))


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        return [(prefix, f"{value:,}" if isinstance(value, int) else str(value))]
    out = []
    for k, v in value.items():
        out += _flat(v, f"{prefix}: {k}" if prefix else str(k))
    return out


def _missing(c: dict[str, Any]) -> Section:
    rows = tuple(
        (m["arm"], f"{m['n']:,}", str(m["draw"]), str(m["seed"]), m["error"]) for m in c["missing"]
    )
    table = Table("Cells that failed", ("arm", "labels", "draw", "seed", "error"), rows)
    return Section("What was not done", tuple(c["notices"]), (table,) if rows else ())


def limits(s: dict[str, Any]) -> list[str]:
    """What a reader must not conclude."""
    out = [
        f"Every statement is about {words.listed([c['corpus'] for c in s['corpora']])} and these"
        " settings.",
        *tuning.limits(s),
        "Multipliers and label counts are read off measured curves only; nothing is extrapolated.",
        "The time that the data stages took to rewrite texts is not in the cells' preparation time.",
    ]
    if s["draws"] < 5:
        out.append(
            f"With {s['draws']} draws intervals are wide; more draws in params.yaml narrow them."
        )
    return out
