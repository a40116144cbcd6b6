"""An exported model: a folder of safetensors and JSON that labels raw texts. Nothing is unpickled.

MLflow names this module as the loader of the models it registers (`_load_pyfunc`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from datayield import __version__, table, text
from datayield.errors import UserError
from datayield.types import Parts, Settings

if TYPE_CHECKING:
    import pandas as pd

    from datayield.linear import Predict

FORMAT = 1  # of the folder; raised when older versions of datayield cannot read it
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
NETWORK = "network"
OUTPUTS = ("probability", "margin")
PROBE = ("a text", "")  # that every model is asked about once when it is opened
LOWEST = float(np.finfo(np.float32).min)  # stands for minus infinity, which JSON has no word for


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model.

    Attributes:
        config: what config.json says.
        read: texts -> (texts, classes), by the bare model.
        place: device and precision that networks compute with here; None for linear baselines.
        notice: one sentence where these are not the cell's own; else "".
    """

    config: Mapping[str, Any]
    read: "Predict"
    place: tuple[str, str] | None
    notice: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of `scores`."""
        return tuple(self.config["classes"])

    @property
    def output(self) -> str:
        """What `scores` are: "probability" or "margin"."""
        return str(self.config["output"])

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities, or margins where the model has none: (texts, classes), all finite."""
        if not len(texts):
            return np.empty((0, len(self.classes)), np.float32)
        if self.place is not None:
            from datayield import place

            place.settle(*self.place)  # of this thread: a server answers in many
        return np.maximum(self.read(texts), np.float32(LOWEST))


def written(parts: Parts, config: Mapping[str, Any], card: str) -> dict[str, bytes]:
    """The files of the folder, by name; the configuration holds the checksum of each other part.

    Args:
        parts: vocabulary and arrays.
        config: what is known of the model, JSON values alone, without the keys set here.
        card: the text for people.
    """
    weights = save_arrays({k: np.ascontiguousarray(v) for k, v in parts.arrays.items()})
    body = {
        **config,
        "tokeniser": text.TOKENISER,
        "vocabulary": list(parts.words),
    }
    head = {
        "made_by": "datayield",
        "format": FORMAT,
        "sha256": {WEIGHTS: hashlib.sha256(weights).hexdigest(), "this": table.digest(body)},
    }
    told = json.dumps({**head, **body}, indent=1, ensure_ascii=False) + "\n"
    return {WEIGHTS: weights, CONFIG: told.encode(), CARD: card.encode()}


def load(folder: Path) -> Model:
    """The model of a folder that `written` filled.

    Raises:
        UserError: when the folder is none of ours, damaged, or of another version.
    """
    config = read_config(folder)
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as e:
        raise _damaged(folder / WEIGHTS, e.strerror or str(e)) from e
    if hashlib.sha256(weights).hexdigest() != config["sha256"][WEIGHTS]:
        raise _damaged(folder / WEIGHTS, "its sha256 is not the one that config.json names")
    try:
        parts = Parts(config["kind"], tuple(config["vocabulary"]), load_arrays(weights))
        classes = len(config["classes"])
        if any(np.isnan(a).any() for a in parts.arrays.values()):
            raise ValueError("some numbers are none")
        if parts.kind == NETWORK:
            where, notice = _where(config["identity"])
            read = _network(parts, config["settings"]["model"], classes, where)
            made = Model(config, read, where, notice)
        else:
            from datayield.linear import READERS

            made = Model(config, READERS[parts.kind](parts, classes), None)
        came = made.scores(PROBE).shape
        if came != (len(PROBE), classes):
            raise ValueError(f"scores of the shape {came} for {classes} classes")
        return made
    except UserError:
        raise
    except Exception as e:  # of hostile parts; torch, numpy and scikit-learn have many kinds
        told = " ".join(str(e).split())[:200]
        raise _damaged(
            folder, f"its parts do not fit each other ({type(e).__name__}: {told})"
        ) from e


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of an exported model, checked; errors as `load`."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(
            f"{folder} is no exported model: wanted a folder with {CONFIG}, as"
            " `datayield export` writes it"
        ) from e
    except OSError as e:
        raise UserError(f"{path} cannot be read: {e.strerror}") from e
    except ValueError as e:
        raise _damaged(path, f"it is not JSON: {e}") from e
    if not isinstance(config, dict) or config.get("made_by") != "datayield":
        raise UserError(f"{path} was not written by `datayield export`; name a folder that was")
    if config.get("format") != FORMAT:
        versions = config.get("versions")
        maker = versions.get("datayield") if isinstance(versions, dict) else None
        raise UserError(
            f"{path} has format {config.get('format')!r:.20}; datayield {__version__} reads format"
            f" {FORMAT}. Use datayield {maker or 'of that time'}, or export the model again."
        )
    sums = config.get("sha256")
    body = {k: v for k, v in config.items() if k not in ("made_by", "format", "sha256")}
    if not isinstance(sums, dict) or WEIGHTS not in sums or sums.get("this") != table.digest(body):
        raise _damaged(path, "its checksum does not fit its content")
    wrong = [k for k, fits in _FORM.items() if not fits(config.get(k))]
    if wrong:
        raise _damaged(path, f"it lacks a fitting {', '.join(wrong)}")
    if config["tokeniser"] != text.TOKENISER:
        raise UserError(
            f"{folder} was made with tokeniser {config['tokeniser']}; datayield {__version__} has"
            f" {text.TOKENISER} and would read texts otherwise. Export the model again."
        )
    return config


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value)


_FORM: dict[str, Callable[[Any], bool]] = {
    "tokeniser": lambda x: isinstance(x, int),
    "kind": lambda x: isinstance(x, str),
    "output": lambda x: x in OUTPUTS,
    "classes": lambda x: _texts(x) and 2 <= len(x) == len(set(x)),
    "vocabulary": _texts,
    "settings": lambda x: isinstance(x, dict),
    "identity": lambda x: isinstance(x, dict),
}
"""What the keys of config.json that are read here must be."""


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}. Copy it anew, or run `datayield export` again.")


def _where(identity: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    """Device and precision of the cell, or the nearest that this machine has, and a notice."""
    from datayield import place

    own = str(identity["device"]), str(identity["precision"])
    for here in (own, (own[0], "fp32"), ("cpu", own[1])):
        try:
            place.check(*here)
        except UserError:
            continue
        break
    else:
        here = "cpu", "fp32"
    if here == own:
        return own, ""
    return here, (
        f"the model was trained on {own[0]} in {own[1]}; here it computes on {here[0]} in {here[1]}:"
        " probabilities may differ in their last digits"
    )


def network_parts(model: Any, words: tuple[str, ...]) -> Parts:
    """The parts of a model.Classifier with its vocabulary."""
    from datayield.place import array

    arrays = {name: array(p) for name, p in model.named_parameters()}
    if model.frequency is not None:
        arrays["frequency"] = array(model.frequency)
    return Parts(NETWORK, words, arrays)


def _network(
    parts: Parts, settings: Mapping[str, Any], classes: int, where: tuple[str, str]
) -> "Predict":
    """The inverse of `network_parts`, as what predicts."""
    import torch

    from datayield import place
    from datayield.encode import Vocabulary, encode
    from datayield.model import Classifier, probabilities

    place.settle(*where)
    vocabulary = Vocabulary.listed(parts.words)
    own = Settings.of(settings)
    if not 1 <= own.layers <= len(parts.arrays):
        raise ValueError(f"{own.layers} layers in {len(parts.arrays)} arrays")
    with torch.device("meta"):  # takes no memory, whatever the settings say
        empty = Classifier(own, len(vocabulary), classes).named_parameters()
        wanted = {name: tuple(p.shape) for name, p in empty}
    found = {name: a.shape for name, a in parts.arrays.items()}
    size = (len(vocabulary),)
    if found.get("frequency") in (size, (*size, 1)):  # the latter in exports of earlier versions
        wanted["frequency"] = found["frequency"]
    if wanted != found:
        raise ValueError("the arrays have other names or shapes than the settings say")
    model = Classifier(own, len(vocabulary), classes)
    state = {k: place.tensor(v) for k, v in parts.arrays.items() if k != "frequency"}
    model.load_state_dict(state)
    if "frequency" in parts.arrays:
        model.frequency = place.tensor(parts.arrays["frequency"]).flatten()
    model.requires_grad_(False).eval()

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return probabilities(model, encode(texts, vocabulary, model.settings.max_tokens))

    return predict


class Served:
    """What MLflow calls: a table with a column "text" -> label and one column per class."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: "pd.DataFrame", params: object = None) -> "pd.DataFrame":
        """Label and scores of every row, in order."""
        import pandas as pd

        texts = [str(t) for t in model_input["text"]]
        scores = self.model.scores(texts)
        labels = [self.model.classes[i] for i in scores.argmax(1)]
        columns = columns_of(self.model.config)
        values = {c: scores[:, i].astype(np.float64) for i, c in enumerate(columns[1:])}
        return pd.DataFrame({columns[0]: pd.Series(labels, dtype=object), **values})


def columns_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a served model answers with: label, then one per class."""
    return ("label", *(f"{config['output']}({c})" for c in config["classes"]))


def _load_pyfunc(path: str) -> Served:
    return Served(load(Path(path)))
