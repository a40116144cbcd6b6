"""Takes a network apart into arrays, and builds its prediction function from them again."""

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import ModelArrays, Settings

if TYPE_CHECKING:
    from datayield.models.classifier import Classifier
    from datayield.models.encoding import Vocabulary
    from datayield.models.linear import Predict
    from datayield.models.token_states import StatesOf

NETWORK = "network"


def network_parts(model: Any, words: tuple[str, ...]) -> ModelArrays:
    """Return the parameters of a `Classifier` with its vocabulary, as arrays."""
    from datayield.models.device import array

    arrays = {name: array(p) for name, p in model.named_parameters()}
    if model.frequency is not None:
        arrays["frequency"] = array(model.frequency)
    return ModelArrays(NETWORK, words, arrays)


def reader(
    parts: ModelArrays,
    settings: Mapping[str, Any],
    classes: int,
    where: tuple[str, str],
    states_of: "StatesOf | None" = None,
) -> "Predict":
    """Return the prediction function of the network that `network_parts` took apart.

    Args:
        parts: its vocabulary and arrays.
        settings: those that it was trained with.
        classes: number of classes.
        where: device and precision.
        states_of: texts -> the token states that it reads in place of words; None: it reads words.
    """
    import torch

    from datayield.models import device
    from datayield.models.classifier import Classifier
    from datayield.models.encoding import Vocabulary
    from datayield.models.token_states import StateLookup
    from datayield.models.topic_encoder import TopicEncoder

    device.configure(*where)
    vocabulary = Vocabulary.listed(parts.words)
    trained_with = Settings.from_dict(settings)
    if not 1 <= trained_with.layers <= len(parts.arrays):
        raise ValueError(f"{trained_with.layers} layers in {len(parts.arrays)} arrays")
    first = states_of([""]) if states_of else None

    def empty() -> Classifier:
        lookup = StateLookup(first, trained_with.embedding) if first else None
        features = TopicEncoder.like(parts.arrays, len(vocabulary))
        return Classifier(trained_with, len(vocabulary), classes, lookup, features)

    with torch.device("meta"):  # takes no memory, whatever sizes damaged settings name
        _check_arrays(parts, empty(), len(vocabulary))
    model = empty()
    state = {k: device.tensor(v) for k, v in parts.arrays.items() if k != "frequency"}
    model.load_state_dict(state)
    if "frequency" in parts.arrays:
        model.frequency = device.tensor(parts.arrays["frequency"])
    model.requires_grad_(False).eval()

    if states_of is None:
        return partial(_predict_from_words, model, vocabulary)
    return partial(_predict_from_states, model, Lock(), states_of)


def _check_arrays(parts: ModelArrays, model: "Classifier", words: int) -> None:
    """Raise ValueError if the arrays are not those of a network with this vocabulary size."""
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    if "frequency" in parts.arrays:  # of networks with normalised embeddings
        expected["frequency"] = (words,)
    if {name: a.shape for name, a in parts.arrays.items()} != expected:
        raise ValueError("names or shapes of the arrays differ from those that the settings give")


def _predict_from_words(
    model: "Classifier", vocabulary: "Vocabulary", texts: Sequence[str]
) -> NDArray[np.float32]:
    import torch

    from datayield.models.classifier import probabilities
    from datayield.models.encoding import encode

    with torch.inference_mode():
        return probabilities(model, encode(texts, vocabulary, model.settings.tokens_read))


def _predict_from_states(
    model: "Classifier", alone: Lock, states_of: "StatesOf", texts: Sequence[str]
) -> NDArray[np.float32]:
    """Predict texts; `alone` keeps the threads of a server apart, because the states belong to the model."""
    import torch

    from datayield.models.classifier import probabilities
    from datayield.models.token_states import StateLookup

    states = states_of(texts)
    with alone, torch.inference_mode():
        cast(StateLookup, model.embedding).states = states
        return probabilities(model, states.encode(texts, model.settings.tokens_read))
