"""Writes and reads exported models: folders of safetensors and JSON, from which nothing is unpickled.

A model is one network or simple baseline, or a blend: several of them, whose probabilities are pooled.
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

from datayield import __version__
from datayield.core import files
from datayield.core.arm import BLEND
from datayield.core.errors import UserError
from datayield.core.types import ModelArrays
from datayield.models import pooling
from datayield.models.saved import saved_network
from datayield.models.settings import ENCODER_TOKENS, OUTSIDE, OUTSIDE_TABLES
from datayield.text import tokens

if TYPE_CHECKING:
    from datayield.models.linear import Predict
    from datayield.models.outside_model import OutsideModel
    from datayield.models.token_states import StatesOf

FORMAT = 3  # version of the folder's format; raised when older versions of datayield cannot read it
READABLE = (1, 2, 3)
FIRST_FORMATS = {"nbsvm": 2, "majority": 2, BLEND: 3}
"""Kind of a model whose arrays changed -> the first format with those of today."""
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
OUTPUTS = ("probability", "margin")
PROBE = ("a text", "")  # texts that every model scores when it is loaded, as a test
LOWEST = float(np.finfo(np.float32).min)  # stands for minus infinity, which JSON cannot hold


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded exported model.

    Attributes:
        config: the content of config.json.
        read: function of the bare model, texts -> (texts, classes).
        computes_on: device and precision that a network computes with here; None for linear
            baselines.
        notice: one sentence if these differ from the device and precision of the cell; else "".
    """

    config: Mapping[str, Any]
    read: "Predict"
    computes_on: tuple[str, str] | None
    notice: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of `scores`."""
        return tuple(self.config["classes"])

    @property
    def output(self) -> str:
        """The kind of the scores: "probability" or "margin"."""
        return str(self.config["output"])

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return probabilities, or margins if the model has none: (texts, classes), all finite."""
        if not len(texts):
            return np.empty((0, len(self.classes)), np.float32)
        if self.computes_on is not None:
            from datayield.models import device

            device.configure(*self.computes_on)  # for this thread: a server answers in many
        return np.maximum(self.read(texts), np.float32(LOWEST))


def written(parts: Sequence[ModelArrays], config: Mapping[str, Any], card: str) -> dict[str, bytes]:
    """Return the content of the folder's files, by name.

    Args:
        parts: vocabulary and arrays: of the model, or of every member of a blend.
        config: description of the model, only JSON values, with one entry of `members` for each member
            of a blend; the tokeniser, the vocabularies, the format and the checksums are added here.
        card: the model card.
    """
    blended = config["kind"] == BLEND
    names = [member_file(k) for k in range(len(parts))] if blended else [WEIGHTS]
    weights = {
        name: save_arrays({k: np.ascontiguousarray(v) for k, v in p.arrays.items()})
        for name, p in zip(names, parts, strict=True)
    }
    words = [list(p.words) for p in parts]
    body = {**config, "tokeniser": tokens.TOKENISER, "vocabulary": [] if blended else words[0]}
    if blended:
        members = zip(config["members"], words, strict=True)
        body["members"] = [{**m, "vocabulary": w} for m, w in members]
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()}
    head = {
        "made_by": "datayield",
        "format": FORMAT,
        "sha256": {**sums, "this": files.digest(body)},
    }
    content = json.dumps({**head, **body}, indent=1, ensure_ascii=False) + "\n"
    return {**weights, CONFIG: content.encode(), CARD: card.encode()}


def member_file(k: int) -> str:
    """Return the name of the file with the weights of the k-th member of a blend, from 0."""
    return f"member-{k + 1}.safetensors"


def load(folder: Path) -> Model:
    """Load an exported model.

    Raises:
        UserError: if the folder is not an exported model, is damaged or has another format.
    """
    config = read_config(folder)
    weights = {name: _weights(folder / name, config) for name in _weight_files(config)}
    try:
        classes = len(config["classes"])
        if config["kind"] == BLEND:
            described = [{**config, "output": "probability", **m} for m in config["members"]]
            pairs = zip(described, weights.values(), strict=True)
            model = _blended(config, [_model(c, content) for c, content in pairs])
        else:
            model = _model(config, weights[WEIGHTS])
        shape = model.scores(PROBE).shape
        if shape != (len(PROBE), classes):
            raise ValueError(f"scores have the shape {shape} for {classes} classes")
        return model
    except UserError:
        raise
    # Damaged or hostile parts raise many kinds of errors in torch, numpy and scikit-learn.
    except Exception as e:
        reason = " ".join(str(e).split())[:200]
        raise _damaged(
            folder, f"its parts do not fit each other ({type(e).__name__}: {reason})"
        ) from e


def _weight_files(config: Mapping[str, Any]) -> list[str]:
    if config["kind"] != BLEND:
        return [WEIGHTS]
    return [member_file(k) for k in range(len(config["members"]))]


def _weights(path: Path, config: Mapping[str, Any]) -> bytes:
    """Read a file of weights and compare its checksum."""
    try:
        content = path.read_bytes()
    except OSError as e:
        raise _damaged(path, e.strerror or str(e)) from e
    if hashlib.sha256(content).hexdigest() != config["sha256"].get(path.name):
        raise _damaged(path, "its sha256 is not the one that config.json names")
    return content


def _model(config: Mapping[str, Any], weights: bytes) -> Model:
    """Build a network or a simple baseline from its arrays."""
    parts = ModelArrays(config["kind"], tuple(config["vocabulary"]), load_arrays(weights))
    classes = len(config["classes"])
    if any(np.isnan(a).any() for a in parts.arrays.values()):
        raise ValueError("an array holds NaN")
    if parts.kind == saved_network.NETWORK:
        where, notice = _where(config["identity"])
        read = saved_network.reader(
            parts, config["settings"]["model"], classes, where, _states_of(config)
        )
        return Model(config, read, where, notice)
    if parts.kind in OUTSIDE:
        return Model(config, _embedded(parts, config, classes), None)
    from datayield.models.linear import READERS

    return Model(config, READERS[parts.kind](parts, classes), None)


def _embedded(parts: ModelArrays, config: Mapping[str, Any], classes: int) -> "Predict":
    """Return the prediction function of a model on embeddings, with the model from outside that made them."""
    from datayield.models import embedded

    return embedded.read_embedded(parts, classes, _outside_model(config, parts.kind).embed)


def _states_of(config: Mapping[str, Any]) -> "StatesOf | None":
    """Return what makes the token states that a network reads; None for one that reads words."""
    if ENCODER_TOKENS not in config["identity"].get("precomputed", {}):
        return None
    from datayield.models.token_states import TokenStates

    token_states = _outside_model(config, ENCODER_TOKENS).token_states
    if token_states is None:
        raise ValueError("the model from outside has no token states")
    return lambda texts: TokenStates.of(texts, *token_states(texts))


def _outside_model(config: Mapping[str, Any], table: str) -> "OutsideModel":
    """Open the model from outside whose table an exported model was trained on.

    Raises:
        UserError: it cannot be opened, or is another one here.
    """
    from datayield.models import outside

    model = outside.open_model(OUTSIDE_TABLES[table], config["settings"]["outside"]["model"])
    made = files.digest([model.digest, config["data_digest"]])[:32]
    if made != config["identity"]["precomputed"][table]:
        raise UserError(
            f"{OUTSIDE_TABLES[table]} {model.name} is another one here than where the model was trained."
            " Install the version that the model's README.md names, or export the model again."
        )
    return model


def _blended(config: Mapping[str, Any], members: Sequence[Model]) -> Model:
    """Build a blend, whose members' probabilities are rounded as a study stores them."""
    counts, exponents = config["counts"], config["exponents"]
    if sum(counts) != len(members) or (exponents and len(exponents) != len(counts)):
        raise ValueError("counts, exponents and members differ in number")

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        each = [m.scores(texts).astype(np.float16).astype(np.float64) for m in members]
        parts = [group.mean(0) for group in np.split(np.asarray(each), np.cumsum(counts)[:-1])]
        pooled = pooling.product(parts, exponents) if exponents else pooling.mean(parts)
        return pooled.astype(np.float32)

    return Model(config, read, None, next((m.notice for m in members if m.notice), ""))


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check config.json of an exported model.

    Raises:
        UserError: if the folder is not an exported model, is damaged or has another format.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(
            f"{folder} is not an exported model: wanted a folder with {CONFIG}, as"
            " `datayield export` writes it"
        ) from e
    except OSError as e:
        raise UserError(f"{path} cannot be read: {e.strerror}") from e
    except ValueError as e:
        raise _damaged(path, f"it is not JSON: {e}") from e
    if not isinstance(config, dict) or config.get("made_by") != "datayield":
        raise UserError(f"{path} was not written by `datayield export`. Name a folder that was.")
    if config.get("format") not in READABLE:
        raise _other_format(path, config, f"format {FORMAT}")
    sums = config.get("sha256")
    body = {k: v for k, v in config.items() if k not in ("made_by", "format", "sha256")}
    if not isinstance(sums, dict) or sums.get("this") != files.digest(body):
        raise _damaged(path, "its checksum does not fit its content")
    wrong = [k for k, fits in _FORM.items() if not fits(config.get(k))]
    if config.get("kind") == BLEND and not _members_fit(config.get("members")):
        wrong.append("members")
    if wrong:
        raise _damaged(path, f"these entries are missing or wrong: {', '.join(wrong)}")
    if config["format"] < (needed := FIRST_FORMATS.get(config["kind"], 1)):
        raise _other_format(path, config, f"{config['kind']} from format {needed} on")
    if config["tokeniser"] != tokens.TOKENISER:
        raise UserError(
            f"{folder} was made with tokeniser {config['tokeniser']}; datayield {__version__} has"
            f" {tokens.TOKENISER}, which splits texts differently. Export the model again."
        )
    return config


def content_digest(config: Mapping[str, Any]) -> str:
    """Return the digest of what a model is: its cell, and everything that its predictions depend on.

    Two exports of one cell are equal in it, whatever arms the model was chosen among.

    Args:
        config: the content of config.json, as `read_config` returns it.
    """
    sums = {k: v for k, v in config["sha256"].items() if k != "this"}
    weights = sums.get(WEIGHTS, sums)
    return files.digest({"weights": weights, **{k: config[k] for k in _CONTENT}})


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value)


_CONTENT = ("kind", "output", "classes", "tokeniser", "vocabulary", "settings", "cell")

_FORM: dict[str, Callable[[Any], bool]] = {
    "tokeniser": lambda x: isinstance(x, int),
    "kind": lambda x: isinstance(x, str),
    "output": lambda x: x in OUTPUTS,
    "classes": lambda x: _texts(x) and 2 <= len(x) == len(set(x)),
    "vocabulary": _texts,
    "settings": lambda x: isinstance(x, dict),
    "identity": lambda x: isinstance(x, dict),
}

_MEMBER_FORM = {k: _FORM[k] for k in ("kind", "vocabulary", "settings", "identity")}
"""Key of config.json -> function that tells whether its value is legal."""


def _members_fit(members: object) -> bool:
    return isinstance(members, list) and all(
        isinstance(m, dict) and all(fits(m.get(k)) for k, fits in _MEMBER_FORM.items())
        for m in members
    )


def _other_format(path: Path, config: Mapping[str, Any], readable: str) -> UserError:
    versions = config.get("versions")
    maker = versions.get("datayield") if isinstance(versions, dict) else None
    return UserError(
        f"{path} has format {config.get('format')!r:.20}; datayield {__version__} reads {readable}. Use"
        f" datayield {maker or 'in the version that wrote it'}, or export the model again."
    )


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}. Copy it again, or run `datayield export` again.")


def _where(identity: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    """Return device and precision of the cell, or the nearest of this machine with a notice."""
    from datayield.models import device

    trained = str(identity["device"]), str(identity["precision"])
    for here in (trained, (trained[0], "fp32"), ("cpu", trained[1])):
        try:
            device.check(*here)
        except UserError:
            continue
        break
    else:
        here = "cpu", "fp32"
    if here == trained:
        return here, ""
    return here, (
        f"the model was trained on {trained[0]} in {trained[1]}; here it computes on {here[0]} in {here[1]}:"
        " probabilities may differ in their last digits"
    )
