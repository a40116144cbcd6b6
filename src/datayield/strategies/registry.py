"""Lists the strategies and composes those of an arm.

Other packages add theirs through the entry point group `datayield.strategies`: a factory whose
arguments all have defaults. The contract tests (datayield.testing) run over this list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from inspect import signature
from itertools import chain
from typing import Any

import numpy as np

from datayield.core.arm import Member
from datayield.core.errors import UserError, nearest
from datayield.core.types import Ints, TrainingProgress, TrainingSet
from datayield.models.hooks import Schedule
from datayield.models.settings import ARCHITECTURES, OUTSIDE
from datayield.strategies.augmentation import (
    aeda,
    delete,
    eda,
    eda_nn,
    insert,
    lm_substitute,
    repeat,
    swap,
    synonym,
)
from datayield.strategies.base import Need, Role, Strategy, StrategyContext
from datayield.strategies.cheap_labels import noisy
from datayield.strategies.checks import (
    article,
    double,
    permuted_labels,
    plain,
    twin,
    untuned,
)
from datayield.strategies.co_training import co_training
from datayield.strategies.consistency import fixmatch, uda
from datayield.strategies.coverage import facility_location, k_center
from datayield.strategies.curriculum import (
    anti,
    baby_steps,
    competence,
    competence_loss,
    competence_rarity,
    random_order,
    self_paced,
)
from datayield.strategies.deduplication import dedup
from datayield.strategies.distillation import distil, distil_blend, distil_encoder
from datayield.strategies.objectives import (
    adversarial,
    label_smoothing,
    mixup_sentence,
    mixup_word,
    superloss,
    vat,
)
from datayield.strategies.pretrained import autoencoder, encoder, lm, static, vectors
from datayield.strategies.selection import (
    ccs,
    clean,
    data_map,
    el2n,
    el2n_easy,
    forgetting,
    random,
)
from datayield.strategies.self_training import self_training, self_training_blend
from datayield.strategies.topics import topics
from datayield.strategies.uncertainty import bald, entropy, least_confidence, margin

Factory = Callable[..., Strategy]

# In a composition, verbs of the same kind apply in this order.
FAMILIES: dict[str, tuple[Factory, ...]] = {
    "checks and protocols": (plain, twin, double, permuted_labels, article, untuned),
    "choice of the texts to label": (k_center, facility_location, entropy, margin, least_confidence, bald),
    "choice of the labels to train on": (
        random, dedup, clean, el2n, el2n_easy, forgetting, data_map, ccs,
    ),
    "more texts": (
        eda, eda_nn, synonym, insert, swap, delete, aeda, distil, distil_encoder, distil_blend,
        lm_substitute, self_training, self_training_blend, co_training,
        noisy, repeat,
    ),
    "first weights": (vectors, static, encoder, lm, autoencoder, topics),
    "order of the texts": (
        competence, competence_rarity, competence_loss, baby_steps, self_paced, random_order, anti,
    ),
    "loss of an example": (
        mixup_word, mixup_sentence, adversarial, vat, uda, fixmatch, superloss, label_smoothing,
    ),
}  # fmt: skip
OURS: tuple[Factory, ...] = tuple(f for members in FAMILIES.values() for f in members)

EXCLUSIVE = {  # fields that only one strategy of an arm may have -> their effect, for the error
    "query": "which texts to label (query)",
    "pretrain": "the first weights (pretrain)",
    "objective": "the loss of an example (objective)",
    "protocol": "labels and seed of a run (protocol)",
    "ranks": "how difficult each text is (ranks)",
}


@cache
def registered() -> dict[str, Factory]:
    """Return all factories by name: ours first, then those of installed packages by name.

    Raises:
        UserError: if a package registers a name that exists already.
    """
    factories = {factory.__name__: factory for factory in OURS}
    for entry in sorted(entry_points(group="datayield.strategies"), key=lambda e: e.name):
        if entry.name in factories:
            raise UserError(
                f"the installed package {entry.dist.name if entry.dist else entry.value} registers"
                f' the strategy "{entry.name}", which exists already. Uninstall one of the two.'
            )
        factories[entry.name] = entry.load()
    return factories


def make_strategy(name: str, arguments: Mapping[str, Any] | None = None) -> Strategy:
    """Make one strategy by name, with arguments of its factory.

    Raises:
        UserError: for an unknown name or argument, or a value out of range.
    """
    known = registered()
    if name not in known:
        raise UserError(f'unknown strategy "{name}": {nearest(name, list(known))}')
    accepted = list(signature(known[name]).parameters)
    for argument in arguments or {}:
        if argument not in accepted:
            raise UserError(
                f'strategy "{name}" has no argument "{argument}":'
                f" {nearest(argument, accepted) if accepted else 'it has none'}"
            )
    try:
        return known[name](**(arguments or {}))
    except UserError as e:
        raise UserError(f'strategy "{name}": {e}') from e


def canonical(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in the order of the registry, without `plain` if there are others.

    Raises:
        UserError: for an unknown name, or one that stands twice.
    """
    order = list(registered())
    for name in names:
        if name not in order:
            raise UserError(f'unknown strategy "{name}": {nearest(name, order)}')
    if len(set(names)) < len(names):
        raise UserError(
            f"a strategy is named twice in {'+'.join(names)}: each can be used once in an arm"
        )
    kept = [n for n in names if n != "plain"] or ["plain"]
    return tuple(sorted(kept, key=order.index))


def family(name: str) -> str:
    """Return the family (key of FAMILIES) of a strategy; "of other packages" if it is not ours."""
    ours = (f for f, members in FAMILIES.items() if name in [m.__name__ for m in members])
    return next(ours, "of other packages")


def verbs(strategy: Strategy) -> list[str]:
    """Return the verbs that a strategy uses, in the order in which they apply."""
    names = ("protocol", "query", "transform", "pretrain", "schedule", "objective")
    return [v for v in names if getattr(strategy, v) is not None]


def arguments_of(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a strategy: the defaults of its factory with the overrides."""
    make_strategy(name, overrides)  # checks the names
    defaults = {k: p.default for k, p in signature(registered()[name]).parameters.items()}
    return {**defaults, **overrides}


@dataclass(frozen=True, slots=True)
class Composition:
    """Several strategies applied together, in canonical order."""

    parts: tuple[Strategy, ...]

    def one(self, verb: str) -> Any:
        """Return this verb of the only part that has it, or None; for the verbs of EXCLUSIVE."""
        return next((getattr(p, verb) for p in self.parts if getattr(p, verb) is not None), None)

    @property
    def role(self) -> Role:
        """The role of the arm: "check" before "strategy" before "control" before "plain"."""
        roles = [p.role for p in self.parts]
        order: tuple[Role, ...] = ("check", "strategy", "control")
        return next((r for r in order if r in roles), "plain")

    @property
    def _teachers(self) -> list[Member]:
        arms = [p.teacher for p in self.parts if p.teacher is not None]
        return [m for arm in arms for m in arm.members or (Member(arm),)]

    @property
    def with_teachers(self) -> tuple[Strategy, ...]:
        """The parts, and those of the arms that label texts for them."""
        networks = (m.arm for m in self._teachers if m.arm.architecture in ARCHITECTURES)
        parts = (compose(arm.strategies, {}).with_teachers for arm in networks)
        return (*self.parts, *chain.from_iterable(parts))

    @property
    def precomputed(self) -> tuple[str, ...]:
        """The tables that some part reads, with the thesaurus in place of the variants made from it."""
        names = {f for p in self.with_teachers for f in p.precomputed if f != "variants"}
        names |= {m.arm.architecture for m in self._teachers if m.arm.architecture in OUTSIDE}
        thesauri = {p.rewrite.thesaurus for p in self.parts if p.rewrite and p.rewrite.thesaurus}
        return tuple(sorted(names | thesauri))

    def pins(self, labels: int) -> dict[str, Any]:
        """Return the settings that the parts fix at this budget.

        Raises:
            UserError: if two parts fix one setting at different values.
        """
        fixed: dict[str, Any] = {}
        for part in self.parts:
            for name, value in (part.pins(labels) if part.pins else {}).items():
                if fixed.setdefault(name, value) != value:
                    raise UserError(
                        f"{'+'.join(p.name for p in self.parts)} contradicts itself: {part.name} fixes"
                        f" model.{name} at {value!r}, another of them at {fixed[name]!r}."
                        " Leave one of them out."
                    )
        return fixed

    def needs(self, condition: Need) -> bool:
        """Return whether some part has this need."""
        return any(condition in p.needs for p in self.with_teachers)

    def transform(
        self, training_set: TrainingSet, contexts: Sequence[StrategyContext]
    ) -> TrainingSet:
        """Apply every part's `transform` in order, each with the context of the same place."""
        for part, context in zip(self.parts, contexts, strict=True):
            if part.transform is not None:
                training_set = part.transform(training_set, context)
        return training_set

    @property
    def schedule(self) -> Schedule | None:
        """All schedules as one: the rows that each of them shows; None if no part has one.

        Where no row is shown by all of them, the rows of the later schedule are shown.
        """
        schedules = [p.schedule for p in self.parts if p.schedule is not None]
        if not schedules:
            return None

        def chained(
            training_set: TrainingSet, past: TrainingProgress, rng: np.random.Generator
        ) -> Ints | None:
            rows: Ints | None = None
            for schedule in schedules:
                chosen = schedule(training_set, past, rng)
                if rows is None:
                    rows = chosen
                elif chosen is not None:
                    both = rows[np.isin(rows, chosen)]
                    rows = both if len(both) else chosen
            return rows

        return chained


def compose(names: Sequence[str], arguments: Mapping[str, Mapping[str, Any]]) -> Composition:
    """Compose the named strategies.

    Args:
        names: names of strategies, in any order.
        arguments: per strategy the arguments of its factory; entries of other names are ignored.

    Raises:
        UserError: for unknown names, and for strategies that exclude each other.
    """
    parts = tuple(make_strategy(n, arguments.get(n)) for n in canonical(names))
    for verb, effect in EXCLUSIVE.items():
        users = [p.name for p in parts if getattr(p, verb)]
        if len(users) > 1:
            raise UserError(
                f"{' and '.join(users)} cannot be combined: each of them decides {effect}."
                " Name one of them in an arm."
            )
    readers = [p.name for p in parts if p.stored_texts]
    writers = [p.name for p in parts if p.writes or p.rewrite]
    if readers and writers:
        raise UserError(
            f"{readers[0]} and {writers[0]} cannot be combined: {writers[0]} writes new texts, and {readers[0]}"
            " reads stored states of the corpus's texts. Name one of them in an arm."
        )
    return Composition(parts)
