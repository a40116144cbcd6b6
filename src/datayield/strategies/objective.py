"""How each example counts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from datayield.strategies.base import Knob, Strategy

if TYPE_CHECKING:
    import torch

    from datayield.encode import Batch
    from datayield.model import Classifier


def mixup_word(alpha: float = 1.0) -> Strategy:
    """Train on mixtures of two texts' word embeddings, padded to the longer of the two.

    loss = m CE(y_i) + (1 - m) CE(y_j), m ~ Beta(alpha, alpha), one m per pair.

    Args:
        alpha: > 0; 1 is the source's uniform mixing, smaller values mix less.
    """

    def objective(
        model: "Classifier",
        batch: "Batch",
        unlabelled: "Sequence[Batch]",
        carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":
        import torch  # here, so that listing strategies does not load it

        pairs = torch.from_numpy(rng.permutation(len(batch.lengths)))
        share = torch.from_numpy(rng.beta(alpha, alpha, len(pairs)).astype(np.float32))[:, None]
        embedded = model.embed(batch.ids, batch.lengths)
        mixed = share[:, :, None] * embedded + (1 - share[:, :, None]) * embedded[pairs]
        lengths = torch.maximum(batch.lengths, batch.lengths[pairs])  # union of the masks
        logs = model.head(model.encode(mixed, lengths)).log_softmax(1)
        targets = share * batch.targets + (1 - share) * batch.targets[pairs]
        return -(targets * logs).sum(1), carry

    return Strategy(
        "mixup_word",
        "trains on mixtures of two texts' word embeddings and labels",
        objective=objective,
        space=(Knob("alpha", 0.1, 1.0, log=True),),
        source="Guo et al. 2019, arXiv 1905.08941",
    )
