"""The list of strategies, and how names become one composed strategy.

Third parties add theirs by the entry point group `datayield.strategies`: a factory whose arguments
all have defaults. Registering a strategy tests it: tests/contracts runs over this list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from inspect import signature
from typing import Any

import numpy as np

from datayield.errors import UserError, nearest
from datayield.strategies.active import bald, entropy, least_confidence, margin
from datayield.strategies.augment import (
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
from datayield.strategies.base import Desk, Need, Plan, Prepare, Present, Role, Strategy
from datayield.strategies.coverage import facility_location, k_center
from datayield.strategies.objective import (
    adversarial,
    label_smoothing,
    mixup_sentence,
    mixup_word,
    superloss,
    vat,
)
from datayield.strategies.order import (
    anti,
    baby_steps,
    competence,
    competence_loss,
    competence_rarity,
    random_order,
    self_paced,
)
from datayield.strategies.plain import double, permuted_labels, plain, twin
from datayield.strategies.pretrain import autoencoder, lm, vectors
from datayield.strategies.protocol import article, refit_all, untuned
from datayield.strategies.select import (
    ccs,
    clean,
    data_map,
    dedup,
    el2n,
    el2n_easy,
    forgetting,
    random,
)
from datayield.strategies.teach import distil, self_training
from datayield.types import Ints, Past, TrainingSet

Factory = Callable[..., Strategy]

# The order is the order in which verbs of the same kind apply in a composition.
FAMILIES: dict[str, tuple[Factory, ...]] = {
    "checks and protocols": (plain, twin, double, permuted_labels, article, untuned, refit_all),
    "what to label": (k_center, facility_location, entropy, margin, least_confidence, bald),
    "which labels to train on": (
        random, dedup, clean, el2n, el2n_easy, forgetting, data_map, ccs,
    ),
    "more texts": (
        eda, eda_nn, synonym, insert, swap, delete, aeda, distil, lm_substitute, self_training, repeat,
    ),
    "where to start": (vectors, lm, autoencoder),
    "in which order": (
        competence, competence_rarity, competence_loss, baby_steps, self_paced, random_order, anti,
    ),
    "how an example counts": (
        mixup_word, mixup_sentence, adversarial, vat, superloss, label_smoothing,
    ),
}  # fmt: skip
OURS: tuple[Factory, ...] = tuple(f for own in FAMILIES.values() for f in own)

EXCLUSIVE = {  # fields of which an arm has one -> what they decide
    "acquire": "acquire: what to label",
    "pretrain": "pretrain: where to start",
    "objective": "objective: how an example counts",
    "plan": "plan: what a run works with",
    "ranks": "how difficult each text is",
}


@cache
def registry() -> dict[str, Factory]:
    """All factories by name, ours first, then those of installed packages by name."""
    found = {factory.__name__: factory for factory in OURS}
    for entry in sorted(entry_points(group="datayield.strategies"), key=lambda e: e.name):
        if entry.name in found:
            raise UserError(
                f"the installed package {entry.dist.name if entry.dist else entry.value} registers"
                f' the strategy "{entry.name}", which exists already. Uninstall one of the two.'
            )
        found[entry.name] = entry.load()
    return found


def make(name: str, arguments: Mapping[str, Any] | None = None) -> Strategy:
    """One strategy by name, with arguments of its factory.

    Raises:
        UserError: for an unknown name or argument, naming the nearest and the known.
    """
    known = registry()
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
    """Names in registry order; `plain` disappears beside others; repeats are an error."""
    order = list(registry())
    for name in names:
        if name not in order:
            raise UserError(f'unknown strategy "{name}": {nearest(name, order)}')
    if len(set(names)) < len(names):
        raise UserError(f"a strategy is named twice in {'+'.join(names)}")
    kept = [n for n in names if n != "plain"] or ["plain"]
    return tuple(sorted(kept, key=order.index))


def family(name: str) -> str:
    """Which of FAMILIES a registered strategy belongs to; those of other packages make one more."""
    own = (f for f, members in FAMILIES.items() if name in [m.__name__ for m in members])
    return next(own, "of other packages")


def verbs(strategy: Strategy) -> list[str]:
    """The verbs that a strategy uses, in the order in which they apply."""
    names = ("plan", "acquire", "prepare", "pretrain", "present", "objective")
    return [v for v in names if getattr(strategy, v) is not None]


def arguments_of(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved arguments of a strategy: its defaults with the overrides."""
    make(name, overrides)  # checks the names
    defaults = {k: p.default for k, p in signature(registry()[name]).parameters.items()}
    return {**defaults, **overrides}


@dataclass(frozen=True, slots=True)
class Composition:
    """Several strategies applied together, in canonical order."""

    parts: tuple[Strategy, ...]

    def one(self, verb: str) -> Any:
        """The only part's verb, or None; two of an exclusive verb were refused by `compose`."""
        return next((getattr(p, verb) for p in self.parts if getattr(p, verb) is not None), None)

    @property
    def role(self) -> Role:
        """The role of the part that matters most for how an arm is read."""
        roles = [p.role for p in self.parts]
        order: tuple[Role, ...] = ("check", "strategy", "control")
        return next((r for r in order if r in roles), "plain")

    @property
    def facts(self) -> tuple[str, ...]:
        """What determines the data tables that some part reads: variants come from a thesaurus."""
        found = {f for p in self.parts for f in p.facts if f != "variants"}
        thesauri = {p.rewrite.thesaurus for p in self.parts if p.rewrite and p.rewrite.thesaurus}
        return tuple(sorted(found | thesauri))

    def pins(self, labels: int) -> dict[str, Any]:
        """The settings that some part fixes at this budget.

        Raises:
            UserError: where two parts fix one setting differently.
        """
        found: dict[str, Any] = {}
        for part in self.parts:
            for name, value in (part.pins(labels) if part.pins else {}).items():
                if found.setdefault(name, value) != value:
                    raise UserError(
                        f"{'+'.join(p.name for p in self.parts)} contradicts itself: {part.name} fixes"
                        f" model.{name} at {value!r}, another of them at {found[name]!r}"
                    )
        return found

    def needs(self, what: Need) -> bool:
        """Whether some part needs this."""
        return any(what in p.needs for p in self.parts)

    def prepare(self, desks: Sequence[Desk]) -> Prepare:
        """All `prepare` verbs in order; part i works at desks[i]. The desk argument is ignored."""

        def chained(training_set: TrainingSet, desk: Desk) -> TrainingSet:
            for part, own in zip(self.parts, desks, strict=True):
                if part.prepare is not None:
                    training_set = part.prepare(training_set, own)
            return training_set

        return chained

    @property
    def present(self) -> Present | None:
        """All `present` verbs: the rows that every one of them shows; None if no part has one."""
        verbs = [p.present for p in self.parts if p.present is not None]
        if not verbs:
            return None

        def chained(training_set: TrainingSet, past: Past, rng: np.random.Generator) -> Ints | None:
            rows: Ints | None = None
            for verb in verbs:
                shown = verb(training_set, past, rng)
                if rows is None:
                    rows = shown
                elif shown is not None:
                    both = rows[np.isin(rows, shown)]
                    rows = both if len(both) else shown
            return rows

        return chained


def compose(names: Sequence[str], arguments: Mapping[str, Mapping[str, Any]]) -> Composition:
    """A composition from names and each one's arguments; others' are passed over.

    Raises:
        UserError: for unknown names, and for two strategies that need the same exclusive verb.
    """
    parts = tuple(make(n, arguments.get(n)) for n in canonical(names))
    for verb, decided in EXCLUSIVE.items():
        users = [p.name for p in parts if getattr(p, verb)]
        if len(users) > 1:
            raise UserError(
                f"{' and '.join(users)} cannot be combined: each of them decides {decided};"
                " an arm can have one such strategy"
            )
    _check_validation(parts)
    return Composition(parts)


def _check_validation(parts: Sequence[Strategy]) -> None:
    choosing = [p.name for p in parts if "validation" in p.needs]
    leaving = [p.name for p in parts if p.plan and not p.plan(Plan(100, 0)).validates]
    if choosing and leaving:
        raise UserError(
            f"{choosing[0]} and {leaving[0]} cannot be combined: {choosing[0]} chooses by the validation"
            f" part, and {leaving[0]} trains on all of it"
        )
