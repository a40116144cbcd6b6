"""docs/params.md is what the model of params.yaml says, and its examples are accepted."""

from copy import deepcopy
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from datayield import config
from datayield.config import Params
from docs import params_reference
from tests.conftest import REPO

SET_BY_DRAWS = {"looks", "race"}  # names that nobody writes: `draws` has these forms
COMMON = set(params_reference.examples()["corpora.NAME, whatever the loader"])


def _models(kind: Any) -> set[type[BaseModel]]:
    """Return the models of all parts of params.yaml."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {found for part in get_args(kind) for found in _models(part)}
    inner = (_models(field.annotation) for field in kind.model_fields.values())
    return {kind}.union(*inner)


def test_the_page_is_current() -> None:
    assert (REPO / "docs/params.md").read_text() == params_reference.page(), (
        "run `python docs/params_reference.py`"
    )


@pytest.mark.parametrize("kind", sorted(_models(Params), key=lambda k: k.__name__))
def test_every_name_has_an_example(kind: type[BaseModel]) -> None:
    places = [p for p, model in params_reference.PARTS.items() if model is kind]
    explained = {name for place in places for name in params_reference.examples()[place]}
    parts = {"study", "corpora", "tuning", "execution", "analysis"} if kind is Params else COMMON
    assert places and set(kind.model_fields) - explained <= parts | SET_BY_DRAWS


@pytest.mark.parametrize("place", params_reference.PARTS)
def test_every_example_is_accepted(place: str) -> None:
    """Each value alone is of its field's kind; a whole study accepts those that can stand in one."""
    kind = params_reference.PARTS[place]
    for name, (_, example) in params_reference.examples()[place].items():
        field = kind.model_fields[name]
        adapter = TypeAdapter(field.annotation)
        value = deepcopy(example)
        adapter.validate_python(value if not isinstance(value, list) else tuple(value))
    if place in ("study", "execution", "tuning", "analysis"):
        whole = yaml.safe_load(config.preset("default"))
        names = params_reference.examples()[place].items()
        for name, (_, example) in names:
            if name != "first_draw":
                changed = deepcopy(whole)
                changed.setdefault(place, {})[name] = example
                config.parse(changed)
