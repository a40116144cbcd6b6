"""Makes project folders: of known corpora (`init`), or around files of one's own (`study FILE`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from datayield import config, corpora
from datayield.config import FileSource, own_data, project
from datayield.config.own_data import OwnStudyOptions
from datayield.core import files
from datayield.core.errors import UserError, nearest
from datayield.corpora import growth, input_files
from datayield.corpora.corpus_card import share_read
from datayield.corpora.input_files import InputFiles
from datayield.corpora.loaders.catalog import catalog
from datayield.models import outside
from datayield.models.outside_model import EXTRA


def create_project(folder: Path, names: Sequence[str] = ()) -> str:
    """Make a project of the default study on known corpora; return how its versions are kept.

    Args:
        folder: a new or empty folder.
        names: corpora of the default preset or of the catalog; none: those of the preset.

    Raises:
        UserError: a name is unknown, or the folder holds something else.
    """
    text = config.preset("default")
    known = yaml.safe_load(text)["corpora"]
    for name in names:
        if name not in known and name not in catalog():
            raise UserError(f'unknown corpus "{name}": {nearest(name, [*known, *catalog()])}')
    entries = {n: known.get(n, {"loader": "catalog"}) for n in names or known}
    return project.make(folder, project.preset_with(text, entries), "default")


def create_own_project(
    inputs: InputFiles, options: OwnStudyOptions, folder: Path, announce: Callable[[str], object]
) -> None:
    """Make a project around files of labelled texts, or bring an earlier project of them up to date.

    Args:
        inputs: the files and what the user says about them.
        options: name of corpus and study, budget, draws.
        folder: a new or empty folder, or an earlier project.
        announce: called with each sentence that the user should see.

    Raises:
        UserError: the files are not a usable corpus, an option is out of range, or the folder holds
            something else.
    """
    own_data.check_options(options)
    if not project.is_project(folder):
        project.check_new(folder)
    source, notices = input_files.corpus_entry(inputs)
    for sentence in notices:
        announce(sentence)
    if isinstance(source, FileSource):
        source, sentences = _divided(source, options, folder)
        for sentence in sentences:
            announce(sentence)
    seed = config.load_text(config.preset("default")).study.seed
    corpus, card = corpora.build(options.name, source, seed, Path())
    entry = input_files.entry_in(source, folder)
    with_outside = replace(options, outside=outside.at_hand())
    if not with_outside.outside:
        announce(
            "left out: arms with a sentence encoder that has read other text; to compare them too:"
            f" {EXTRA}, then the same command again"
        )
    pool = corpus.settled or len(corpus.texts)  # later texts change no budget
    max_tokens = own_data.tokens_to_read(partial(share_read, card), own_data.MOST_TOKENS)
    text = own_data.params_text(
        with_outside, entry, pool, corpus.classes, len(corpus.unlabelled), max_tokens
    )
    if not project.is_project(folder):
        announce(f"made {folder} with {project.make(folder, text, options.name)}")
    else:
        for sentence in replace_params(folder, text):
            announce(sentence)
    counts = card["texts"]
    announce(
        f"{options.name}: {counts['pool']:,} texts to learn from, {counts['test']:,} test texts,"
        f" {len(corpus.classes)} classes; project: {folder}"
    )


def _divided(
    source: FileSource, options: OwnStudyOptions, folder: Path
) -> tuple[FileSource, list[str]]:
    """Return the entry with the share of its test set, as an earlier entry had it, and what to say."""
    texts = source.settled or 0
    source = growth.with_test_share(source, options.budget)
    earlier = _earlier_entry(folder, options.name)
    if earlier is None:
        return source, []
    source = growth.continued(source, earlier, Path())
    return source, growth.sentences(options.name, source, earlier, texts)


def _earlier_entry(folder: Path, name: str) -> FileSource | None:
    """Return the entry of a corpus in an earlier project; None if there is none that can be read."""
    try:
        entry = config.load(folder / "params.yaml").corpora.get(name)
    except UserError:
        return None  # the file is kept under another name (`replace_params`)
    return entry if isinstance(entry, FileSource) else None


def replace_params(folder: Path, text: str) -> list[str]:
    """Write params.yaml and return sentences that say what changed; none where nothing did.

    An old file that is not a preset's may hold edits, so it is kept as params.before.yaml.
    """
    path = folder / "params.yaml"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old == text:
        return []
    kept = []
    if old and old not in map(config.preset, config.PRESETS):
        copy = folder / "params.before.yaml"
        files.write_text(old, copy)
        kept = [f"the earlier {path} was kept as {copy}"]
    files.write_text(text, path)
    return [*kept, f"{path} changed:", *(f"  {line}" for line in config.changes(old, text))]
