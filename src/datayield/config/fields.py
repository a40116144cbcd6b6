"""Defines the base class of all parts of params.yaml and the forms of their values."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_Item = TypeVar("_Item")


def _as_tuple(value: Any) -> Any:
    """Turn a list into a tuple; YAML has lists only, and settings must be immutable."""
    return tuple(value) if isinstance(value, list) else value


FromList = BeforeValidator(_as_tuple)
Listed = Annotated[tuple[_Item, ...], FromList]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]  # of a file; also the name of an encoding
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Immutable values of exactly the declared types; other names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
