"""Parses and describes arms, and derives their untuned settings."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from datayield.config import Params
from datayield.core.arm import BLEND, WEIGHTED, Arm, Member
from datayield.core.errors import UserError, nearest
from datayield.models.settings import (
    ARCHITECTURES,
    BASELINES,
    DEFAULT_MODELS,
    ENCODER,
    ENCODER_TOKENS,
    OUTSIDE,
    OUTSIDE_TABLES,
    TITLES,
    WITHOUT_PROBABILITIES,
    settings,
)
from datayield.strategies.base import Strategy
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
        parts = compose(arm.strategies, {})
        if parts.one("query") or parts.role == "check":
            raise UserError(
                f'arm "{text}": {arm} learns from other labels than the first n of its draw, so a blend with it'
                " would use more labels than are paid for"
            )
        counts[arm] = counts.get(arm, 0) + member.count
        if counts[arm] > 1 and not arm.strategies:
            raise UserError(f'arm "{text}": {arm} has no seeds to average over; name it once')
    if sum(counts.values()) < 2:
        raise UserError(f'arm "{text}": expected at least two members, or one with several seeds')
    members = tuple(Member(arm, counts[arm]) for arm in sorted(counts, key=str))
    if len(members) > 1:
        return Arm(written.architecture, (), members)
    if written.architecture == WEIGHTED:
        raise UserError(f'arm "{text}": expected several members to weigh against each other')
    return Arm(members[0].arm.architecture, (), members)


def _parse_trained(text: str) -> Arm:
    """Return an arm that trains, in canonical form."""
    architecture, _, rest = text.partition(":")
    if architecture in BASELINES or architecture in OUTSIDE:
        if rest:
            raise UserError(
                f'arm "{text}": {architecture} is not a network and takes no strategies'
            )
        return Arm(architecture)
    if architecture not in ARCHITECTURES:
        known = [*ARCHITECTURES, *BASELINES, *OUTSIDE]
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
    if arm.architecture in OUTSIDE and not arm.members:
        return {"outside": {"model": model_of(params, arm.architecture)}}
    if not arm.strategies:
        return {}
    parts = compose(arm.strategies, params.strategies)
    model = settings(arm.architecture, {**params.model, **parts.pins(n)}, updates_at(params, n))
    for part in parts.parts:
        check_teacher(part)
    arguments = {s: arguments_of(s, params.strategies.get(s, {})) for s in arm.strategies}
    if parts.needs("dropout") and not any(model[d] for d in DROPOUTS):
        raise UserError(
            f'arm "{arm}" needs predictions that vary between passes: set one of {", ".join(DROPOUTS)}'
            " above 0 (model in params.yaml); all of them are 0"
        )
    # The model of token states is part of the network: who uses it elsewhere must find it again.
    states = ENCODER_TOKENS in parts.precomputed
    outside = {"outside": {"model": model_of(params, ENCODER)}} if states else {}
    return {"model": model, **{s: a for s, a in arguments.items() if a}, **outside}


def check_noisy_labels(params: Params, arm: Arm) -> None:
    """Raise UserError if an arm reads noisy labels and a corpus of the study has none."""
    if "noisy" not in compose(arm.strategies, params.strategies).precomputed:
        return
    for name in params.study.corpora:
        if params.corpora[name].noisy is None:
            raise UserError(
                f'params.yaml: study.grid: {arm} reads noisy labels, and the corpus "{name}" has none: add'
                f" noisy: {{path, sha256, text, label, price}} to corpora.{name}, or leave the arm out"
            )


def model_of(params: Params, kind: str) -> str:
    """Return a study's model from outside of a kind (settings.OUTSIDE): a package, a path, a name of the hub.

    Raises:
        UserError: `strategies` names something else about it.
    """
    named = params.strategies.get(kind, {})
    model = named.get("model", DEFAULT_MODELS[kind])
    if named.keys() - {"model"} or not isinstance(model, str):
        raise UserError(
            f"params.yaml: strategies.{kind}: expected {{model: a package, a folder or a name of the"
            f" hub}}, got {named}"
        )
    return model


def pinned(arm: Arm) -> Collection[str]:
    """Return the settings that the architecture of an arm fixes."""
    return ARCHITECTURES[arm.architecture]


def check_teacher(strategy: Strategy) -> None:
    """Raise UserError if the arm that labels texts for a strategy cannot be trained inside its cells."""
    if strategy.teacher is None:
        return
    where = f"params.yaml: strategies.{strategy.name}.teacher"
    try:
        arm = parse_arm(str(strategy.teacher))
    except UserError as e:
        raise UserError(f"{where}: {e}") from e
    for member in arm.members or (Member(arm),):
        if member.arm.architecture in WITHOUT_PROBABILITIES:
            raise UserError(
                f"{where}: {member.arm} gives no probabilities that could be learnt from"
            )
        parts = compose(member.arm.strategies, {})
        if parts.one("query") or parts.one("protocol"):
            raise UserError(
                f"{where}: {member.arm} learns from other labels than its student; name one without it"
            )
        if parts.one("rewrite") or "variants" in {n for p in parts.parts for n in p.precomputed}:
            raise UserError(
                f"{where}: {member.arm} reads variants that are made for arms of the grid alone; leave out"
                " the strategy that rewrites texts"
            )


StrategyArguments: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Strategy -> arguments of its factory, as in params.yaml."""
DEFAULTS: StrategyArguments = MappingProxyType({})


def outside_tables(arm: Arm, arguments: StrategyArguments) -> set[str]:
    """Return the tables of models that have read other text, as an arm or a member of it reads them."""
    parts = compose(arm.strategies, arguments)
    named = {arm.architecture, *parts.precomputed} & OUTSIDE_TABLES.keys()
    return named.union(*(outside_tables(m.arm, arguments) for m in arm.members))


def describe(arm: Arm, arguments: StrategyArguments = DEFAULTS) -> dict[str, Any]:
    """Describe an arm for the report: title, role, summary, expected result, control, tuned counterpart.

    Args:
        arm: the arm.
        arguments: of the strategies, as in params.yaml.
    """
    described = {"title": title(arm), **_describe(arm, arguments)}
    return described | {"outside": True} if outside_tables(arm, arguments) else described


def title(arm: Arm) -> str:
    """Name an arm for readers: `plain LSTM`, `LSTM + word vectors`, `plain LSTM averaged with TF-IDF`."""
    if arm.members:
        first, *others = map(_member_title, arm.members)
        if not others:
            return f"{first}, averaged"
        joined = "weighed against" if arm.architecture == WEIGHTED else "averaged with"
        return f"{first}{',' * (' + ' in first)} {joined} {' and '.join(others)}"
    name = TITLES.get(arm.architecture, arm.architecture.upper())
    if arm.strategies in ((), ("plain",)):
        return f"plain {name}" if arm.strategies else name
    parts = compose(arm.strategies, {}).parts
    return " + ".join([name, *(p.title or p.name for p in parts)])


def _member_title(member: Member) -> str:
    return f"{member.count} × {title(member.arm)}" if member.count > 1 else title(member.arm)


def _describe(arm: Arm, arguments: StrategyArguments) -> dict[str, Any]:
    if arm.members:
        return _describe_blend(arm)
    if not arm.strategies:
        known = BASELINES | OUTSIDE
        return {"role": "baseline", "summary": known[arm.architecture]}
    parts = compose(arm.strategies, arguments)
    out: dict[str, Any] = {
        "role": parts.role,
        "summary": "; ".join(p.summary for p in parts.parts),
    }
    cheap = sum(p.cheap_labels for p in parts.parts)
    if cheap:
        out["cheap_labels"] = cheap
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


POOLED = {
    BLEND: "mean of the probabilities",
    WEIGHTED: "probabilities, weighed against each other on held-out texts,",
}


def _describe_blend(arm: Arm) -> dict[str, Any]:
    """Describe an arm whose members' probabilities are averaged; its control has as many plain networks."""
    out: dict[str, Any] = {
        "role": "strategy",
        "summary": f"{POOLED.get(arm.architecture, POOLED[BLEND])} of {', '.join(map(str, arm.members))}",
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
