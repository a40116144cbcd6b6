"""Writes files completely or not at all, and reads and writes JSON with a checksum."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datayield.core.errors import UserError

_SUM = "sha256"  # key of a JSON file that holds the checksum of the other keys


def canonical(value: Any) -> str:
    """Return a value as JSON with sorted keys and no spaces: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Return the sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_text(text: str, path: Path) -> None:
    """Write a text as UTF-8, as `write_bytes` does."""
    write_bytes(text.encode("utf-8"), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give the block a temporary path, and rename it to `path` if the block raises nothing.

    Raises:
        UserError: as `write_bytes`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as e:
        raise UserError(
            f"cannot write {path}: {e.strerror or e}. Free some space or choose a writable folder."
        ) from e
    finally:
        if temporary.exists():
            temporary.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that a stage wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.") from e
    except (OSError, ValueError, RecursionError) as e:
        raise damaged_error(path, str(e)) from e
    if not isinstance(found, dict):
        raise damaged_error(path, f"wanted a JSON object, got {type(found).__name__}")
    checksum = found.pop(_SUM, None)  # files that a person wrote have none
    if checksum is not None and checksum != digest(found):
        raise damaged_error(path, "its checksum does not fit its content")
    return found


def write_json(value: Mapping[str, Any], path: Path, ordered: bool = True) -> None:
    """Write a JSON object with a checksum, which `read_json` compares; keys sorted if `ordered`."""
    plain = json.loads(json.dumps(value))
    signed = {**plain, _SUM: digest(plain)}
    write_text(json.dumps(signed, indent=1, sort_keys=ordered, ensure_ascii=False) + "\n", path)


def check_regular(path: Path) -> None:
    """Raise UserError if a pipe or a device stands at this path; a missing file is left to its reader."""
    if path.exists() and not path.is_file():
        raise UserError(
            f"{path} is not a file but a folder, a pipe or a device, and it is read more than once."
            " Save its content in a file and name that."
        )


def damaged_error(path: Path, why: str) -> UserError:
    """Return the error about a file of a stage whose content is not as it was written."""
    return UserError(f"{path} is damaged ({why}). Delete it and run `dvc repro`.")
