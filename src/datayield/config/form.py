"""What every part of params.yaml is made of: a frozen model, and the forms that values may have."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_Item = TypeVar("_Item")


def _as_tuple(value: Any) -> Any:
    """YAML has lists alone."""
    return tuple(value) if isinstance(value, list) else value


FromList = BeforeValidator(_as_tuple)
Listed = Annotated[tuple[_Item, ...], FromList]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]  # of a file; also what names an encoding
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Values of exactly the types named, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
