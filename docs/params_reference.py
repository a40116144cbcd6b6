"""Writes docs/params.md from the model of params.yaml: `python docs/params_reference.py`.

Names, values, defaults and meanings come from datayield.config; units and examples from
params_examples.yaml. A test checks that every name has an example and that every example is accepted.
"""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from datayield.config import draw_plans, params, sources

DOCS = Path(__file__).parent
PAGE = DOCS / "params.md"


PARTS: dict[str, type[BaseModel]] = {
    "study": params.Study,
    "study.grid": params.Block,
    "study.draws, to add draws at looks": draw_plans.Looks,
    "study.draws, for a race": draw_plans.RacePlan,
    "study.draws.rounds": draw_plans.RaceRound,
    "corpora.NAME, whatever the loader": sources.CatalogSource,
    "corpora.NAME, loader file": sources.FileSource,
    "corpora.NAME.more": sources.FilePart,
    "corpora.NAME.more.columns": sources.FileColumns,
    "corpora.NAME.unlabelled": sources.UnlabelledFile,
    "corpora.NAME.noisy": sources.NoisyFile,
    "corpora.NAME, loader catalog": sources.CatalogSource,
    "corpora.NAME, loader hub": sources.HubSource,
    "corpora.NAME, loader pydocs": sources.PydocsSource,
    "corpora.NAME, loader synthetic": sources.SyntheticSource,
    "corpora.NAME, loader download": sources.DownloadSource,
    "corpora.NAME.files": sources.RemoteFileEntry,
    "execution": params.Execution,
    "tuning": params.Tuning,
    "tuning.space.SETTING": params.Limits,
    "analysis": params.Analysis,
    "the file itself": params.Params,
}
"""Place in params.yaml → the model that checks it."""

HEAD = """# params.yaml, name by name
Every name of params.yaml, made from the model that checks the file. A name without a default must be given. Points
are percentage points, shares lie between 0 and 1, and `"0…"` stands for the 64 digits of a hash. The
[glossary](glossary.md) explains the words; [tuning](tuning.md) and
[the settings of networks](architecture.md#settings-of-networks) say more about `tuning` and `model`.
Written by `python docs/params_reference.py`.
"""
COLUMNS = "| name | values | unit | default | example | meaning |\n|---|---|---|---|---|---|"


def examples() -> dict[str, dict[str, tuple[str, Any]]]:
    """Return place → name → unit and example; a unit is "" where a value has none."""
    found: dict[str, dict[str, tuple[str, Any]]] = yaml.safe_load(
        (DOCS / "params_examples.yaml").read_text(encoding="utf-8")
    )
    return found


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(place, names) for place, names in examples().items())])


def section(place: str, names: dict[str, tuple[str, Any]]) -> str:
    """Return the heading and the table of a part."""
    first, _, rest = place.partition(",")
    title = place if place.startswith("the ") else f"`{first}`{',' + rest if rest else ''}"
    rows = (row(name, PARTS[place].model_fields[name], *names[name]) for name in names)
    return "\n".join([f"## {title}", COLUMNS, *rows]) + "\n"


def row(name: str, field: FieldInfo, unit: str, example: Any) -> str:
    """Return the line of one name."""
    default = "" if field.is_required() else code(field.get_default(call_default_factory=True))
    meaning = field.description or "the loader that reads the corpus"
    cells = (f"`{name}`", values(field), unit, default, code(example), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def values(field: FieldInfo) -> str:
    """Return the values that a name can have, in words."""
    kinds = list(dict.fromkeys(_kinds(field.annotation)))
    bounds = " and ".join(_bounds(field)).replace(" and to", " to")
    return " or ".join(kinds) + (f", {bounds}" if bounds else "")


def _kinds(annotation: Any) -> Iterator[str]:
    """Yield the kinds of values that a type allows."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from (f"`{value}`" for value in inner)
    elif origin in (Union, types.UnionType):
        yield from (kind for part in inner for kind in _kinds(part))
    elif origin is tuple:
        yield "list"
    elif origin is not None and inner and origin is not dict:
        yield from _kinds(inner[0])
    elif annotation is type(None):
        yield "`null`"
    elif isinstance(annotation, type) and annotation in NAMES:
        yield NAMES[annotation]
    else:
        yield "mapping"


NAMES = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
}
SIGNS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}


def _bounds(field: FieldInfo) -> Iterator[str]:
    """Yield the ends of the values that a number can have."""
    for condition in field.metadata:
        for name, sign in SIGNS.items():
            if hasattr(condition, name):
                yield sign.format(f"{getattr(condition, name):,}")


def code(value: Any) -> str:
    """Return a value as it is written in params.yaml."""
    if value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        value = [v.model_dump() if isinstance(v, BaseModel) else v for v in value]
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    shown = text.removesuffix("...\n").strip().replace("0" * 64, "0…")
    return f"`{shown}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
