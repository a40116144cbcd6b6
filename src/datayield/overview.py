"""The strategies in words: lists for a terminal, the page docs/strategies.md, one strategy's card."""

import re
from collections.abc import Iterator
from inspect import getdoc
from itertools import groupby
from textwrap import fill

from datayield.strategies import arguments_of, family, make, registry, verbs
from datayield.strategies.base import Plan, Strategy

INDENT = " " * 20
HEAD = """# Strategies
Every way of using the data that an arm can name, in the order in which those of a composition apply. This page
is written by `datayield strategies list --markdown`; `datayield strategies show NAME` says more of one. Every
arm pays for n labels, validation part included, and trains the same number of updates; "takes" is what comes on
top. A control shows what else could explain a gain: the report sets the two side by side.
"""


def listed(width: int) -> str:
    """Every strategy with verbs, labels, compute, defaults and source, for so many columns."""
    out = []
    for name, members in _families():
        out.append(name.upper())
        for s in members:
            told = " · ".join(f"{k}: {v}" for k, v in _facts(s).items())
            out.append(f"{_wrapped(s.summary, width, f'  {s.name:<18}')}\n{_wrapped(told, width)}")
        out.append("")
    return "\n".join([*out, "`datayield strategies show NAME` says more of one.", ""])


def as_data() -> dict[str, dict[str, object]]:
    """Every strategy by name, for other programs."""
    return {
        s.name: {
            "family": name,
            "summary": s.summary,
            "role": s.role,
            "version": s.version,
            "arguments": arguments_of(s.name, {}),
            **{k: v for k, v in _facts(s).items() if k != "defaults"},
        }
        for name, members in _families()
        for s in members
    }


def page() -> str:
    """docs/strategies.md."""
    out = [HEAD]
    columns = (
        "strategy",
        "what it does",
        "verbs",
        "labels",
        "takes",
        "defaults",
        "control",
        "source",
    )
    for name, members in _families():
        out.append(f"## {name.capitalize()}")
        out.append("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
        for s in members:
            facts = _facts(s)
            cells = [f"`{s.name}`", s.summary, *(facts.get(c, "") for c in columns[2:])]
            out[-1] += "\n| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def card(name: str, width: int) -> str:
    """One strategy: what it is, its arguments, what it costs, its source."""
    s = make(name)
    head = f"{s.name} ({s.role}, version {s.version}): {s.summary}"
    facts = {"family": family(name), **_facts(s)}
    if s.space:
        tuned = (
            f"{k.name} {k.low:.4g} to {k.high:.4g}{' (log)' if k.log else ''}" for k in s.space
        )
        facts["tunable"] = ", ".join(tuned)
    if s.pins:
        facts["fixes"] = _arguments(dict(s.pins(1000))) + " (at 1,000 labels)"
    if s.needs:
        facts["needs"] = ", ".join(NEEDS[n] for n in s.needs)
    lines = [_wrapped(v, width, f"{k + ':':<12}", " " * 12) for k, v in facts.items()]
    told = _docs(getdoc(registry()[name]) or "", width)
    return "\n\n".join([fill(head, width), *told, "\n".join(lines)])


def _docs(text: str, width: int) -> Iterator[str]:
    """The paragraphs of a docstring, filled anew; each argument under "Args:" begins a line."""
    for paragraph in text.split("\n\n"):
        head, *entries = re.split(r"\n {4}(?=\S)", paragraph)
        filled = (_wrapped(" ".join(e.split()), width, " " * 4, " " * 8) for e in entries)
        yield "\n".join([fill(" ".join(head.split()), width), *filled])


NEEDS = {
    "validation": "a validation part to choose by",
    "dropout": "some dropout",
    "reader": "one declared width (no search changes it)",
}


def _families() -> Iterator[tuple[str, list[Strategy]]]:
    for name, names in groupby(registry(), family):
        yield name, [make(n) for n in names]


def _facts(s: Strategy) -> dict[str, str]:
    found = {
        "verbs": " + ".join(verbs(s)),
        "labels": labels(s),
        "takes": s.compute,
        "defaults": _arguments(arguments_of(s.name, {})),
        "control": s.control,
        "source": s.source,
    }
    if s.role in ("control", "check"):
        found["verbs"] += f" ({s.role})"
    return {k: v for k, v in found.items() if v}


def labels(s: Strategy) -> str:
    """What happens to the n labels paid, and whether texts without labels are read."""
    plan = s.plan(Plan(100, 0)) if s.plan else Plan(100, 0)
    told = "n" if plan.labels == 100 else f"{plan.labels / 100:g}n, billed as n"
    keep = arguments_of(s.name, {}).get("keep")
    if s.acquire:
        told += ", chosen by it"
    elif keep is not None:
        told += f", a share of {keep:.2g} trains"
    elif plan.validates != 1:
        told += (
            f", {plan.validates:.0%} of the validation part is left"
            if plan.validates
            else ", all of them train"
        )
    return told + (" + texts without labels" if reads_unlabelled(s) else "")


def reads_unlabelled(s: Strategy) -> bool:
    """Whether it learns from texts without labels, or from what was made of them."""
    made = "vectors" in s.facts or (s.rewrite is not None and s.rewrite.thesaurus == "neighbours")
    return s.unlabelled or made or "reader" in s.needs or s.acquire is not None


def _arguments(values: dict[str, object]) -> str:
    shown = (f"{v:.4g}" if isinstance(v, float) else repr(v) for v in values.values())
    return ", ".join(f"{k}={v}" for k, v in zip(values, shown, strict=True))


def _wrapped(text: str, width: int, first: str = INDENT, later: str = INDENT) -> str:
    return fill(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
