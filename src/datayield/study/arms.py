"""Parses and describes arms, and derives their untuned settings."""

from collections.abc import Collection
from typing import Any

from datayield.config import Params
from datayield.core.errors import UserError, nearest
from datayield.core.types import BLEND, Arm, Member
from datayield.models.settings import ARCHITECTURES, BASELINES, WITHOUT_PROBABILITIES, settings
from datayield.strategies.registry import arguments_of, canonical, compose, verbs


def parse_arm(text: str) -> Arm:
    """Parse `lstm:eda_nn+mixup_word` into an Arm in canonical form; `lstm` means `lstm:plain`.

    `lstm:lm*4` and `blend(lstm:lm*4, tfidf)` are arms whose members are parsed alike.

    Raises:
        UserError: for an unknown name, with the nearest and all known names.
    """
    try:
        written = Arm.named(text)
    except ValueError as e:
        raise UserError(f'arm "{text}": {e}') from e
    return _parse_blend(text, written) if written.members else _parse_trained(text)


def _parse_blend(text: str, written: Arm) -> Arm:
    """Return a blend with its members in canonical form, equal ones counted together."""
    counts: dict[Arm, int] = {}
    for member in written.members:
        arm = _parse_trained(str(member.arm))
        if arm.architecture in WITHOUT_PROBABILITIES:
            raise UserError(f'arm "{text}": {arm} gives no probabilities that could be averaged')
        counts[arm] = counts.get(arm, 0) + member.count
        if counts[arm] > 1 and not arm.strategies:
            raise UserError(f'arm "{text}": {arm} has no seeds to average over; name it once')
    if sum(counts.values()) < 2:
        raise UserError(f'arm "{text}": expected at least two members, or one with several seeds')
    members = tuple(Member(arm, counts[arm]) for arm in sorted(counts, key=str))
    architecture = BLEND if len(members) > 1 else members[0].arm.architecture
    return Arm(architecture, (), members)


def _parse_trained(text: str) -> Arm:
    """Return an arm that trains, in canonical form."""
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
    if arm.members:
        return _describe_blend(arm)
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


def _describe_blend(arm: Arm) -> dict[str, Any]:
    """Describe an arm whose members' probabilities are averaged; its control has as many plain networks."""
    out: dict[str, Any] = {
        "role": "strategy",
        "summary": f"mean of the probabilities of {', '.join(map(str, arm.members))}",
        "members": [str(m.arm) for m in arm.members],
    }
    networks = [m.arm.architecture for m in arm.members if m.arm.strategies]
    if networks:
        plain = Member(Arm(networks[0], ("plain",)), sum(m.count for m in arm.members))
        control = Arm(networks[0], (), (plain,))
        if control != arm:
            out["control"] = str(control)
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
