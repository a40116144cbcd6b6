"""Trains one network for a fixed number of updates; its last weights are the model (METHODS 2.5).

The trainer calls the verbs of a strategy (`schedule`, `objective`) and knows no strategy's name.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core import seeds
from datayield.core.types import Ints, Round, Settings, TrainingSet
from datayield.models.batch_sampler import BatchSampler
from datayield.models.classifier import Classifier, initialise, parts_of, probabilities
from datayield.models.device import array, tensor
from datayield.models.encoding import (
    Batch,
    Encoded,
    Vocabulary,
    batch_of,
    numbered,
    padded,
    row_stream,
)
from datayield.models.hooks import Objective, Presentations, Schedule, Start, cross_entropy
from datayield.models.token_states import StateLookup, TokenStates, encode_read
from datayield.models.topic_encoder import TopicEncoder

RoundCallback: TypeAlias = Callable[[NDArray[np.float32]], bool]
HeldOut: TypeAlias = tuple[Sequence[str], Ints]  # held-out texts and their labels


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished network with its vocabulary, history and presentations."""

    model: Classifier
    vocabulary: Vocabulary
    history: tuple[Round, ...]
    presentations: Presentations
    tokens: int  # real tokens that the training read
    seconds: float  # time of the training, without scoring of the validation texts
    parents: Ints  # (rows,) pool id of every training row that `presentations` numbers
    states: TokenStates | None = None  # that the network reads in place of words
    probabilistic: ClassVar[bool] = True  # what `predict` returns are probabilities

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return class probabilities, shape (texts, classes)."""
        return probabilities(self.model, self._encoded(texts))

    def _encoded(self, texts: Sequence[str]) -> Encoded:
        return encode_read(texts, self.vocabulary, self.model.settings.tokens_read, self.states)

    def sample(self, texts: Sequence[str], passes: int) -> NDArray[np.float32]:
        """Return class probabilities under dropout, shape (passes, texts, classes)."""
        encoded = self._encoded(texts)
        return np.stack([probabilities(self.model, encoded, dropout=True) for _ in range(passes)])

    @property
    def parameters(self) -> int:
        """The number of trained parameters, embedding included."""
        return sum(p.numel() for p in self.model.parameters())


@dataclass(frozen=True, slots=True)
class TrainingHooks:
    """The changes that an arm makes to its training; None leaves a step as in `plain`."""

    schedule: Schedule | None = None
    objective: Objective | None = None
    start: Start | None = None
    unlabelled: Sequence[str] = ()  # texts of the unlabelled batch that goes with each labelled one
    versions: Sequence[Sequence[str]] = ()  # lists of as many texts, rewritten ones
    ratio: int = 1  # unlabelled texts for each labelled one


class TrainingJob(NamedTuple):
    """The arguments of `train` for one network."""

    training_set: TrainingSet
    validation: HeldOut
    settings: Settings
    hooks: TrainingHooks
    key: tuple[seeds.Key, ...]


def train(
    training_set: TrainingSet,
    validation: HeldOut,
    settings: Settings,
    hooks: TrainingHooks,
    key: tuple[seeds.Key, ...],
    callback: RoundCallback | None = None,
) -> Trained:
    """Train one classifier for `settings.updates` updates, or until the callback ends the training.

    Args:
        training_set: at least one row.
        validation: texts and labels for the history; they have no effect on the training.
        settings: widths, rates, updates.
        hooks: changes that the arm makes.
        key: key of corpus, draw and seed, the same for all arms; every random number derives from
            it.
        callback: for trials: called with the held-out probabilities after each evaluated round;
            returns whether to end the training.
    """
    torch.manual_seed(seeds.integer(*key, "dropout"))
    begun = begin(training_set, validation, settings, hooks, key)
    loop = _Loop(begun, training_set, settings, hooks, key)
    history = []
    for number in range(settings.rounds):
        in_training = loop.round(number)
        texts = begun.held_out if evaluates(number, settings) else None
        p = loop.predicted(texts) if texts else None
        on_validation = loss_and_accuracy(p, validation[1])
        history.append(Round(number, loop.update, loop.rate, *in_training, *on_validation))
        if p is not None and callback is not None and callback(p):
            break
    loop.use_mean_weights()
    return Trained(
        begun.model.eval(),
        begun.vocabulary,
        tuple(history),
        loop.sampler.presentations(),
        loop.tokens,
        loop.seconds,
        training_set.parents,
        hooks.start.states if hooks.start else None,
    )


class Begun(NamedTuple):
    """A network before its first update, with the encoded texts that it reads."""

    model: Classifier
    vocabulary: Vocabulary
    encoded: Encoded  # training rows
    unlabelled: tuple[Encoded, ...]  # the texts and their versions; () without texts
    held_out: Encoded | None  # validation texts


def begin(
    training_set: TrainingSet,
    validation: HeldOut,
    settings: Settings,
    hooks: TrainingHooks,
    key: tuple[seeds.Key, ...],
) -> Begun:
    """Encode the texts and give the network its first weights; see `train` for the arguments."""
    others = chain(hooks.unlabelled, *hooks.versions)
    vocabulary, both = _read(chain(training_set.texts, others), settings, hooks.start)
    encoded, rest = both.split(len(training_set))
    unlabelled: list[Encoded] = []
    while len(rest):
        part, rest = rest.split(len(hooks.unlabelled))
        unlabelled.append(part)
    states, weights = (hooks.start.states, hooks.start.weights) if hooks.start else (None, {})
    reading = vocabulary, settings.tokens_read, states
    held_out = encode_read(validation[0], *reading) if validation[0] else None
    lookup = StateLookup(states, settings.embedding) if states else None
    features = TopicEncoder.like(weights, len(vocabulary))
    model = Classifier(settings, len(vocabulary), training_set.targets.shape[1], lookup, features)
    initialise(model, vocabulary, (*key, "init"), weights)
    if settings.normalised:
        model.normalise_by(
            tensor(np.bincount(both.flat, minlength=len(vocabulary)).astype(np.float32))
        )
    return Begun(model, vocabulary, encoded, tuple(unlabelled), held_out)


def _read(
    texts: Iterable[str], settings: Settings, start: Start | None
) -> tuple[Vocabulary, Encoded]:
    """Return the vocabulary (of the texts, or of `start` if given) and the encoded texts."""
    if start is None:
        return numbered(texts, settings.tokens_read, settings.min_count)
    vocabulary = Vocabulary.listed(start.vocabulary)
    return vocabulary, encode_read(list(texts), vocabulary, settings.tokens_read, start.states)


def evaluates(number: int, settings: Settings) -> bool:
    """Return whether the validation texts are scored after this round."""
    interval = max(1, settings.rounds // max(1, settings.evaluations))
    return (settings.rounds - 1 - number) % interval == 0


class _Loop:
    """The state of one training run; `round` advances it."""

    def __init__(
        self,
        begun: Begun,
        training_set: TrainingSet,
        settings: Settings,
        hooks: TrainingHooks,
        key: tuple[seeds.Key, ...],
    ) -> None:
        model, unlabelled = begun.model, begun.unlabelled
        self.model, self.encoded, self.training_set = model, begun.encoded, training_set
        self.settings, self.hooks = settings, hooks
        kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[settings.optimizer]
        self.tuning = hooks.start.tuning if hooks.start else None
        self.parts = parts_of(model)
        groups: Any = [{"params": p, "name": name} for name, p in self.parts.items()]
        self.optimizer = kind(
            # One group where rates are equal: each further group costs a call per update.
            groups if self.tuning else model.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.sampler = BatchSampler(
            training_set, begun.encoded.lengths, settings, hooks.schedule, key
        )
        self.objective_rng = seeds.rng(*key, "objective")
        self.state: Any = None
        self.unlabelled = unlabelled
        self.unlabelled_stream: Iterator[Ints] = iter(())
        if unlabelled:
            self.unlabelled_stream = row_stream(
                np.arange(len(unlabelled[0])),
                unlabelled[0].lengths,
                settings.batch * hooks.ratio,
                seeds.rng(*key, "unlabelled"),
            )
        self.update, self.tokens, self.seconds, self.rate = 0, 0, 0.0, settings.learning_rate
        weights = [p.detach() for p in model.parameters()]
        self.mean = [w.clone() for w in weights] if settings.ema else []

    def round(self, number: int) -> tuple[float, float]:
        """Train one round; return its mean loss and the accuracy of its rows as presented."""
        began = time.perf_counter()
        s = self.settings
        self.sampler.start_round(number, self.update)
        losses, first = 0.0, self.update
        self.model.train()
        for _ in range(s.updates * (number + 1) // s.rounds - first):
            losses += self._step(self.sampler.next_batch())
        self.seconds += time.perf_counter() - began
        return losses / max(1, self.update - first), self.sampler.accuracy

    def _step(self, rows: Ints) -> float:
        self._set_rates()
        batch = batch_of(self.encoded, self.training_set, rows)
        per_example = self._losses(batch, rows)
        loss = (per_example * batch.weights).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._freeze()
        self._clip()
        self.optimizer.step()
        self.update += 1
        if self.mean:
            self._average()
        self.tokens += int(batch.lengths.sum())
        return loss.item()

    def _average(self) -> None:
        """Move the mean of the weights towards the weights.

        The mean is over fewer updates at first, so that it forgets the first weights.
        """
        share = max(1 / self.settings.ema, 1 / (1 + self.update / 2))
        weights = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(self.mean, weights, share)

    def predicted(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return the probabilities of the model as if training ended now, (texts, classes)."""
        weights = [p.detach().clone() for p in self.model.parameters()] if self.mean else []
        self.use_mean_weights()
        p = probabilities(self.model, encoded)
        self._set_weights(weights)
        return p

    def use_mean_weights(self) -> None:
        """Set the weights of the model to their mean, if `settings.ema` asks for a mean."""
        self._set_weights(self.mean)

    def _set_weights(self, weights: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, new in zip(self.model.parameters(), weights, strict=False):
                parameter.copy_(new)

    def _set_rates(self) -> None:
        """Set the learning rate of this update for every part of the network."""
        s, progress = self.settings, self.update / self.settings.updates
        tuning = self.tuning
        if tuning is None:
            self.rate = s.learning_rate * (1 - progress if s.decay else 1)
        else:
            self.rate = s.learning_rate * tuning.slope(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * (tuning.rates[group["name"]] if tuning else 1)

    def _freeze(self) -> None:
        """Remove the gradients of parts that do not learn, or not yet."""
        if self.hooks.start is None:
            return
        begins = self.tuning.begins if self.tuning else {}
        waiting = [p for p in begins if self.update / self.settings.updates < begins[p]]
        for part in (*waiting, *self.hooks.start.frozen):
            for parameter in self.parts[part]:
                parameter.grad = None

    def _clip(self) -> None:
        """Scale the gradients to the norm `clip` if they are longer."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if norm > self.settings.clip:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.clip, norm)

    def _losses(self, batch: Batch, rows: Ints) -> torch.Tensor:
        """Return the loss of each example, (B,), and record the predictions for the batch."""
        objective = self.hooks.objective
        if objective is not None:
            if self.hooks.schedule is not None:  # a schedule may read the latest predictions
                predicted = self.model.predicted(batch.ids, batch.lengths)
                self.sampler.record_predictions(rows, array(predicted))
            loss, self.state = objective(
                self.model, batch, self._unlabelled_batch(), self.state, self.objective_rng
            )
            return loss
        logits = self.model(batch.ids, batch.lengths)
        self.sampler.record_predictions(rows, array(logits.detach().softmax(1)))
        return cross_entropy(logits, batch.targets)

    def _unlabelled_batch(self) -> tuple[Batch, ...]:
        """Return the unlabelled batch that goes with this one and its versions; targets are uniform."""
        if not self.unlabelled:
            return ()
        rows = next(self.unlabelled_stream)
        classes = self.training_set.targets.shape[1]
        even, ones = torch.full((len(rows), classes), 1 / classes), torch.ones(len(rows))
        batches = tuple(Batch(*padded(e, rows), even, ones) for e in self.unlabelled)
        self.tokens += sum(int(b.lengths.sum()) for b in batches)
        return batches


def loss_and_accuracy(p: NDArray[np.float32] | None, labels: Ints) -> tuple[float, float]:
    """Return mean -log p(label) and accuracy of probabilities (texts, classes); NaN for None."""
    if p is None:
        return float("nan"), float("nan")
    p_label = p[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p_label, 1e-12)).mean()), float((p.argmax(1) == labels).mean())
