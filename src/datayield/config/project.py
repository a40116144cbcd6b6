"""Writes a project's folder: dvc.yaml, flows and a digest of the installed code for every stage.

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

from datayield import __version__
from datayield.core.errors import UserError
from datayield.core.files import write_text
from datayield.core.system import subprocesses

CODE = "code.yaml"
LOCK = "requirements.lock"
PACKAGE = "src/datayield"
_HERE = Path(__file__).parents[1]
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
    """Return the folder of dvc.yaml and flows: in the installed package, or in the repository.

    Raises:
        UserError: neither has them.
    """
    for folder in (_HERE / "skeleton", _HERE.parent.parent):
        if (folder / "dvc.yaml").exists():
            return folder
    raise UserError(
        f"dvc.yaml belongs into {_HERE / 'skeleton'} and is missing: the installation is damaged."
        " Install datayield again."
    )


def pipeline() -> str:
    """Return the text of a project's dvc.yaml: the repository's, each stage with its key in code.yaml."""
    pipeline = yaml.safe_load((skeleton() / "dvc.yaml").read_text(encoding="utf-8"))
    for name, stage in pipeline["stages"].items():
        if any(_is_code(dep) for dep in stage["deps"]):
            stage["deps"] = [dep for dep in stage["deps"] if not _is_code(dep)]
            stage["params"] = [*stage.get("params", []), {CODE: [name]}]
            if not stage["deps"]:
                del stage["deps"]
    head = (
        "# Written by `datayield init` from datayield's own dvc.yaml. DVC decides here which stage is stale,\n"
        "# and nothing else; code.yaml stands for the installed package's code.\n"
    )
    return head + yaml.safe_dump(pipeline, sort_keys=False, allow_unicode=True, width=100)


def code() -> str:
    """Return the text of code.yaml: stage -> digest of the installed files that the stage runs."""
    digests = {name: _digest(deps) for name, deps in _code_deps().items()}
    head = "# Digests of datayield's code by stage, written by `datayield study`: do not edit.\n"
    return head + yaml.safe_dump({k: v for k, v in digests.items() if v}, sort_keys=False)


def code_digest(stage: str) -> str:
    """Return the digest of the installed files that a stage runs; "" for a stage that is not known."""
    return _digest(_code_deps().get(stage, []))


def _code_deps() -> dict[str, list[str]]:
    pipeline = yaml.safe_load((skeleton() / "dvc.yaml").read_text(encoding="utf-8"))
    return {
        name: [dep for dep in stage["deps"] if _is_code(dep)]
        for name, stage in pipeline["stages"].items()
    }


def _is_code(dep: str) -> bool:
    return dep == LOCK or dep.startswith(PACKAGE)


def _digest(deps: list[str]) -> str:
    """Return the digest of all files below these places; "" for no place."""
    if not deps:
        return ""
    code = hashlib.sha256()
    for dep in deps:
        if dep == LOCK:
            code.update(repr(_versions()).encode())
            continue
        place = _HERE / Path(dep).relative_to(PACKAGE)
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                code.update(path.relative_to(_HERE).as_posix().encode() + b"\0")
                code.update(hashlib.sha256(path.read_bytes()).digest())
    return code.hexdigest()[:16]


def _versions() -> list[tuple[str, str]]:
    """Return name and version of every required package; pydocs reads their docstrings."""
    from packaging.requirements import Requirement

    try:
        named = {
            Requirement(line).name for line in requires("datayield") or [] if "extra" not in line
        }
    except PackageNotFoundError:  # run from its sources without an installation
        return [("datayield", __version__)]
    return sorted((name, version(name)) for name in named)


def files(params: str, name: str) -> dict[str, str]:
    """Return the text of every file of a new project by its path.

    Args:
        params: the text of params.yaml.
        name: name of the study, for README.md.
    """
    return {
        "params.yaml": params,
        **renewable(),
        ".gitignore": _ignored(),
        "README.md": _README.format(name=name, version=__version__),
    }


def renewable() -> dict[str, str]:
    """Return the files that follow the installed version and that nobody edits."""
    source = skeleton()
    copied = [*sorted(source.glob("flows/*.py")), *source.glob("prefect.yaml")]
    return {
        "dvc.yaml": pipeline(),
        CODE: code(),
        **{p.relative_to(source).as_posix(): p.read_text(encoding="utf-8") for p in copied},
    }


def _ignored() -> str:
    """Return the lines of the repository's .gitignore that concern a study."""
    lines = (skeleton() / ".gitignore").read_text(encoding="utf-8").splitlines()
    kept = [
        x
        for x in lines
        if x.startswith(("/state", "/results", "/data", "/reports", "/studies", "__py"))
    ]
    return "\n".join(kept) + "\n"


def is_project(folder: Path) -> bool:
    """Return whether `init` made this folder."""
    return (folder / CODE).exists() and (folder / "dvc.yaml").exists()


def check_new(folder: Path) -> None:
    """Raise UserError if this folder holds something else than a new project could."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new or an empty folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            f"{folder} is not empty and not a project of `datayield init`. Name a new or an empty folder."
        )


def make(folder: Path, params: str, name: str) -> str:
    """Write a new project, start git and DVC in it, and return which of them keep versions.

    A project that cannot be finished is removed.

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
    """Bring the files of a project up to the installed version; return the paths that changed.

    Raises:
        UserError: the folder is not a project.
    """
    if not is_project(folder):
        raise UserError(f"{folder} is not a project of `datayield init`: it has no {CODE}")
    wanted = renewable()
    stale = {p: t for p, t in wanted.items() if not _same(folder / p, t)}
    _write(folder, stale)
    return sorted(stale)


def renew_code(folder: Path) -> None:
    """Bring a project's code.yaml up to the installed code; other folders stay as they are."""
    if is_project(folder) and not _same(folder / CODE, text := code()):
        write_text(text, folder / CODE)


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _write(folder: Path, wanted: dict[str, str]) -> None:
    for path, text in wanted.items():
        write_text(text, folder / path)


def _begin(folder: Path) -> str:
    """Start git and DVC in the folder; return which of them."""
    first: list[list[str]] = []
    options: list[str] = []
    if shutil.which("git") is None:
        options, tools = ["--no-scm"], "DVC without git"
    elif subprocesses.ran(["git", "check-ignore", "--quiet", "."], folder).returncode == 0:
        options, tools = ["--no-scm"], "DVC without git, which ignores this folder"
    elif subprocesses.ran(["git", "rev-parse", "--is-inside-work-tree"], folder).returncode == 0:
        options, tools = ["--subdir"], "DVC, inside your git repository"
    else:
        first, tools = [["git", "init", "--quiet"]], "git and DVC"
    for command in [*first, [sys.executable, "-m", "dvc", "init", *options]]:
        done = subprocesses.ran(command, folder)
        if done.returncode:
            message = " ".join((done.stderr or done.stdout).split())[-400:]
            raise UserError(
                f"`{' '.join(command[-4:])}` in {folder} ended with an error: {message}"
            )
    return tools


def preset_with(text: str, corpora: dict[str, dict[str, Any]]) -> str:
    """Return a preset's params.yaml with other corpora; everything else stays, comments too."""
    names = ", ".join(corpora)
    block = yaml.safe_dump({"corpora": corpora}, sort_keys=False, allow_unicode=True)
    text, once = re.subn(r"(?m)^  corpora: \[.*\]$", lambda _: f"  corpora: [{names}]", text)
    text, again = re.subn(r"(?m)^corpora:\n(?:(?: .*)?\n)*?(?=^\S)", lambda _: block + "\n", text)
    assert once == again == 1
    return text
