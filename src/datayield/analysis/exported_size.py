"""Computes how large exported models are, from the numbers of trained parameters that rows hold."""

from collections.abc import Mapping
from typing import Any

from datayield.core.types import Settings

SINGLE, DOUBLE = 4, 8  # bytes of a number: in networks, in linear models
WORD, GRAM = 12, 15  # mean bytes of an entry of the vocabulary: of words, of words and word pairs
DESCRIPTION = 6_000  # bytes of config.json without its vocabulary, of the model card and of headers
GATES = {"lstm": 4, "gru": 3}


def exported_bytes(
    architecture: str, parameters: float, settings: Mapping[str, Any], classes: int
) -> float:
    """Return about how many bytes the folder of an exported model takes.

    The length of vocabulary entries is that of English words. The folder does not hold a model from outside.

    Args:
        architecture: that of an arm without members.
        parameters: its trained numbers.
        settings: those of the cell.
        classes: number of classes.
    """
    if "model" in settings:
        s = Settings.from_dict(settings["model"])
        words = max(0.0, parameters - _without_embedding(s, classes)) / s.embedding
        return (
            SINGLE * (parameters + words * s.normalised)  # with the share of every word
            + WORD * words
            + DESCRIPTION
        )
    vectors = 1 if classes == 2 else classes  # two classes have one vector of coefficients
    if architecture == "tfidf":
        grams = parameters / vectors  # but for one intercept
        return DOUBLE * (parameters + grams) + GRAM * grams + DESCRIPTION
    if architecture == "nbsvm":
        grams = parameters / vectors
        return DOUBLE * classes * grams + GRAM * grams + DESCRIPTION
    return DOUBLE * parameters + DESCRIPTION


def _without_embedding(s: Settings, classes: int) -> int:
    """Return the number of a network's parameters that do not grow with its vocabulary."""
    directions = 2 if s.bidirectional else 1
    wide = s.hidden * directions
    widths = [s.embedding] + [wide] * (s.layers - 1)
    recurrent = sum(directions * GATES[s.cell] * s.hidden * (w + s.hidden + 2) for w in widths)
    pooled = wide * (2 if s.pooling == "max_mean" else 1)
    return recurrent + (pooled + 1) * classes
