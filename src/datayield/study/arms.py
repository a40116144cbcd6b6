"""Parses and describes arms, and derives their untuned settings."""

from collections.abc import Collection
from typing import Any

from datayield.config import Params
from datayield.core.errors import UserError, nearest
from datayield.core.types import Arm
from datayield.models.settings import ARCHITECTURES, BASELINES, settings
from datayield.strategies.registry import arguments_of, canonical, compose, verbs


def parse_arm(text: str) -> Arm:
    """Parse `lstm:eda_nn+mixup_word` into an Arm in canonical form; `lstm` means `lstm:plain`.

    Raises:
        UserError: for an unknown name, with the nearest and all known names.
    """
    architecture, _, rest = text.partition(":")
    if architecture in BASELINES:
        if rest:
            raise UserError(
                f'arm "{text}": {architecture} is not a network and takes no strategies'
            )
        return Arm(architecture)
    if architecture not in ARCHITECTURES:
        known = [*ARCHITECTURES, *BASELINES]
        raise UserError(
            f'arm "{text}": unknown architecture "{architecture}": {nearest(architecture, known)}'
        )
    try:
        arm = Arm(architecture, canonical((rest or "plain").split("+")))
        compose(arm.strategies, {})
    except UserError as e:
        raise UserError(f'arm "{text}": {e}') from e
    return arm


def default_settings(params: Params, arm: Arm, n: int) -> dict[str, Any]:
    """Return the untuned settings of an arm at a budget: {"model": ..., "<strategy>": ...}."""
    if not arm.strategies:
        return {}
    parts = compose(arm.strategies, params.strategies)
    model = settings(arm.architecture, {**params.model, **parts.pins(n)}, updates_at(params, n))
    arguments = {s: arguments_of(s, params.strategies.get(s, {})) for s in arm.strategies}
    if parts.needs("dropout") and not any(model[d] for d in DROPOUTS):
        raise UserError(
            f'arm "{arm}" needs predictions that vary between passes: set one of {", ".join(DROPOUTS)}'
            " above 0 (model in params.yaml); all of them are 0"
        )
    return {"model": model, **{s: a for s, a in arguments.items() if a}}


def pinned(arm: Arm) -> Collection[str]:
    """Return the settings that the architecture of an arm fixes."""
    return ARCHITECTURES[arm.architecture]


def describe(arm: Arm) -> dict[str, Any]:
    """Describe an arm for the report: role, summary, expected result, control, tuned counterpart."""
    if not arm.strategies:
        return {"role": "baseline", "summary": BASELINES[arm.architecture]}
    parts = compose(arm.strategies, {})
    out: dict[str, Any] = {
        "role": parts.role,
        "summary": "; ".join(p.summary for p in parts.parts),
    }
    expected = dict(parts.parts[0].expected) if len(parts.parts) == 1 else {}
    if expected.get("arm") == "plain":
        expected["arm"] = str(Arm(arm.architecture, ("plain",)))
    if expected:
        out["expected"] = expected
    control = control_of(arm)
    if control is not None:
        out["control"] = str(control)
    searched = tuple(p.name for p in parts.parts if p.tuned)
    fixed = [p for p in parts.parts if not p.tuned]
    if fixed:  # the same arm with searched settings, and whether nothing else differs
        alone = not any(p.pins or verbs(p) for p in fixed)
        counterpart = str(Arm(arm.architecture, searched or ("plain",)))
        out["tuned"] = {"arm": counterpart, "alone": alone}
    return out


def control_of(arm: Arm) -> Arm | None:
    """Return the control of a single strategy: the arm that rules out other causes of a gain."""
    if len(arm.strategies) != 1 or not (name := compose(arm.strategies, {}).parts[0].control):
        return None
    return Arm(arm.architecture, (name,))


DROPOUTS = ("word_dropout", "embedding_dropout", "dropout")


def updates_at(params: Params, n: int) -> int:
    """Return U(n), the number of updates of every network arm at a budget."""
    return [u for labels, u in params.updates.items() if labels <= n][-1]
