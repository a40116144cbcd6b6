"""Learns from unlabelled texts that a rewritten text keeps its class. Shapes: B texts, C classes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING, Any

import numpy as np

from datayield.core.types import Floats
from datayield.models.hooks import Objective, cross_entropy
from datayield.strategies.augmentation_ops import OPERATIONS, delete_words
from datayield.strategies.base import (
    Strategy,
    StrategyContext,
    Synonyms,
    TunableArgument,
    Versions,
    check_count,
    check_number,
    check_one_of,
    check_share,
)
from datayield.strategies.objectives import divergence
from datayield.text import tokens

if TYPE_CHECKING:
    import torch

    from datayield.models.classifier import Classifier
    from datayield.models.encoding import Batch

VERSIONS = 4  # strong versions of a text, made once for a cell; each batch takes one of them
WEAK = 0.1  # probability that the weak version leaves a word out
IN_A_ROW = 2  # operations of a strong version of FixMatch, as in RandAugment
SIGNALS = ("none", "linear", "log", "exp")
STEEPNESS = 5.0  # of the log and exp signals of UDA's paper


def fixmatch(
    threshold: float = 0.95, alpha: float = 0.3, weight: float = 1.0, ratio: int = 3
) -> Strategy:
    """Learn, for each unlabelled text, the class of a weak version on a strong version of it.

    loss = CE + weight x mean over unlabelled texts of [max p(weak) >= threshold] CE(argmax p(weak), strong).
    p(weak) is computed without dropout and held constant. The weak version leaves out each word
    with probability 0.1. The strong version applies two random operations of EDA one after the other
    (synonyms are words with similar vectors, from the corpus's own texts), in place of the image
    operations of the paper. It may collapse
    onto few classes; the report says where held-out texts show that.

    Args:
        threshold: smallest probability of a pseudo-label, in (0, 1].
        alpha: share of a text's words that an operation of the strong version changes, in (0, 1].
        weight: of the unlabelled loss, > 0.
        ratio: unlabelled texts for each labelled one of a batch, 1 to 16; 7 in the paper.
    """
    check_share("threshold", threshold)
    check_share("alpha", alpha)
    check_number("weight", weight, 1e-6, 1000)
    check_count("ratio", ratio, 1, 16)

    return Strategy(
        "fixmatch",
        "learns confident predictions for unlabelled texts on strongly rewritten versions of them",
        "FixMatch",
        objective=_learning_pseudo_labels(threshold, weight),
        versions=_weak_and_strong(alpha),
        unlabelled=True,
        ratio=ratio,
        precomputed=("vectors",),
        space=(
            TunableArgument("threshold", 0.7, 0.99),
            TunableArgument("weight", 0.1, 10.0, log=True),
        ),
        compute="for each labelled batch a reading of weak, and a training on strong versions",
        effort=1 + 1.5 * ratio,
        source="Sohn et al. 2020, arXiv 2001.07685",
    )


def _weak_and_strong(alpha: float) -> Versions:
    """Return what makes the weak version of every text, and then VERSIONS strong ones."""

    def versions(texts: Sequence[str], context: StrategyContext) -> list[list[str]]:
        synonyms, rng = context.precomputed.synonyms(), context.rng
        words = [tokens.tokens(t) for t in texts]
        weak = [" ".join(delete_words(line, synonyms, WEAK, rng)) for line in words]
        strong = [
            [" ".join(_strong(line, synonyms, alpha, rng)) for line in words]
            for _ in range(VERSIONS)
        ]
        return [weak, *strong]

    return versions


def _learning_pseudo_labels(threshold: float, weight: float) -> Objective:
    """Return the objective of FixMatch."""

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        from datayield.models.device import tensor

        loss = cross_entropy(model(batch.ids, batch.lengths), batch.targets)
        if not unlabelled:
            return loss, state
        _, weak, *strong = unlabelled
        p = model.predicted(weak.ids, weak.lengths)
        labels = tensor(np.eye(p.shape[1], dtype=np.float32))[p.argmax(1)]
        other = strong[rng.integers(len(strong))]
        per_text = cross_entropy(model(other.ids, other.lengths), labels)
        return loss + weight * (per_text * (p.amax(1) >= threshold)).mean(), state

    return objective


def _strong(
    words: list[str], synonyms: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Apply two random operations of EDA one after the other."""
    for number in rng.integers(len(OPERATIONS), size=IN_A_ROW):
        words = OPERATIONS[number](words, synonyms, alpha, rng)
    return words


def uda(
    share: float = 0.5,
    confidence: float = 0.8,
    temperature: float = 0.4,
    signal: str = "linear",
    weight: float = 1.0,
    ratio: int = 3,
) -> Strategy:
    """Learn that a text and a rewritten version of it have the same classes (UDA).

    loss = CE + weight x mean over unlabelled texts of [max p(x) > confidence] KL(p(x)^(1/temperature) ||
    p(version)). p(x) is computed without dropout and held constant. The version replaces words of a small
    TF-IDF by random words that matter little anywhere, the paper's rewriting by words (its other one,
    back-translation, needs a model of other text). Training signal annealing leaves out labelled texts
    whose label has a probability above a threshold that rises from 1/C to 1. It may collapse
    onto few classes; the report says where held-out texts show that.

    Args:
        share: expected share of a text's words that are replaced, in (0, 1].
        confidence: largest probability up to which an unlabelled text is left out, 0 to 1.
        temperature: below 1 the prediction that is learnt is sharpened.
        signal: rise of the threshold of labelled texts, "none", "linear", "log" or "exp".
        weight: of the unlabelled loss, > 0.
        ratio: unlabelled texts for each labelled one of a batch, 1 to 16; 7 in the paper.
    """
    check_share("share", share)
    check_number("confidence", confidence, 0, 1)
    check_number("temperature", temperature, 0.01, 10)
    check_one_of("signal", signal, SIGNALS)
    check_number("weight", weight, 1e-6, 1000)
    check_count("ratio", ratio, 1, 16)

    return Strategy(
        "uda",
        "keeps predictions the same when words that matter little are replaced, for unlabelled texts",
        "UDA",
        objective=_learning_versions(confidence, temperature, signal, weight),
        versions=_with_replaced_words(share),
        unlabelled=True,
        ratio=ratio,
        space=(
            TunableArgument("share", 0.1, 0.9),
            TunableArgument("weight", 0.1, 10.0, log=True),
        ),
        compute="for each labelled batch a reading of unlabelled, and a training on rewritten texts",
        effort=1 + 1.5 * ratio,
        source="Xie et al. 2020, arXiv 1904.12848",
    )


def _with_replaced_words(share: float) -> Versions:
    """Return what makes VERSIONS versions of every text, words of a small TF-IDF replaced."""

    def versions(texts: Sequence[str], context: StrategyContext) -> list[list[str]]:
        words = [tokens.tokens(t) for t in texts]
        scores = WordScores(words)
        return [
            [" ".join(scores.rewritten(line, share, context.rng)) for line in words]
            for _ in range(VERSIONS)
        ]

    return versions


def _learning_versions(
    confidence: float, temperature: float, signal: str, weight: float
) -> Objective:
    """Return the objective of UDA; its state is the number of updates."""

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        logs = model(batch.ids, batch.lengths).log_softmax(1)
        loss = -(batch.targets * logs).sum(1)
        update = state or 0
        if signal != "none":
            highest = annealed(signal, update / model.settings.updates, batch.targets.shape[1])
            kept = (-loss.detach()).exp() <= highest  # exp(-loss) is the label's probability
            loss = loss * kept * len(loss) / kept.sum().clamp_min(1)
        if not unlabelled:
            return loss, update + 1
        text, *rewritten = unlabelled
        p = model.predicted(text.ids, text.lengths)
        sharp = (p.clamp_min(1e-30).log() / temperature).log_softmax(1)
        other = rewritten[rng.integers(len(rewritten))]
        kl = divergence(sharp, model(other.ids, other.lengths).log_softmax(1))
        return loss + weight * (kl * (p.amax(1) > confidence)).mean(), update + 1

    return objective


def annealed(signal: str, progress: float, classes: int) -> float:
    """Return UDA's largest probability at which a labelled text is learnt, from 1/C up to 1.

    Args:
        signal: "linear", "log" (rises early) or "exp" (rises late).
        progress: share of training, in [0, 1].
        classes: C.
    """
    rise: dict[str, float] = {
        "linear": progress,
        "log": 1 - exp(-STEEPNESS * progress),
        "exp": exp(STEEPNESS * (progress - 1)),
    }
    return rise[signal] * (1 - 1 / classes) + 1 / classes


class WordScores:
    """TF-IDF of words, as UDA's rewriting reads it.

    A word that occurs in few texts matters there; a word with a small sum over all texts matters
    nowhere, and is a likely replacement.
    """

    def __init__(self, lines: Sequence[Sequence[str]]) -> None:
        found = Counter(w for line in lines for w in set(line))
        self.idf = {w: float(np.log(len(lines) / c)) for w, c in found.items()}
        sums: defaultdict[str, float] = defaultdict(float)
        for line in lines:
            for w in line:
                sums[w] += self.idf[w] / len(line)
        self.words = sorted(sums)
        of_word = np.array([sums[w] for w in self.words])
        rest: Floats = of_word.max(initial=0.0) - of_word
        weights = rest if rest.sum() > 0 else np.ones(len(rest))
        self.cumulative = np.cumsum(weights) / max(weights.sum(), 1e-12)

    def replaced(self, line: Sequence[str], share: float) -> Floats:
        """Return the probability with which each word is replaced, (words,); the mean is at most `share`."""
        counts = Counter(line)
        score = np.array([counts[w] * self.idf[w] / len(line) for w in line])
        rest = score.max() - score
        mean = rest.mean()
        return np.minimum(share * rest / mean, 1.0) if mean > 0 else np.zeros(len(line))

    def rewritten(self, line: list[str], share: float, rng: np.random.Generator) -> list[str]:
        """Return the words, some replaced by random words that matter little."""
        if not line:
            return []
        places = np.flatnonzero(rng.random(len(line)) < self.replaced(line, share))
        drawn = np.searchsorted(self.cumulative, rng.random(len(places)), side="right")
        out = list(line)
        for place, number in zip(places, drawn, strict=True):
            out[place] = self.words[min(int(number), len(self.words) - 1)]
        return out
