"""What the arms cost and what the corpus is: accounts, training, audit, card, what failed."""

from typing import Any

from datayield.report import words
from datayield.report.section import Picture, Section, Table

MANY = 0.01  # share of common texts from which on two corpora are hardly independent


def costs(c: dict[str, Any]) -> Section:
    """Accounts per arm and budget."""
    shared = words.main_budgets(c["costs"])
    scores = {(x["arm"], x["n"]): x["score"]["estimate"] for x in c["scores"]}
    rows = tuple(
        (
            k["arm"], f"{k['n']:,}", words.percent(scores[k["arm"], k["n"]]),
            words.number(k["examples"], 0), words.number(k["unlabelled"], 0),
            words.number(k["updates"], 0), words.number(k["tokens"], 0),
            words.number(k["helper_fits"], 0), words.number(k["pretrain_seconds"], 1),
            words.number(k["amortised_pretrain_seconds"], 1),
            words.number(k["prepare_seconds"], 2),
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


def architectures(c: dict[str, Any]) -> Section:
    """The article's comparison."""
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


def history(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """How the baseline trained."""
    if not c["history"]:
        return Section("Training")
    alt = f"Training loss and validation accuracy of {s['baseline']} on {c['corpus']} by updates"
    note = (
        "Every network of a budget trains the same number of updates on a learning rate that falls to"
        " zero; the last weights are the model. Validation never picks an epoch."
    )
    return Section("Training", (note,), (), (Picture("history", alt),))


def audit(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """What the audit found, and what it means for the scores."""
    found = [f for f in c["audit"]["findings"] if f["count"]]
    head = ("finding", "rows", "share", *(("examples",) if s["texts"] == "shown" else ()))
    rows = tuple(
        (
            f["what"],
            f"{f['count']:,}",
            words.percent(f["count"] / f["of"]),
            " · ".join(f["examples"]),
        )[: len(head)]
        for f in found
    )
    tables = [Table("What the audit found", head, rows, stacks=True)] if rows else []
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


def card(c: dict[str, Any]) -> Section:
    """What the corpus is."""
    rows = tuple((k, v) for k, v in _flat(c["card"]) if k != "corpus")
    return Section("Corpus card", (), (Table(f"What {c['corpus']} is", ("field", "value"), rows),))


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        return [(prefix, f"{value:,}" if isinstance(value, int) else str(value))]
    out = []
    for k, v in value.items():
        out += _flat(v, f"{prefix}: {k}" if prefix else str(k))
    return out


def missing(c: dict[str, Any]) -> Section:
    """Notices and failed cells."""
    rows = tuple(
        (m["arm"], f"{m['n']:,}", str(m["draw"]), str(m["seed"]), m["error"]) for m in c["missing"]
    )
    table = Table("Cells that failed", ("arm", "labels", "draw", "seed", "error"), rows)
    return Section("What was not done", tuple(c["notices"]), (table,) if rows else ())
