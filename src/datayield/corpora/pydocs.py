"""The embedded corpus: first paragraphs of docstrings; the label is the library.

Read with `ast` from the installed sources of pinned dependencies; nothing is imported or run, and
nothing is downloaded. Library names are masked, or the task would be reading the name.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from datayield import seeds, text
from datayield.config import PydocsSource
from datayield.corpora.build import Labelled
from datayield.errors import UserError

FEWEST_WORDS = 4
MASK = "_lib_"
# Names by which a library gives itself away besides its import name.
ALIASES = {
    "matplotlib": ("mpl", "pyplot", "pylab"),
    "numpy": ("np",),
    "pandas": ("pd",),
    "sklearn": ("scikit[-_ ]learn", "scikit"),
    "sqlalchemy": ("sqla",),
    "torch": ("pytorch",),
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def load(name: str, source: PydocsSource, seed: int, root: Path) -> Labelled:
    """The same number of paragraphs per library, no text twice, in a seeded order.

    Raises:
        UserError: when a library is missing or has too few paragraphs.
    """
    folders = {library: _folder(library) for library in source.libraries}
    # Parsing is the work: one spawned process per core, two at most, keeps the order of results.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = dict(zip(folders, pool.map(paragraphs, folders.values()), strict=True))
    masked = {k: _masked(v, source.libraries) for k, v in found.items()}
    counts = Counter(t for own in masked.values() for t in own)
    texts: list[str] = []
    labels: list[str] = []
    for library, own in masked.items():
        usable = sorted(shown for k, shown in own.items() if counts[k] == 1)
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


def paragraphs(folder: Path) -> list[str]:
    """First paragraphs of all docstrings under a folder, one line each, tests left out."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.py"), key=lambda p: p.relative_to(folder).parts):
        if any("test" in part for part in path.relative_to(folder).parts):
            continue
        source = path.read_bytes()
        if b'"""' in source or b"'''" in source:
            found += _of_file(source)
    return found


def _of_file(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # templates and files for other Pythons
        return
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and (docs := ast.get_docstring(node)):
            first = " ".join(re.split(r"\n\s*\n", docs.strip(), maxsplit=1)[0].split())
            if len(first.split()) >= FEWEST_WORDS:
                yield first


def _masked(found: list[str], libraries: tuple[str, ...]) -> dict[str, str]:
    """Duplicate key → text with every library's names replaced by MASK."""
    stems = {lib: lib.rstrip("0123456789") for lib in libraries}  # "jinja2" is called Jinja
    names = sorted(
        {n for lib, stem in stems.items() for n in (lib, stem, *ALIASES.get(lib, ()))},
        key=lambda n: (len(n), n),
    )
    long = "|".join(n for n in reversed(names) if len(n) > 3)  # also inside identifiers
    short = "|".join(n for n in reversed(names) if len(n) <= 3)  # as words of their own
    pattern = re.compile(rf"{long}" + (rf"|\b(?:{short})\b" if short else ""), re.IGNORECASE)
    shown = (pattern.sub(MASK, t) for t in found)
    return {text.key(t): t for t in sorted(shown)}
