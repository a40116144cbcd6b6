"""One training run: equal updates, one schedule, the last weights are the model (METHODS 2.5).

The trainer knows verbs (`present`, `objective`), never a strategy's name.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield import seeds
from datayield.encode import (
    Batch,
    Encoded,
    Vocabulary,
    batch_of,
    encode,
    numbered,
    padded,
    row_stream,
)
from datayield.feed import Feed
from datayield.model import Classifier, initialise, probabilities
from datayield.place import array, tensor
from datayield.strategies.base import Objective, Present, Shown, Start
from datayield.strategies.objective import cross_entropy
from datayield.types import Ints, Round, Settings, TrainingSet

Watch: TypeAlias = Callable[[NDArray[np.float32]], bool]
Held: TypeAlias = tuple[Sequence[str], Ints]  # held-out texts and their labels


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished network with everything that predicting needs."""

    model: Classifier
    vocabulary: Vocabulary
    history: tuple[Round, ...]
    shown: Shown
    tokens: int  # real tokens that training read
    seconds: float  # inside training, scoring of the validation part excluded
    parents: Ints  # (rows,) pool id of every training row, which `shown` counts

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Class probabilities, shape (texts, classes)."""
        encoded = encode(texts, self.vocabulary, self.model.settings.max_tokens)
        return probabilities(self.model, encoded)

    def sample(self, texts: Sequence[str], passes: int) -> NDArray[np.float32]:
        """Class probabilities with dropout on, shape (passes, texts, classes)."""
        encoded = encode(texts, self.vocabulary, self.model.settings.max_tokens)
        return np.stack([probabilities(self.model, encoded, dropout=True) for _ in range(passes)])

    @property
    def parameters(self) -> int:
        """Trained numbers, embedding included."""
        return sum(p.numel() for p in self.model.parameters())


@dataclass(frozen=True, slots=True)
class Verbs:
    """What a composition changes while training; None is plain."""

    present: Present | None = None
    objective: Objective | None = None
    start: Start | None = None
    unlabelled: Sequence[str] = ()  # texts for objectives that read some beside each batch


class Job(NamedTuple):
    """What `train` is given for one network."""

    training_set: TrainingSet
    validation: Held
    settings: Settings
    verbs: Verbs
    key: tuple[seeds.Key, ...]


def train(
    training_set: TrainingSet,
    validation: Held,
    settings: Settings,
    verbs: Verbs,
    key: tuple[seeds.Key, ...],
    watch: Watch | None = None,
) -> Trained:
    """Train one classifier for exactly `settings.updates` updates, unless somebody watches.

    Args:
        training_set: at least one row.
        validation: texts and labels for the history; they never steer the training.
        settings: widths, rates, updates.
        verbs: what the arm changes.
        key: of corpus, draw and seed, shared by all arms; every random number derives from it.
        watch: of trials alone: is told the held-out probabilities after each evaluated round and
            answers whether to end the training there.
    """
    torch.manual_seed(seeds.integer(*key, "dropout"))
    begun = begin(training_set, validation, settings, verbs, key)
    loop = _Loop(begun, training_set, settings, verbs, key)
    history = []
    for number in range(settings.rounds):
        done = loop.round(number)
        texts = begun.held_out if evaluates(number, settings) else None
        held = loop.predicted(texts) if texts else None
        history.append(Round(number, loop.update, loop.rate, *done, *judged(held, validation[1])))
        if held is not None and watch is not None and watch(held):
            break
    loop.settle()
    return Trained(
        begun.model.eval(),
        begun.vocabulary,
        tuple(history),
        loop.feed.shown(),
        loop.tokens,
        loop.seconds,
        training_set.parents,
    )


class Begun(NamedTuple):
    """A network before its first update, and what it reads."""

    model: Classifier
    vocabulary: Vocabulary
    encoded: Encoded  # training rows
    unlabelled: Encoded | None
    held_out: Encoded | None  # validation texts


def begin(
    training_set: TrainingSet,
    validation: Held,
    settings: Settings,
    verbs: Verbs,
    key: tuple[seeds.Key, ...],
) -> Begun:
    """Read the texts and give the network its first weights; arguments as of `train`."""
    vocabulary, both = _read(chain(training_set.texts, verbs.unlabelled), settings, verbs.start)
    encoded, others = both.split(len(training_set))
    held_out = encode(validation[0], vocabulary, settings.max_tokens) if validation[0] else None
    model = Classifier(settings, len(vocabulary), training_set.targets.shape[1])
    initialise(model, vocabulary, (*key, "init"), verbs.start.weights if verbs.start else None)
    if settings.normalised:
        model.normalise_by(
            tensor(np.bincount(both.flat, minlength=len(vocabulary)).astype(np.float32))
        )
    return Begun(model, vocabulary, encoded, others if len(others) else None, held_out)


def _read(
    texts: Iterable[str], settings: Settings, start: Start | None
) -> tuple[Vocabulary, Encoded]:
    """The texts' own vocabulary, or that of what the network starts from; and the texts in it."""
    if start is None:
        return numbered(texts, settings.max_tokens, settings.min_count)
    vocabulary = Vocabulary.listed(start.vocabulary)
    return vocabulary, encode(list(texts), vocabulary, settings.max_tokens)


def evaluates(number: int, settings: Settings) -> bool:
    """Whether the validation part is scored after this round."""
    every = max(1, settings.rounds // max(1, settings.evaluations))
    return (settings.rounds - 1 - number) % every == 0


class _Loop:
    """The state of one training run; `round` advances it."""

    def __init__(
        self,
        begun: Begun,
        training_set: TrainingSet,
        settings: Settings,
        verbs: Verbs,
        key: tuple[seeds.Key, ...],
    ) -> None:
        model, unlabelled = begun.model, begun.unlabelled
        self.model, self.encoded, self.training_set = model, begun.encoded, training_set
        self.settings, self.verbs = settings, verbs
        kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[settings.optimizer]
        self.tuning = verbs.start.tuning if verbs.start else None
        self.parts = _parts(model)
        groups: Any = [{"params": own, "name": name} for name, own in self.parts.items()]
        self.optimizer = kind(
            groups if self.tuning else model.parameters(),  # a group costs a call per update
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.feed = Feed(training_set, begun.encoded.lengths, settings, verbs.present, key)
        self.objective_rng = seeds.rng(*key, "objective")
        self.carry: Any = None
        self.unlabelled = unlabelled
        self.unlabelled_stream: Iterator[Ints] = iter(())
        if unlabelled is not None:
            self.unlabelled_stream = row_stream(
                np.arange(len(unlabelled)),
                unlabelled.lengths,
                settings.batch,
                seeds.rng(*key, "unlabelled"),
            )
        self.update, self.tokens, self.seconds, self.rate = 0, 0, 0.0, settings.learning_rate
        weights = [p.detach() for p in model.parameters()]
        self.mean = [w.clone() for w in weights] if settings.ema else []

    def round(self, number: int) -> tuple[float, float]:
        """Train one round; returns its mean loss and the accuracy of its rows as presented."""
        began = time.perf_counter()
        s = self.settings
        self.feed.renew(number, self.update)
        losses, first = 0.0, self.update
        self.model.train()
        for _ in range(s.updates * (number + 1) // s.rounds - first):
            losses += self._step(self.feed.take())
        self.seconds += time.perf_counter() - began
        return losses / max(1, self.update - first), self.feed.accuracy

    def _step(self, rows: Ints) -> float:
        self._set_rates()
        batch = batch_of(self.encoded, self.training_set, rows)
        per_example = self._judge(batch, rows)
        loss = (per_example * batch.weights).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._hold()
        self._clip()
        self.optimizer.step()
        self.update += 1
        if self.mean:
            self._average()
        self.tokens += int(batch.lengths.sum())
        return loss.item()

    def _average(self) -> None:
        """Move the mean towards the weights; over fewer updates at first, so that it forgets them."""
        share = max(1 / self.settings.ema, 1 / (1 + self.update / 2))
        weights = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(self.mean, weights, share)

    def predicted(self, encoded: Encoded) -> NDArray[np.float32]:
        """Probabilities of the model as it would be if training ended here, (texts, classes)."""
        weights = [p.detach().clone() for p in self.model.parameters()] if self.mean else []
        self.settle()
        found = probabilities(self.model, encoded)
        self._become(weights)
        return found

    def settle(self) -> None:
        """The mean of the weights becomes the model, where one is kept."""
        self._become(self.mean)

    def _become(self, weights: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for own, new in zip(self.model.parameters(), weights, strict=False):
                own.copy_(new)

    def _set_rates(self) -> None:
        """The schedule's rate for every part of the network."""
        s, progress = self.settings, self.update / self.settings.updates
        tuning = self.tuning
        if tuning is None:
            self.rate = s.learning_rate * (1 - progress if s.decay else 1)
        else:
            self.rate = s.learning_rate * tuning.slope(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * (tuning.rates[group["name"]] if tuning else 1)

    def _hold(self) -> None:
        """No gradient for parts whose time to learn has not come."""
        if self.tuning is None:
            return
        for part, own in self.parts.items():
            if self.update / self.settings.updates < self.tuning.begins[part]:
                for parameter in own:
                    parameter.grad = None

    def _clip(self) -> None:
        """Gradients scaled to the norm `clip` where they are longer; else no pass over them."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if norm > self.settings.clip:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.clip, norm)

    def _judge(self, batch: Batch, rows: Ints) -> torch.Tensor:
        objective = self.verbs.objective
        if objective is not None:
            if self.verbs.present is not None:  # a presenting verb may ask for what was predicted
                self.model.eval()
                with torch.no_grad():
                    self.feed.hear(rows, array(self.model(batch.ids, batch.lengths).softmax(1)))
                self.model.train()
            loss, self.carry = objective(
                self.model, batch, self._beside(), self.carry, self.objective_rng
            )
            return loss
        logits = self.model(batch.ids, batch.lengths)
        self.feed.hear(rows, array(logits.detach().softmax(1)))
        return cross_entropy(logits, batch.targets)

    def _beside(self) -> tuple[Batch, ...]:
        """The unlabelled batch beside this one; its targets say nothing."""
        if self.unlabelled is None:
            return ()
        rows = next(self.unlabelled_stream)
        ids, lengths = padded(self.unlabelled, rows)
        self.tokens += int(lengths.sum())
        classes = self.training_set.targets.shape[1]
        even = torch.full((len(rows), classes), 1 / classes)
        return (Batch(ids, lengths, even, torch.ones(len(rows))),)


def _parts(model: Classifier) -> dict[str, list[nn.Parameter]]:
    """Parameters by part ("embedding", "recurrent.<layer>", "linear"), in the model's order."""
    out: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        first, second, *_ = name.split(".")
        part = f"{first}.{second}" if first == "recurrent" else first
        out.setdefault(part, []).append(parameter)
    return out


def judged(p: NDArray[np.float32] | None, labels: Ints) -> tuple[float, float]:
    """Mean -log p(label) and accuracy of held-out probabilities; NaN where there are none."""
    if p is None:
        return float("nan"), float("nan")
    gold = p[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(gold, 1e-12)).mean()), float((p.argmax(1) == labels).mean())
