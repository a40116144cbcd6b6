"""Reads rows of JSON: an object on each line, or an array of objects."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from datayield.core.errors import UserError

LARGEST_ARRAY = 2**30  # characters of a file that is one array; larger ones can be JSON lines
LINES = "; wanted one object on each line, or an array of objects"
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")  # first of two escapes that are one character
_BLANK = re.compile(r"[ \t\r\n]*")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise ValueError if a name in it occurs twice, so that no value is lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f'the name "{twice}" occurs twice in one object')
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def of_lines(name: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of every line that is not blank.

    Args:
        name: of the file, for messages.
        lines: number and text of each line.

    Raises:
        UserError: naming the line that is not a JSON object.
    """
    for number, line in lines:
        if line.strip():
            place = f"{name}, line {number}"
            row, end = _decoded(line, len(_blank(line, 0)), place, LINES)
            if line[end:].strip():
                raise UserError(f"{place}: not JSON (Extra data at column {end + 1}){LINES}")
            yield number, _checked(row, line, place)


def of_array(name: str, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and the object of every entry of one array.

    Raises:
        UserError: naming the entry that is not a JSON object; the file is not an array, or too large.
    """
    content = file.read(LARGEST_ARRAY + 1)
    if len(content) > LARGEST_ARRAY:
        raise UserError(
            f"{name}: an array of more than {LARGEST_ARRAY:,} characters; wanted JSON lines (.jsonl)"
        )
    place, number = len(_blank(content, 0)) + 1, 0
    if content[place - 1 : place] != "[":
        raise UserError(f"{name}: wanted an array of JSON objects, which begins with [")
    place += len(_blank(content, place))
    while content[place : place + 1] != "]":
        number += 1
        where = f"{name}, entry {number}"
        row, end = _decoded(content, place, where)
        yield number, _checked(row, content[place:end], where)
        place = end + len(_blank(content, end))
        if content[place : place + 1] == ",":
            place += 1 + len(_blank(content, place + 1))
        elif content[place : place + 1] != "]":
            raise UserError(f"{where}: not JSON (wanted , or ] after it)")
    if content[place + 1 :].strip():
        raise UserError(f"{name}: not JSON (more follows after its array)")


def _blank(text: str, place: int) -> str:
    found = _BLANK.match(text, place)
    return found.group() if found else ""


def _decoded(text: str, place: int, where: str, wanted: str = "") -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as e:
        raise UserError(f"{where}: not JSON ({e.msg} at column {e.colno}){wanted}") from e
    except (ValueError, RecursionError) as e:  # a number of thousands of digits, deep nesting
        raise UserError(f"{where}: not JSON that can be read ({e})") from e


def _checked(row: Any, text: str, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{where}: wanted a JSON object, got {type(row).__name__}")
    if _HALF_PAIR.search(text):
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as e:  # one escape without the other: no file can hold it
            raise UserError(
                f"{where}: half a character ({e.object[e.start]!r}); wanted whole ones: write the file"
                " again as UTF-8"
            ) from e
    return row
