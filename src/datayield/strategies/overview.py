"""Describes the strategies in words: a list for the terminal, docs/strategies.md, one strategy."""

import re
from collections.abc import Iterator
from inspect import getdoc
from itertools import groupby
from textwrap import fill

from datayield.strategies.base import RunProtocol, Strategy
from datayield.strategies.registry import arguments_of, family, make_strategy, registered, verbs

INDENT = " " * 22
HEAD = """# Strategies
All strategies that an arm can name. In a composition they apply in this order. This page is written by
`datayield strategies list --markdown`; `datayield strategies show NAME` describes one strategy in full. Every arm
pays for n labels, including those of its validation texts, and trains the same number of updates; the column
"also computes" names its other computations. A control shows what else could explain a gain of a strategy: the
report compares the two. [Adding a strategy](adding-a-strategy.md) explains the verbs.
"""


def listed(width: int) -> str:
    """Return a list of all strategies for a terminal with `width` columns."""
    out = []
    for name, members in _families():
        out.append(name.upper())
        for s in members:
            details = " · ".join(f"{k}: {v}" for k, v in _details(s).items())
            summary = _wrapped(s.summary, width, f"  {s.name:<20}")
            out.append(f"{summary}\n{_wrapped(details, width)}")
        out.append("")
    last = _wrapped(
        "`datayield strategies show NAME` describes one strategy in full.", width, "", ""
    )
    return "\n".join([*out, last, ""])


def as_data() -> dict[str, dict[str, object]]:
    """Return the description of every strategy by name, for other programs."""
    return {
        s.name: {
            "family": name,
            "summary": s.summary,
            "role": s.role,
            "version": s.version,
            "arguments": arguments_of(s.name, {}),
            **{k: v for k, v in _details(s).items() if k != "defaults"},
        }
        for name, members in _families()
        for s in members
    }


def page() -> str:
    """Return the text of docs/strategies.md."""
    out = [HEAD]
    columns = (
        "strategy",
        "what it does",
        "verbs",
        "labels",
        "also computes",
        "defaults",
        "control",
        "source",
    )
    for name, members in _families():
        out.append(f"## {name.capitalize()}")
        out.append("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
        for s in members:
            rows = _details(s)
            cells = [f"`{s.name}`", s.summary, *(rows.get(c, "") for c in columns[2:])]
            out[-1] += "\n| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def card(name: str, width: int) -> str:
    """Return the full description of one strategy: arguments, labels, computation, source."""
    s = make_strategy(name)
    head = f"{s.name} ({s.role}, version {s.version}): {s.summary}"
    rows = {"family": family(name), **_details(s)}
    if s.space:
        tuned = (
            f"{k.name} {k.low:.4g} to {k.high:.4g}{' (log)' if k.log else ''}" for k in s.space
        )
        rows["tunable"] = ", ".join(tuned)
    if s.pins:
        rows["fixes"] = _arguments(dict(s.pins(1000))) + " (at 1,000 labels)"
    if s.needs:
        rows["needs"] = ", ".join(NEEDS[n] for n in s.needs)
    lines = [_wrapped(v, width, f"{k + ':':<15}", " " * 15) for k, v in rows.items()]
    paragraphs = _docs(getdoc(registered()[name]) or "", width)
    return "\n\n".join([fill(head, width), *paragraphs, "\n".join(lines)])


def _docs(text: str, width: int) -> Iterator[str]:
    """Yield the paragraphs of a docstring, wrapped; each argument under "Args:" begins a line."""
    for paragraph in text.split("\n\n"):
        head, *entries = re.split(r"\n {4}(?=\S)", paragraph)
        filled = (_wrapped(" ".join(e.split()), width, " " * 4, " " * 8) for e in entries)
        yield "\n".join([fill(" ".join(head.split()), width), *filled])


NEEDS = {
    "dropout": "a dropout above 0",
    "language_model": "one shape of the network, which no search changes",
}


def _families() -> Iterator[tuple[str, list[Strategy]]]:
    for name, names in groupby(registered(), family):
        yield name, [make_strategy(n) for n in names]


def _details(s: Strategy) -> dict[str, str]:
    details = {
        "verbs": " + ".join(verbs(s)),
        "labels": labels(s),
        "also computes": s.compute,
        "defaults": _arguments(arguments_of(s.name, {})),
        "control": s.control,
        "source": s.source,
    }
    if s.role in ("control", "check"):
        details["verbs"] += f" ({s.role})"
    return {k: v for k, v in details.items() if v}


def labels(s: Strategy) -> str:
    """Return how the n paid labels are used, and whether texts without labels are read."""
    protocol = s.protocol(RunProtocol(100, 0)) if s.protocol else RunProtocol(100, 0)
    words = "n" if protocol.labels == 100 else f"{protocol.labels / 100:g}n, billed as n"
    keep = arguments_of(s.name, {}).get("keep")
    if s.query:
        words += ", chosen by the strategy"
    elif keep is not None:
        words += f", a share of {keep:.2g} trains"
    elif protocol.unused:
        words += f", {1 - protocol.unused:.0%} of them train"
    return words + (" + texts without labels" if reads_unlabelled(s) else "")


def reads_unlabelled(s: Strategy) -> bool:
    """Return whether a strategy uses texts without labels, or vectors or neighbours made from them."""
    neighbours = s.rewrite is not None and s.rewrite.thesaurus == "neighbours"
    from_texts = neighbours or "vectors" in s.precomputed or "language_model" in s.needs
    return s.unlabelled or from_texts or s.query is not None


def _arguments(values: dict[str, object]) -> str:
    texts = (f"{v:.4g}" if isinstance(v, float) else repr(v) for v in values.values())
    return ", ".join(f"{k}={text}" for k, text in zip(values, texts, strict=True))


def _wrapped(text: str, width: int, first: str = INDENT, later: str = INDENT) -> str:
    return fill(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
