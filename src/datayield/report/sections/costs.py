"""Writes the sections on cost, training, audit, the corpus card and failed cells."""

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.text_statements import SharedTexts
from datayield.report import wording
from datayield.report.section import Picture, Section, Table

MANY = 0.01  # share of common texts from which on two corpora are hardly independent


def costs(c: CorpusStatistics) -> Section:
    """Show the mean cost of every arm at the largest budget that most share."""
    largest = max(wording.main_budgets(c.costs), default=0)
    scores = {(x.arm, x.n): x.score.estimate for x in c.scores}
    rows = tuple(
        (
            k.arm, f"{k.n:,}", wording.percent(scores[k.arm, k.n]),
            wording.number(k.examples, 0), wording.number(k.unlabelled, 0),
            wording.number(k.updates, 0), wording.number(k.tokens, 0),
            wording.number(k.helper_fits, 0), wording.number(k.pretrain_seconds, 1),
            wording.number(k.amortised_pretrain_seconds, 1),
            wording.number(k.prepare_seconds, 2),
            wording.number(k.train_seconds, 2), wording.number(k.inference_seconds, 2),
            wording.number(k.peak_memory_mib, 0), wording.number(k.parameters, 0),
        )
        for k in c.costs
        if k.n == largest
    )  # fmt: skip
    head = (
        "arm", "labels", wording.metric(c.metric), "examples", "unlabelled texts", "updates", "tokens",
        "helper fits", "language model, s", "shared, s", "prepare, s", "train, s", "inference, s",
        "peak MiB", "parameters",
    )  # fmt: skip
    note = (
        "Means per cell. Updates, tokens and training seconds are those of the scored model; inference is the"
        " whole test set; times were taken with one thread per worker while other workers ran. A language"
        " model of the pool is counted in full (tokens and seconds) and shared among the cells that used it. Other"
        " budgets are in tables/costs.csv."
    )
    return Section(
        "Cost",
        (note,),
        (Table(f"What each arm cost at {largest:,} labels", head, rows, csv="costs"),),
    )


def architectures(c: CorpusStatistics) -> Section:
    """Show the article's comparison of architectures."""
    if not c.architectures:
        return Section("LSTM, LSTM-64, LSTM-256, GRU")
    rows = tuple(
        (
            a.architecture, f"{a.n:,}",
            f"{'bidirectional ' if a.bidirectional else ''}{a.cell.upper()} {a.hidden} × {a.layers}",
            str(a.embedding), wording.number(a.parameters, 0), wording.number(a.train_seconds, 1),
            wording.number(a.inference_seconds, 2), f"{a.inference_ms_per_text:.2f}",
            wording.score(a.accuracy), wording.score(a.macro_f1),
        )
        for a in c.architectures
    )  # fmt: skip
    head = (
        "architecture", "labels", "layers", "embedding", "parameters", "training time, s",
        "test time, s", "test time per text, ms", "accuracy", "macro-F1",
    )  # fmt: skip
    caption = "The article's comparison: training time, test time, embedding, accuracy"
    copies = [f"{a.architecture} and {a.same_as} at {a.n:,}" for a in c.architectures if a.same_as]
    same = (
        f"The same network, trained twice: {wording.listed(copies)} labels; their times differ by noise."
        if copies
        else ""
    )
    notes = (same,) if same else ()
    return Section(
        "LSTM, LSTM-64, LSTM-256, GRU", notes, (Table(caption, head, rows, csv="architectures"),)
    )


def history(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show how the baseline trained."""
    if not c.history:
        return Section("Training")
    alt = f"Training loss and validation accuracy of {s.baseline} on {c.corpus} by updates"
    note = (
        "Every network of a budget trains the same number of updates on a learning rate that falls to"
        " zero; the last weights are the model. Validation never picks an epoch."
    )
    return Section("Training", (note,), (), (Picture("history", alt),))


def audit(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show the findings of the audit, and their effect on the scores."""
    found = [f for f in c.findings if f.count]
    head = ("finding", "rows", "share", *(("examples",) if s.texts == "shown" else ()))
    rows = tuple(
        (
            f.what,
            f"{f.count:,}",
            wording.percent(f.count / f.of),
            " · ".join(f.examples),
        )[: len(head)]
        for f in found
    )
    tables = [Table("What the audit found", head, rows, stacks=True)] if rows else []
    clear = [f.what for f in c.findings if not f.count]
    paragraphs = [f"Looked for and not found: {'; '.join(clear)}."] if clear else []
    overlap = c.overlap
    if overlap.scores:
        budgets = wording.main_budgets(overlap.scores)
        lines = tuple(
            (x.arm, f"{x.n:,}", wording.percent(x.all), wording.percent(x.without),
             wording.signed(x.without - x.all))
            for x in overlap.scores
            if x.n in budgets and c.arms[x.arm].role in ("plain", "baseline", "strategy")
        )  # fmt: skip
        tables.append(
            Table(
                f"{wording.metric(c.metric, start=True)} without the {overlap.texts:,} of {overlap.of:,} test"
                " texts that the pool also holds, exactly or nearly",
                ("arm", "labels", "all test texts", "without them", "change, points"),
                lines,
            )
        )
    paragraphs += [_sharing(c.corpus, pair) for pair in s.shared_texts if c.corpus in pair.corpora]
    return Section("Corpus audit", tuple(paragraphs), tuple(tables))


def _sharing(corpus: str, pair: SharedTexts) -> str:
    here = pair.corpora.index(corpus)
    other = pair.corpora[1 - here]
    text = (
        f"Texts that also occur in {other}, compared by their letters: {pair.texts:,}"
        f" ({wording.percent(pair.share)} of the smaller corpus), among them"
        f" {pair.test_in_other[here]:,} test texts of {corpus}."
    )
    if pair.other_class:
        text += f" {pair.other_class:,} of them have another class there."
    if pair.same_family:
        return f"{text} The two are one family: they are no independent evidence."
    if pair.share > MANY:
        text += " The two are named as different families and are hardly independent."
    return text


def card(c: CorpusStatistics) -> Section:
    """Show every field of the corpus card."""
    rows = tuple((k, f"{v:,}" if isinstance(v, int) else v) for k, v in c.card if k != "corpus")
    return Section("Corpus card", (), (Table(f"What {c.corpus} is", ("field", "value"), rows),))


def missing(c: CorpusStatistics) -> Section:
    """Show notices and failed cells."""
    rows = tuple((m.arm, f"{m.n:,}", str(m.draw), str(m.seed), m.error) for m in c.missing)
    table = Table("Cells that failed", ("arm", "labels", "draw", "seed", "error"), rows)
    return Section("What was not done", tuple(c.notices), (table,) if rows else ())
