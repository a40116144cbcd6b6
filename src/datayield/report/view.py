"""statistics → sections of text, tables and figures, in the order in which a reader decides."""

from typing import Any

from datayield.report import account, across, advice, answer, beyond, effects, texts, tuning, words
from datayield.report.section import Section

overview = across.overview
first_screen = advice.first_screen


def sections(c: dict[str, Any], s: dict[str, Any]) -> list[Section]:
    """The report of one corpus, in the order of DESIGN §9; empty sections are left out."""
    found = [
        Section("The answer", tuple(answer.sentences(c, s))),
        advice.recommendation(c, s),
        effects.curves(c, s),
        effects.multipliers(c),
        beyond.next_labels(c),
        effects.differences(c),
        effects.interactions(c),
        effects.against_controls(c, s),
        effects.checks(c, s),
        account.costs(c),
        account.architectures(c),
        tuning.section(c, s),
        account.history(c, s),
        texts.section(c, s),
        account.audit(c, s),
        beyond.extrapolation(c, s),
        account.missing(c),
        account.card(c),
    ]
    return [x for x in found if x.paragraphs or x.tables or x.pictures]


def limits(s: dict[str, Any]) -> list[str]:
    """What a reader must not conclude."""
    out = [
        f"Every statement is about {words.listed([c['corpus'] for c in s['corpora']])} and these"
        " settings.",
        *tuning.limits(s),
        "Multipliers and label counts are read off measured curves only; what is said beyond them are"
        " one-sided bounds, marked as such.",
        "The time that the data stages took to rewrite texts is not in the cells' preparation time.",
    ]
    if s["draws"] < 5:
        out.append(
            f"With {s['draws']} draws intervals are wide; more draws in params.yaml narrow them."
        )
    return out
