"""Writes the model card of an exported model: what it does, how good it is, what limits it has."""

from collections.abc import Mapping
from typing import Any

from datayield.core.types import Settings
from datayield.models.outside_model import EXTRA

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
_USE = [
    "## Use",
    "",
    "```",
    "datayield predict FOLDER texts.txt          # a text per line; csv, tsv, jsonl, parquet too",
    "```",
    "",
    "`model.safetensors` holds the weights, `config.json` everything else (classes, vocabulary,"
    " settings, scores, versions, checksums). Nothing is unpickled.",
    "",
]


def text_of(config: Mapping[str, Any]) -> str:
    """Return README.md of an exported model, from its configuration."""
    return "\n".join([*_head(config), *_scores(config), *_USE, *_limits(config)]) + "\n"


def _head(c: Mapping[str, Any]) -> list[str]:
    engine = [f"{k} {v}" for k, v in c["versions"].items()]
    return [
        f"# {c['study']}: {c['corpus']}, {c['arm']}",
        "",
        f"Labels a text with one of {len(c['classes'])} classes: {_classes(c['classes'])}.",
        "",
        f"Trained by datayield on **{c['n']} labels** of the corpus `{c['corpus']}`, of"
        f" which {c['n_train']} train it. Arm `{c['arm']}`, draw {c['draw']}, seed {c['seed']},"
        f" cell `{c['cell']}`. Licence of the data, as stated with the corpus: {c['licence']}.",
        "",
        *_members(c),
        *_outside(c),
        f"Made with {', '.join(engine)}.",
        "",
    ]


def _members(c: Mapping[str, Any]) -> list[str]:
    """Say of a blend what it averages."""
    if "members" not in c:
        return []
    named = [f"`{m['arm']}` (seed {m['seed']})" for m in c["members"]]
    how = "a product, with fitted exponents," if c["exponents"] else "the mean"
    return [f"Its probabilities are {how} of {len(named)} models: {', '.join(named)}.", ""]


def _outside(c: Mapping[str, Any]) -> list[str]:
    """Name the models that have read other text, without which the model cannot read a text."""
    every = [c["settings"], *(m["settings"] for m in c.get("members", ()))]
    names = sorted({s["outside"]["model"] for s in every if "outside" in s})
    if not names:
        return []
    return [f"It reads texts through {_classes(names)}, which has read other text: {EXTRA}.", ""]


def _classes(classes: list[str]) -> str:
    """Return class names as code; quotes and line breaks in them cannot end the code."""
    clean = (" ".join(name.replace("`", "'").split()) for name in classes)
    return ", ".join(f"`{name}`" for name in clean)


def _scores(c: Mapping[str, Any]) -> list[str]:
    chosen, test = c["choice"], c["scores"]
    metric = chosen["metric"].removeprefix("validation_")
    return [
        "## Scores",
        "",
        "| | accuracy | macro-F1 |",
        "|---|---|---|",
        f"| test ({c['test_size']} texts) | {test['accuracy']:.4f} | {test['macro_f1']:.4f} |",
        f"| held out, by other trainings ({c['n_validation']} texts) | {_score(test['validation_accuracy'])} |"
        f" {_score(test['validation_macro_f1'])} |",
        "",
        f"- Chosen for the highest validation {NAMES[metric]}, {chosen['score']:.4f}, among"
        f" {chosen['cells']} cells of {chosen['arms']} arms with {c['n']} labels. The highest of many is"
        " too high by chance: do not quote it.",
        "- The test set took no part in the choice. It stands only for texts like those of the corpus.",
        f"- Mean test {NAMES[metric]} of all {chosen['arm_cells']} cells of this arm at {c['n']} labels:"
        f" {chosen['arm_mean_test']:.4f}. Always naming the most frequent class is right for"
        f" {c['majority_share']:.4f} of the test texts.",
        "- Training this cell again gave every test prediction and every score again before this folder"
        " was written.",
        "",
    ]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _limits(c: Mapping[str, Any]) -> list[str]:
    trained = c.get("members", [c])
    networks = [m["settings"]["model"] for m in trained if "model" in m["settings"]]
    longest = max((Settings.from_dict(m).tokens_read for m in networks), default=None)
    lines = ["## Limits", ""]
    lines.append(
        "- It always names one of its classes, also for a text that belongs to none of them."
    )
    if longest is not None:
        lines.append(f"- It reads the first {longest} tokens of a text and not the rest.")
    lines.append(
        "- It ignores words that its training texts do not hold: in another language nearly all words."
    )
    lines.append(
        "- Its scores are margins, not probabilities: only their order has a meaning."
        if c["output"] == "margin"
        else "- Its probabilities are not calibrated: 0.9 need not be right nine times in ten."
    )
    lines.append("- It has learnt the mistakes in the labels of the corpus.")
    return lines
