"""Published scores, to stand beside ours where a study holds the same corpora."""

from typing import Any

import numpy as np

EDA_CORPORA = ("eda_sst2", "eda_cr", "eda_subj", "eda_trec", "eda_pc")
# Mean accuracy over the five corpora, by labels; "full" is every training text.
EDA_TABLE: tuple[tuple[str, dict[str, float]], ...] = (
    (
        "RNN with GloVe (Wei & Zou 2019)",
        {"500": 0.753, "2000": 0.837, "5000": 0.861, "full": 0.874},
    ),
    ("the same + EDA", {"500": 0.791, "2000": 0.844, "5000": 0.873, "full": 0.883}),
    (
        "CNN with GloVe (Wei & Zou 2019)",
        {"500": 0.786, "2000": 0.856, "5000": 0.877, "full": 0.883},
    ),
    ("the same + EDA", {"500": 0.807, "2000": 0.864, "5000": 0.883, "full": 0.888}),
)


def beside(corpora: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of (who, scores by labels): published, then the means of our arms; [] for other studies.

    An arm's mean counts only at budgets where all of the corpora have it.
    """
    by_name = {c["corpus"]: c for c in corpora}
    if not set(EDA_CORPORA) <= set(by_name):
        return []
    rows = [{"who": who, "ours": False, "scores": scores} for who, scores in EDA_TABLE]
    found: dict[tuple[str, int], list[float]] = {}
    for name in EDA_CORPORA:
        for s in by_name[name]["scores"]:
            found.setdefault((s["arm"], s["n"]), []).append(s["accuracy"]["estimate"])
    whole = {k: float(np.mean(v)) for k, v in found.items() if len(v) == len(EDA_CORPORA)}
    for arm in sorted({a for a, _ in whole}):
        rows.append(
            {
                "who": arm,
                "ours": True,
                "scores": {str(n): v for (a, n), v in whole.items() if a == arm},
            }
        )
    return rows
