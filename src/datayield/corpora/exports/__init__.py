"""Lists the exports of labelling tools: how each is recognised, and which columns its rows have.

A further tool is one file with one `Tool`, and its place in TOOLS.
"""

from collections.abc import Sequence

from datayield.corpora.exports import argilla, doccano, fasttext, label_studio, prodigy, spacy
from datayield.corpora.exports.tool import Fields, Tool

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        label_studio.TASKS,
        argilla.RECORDS,
        prodigy.ANSWERS,
        spacy.CATS,
        doccano.LABELS,
        fasttext.LINES,
    )
}


def recognised(rows: Sequence[Fields]) -> str | None:
    """Return the name of the tool whose export the first rows of a file are; None: of no tool."""
    return next((name for name, tool in TOOLS.items() if rows and tool.recognises(rows)), None)
