"""Takes a network apart into arrays, and builds its prediction function from them again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import ModelArrays, Settings

if TYPE_CHECKING:
    from datayield.models.linear import Predict

NETWORK = "network"


def network_parts(model: Any, words: tuple[str, ...]) -> ModelArrays:
    """Return the parameters of a `Classifier` with its vocabulary, as arrays."""
    from datayield.models.device import array

    arrays = {name: array(p) for name, p in model.named_parameters()}
    if model.frequency is not None:
        arrays["frequency"] = array(model.frequency)
    return ModelArrays(NETWORK, words, arrays)


def reader(
    parts: ModelArrays, settings: Mapping[str, Any], classes: int, where: tuple[str, str]
) -> "Predict":
    """Return the prediction function of the network that `network_parts` took apart."""
    import torch

    from datayield.models import device
    from datayield.models.classifier import Classifier, probabilities
    from datayield.models.encoding import Vocabulary, encode

    device.configure(*where)
    vocabulary = Vocabulary.listed(parts.words)
    trained_with = Settings.from_dict(settings)
    if not 1 <= trained_with.layers <= len(parts.arrays):
        raise ValueError(f"{trained_with.layers} layers in {len(parts.arrays)} arrays")
    with torch.device("meta"):  # takes no memory, whatever sizes damaged settings name
        empty = Classifier(trained_with, len(vocabulary), classes).named_parameters()
        expected = {name: tuple(p.shape) for name, p in empty}
    shapes = {name: a.shape for name, a in parts.arrays.items()}
    if "frequency" in shapes:  # of networks with normalised embeddings
        expected["frequency"] = (len(vocabulary),)
    if shapes != expected:
        raise ValueError("names or shapes of the arrays differ from those that the settings give")
    model = Classifier(trained_with, len(vocabulary), classes)
    state = {k: device.tensor(v) for k, v in parts.arrays.items() if k != "frequency"}
    model.load_state_dict(state)
    if "frequency" in parts.arrays:
        model.frequency = device.tensor(parts.arrays["frequency"])
    model.requires_grad_(False).eval()

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return probabilities(model, encode(texts, vocabulary, model.settings.max_tokens))

    return predict
