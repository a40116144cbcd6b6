"""A bad input as data, and what is made wrong in a folder before it is typed."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import read_params, write_params
from tests.faults.damage import chop, flip

Change = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad input.

    Attributes:
        typed: the arguments of `datayield`, or what is called where no command does it alone.
        says: what standard error must hold.
        where: the folder it begins in.
        change: what is made wrong in that folder before.
        code: the exit code.
        env: of the environment.
    """

    typed: str | Callable[[], object]
    says: str
    where: str = "files"
    change: Change = lambda folder: None
    code: int = 2
    env: dict[str, str] = field(default_factory=dict)


# ---- what is made wrong
def put(name: str, content: bytes | str) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def gone(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Change:
    return lambda folder: chop(folder / name)


def bit(name: str, share: float = 0.5) -> Change:
    return lambda folder: flip(folder / name, share)


def told(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """A JSON file of ours with something changed in it."""

    def apply(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        change(found)
        (folder / name).write_text(json.dumps(found))

    return apply


def of(place: str, value: object) -> Change:
    """params.yaml with another value at a.b.c."""

    def change(folder: Path) -> None:
        params = read_params(folder)
        at = params
        *above, last = place.split(".")
        for key in above:
            at = at[key]
        at[last] = value
        write_params(folder, params)

    return change


def grid(*arms: str, budgets: object = (30,)) -> Change:
    known = budgets if isinstance(budgets, str) else list(budgets)  # type: ignore[call-overload]
    return of("study.grid", [{"arms": list(arms), "budgets": known}])


def corpus(**entry: object) -> Change:
    return of("corpora.written", entry)


def downloads(**more: object) -> Change:
    file = {"name": "a.txt", "url": "http://127.0.0.1:9/a", "sha256": "0" * 64, "bytes": 5}
    own = {k: more.pop(k) for k in ("url", "name", "member", "rows") if k in more}
    told_ = {"loader": "download", "title": "t", "licence": "l", "citation": "c",
             "format": "label_tab_text", "files": [{**file, **own}], **more}  # fmt: skip
    return corpus(**told_)


def columns(name: str, **new: list[Any]) -> Change:
    def change(folder: Path) -> None:
        pq.write_table(pa.table(new), folder / name)

    return change


def zipped(name: str, content: bytes, change: Callable[[bytearray], object]) -> Change:
    """A zip archive of one member, with something changed in it."""

    def apply(folder: Path) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as packed:
            packed.writestr(zipfile.ZipInfo("a"), content)
        made = bytearray(out.getvalue())
        change(made)
        (folder / name).write_bytes(bytes(made))
        entry = read_params(folder)["corpora"]["written"]["files"][0]
        told_ = {"sha256": hashlib.sha256(made).hexdigest(), "bytes": len(made), "member": "a"}
        corpus_ = read_params(folder)
        corpus_["corpora"]["written"]["files"] = [{**entry, **told_}]
        write_params(folder, corpus_)

    return apply


def archive(name: str, *members: str) -> Change:
    """A zip archive with members that are the good file."""

    def apply(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w") as packed:
            for member in members:
                packed.writestr(zipfile.ZipInfo(member), GOOD)

    return apply


def far(made: bytearray) -> None:
    """The table of contents is said to lie further on than it does."""
    at = made.index(b"PK\x05\x06") + 16
    made[at : at + 4] = (5000).to_bytes(4, "little")


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


GOOD = "body,stars\n" + "".join(f"text {i} of rain,{'ab'[i % 2]}\n" for i in range(80))
ADD = "corpora add a.csv --text body --label stars"
NEXT = "next --labelled good.csv --unlabelled plain.csv --n 5"
TABLE = {"corpus": ["written"], "arm": ["tfidf"]}
CELLS = "results/written/cells.parquet"


def added(content: bytes | str, says: str, typed: str = ADD, name: str = "a.csv") -> Bad:
    return Bad(typed.replace("a.csv", name), says, change=put(name, content))


def planned(says: str, change: Change, where: str = "project") -> Bad:
    return Bad("plan", says, where, change)


def study(place: str, value: object, says: str) -> Bad:
    return planned(says, of(f"study.{place}", value))
