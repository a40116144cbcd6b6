"""A project's folder for an installed package: dvc.yaml, flows and the digest of the code per stage.

The files are the repository's own (docs/adr/0015-own-project-folders.md). In a project the package's
sources lie elsewhere, so a stage depends on its key in code.yaml instead of on them: a digest of the
same files, renewed before every study.
"""

import hashlib
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import yaml

from datayield import __version__, children, table
from datayield.errors import UserError

CODE = "code.yaml"
LOCK = "requirements.lock"
PACKAGE = "src/datayield"
_HERE = Path(__file__).parent
_README = """# {name}
A datayield project: how much accuracy does each label buy, and what stretches the labels furthest?

```sh
datayield plan      # what would be computed
datayield study     # computes it; always resumes; the report is reports/{name}/index.html
```
params.yaml says what is compared. dvc.yaml, flows/ and code.yaml come from datayield {version}: after an
upgrade `datayield init --renew` brings them up to date. data/, results/ and reports/ are made by DVC's
stages; state/ keeps every finished cell.
"""


def skeleton() -> Path:
    """Where dvc.yaml and flows lie: beside the installed package, or in the repository.

    Raises:
        UserError: when neither has them.
    """
    for folder in (_HERE / "skeleton", _HERE.parent.parent):
        if (folder / "dvc.yaml").exists():
            return folder
    raise UserError(
        f"dvc.yaml belongs into {_HERE / 'skeleton'} and is missing: the installation is damaged."
        " Install datayield again."
    )


def pipeline() -> str:
    """dvc.yaml of a project: the repository's, each stage with its key in code.yaml."""
    found = yaml.safe_load((skeleton() / "dvc.yaml").read_text(encoding="utf-8"))
    for name, stage in found["stages"].items():
        if any(_is_code(dep) for dep in stage["deps"]):
            stage["deps"] = [dep for dep in stage["deps"] if not _is_code(dep)]
            stage["params"] = [*stage.get("params", []), {CODE: [name]}]
            if not stage["deps"]:
                del stage["deps"]
    head = (
        "# Written by `datayield init` from datayield's own dvc.yaml. What is stale, and nothing else, is\n"
        "# decided here; code.yaml stands for the installed package's code.\n"
    )
    return head + yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)


def code() -> str:
    """code.yaml: stage -> digest of the installed files that the stage's results depend on."""
    found = yaml.safe_load((skeleton() / "dvc.yaml").read_text(encoding="utf-8"))
    digests = {
        name: _digest([dep for dep in stage["deps"] if _is_code(dep)])
        for name, stage in found["stages"].items()
    }
    head = "# Digests of datayield's code by stage, written by `datayield study`: do not edit.\n"
    return head + yaml.safe_dump({k: v for k, v in digests.items() if v}, sort_keys=False)


def _is_code(dep: str) -> bool:
    return dep == LOCK or dep.startswith(PACKAGE)


def _digest(deps: list[str]) -> str:
    """Of the content of all files below these places; "" for none."""
    if not deps:
        return ""
    found = hashlib.sha256()
    for dep in deps:
        if dep == LOCK:
            found.update(repr(_versions()).encode())
            continue
        place = _HERE / Path(dep).relative_to(PACKAGE)
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(path.relative_to(_HERE).as_posix().encode() + b"\0")
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def _versions() -> list[tuple[str, str]]:
    """Name and version of everything that datayield requires: what pydocs reads docstrings of."""
    from packaging.requirements import Requirement

    try:
        named = {
            Requirement(line).name for line in requires("datayield") or [] if "extra" not in line
        }
    except PackageNotFoundError:  # run from its sources without an installation
        return [("datayield", __version__)]
    return sorted((name, version(name)) for name in named)


def files(params: str, name: str) -> dict[str, str]:
    """Every file of a new project by its path.

    Args:
        params: the text of params.yaml.
        name: of the study, for README.md.
    """
    return {
        "params.yaml": params,
        **renewable(),
        ".gitignore": _ignored(),
        "README.md": _README.format(name=name, version=__version__),
    }


def renewable() -> dict[str, str]:
    """The files that follow the installed version and that nobody edits."""
    source = skeleton()
    copied = [*sorted(source.glob("flows/*.py")), *source.glob("prefect.yaml")]
    return {
        "dvc.yaml": pipeline(),
        CODE: code(),
        **{p.relative_to(source).as_posix(): p.read_text(encoding="utf-8") for p in copied},
    }


def _ignored() -> str:
    """The lines of the repository's .gitignore that concern a study."""
    lines = (skeleton() / ".gitignore").read_text(encoding="utf-8").splitlines()
    kept = [x for x in lines if x.startswith(("/state", "/results", "/data", "/reports", "__py"))]
    return "\n".join(kept) + "\n"


def is_project(folder: Path) -> bool:
    """Whether `init` made this folder."""
    return (folder / CODE).exists() and (folder / "dvc.yaml").exists()


def check_new(folder: Path) -> None:
    """Whether a project can be made here.

    Raises:
        UserError: the place holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new or an empty folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty, and no project of `datayield init`. Name a new or an empty folder."
        )


def make(folder: Path, params: str, name: str) -> str:
    """Write a new project and let git and DVC begin; returns how versions are kept.

    What was begun is removed where it cannot be finished.

    Raises:
        UserError: the folder holds something else, cannot be written, or DVC refuses it.
    """
    check_new(folder)
    fresh = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(
            f"{folder} cannot be made: {e.strerror}. Name a folder in a place that can be written."
        ) from e
    try:
        how = _begin(folder)
        _write(folder, files(params, name))
    except BaseException:
        for begun in folder.iterdir():
            shutil.rmtree(begun) if begun.is_dir() else begun.unlink()
        if fresh:
            folder.rmdir()
        raise
    return how


def renew(folder: Path) -> list[str]:
    """Bring the files of a project up to the installed version; returns the paths that changed.

    Raises:
        UserError: the folder is no project.
    """
    if not is_project(folder):
        raise UserError(f"{folder} is no project of `datayield init`: it has no {CODE}")
    wanted = renewable()
    stale = {p: t for p, t in wanted.items() if not _same(folder / p, t)}
    _write(folder, stale)
    return sorted(stale)


def renew_code(folder: Path) -> None:
    """Bring code.yaml up to the installed code, in a project; other folders stay as they are."""
    if is_project(folder) and not _same(folder / CODE, text := code()):
        table.write_text(text, folder / CODE)


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _write(folder: Path, wanted: dict[str, str]) -> None:
    for path, text in wanted.items():
        table.write_text(text, folder / path)


def _begin(folder: Path) -> str:
    """Let git and DVC begin in the folder; returns which of them."""
    how: list[list[str]] = []
    more: list[str] = []
    if shutil.which("git") is None:
        more, told = ["--no-scm"], "DVC without git"
    elif children.ran(["git", "rev-parse", "--is-inside-work-tree"], folder).returncode == 0:
        more, told = ["--subdir"], "DVC, inside your git repository"
    else:
        how, more, told = [["git", "init", "--quiet"]], [], "git and DVC"
    for command in [*how, [sys.executable, "-m", "dvc", "init", *more]]:
        done = children.ran(command, folder)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-400:]
            raise UserError(f"`{' '.join(command[-4:])}` in {folder} ended with an error: {said}")
    return told


def preset_with(text: str, corpora: dict[str, dict[str, Any]]) -> str:
    """A preset's params.yaml about other corpora; everything else as it stands, comments too."""
    names = ", ".join(corpora)
    block = yaml.safe_dump({"corpora": corpora}, sort_keys=False, allow_unicode=True)
    text, once = re.subn(r"(?m)^  corpora: \[.*\]$", lambda _: f"  corpora: [{names}]", text)
    text, again = re.subn(r"(?m)^corpora:\n(?:(?: .*)?\n)*?(?=^\S)", lambda _: block + "\n", text)
    assert once == again == 1
    return text
