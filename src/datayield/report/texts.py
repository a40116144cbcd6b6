"""The data map and the hardest texts: where labels are probably wrong, where the arms are unsure."""

from typing import Any

from datayield.report import words
from datayield.report.section import Picture, Section, Table


def section(c: dict[str, Any], s: dict[str, Any]) -> Section:
    """The map in words and as a figure, three lists of texts in a fold."""
    m, lists = c["map"], c["hardest"]
    paragraphs = [*_map(m), *_tested(c["tested"])]
    if s["texts"] == "hidden" and lists:
        paragraphs.append(
            "The texts themselves are hidden (analysis.texts); the numbers name their places in the"
            " corpus."
        )
    found = (
        _training(
            "not learnt", "Training texts that it did not learn: check their labels first", lists
        ),
        _training("ambiguous", "Training texts that it was least settled about", lists),
        _test(lists, len(c["classes"])),
    )
    tables = [table for table in found if table.rows]
    alt = (
        f"Data map of {c['corpus']}: texts by variability and confidence of {m['arm']}, colour and"
        " mark by how often the given label led"
    )
    pictures = (Picture("map", alt),) if m["draws"] else ()
    title = "The texts" if s["texts"] == "shown" else "The lists"
    return Section(
        "Data map and hardest texts", tuple(paragraphs), tuple(tables), pictures, fold=title
    )


def _map(m: dict[str, Any]) -> list[str]:
    if not m["draws"]:
        return [
            f"No data map: the {m['of']} draws of {m['arm']} at {m['n']:,} labels were computed before"
            " training dynamics were kept. They are kept of every cell computed from now on."
        ]
    part = "" if m["draws"] == m["of"] else f" (of {m['of']}; the others were computed before)"
    return [
        f"The map shows {m['texts']:,} training texts of {m['arm']} at {m['n']:,} labels, as"
        f" {m['draws']} draw{'' if m['draws'] == 1 else 's'}{part} met them: a text was presented"
        f" {m['presentations']:.0f} times (median). Confidence is the mean probability of its given"
        " label, variability the standard deviation, both measured when it was presented, before"
        " the update, with dropout.",
        f"The given label led every time for {words.percent(m['always'])} of the texts and never for"
        f" {words.percent(m['never'])}. Low confidence with low variability points to wrong labels;"
        " high variability to texts between classes.",
    ]


def _tested(t: dict[str, Any]) -> list[str]:
    if not t["arms"]:
        return []
    who = "of every one of the {arms} arms" if t["arms"] > 1 else "of the one arm"
    return [
        f"{t['all']:,} of {t['of']:,} test texts are wrong in most cells {who.format(**t)} compared at"
        f" {t['n']:,} labels (those better than the largest class, without controls and checks). Where"
        " several arms agree on another class, the test label may be wrong."
    ]


def _training(kind: str, caption: str, lists: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            _text(x), words.isolated(x["label"]), words.isolated(x["instead"]) or "–",
            f"{x['confidence']:.2f}", f"{x['variability']:.2f}",
            f"{words.share(x['correctness'])} of {x['presentations']:,}",
        )
        for x in lists
        if x["list"] == kind
    )  # fmt: skip
    head = (
        "text", "given label", "the model says instead", "confidence", "variability",
        "given label led",
    )  # fmt: skip
    return Table(caption, head, rows, stacks=True)


def _test(lists: list[dict[str, Any]], classes: int) -> Table:
    rows = tuple(
        (
            _text(x), words.isolated(x["label"]),
            words.isolated(x["instead"])
            + (f" ({words.share(x['agree'])} of the wrong answers)" if classes > 2 else ""),
            f"{x['arms_wrong']} of {x['arms']}", words.share(x["cells_wrong"]),
        )
        for x in lists
        if x["list"] == "test"
    )  # fmt: skip
    head = (
        "text",
        "given label",
        "the arms say instead",
        "arms wrong in most cells",
        "wrong cells",
    )
    return Table("Test texts that most arms get wrong", head, rows, stacks=True)


def _text(x: dict[str, Any]) -> str:
    return words.isolated(x["text"]) if "text" in x else f"{x['split']} text {x['id']:,}"
