"""Counts what can be counted of plain words: verbs, retired words, help texts, names and lengths.

`python tests/docs/test_plain_words.py` lists every violation in all rooms, enforced or not.
"""

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datayield.cli import main

REPO = Path(__file__).resolve().parents[2]
SOURCE = REPO / "src" / "datayield"

ALL = sorted(p.name for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())

VERBS = """
add adjust allow analyse answer append apply attach average begin bring build call cancel check choose clear
close collect combine compare compose compute configure connect convert copy count create cut decide decode
define deploy derive describe detect discard divide do download draw drop encode end ensure escape estimate
evaluate examine explain export extend extrapolate fetch fill find finish fit flatten forget format get give
group guess handle hash hide hold infill init initialise insert interpolate join keep label leave let limit
list load lock log look make map mark mask match measure merge mix move name normalise offer open order pack
pad parse pass perturb pick place plan plot pool predict prepare pretrain print propose provide prune put
query raise rank read rebuild recommend record redraw reduce refuse register release remember remove render
repeat replace report rescale reset resolve restore return reveal rewrite round run sample save say scale
schedule score search select send serve set share show shuffle shut simulate smooth sort spawn split stack
start stop store substitute sum summarise switch tabulate take tell test tokenise train transform trim try
tune turn unpack update use validate wait warn weigh weight wrap write yield
audit capture classify flush invert learn link minimise
generate own permute rate regress reorder reverse shift swap delete embed number
""".split()
"""Verbs with which the docstring of a function may begin."""

OBJECTLESS = re.compile("(what|whether|how|where|which|as|of)\\b", re.I)
"""Beginnings of a class's docstring that name nothing."""

PROPERTIES = {"property", "cached_property", "abstractproperty", "setter"}

RETIRED = {
    "mend": r"mend(s|ed|ing)?\b",
    "anew": "anew",
    "likewise": "likewise",
    "desk": "desks?",
    "knob": "knobs?",
    "beside": "beside",
    "lacks": "lacks",
    "wants a": "wants an?",
    "is no": r"(?<!there )is no (?!longer|answer|interval|more)",
    "nothing but": "nothing but",
    "acquirer": "acquir(e|es|ing|er|ers)",
}
"""Words that no docstring, comment, message or help text holds any more, as patterns."""

RETIRED_NAMES = set("told said asked wish beside lot company desk carried".split())
"""Participles and old words that no argument or local variable has for its name."""

VAGUE_NAMES = set("own found made shown worth".split())
"""Words that name nothing; the rooms that meet users do without them, others still hold some."""

MEETS_USERS = ("cli/", "config/", "api.py", "results.py")

EXCEPTIONS = {
    ("api.py", "asked"),  # documented in docs/api.md
    ("cells/context.py", "desk"),  # a random key of results
}
"""(file below src/datayield, retired word or name) that may stay, such as a random key of results."""

JARGON = """
arm back-test budget cell censored control draw dynamics family fold holdout interval lot multiplier pool
protocol regime round stack strategy study trial
""".split()
"""Terms that a stranger cannot know: a help text uses one only if docs/glossary.md explains it."""

LONGEST_FUNCTION, LONGEST_FILE = 50, 350
PROSE = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(rooms: list[str]) -> Iterator[tuple[str, str]]:
    """Name below src/datayield and text of every file of some rooms."""
    for room in rooms:
        place = SOURCE / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            yield path.relative_to(SOURCE).as_posix(), path.read_text()


def third_person(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search("[^aeiou]y$", verb) else f"{verb}s"


def verbless_docstrings(name: str, text: str) -> Iterator[str]:
    """Docstrings of functions that begin with no imperative, of modules with no third person."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and OBJECTLESS.match(ast.get_docstring(node) or ""):
            yield f"{name}:{node.lineno}: {node.name}: {(ast.get_docstring(node) or '')[:40]}"
    module = (ast.get_docstring(tree) or "").split()
    if module and module[0].lower().rstrip(",") not in map(third_person, VERBS):
        yield f"{name}: module: {' '.join(module[:6])}"
    for node in ast.walk(tree):
        if isinstance(node, Function) and not PROPERTIES & set(decorators(node)):
            if node.name.startswith("test_"):  # the contract tests say what holds
                continue
            words = (ast.get_docstring(node) or "").split()
            if words and words[0].lower().rstrip(",.:") not in VERBS:
                yield f"{name}:{node.lineno}: {node.name}: {' '.join(words[:6])}"


def decorators(node: Function) -> list[str]:
    return [ast.unparse(d).split("(")[0].rsplit(".", 1)[-1] for d in node.decorator_list]


def undocumented(name: str, text: str) -> Iterator[str]:
    """Public functions and classes without a docstring."""
    for node in ast.parse(text).body:
        public = isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_")
        if public and ast.get_docstring(node) is None:
            yield f"{name}:{node.lineno}: {node.name} has no docstring"


def retired_words(name: str, text: str) -> Iterator[str]:
    """Retired words in strings and comments."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in PROSE:
            for word, pattern in RETIRED.items():
                if (name, word) not in EXCEPTIONS and re.search(
                    rf"\b{pattern}\b", token.string, re.I
                ):
                    yield f"{name}:{token.start[0]}: {word}"


def retired_names(name: str, text: str) -> Iterator[str]:
    """Arguments and local variables called by a retired word instead of the noun that they stand for."""
    forbidden = RETIRED_NAMES | VAGUE_NAMES if name.startswith(MEETS_USERS) else RETIRED_NAMES
    for function in (n for n in ast.walk(ast.parse(text)) if isinstance(n, Function)):
        for node in ast.walk(function):
            word = getattr(node, "arg", None) if isinstance(node, ast.arg) else None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                word = node.id
            if word in forbidden and (name, word) not in EXCEPTIONS:
                yield f"{name}:{node.lineno}: {word}"


def import_aliases(name: str, text: str) -> Iterator[str]:
    """Modules and names of ours that are imported under another name; `x as x` exports a name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", "") or ""
            for alias in node.names:
                ours = f"{module}.{alias.name}".lstrip(".").startswith("datayield")
                if ours and alias.asname not in (None, alias.name):
                    yield f"{name}:{node.lineno}: {alias.name} as {alias.asname}"


def too_long(name: str, text: str) -> Iterator[str]:
    """Functions and files above the limits."""
    if (lines := len(text.splitlines())) > LONGEST_FILE:
        yield f"{name}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines"


RULES: list[Callable[[str, str], Iterator[str]]] = [
    verbless_docstrings, undocumented, retired_words, retired_names, import_aliases, too_long,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rules(rule: Callable[[str, str], Iterator[str]]) -> None:
    found = [line for name, text in files(ALL) for line in rule(name, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "path", [*SOURCE.glob("presets/*.yaml"), REPO / "params.yaml"], ids=lambda p: p.stem
)
def test_presets_hold_no_retired_word(path: Path) -> None:
    comments = "\n".join(re.findall("#.*", path.read_text()))
    assert comments and not list(retired_words(path.name, comments + "\n"))


def test_the_rooms_are_there() -> None:
    assert len(ALL) > 12 and sum(1 for _ in files(ALL)) > 100


SPOILT = '''"""What this is."""
from datayield.core import files as f
def one():
    """The value, mended."""
    told = 1
def two():
    pass
''' + "\n" * 400  # fmt: skip


def test_each_rule_finds_what_it_forbids() -> None:
    found = {rule.__name__: list(rule("x.py", SPOILT)) for rule in RULES}
    assert found["verbless_docstrings"] == [
        "x.py: module: What this is.",
        "x.py:3: one: The value, mended.",
    ]
    assert found["undocumented"] == ["x.py:6: two has no docstring"]
    assert found["retired_words"] == ["x.py:4: mend"]
    assert found["retired_names"] == ["x.py:5: told"]
    assert found["import_aliases"] == ["x.py:2: files as f"]
    assert found["too_long"] == ["x.py: 407 lines"]
    long = "def f():\n" + "    x = 1\n" * 51
    assert list(too_long("x.py", long)) == ["x.py:1: f has 52 lines"]


def repeated(names: list[str]) -> dict[str, int]:
    return {name: count for name, count in Counter(names).items() if count > 1}


def class_names() -> list[str]:
    found = []
    for _, text in files(ALL):
        nodes = (n for n in ast.parse(text).body if isinstance(n, ast.ClassDef))
        found += [n.name for n in nodes if not n.name.startswith("_")]
    return found


def file_names() -> list[str]:
    return [Path(name).name for name, _ in files(ALL) if not name.endswith("__init__.py")]


def test_no_class_and_no_file_has_the_name_of_another() -> None:
    assert not repeated(class_names()) and not repeated(file_names())


# ---- help texts
def parsers(
    parser: argparse.ArgumentParser, name: str = "datayield"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from parsers(below, f"{name} {word}")


PARSERS = dict(parsers(main.parser()))


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command, without --help, --version and the list of its actions."""
    built_in = argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction
    return [a for a in parser._actions if not isinstance(a, built_in)]


def glossary() -> set[str]:
    """The terms that the glossary explains: its first column, and words in bold."""
    page = (REPO / "docs/glossary.md").read_text().lower()
    terms = ",".join(re.findall(r"^\| ([^|]+) \|", page, re.M)).replace("`", "")
    return {term.strip() for term in terms.split(",")} | set(re.findall(r"\*\*(.+?)\*\*", page))


@pytest.mark.parametrize("name", PARSERS)
def test_every_argument_says_what_it_is_and_its_default(name: str) -> None:
    for action in arguments(PARSERS[name]):
        text = action.help or ""
        assert len(text.split()) >= 3, f"{name} {action.dest}: {text!r} is not a full phrase"
        assert not text.endswith("."), f"{name} {action.dest}"
        first = text.split()[0].lower()
        assert first not in {"of", "as", "what", "where", "how", "for", "by"}, (
            f"{name} {action.dest}"
        )
        if action.option_strings:
            says = "(required)" if action.required else "(default: "
            assert says in text, f"{name} {action.option_strings[0]}: {text!r} misses {says}"
        if action.option_strings and type(action.default) in (int, float, str):
            assert f"(default: {str(action.default).removesuffix('.0')}" in text, name


@pytest.mark.parametrize("name", PARSERS)
def test_help_has_no_term_that_the_glossary_does_not_explain(name: str) -> None:
    parser, known = PARSERS[name], glossary()
    texts = [parser.description or "", *(a.help or "" for a in arguments(parser))]
    words = {w for text in texts for w in re.findall(r"[a-z][a-z-]+", text.lower())}
    used = {term for term in JARGON if {term, f"{term}s", f"{term[:-1]}ies"} & words}
    assert used <= known, f"{name}: explain {used - known} in docs/glossary.md, or say it without"


@pytest.mark.parametrize("name", PARSERS)
def test_help_fits_a_terminal_of_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = PARSERS[name].format_help().split("examples:")[0]
    assert max(map(len, text.splitlines())) <= 80


if __name__ == "__main__":
    for rule in RULES:
        for name, text in files(ALL):
            for line in rule(name, text):
                print(f"{rule.__name__}: {line}")
    print(f"repeated: {repeated(class_names())} {repeated(file_names())}")
