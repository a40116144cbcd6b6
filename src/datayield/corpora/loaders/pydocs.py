"""Loads the embedded corpus: first paragraphs of docstrings, each labelled with its library.

They are read from the installed sources of pinned dependencies; nothing is downloaded. Library names are
masked, because otherwise a classifier would only have to read the name.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from datayield.config import PydocsSource
from datayield.core import seeds
from datayield.core.errors import UserError
from datayield.corpora.build import Labelled
from datayield.corpora.loaders import docstrings
from datayield.text import tokens

MASK = "_lib_"
ALIASES = {
    "matplotlib": ("mpl", "pyplot", "pylab"),
    "numpy": ("np",),
    "pandas": ("pd",),
    "sklearn": ("scikit[-_ ]learn", "scikit"),
    "sqlalchemy": ("sqla",),
    "torch": ("pytorch",),
}
"""Further names, as patterns, by which the texts of a library give it away."""


def load(name: str, source: PydocsSource, seed: int, root: Path) -> Labelled:
    """Return the same number of paragraphs per library, no text twice, chosen by the seed.

    Raises:
        UserError: a library is missing or has too few paragraphs.
    """
    folders = {library: _folder(library) for library in source.libraries}
    # Parsing takes most of the time and holds Python's lock, so threads wait for processes. Commands, not
    # multiprocessing: spawned workers would run the caller's script again if it has no main guard.
    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(folders, threads.map(_paragraphs, folders.values()), strict=True))
    masked = {k: _masked(v, source.libraries) for k, v in found.items()}
    counts = Counter(key for texts_by_key in masked.values() for key in texts_by_key)
    texts: list[str] = []
    labels: list[str] = []
    for library, texts_by_key in masked.items():
        usable = sorted(text for key, text in texts_by_key.items() if counts[key] == 1)
        if len(usable) < source.per_class:
            raise UserError(
                f"corpus {name}: {library} has {len(usable)} usable paragraphs, per_class asks for"
                f" {source.per_class}. Lower corpora.{name}.per_class or choose another library."
            )
        chosen = seeds.rng(seed, "pydocs", library).permutation(len(usable))[: source.per_class]
        texts += [usable[i] for i in sorted(chosen)]
        labels += [library] * source.per_class
    return Labelled(
        texts,
        labels,
        None,
        {
            "loader": "pydocs",
            "what": "first paragraphs of docstrings; the label is the library; library names masked",
            "licence": "each library's own open-source licence; nothing is redistributed",
            "encoding": "utf-8",
            "versions": {library: _version(library) for library in source.libraries},
            "paragraphs found": {k: len(v) for k, v in found.items()},
            "left after removing duplicates": {
                k: sum(counts[t] == 1 for t in v) for k, v in masked.items()
            },
        },
        family="pydocs",
    )


def _folder(library: str) -> Path:
    spec = find_spec(library) if re.fullmatch(r"[A-Za-z_]\w*", library) else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the library {library!r} of the corpus pydocs is not installed as a package;"
            " run `make setup` or name another library in params.yaml"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _version(library: str) -> str:
    names = packages_distributions().get(library, [library])
    try:
        return version(sorted(names)[0])
    except PackageNotFoundError:
        return "unknown"


def _paragraphs(folder: Path) -> list[str]:
    """Return the paragraphs of a library, read in a process of its own."""
    command = [sys.executable, "-I", docstrings.__file__, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: list[str] = json.loads(done.stdout)
    return found


def _masked(found: list[str], libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the texts with the names of all libraries replaced by MASK, by their duplicate key."""
    stems = {lib: lib.rstrip("0123456789") for lib in libraries}  # "jinja2" is called Jinja
    names = sorted(
        {n for lib, stem in stems.items() for n in (lib, stem, *ALIASES.get(lib, ()))},
        key=lambda n: (len(n), n),
    )
    long = "|".join(n for n in reversed(names) if len(n) > 3)  # also inside identifiers
    short = "|".join(n for n in reversed(names) if len(n) <= 3)  # as words of their own
    pattern = re.compile(rf"{long}" + (rf"|\b(?:{short})\b" if short else ""), re.IGNORECASE)
    masked = (pattern.sub(MASK, t) for t in found)
    return {tokens.key(t): t for t in sorted(masked)}
