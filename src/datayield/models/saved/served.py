"""Answers for MLflow with an exported model; MLflow loads registered models by `_load_pyfunc`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datayield.models.saved.format import Model, load

if TYPE_CHECKING:
    import pandas as pd


class Served:
    """The model as MLflow calls it: a table with a column "text" -> label and one column per class."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: "pd.DataFrame", params: object = None) -> "pd.DataFrame":
        """Return label and scores of every row, in order; a missing text has neither (None)."""
        import pandas as pd

        given = np.flatnonzero(model_input["text"].notna())
        scores = np.full((len(model_input), len(self.model.classes)), np.nan)
        scores[given] = self.model.scores([str(model_input["text"].iloc[i]) for i in given])
        labels = np.full(len(scores), None, object)
        labels[given] = [self.model.classes[i] for i in scores[given].argmax(1)]
        columns = columns_of(self.model.config)
        values = {c: scores[:, i] for i, c in enumerate(columns[1:])}
        answer = pd.DataFrame({columns[0]: pd.Series(labels, dtype=object), **values})
        if len(given) == len(answer):
            return answer
        return answer.astype(object).where(answer.notna(), None)  # JSON has null, and no NaN


def columns_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of a served model's answer: label, then one per class."""
    return ("label", *(f"{config['output']}({c})" for c in config["classes"]))


def _load_pyfunc(path: str) -> Served:
    return Served(load(Path(path)))
