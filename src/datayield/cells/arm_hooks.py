"""Collects what the strategies of an arm change in the training of its network."""

from collections.abc import Sequence

from datayield import corpora
from datayield.core.types import Corpus, Settings
from datayield.models.trainer import TrainingHooks
from datayield.strategies.base import StrategyContext
from datayield.strategies.registry import Composition


def hooks_of(
    composition: Composition,
    contexts: Sequence[StrategyContext],
    corpus: Corpus,
    settings: Settings,
) -> TrainingHooks:
    """Return the changes that the parts make to a training, first weights where a part pretrains.

    Args:
        composition: the strategies of the arm.
        contexts: one for each part.
        corpus: texts of the pool are read by parts that pretrain.
        settings: of the network.
    """
    shape = {k: getattr(settings, k) for k in ("embedding", "hidden", "layers")}
    parts = list(zip(composition.parts, contexts, strict=True))
    start = None
    for strategy, context in parts:
        if strategy.pretrain is not None:
            start = strategy.pretrain(corpora.everything(corpus), shape, context)
    # Reading `unlabelled` is charged, so it is read only where an objective uses the texts.
    readers = [(s, context) for s, context in parts if s.unlabelled and s.objective]
    if not readers:
        return TrainingHooks(composition.schedule, composition.one("objective"), start)
    ((strategy, context),) = readers  # an arm has at most one objective
    texts = context.unlabelled
    versions = strategy.versions(texts, context) if strategy.versions else ()
    return TrainingHooks(
        composition.schedule, strategy.objective, start, texts, versions, strategy.ratio
    )
