"""Defines what a strategy may read of a model that learnt from the texts of the pool."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class LanguageModel(Protocol):
    """A language model of the pool's texts; see datayield.models.pretraining."""

    @property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """The parameters of embedding and first recurrent layer, by name."""

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, special words first."""

    def infill(
        self, lines: Sequence[Sequence[str]], drawn: Sequence[Mapping[int, float]]
    ) -> list[list[str]]:
        """Return the texts with the words at some places replaced by words drawn from the model.

        Args:
            lines: the words of each text.
            drawn: per text, place -> a number in [0, 1) that decides the new word.
        """


class TopicModel(Protocol):
    """A topic model of the pool's texts; see datayield.models.topic_model."""

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """The parameters of its encoder, by a classifier's names."""

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, special words first."""
