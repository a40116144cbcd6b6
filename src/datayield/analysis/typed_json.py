"""Turns frozen dataclasses into plain JSON and back, and into a JSON schema.

Fields may be numbers, strings, booleans, None, Literals, dataclasses, tuples, mappings with string or
integer keys, and unions of these.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def to_json(value: Any) -> Any:
    """Return a dataclass as an object of its fields, a tuple as an array, anything else unchanged."""
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    return [to_json(v) for v in value] if isinstance(value, tuple | list) else value


def from_json(kind: type[T], value: Any) -> T:
    """Build a dataclass from the JSON that `to_json` made of it.

    Raises:
        ValueError: a field is missing, unknown or of another type; the message names its path.
    """
    built: T = _build(kind, value, kind.__name__)
    return built


def _build(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _build_dataclass(kind, value, path)
    if origin in (Union, UnionType):
        return _build_union(get_args(kind), value, path)
    if origin is tuple:
        return _build_tuple(get_args(kind), value, path)
    if origin is Mapping:
        of_key, of_value = get_args(kind)
        if not isinstance(value, dict):
            raise _wrong("an object", value, path)
        return {_key(of_key, k, path): _build(of_value, v, f"{path}.{k}") for k, v in value.items()}
    if origin is Literal:
        if not any(value == known and type(value) is type(known) for known in get_args(kind)):
            raise _wrong(f"one of {', '.join(map(str, get_args(kind)))}", value, path)
        return value
    if not _is_scalar(kind, value):
        raise _wrong(f"a value of type {_NAMES[kind]}", value, path)
    return float(value) if kind is float else value


def _build_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(f"an object ({kind.__name__})", value, path)
    hints = _hints(kind)
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    if wrong := sorted((needed - value.keys()) | (value.keys() - hints.keys())):
        raise ValueError(f"{path}: missing or unknown fields: {', '.join(wrong)}")
    return kind(**{k: _build(hints[k], v, f"{path}.{k}") for k, v in value.items()})


def _build_union(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    plain = [k for k in kinds if k in _NAMES and _is_scalar(k, value)]
    if plain:
        # 3 stays an integer where both are allowed; 3 becomes 3.0 where only float is.
        exact = [k for k in plain if type(value) is k]
        return _build((exact or plain)[0], value, path)
    errors = []
    for kind in kinds:
        if kind not in _NAMES:
            try:
                return _build(kind, value, path)
            except ValueError as e:
                errors.append(str(e))
    raise ValueError("; or ".join(errors)) if errors else _wrong("another type", value, path)


def _build_tuple(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong("an array", value, path)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _wrong(f"an array of {len(kinds)} values", value, path)
    return tuple(
        _build(kind, v, f"{path}[{i}]")
        for i, (kind, v) in enumerate(zip(kinds, value, strict=True))
    )


def _is_scalar(kind: Any, value: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _key(kind: type, key: str, path: str) -> Any:
    if kind is not int:
        return key
    if not key.lstrip("-").isdecimal():
        raise ValueError(f'{path}: expected whole numbers as keys, got "{key:.40}"')
    return int(key)


def _wrong(wanted: str, value: Any, path: str) -> ValueError:
    return ValueError(f"{path}: expected {wanted}, got {value!r:.60}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def schema(kind: type) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a dataclass; comments become descriptions."""
    definitions: dict[str, Any] = {}
    top = _schema(kind, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _schema_of_dataclass(kind, definitions)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(k, definitions) for k in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        parts = [_schema(k, definitions) for k in arguments]
        size = len(parts)
        return {"type": "array", "prefixItems": parts, "minItems": size, "maxItems": size}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    return {"enum": list(arguments)} if origin is Literal else {"type": _NAMES[kind]}


def _schema_of_dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # a class may contain itself
        comments = dict(re.findall(r"^    (\w+): .*  # (.*)$", inspect.getsource(kind), re.M))
        properties = {
            name: {**_schema(hint, definitions)}
            | ({"description": comments[name]} if name in comments else {})
            for name, hint in _hints(kind).items()
        }
        definitions[kind.__name__] = {
            "description": str(inspect.getdoc(kind)).replace("\n", " "),
            "type": "object",
            "properties": properties,
            "required": [f.name for f in fields(kind)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}
