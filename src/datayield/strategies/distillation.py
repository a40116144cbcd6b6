"""Adds unlabelled texts with the soft labels of a teacher, from which the network learns (distillation)."""

import numpy as np

from datayield.core.arm import Arm
from datayield.core.types import TrainingSet
from datayield.models.settings import ENCODER
from datayield.strategies.base import (
    Strategy,
    StrategyContext,
    Transform,
    check_count,
    parse_teacher,
    trainings,
)

LINEAR, FROZEN = Arm("tfidf"), Arm(ENCODER)


def distil(texts: int = 4000) -> Strategy:
    """Add unlabelled pool texts with soft labels of a linear model, fitted on the paid labels.

    The added rows together have the same weight as the labelled ones.

    Args:
        texts: largest number of unlabelled texts, drawn at random.
    """
    return Strategy(
        "distil",
        "adds unlabelled texts with a TF-IDF model's soft labels",
        "TF-IDF as its teacher",
        transform=_with_soft_labels(texts, LINEAR),
        unlabelled=True,
        teacher=LINEAR,
        compute="a linear fit",
        effort=1.3,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def distil_encoder(texts: int = 4000) -> Strategy:
    """Add unlabelled pool texts with soft labels of a sentence encoder, so that the network learns from it.

    The teacher is logistic regression on the encoder's embeddings, fitted on the paid labels. It has
    read other text; the network that it teaches needs no encoder to predict. Weights as in `distil`.

    Args:
        texts: largest number of unlabelled texts, drawn at random.
    """
    return Strategy(
        "distil_encoder",
        "adds unlabelled texts with soft labels of an encoder that has read other text",
        "an outside encoder as its teacher",
        transform=_with_soft_labels(texts, FROZEN),
        unlabelled=True,
        teacher=FROZEN,
        compute="a linear fit on embeddings",
        effort=1.3,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def distil_blend(teacher: str = "blend(lstm:plain, tfidf)", texts: int = 4000) -> Strategy:
    """Add unlabelled pool texts with soft labels of a blend, so that one network predicts as several do.

    The teacher is trained on the paid labels inside the cell. The exponents of a weighted blend are
    fitted on a fold of these labels. Weights as in `distil`.

    Args:
        teacher: an arm that gives probabilities; its strategies have their default arguments.
        texts: largest number of unlabelled texts, drawn at random.
    """
    arm = parse_teacher(teacher)
    return Strategy(
        "distil_blend",
        f"adds unlabelled texts with soft labels of {arm}",
        "a blend as its teacher",
        transform=_with_soft_labels(texts, arm),
        unlabelled=True,
        teacher=arm,
        compute="the trainings of its teacher",
        effort=1.3 + 1.2 * trainings(arm),
        source="Hinton et al. 2015, arXiv 1503.02531; Buciluă et al. 2006 (model compression)",
    )


def _with_soft_labels(texts: int, teacher: Arm) -> Transform:
    """Return the transform that adds unlabelled texts with the soft labels of this teacher."""
    check_count("texts", texts, 1, 10**9)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        unlabelled, ids = context.unlabelled, context.unlabelled_ids
        chosen = np.sort(context.rng.permutation(len(ids))[:texts])
        lines = tuple(unlabelled[i] for i in chosen)
        soft = context.fit_arm(training_set, teacher).predict(lines)
        weight = len(training_set) / len(lines)
        return TrainingSet(
            (*training_set.texts, *lines),
            np.concatenate([training_set.targets, soft / soft.sum(1, keepdims=True)]),
            np.concatenate([training_set.weights, np.full(len(lines), weight, np.float32)]),
            np.concatenate([training_set.parents, ids[chosen]]),
        )

    return transform
