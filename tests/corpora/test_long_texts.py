"""Long texts: nothing is cut without a word, and a study of one's own reads more of them."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from datayield import config, corpora
from datayield.config import own_data
from datayield.config.own_data import OwnStudyOptions
from datayield.corpora.build import Labelled, build_corpus
from datayield.corpora.corpus_card import LIMITS, WITHIN, share_read
from datayield.corpora.input_files import InputFiles
from datayield.results import StudyPlan
from datayield.study import audit_writers, data_stages, new_project
from datayield.study.corpus_folder import corpus_folder
from datayield.study.cut_cost import cut_cost
from datayield.study.file_audit import audit_file
from datayield.text import tokens
from tests.conftest import write_csv, written_texts


def long_texts(path: Path, words: int, count: int = 120) -> Path:
    texts, labels = written_texts(count)
    rng = np.random.default_rng(0)
    longer = [
        " ".join(
            (t.split() * (words // len(t.split()) + 1))[: int(rng.integers(words // 2, 2 * words))]
        )
        for t in texts
    ]
    return write_csv(path, longer, labels)


@pytest.mark.parametrize(("words", "chosen"), [(8, 64), (90, 128), (300, 512), (2500, 512)])
def test_a_study_of_long_texts_reads_more_and_says_what_it_leaves(
    tmp_path: Path, words: int, chosen: int
) -> None:
    path, folder = long_texts(tmp_path / "a.csv", words), tmp_path / "study"
    new_project.create_own_project(
        InputFiles([str(path)]), OwnStudyOptions("a", None, 2), folder, lambda _: None
    )
    params = config.load(folder / "params.yaml")
    assert params.model.get("max_tokens", 64) == chosen
    corpus, card = corpora.build("a", params.corpora["a"], params.study.seed, folder)
    lengths = np.array([len(tokens.tokens(t)) for t in (*corpus.texts, *corpus.test_texts)])
    for limit in LIMITS:
        exact = np.minimum(lengths, limit).sum() / lengths.sum()
        assert card[WITHIN][str(limit)] == pytest.approx(exact, abs=1e-4)
    between = np.minimum(lengths, 100).sum() / lengths.sum()
    assert share_read(card, 64) <= share_read(card, 100) <= between + 1e-4
    corpora.save(corpus, card, corpus_folder(folder, "a"))
    plan = StudyPlan.of(data_stages.checked_params(params), ["a"], folder)
    (said,) = [x for x in plan.lines() if "of all tokens" in x]
    share = 100 * share_read(card, chosen)
    assert said.startswith(f"  networks read the first {chosen} tokens of a text, {share:.1f} %")
    assert ("TF-IDF" in said) == (share < 95)
    proposed = [x.strip() for x in plan.lines() if re.match(" +model.[a-z_]+: ", x)]
    assert len(proposed) == 2 * (share < 95) == 2 * (words == 2500)
    for line, setting in zip(proposed, ("windows: 8", "max_tokens: 4096"), strict=False):
        (times,) = re.findall(r"in about ([\d.]+) times", line)
        assert line.startswith(f"model.{setting} in params.yaml reads 100.0 %")
        assert 1.5 < float(times) < 100 / share + 0.1
    windows = params.model_copy(update={"model": {**params.model, "windows": 8}})
    plan = StudyPlan.of(data_stages.checked_params(windows), ["a"], folder)
    (said,) = [x.strip() for x in plan.lines() if "of all tokens" in x]
    first = f"networks read the first {8 * chosen} tokens of a text, in 8 windows of {chosen}"
    assert said.startswith(f"{first}, ") and "TF-IDF" not in said


def test_the_fewest_tokens_that_are_enough() -> None:
    def reads(limit: int) -> float:
        return min(1.0, limit / 1000)

    assert own_data.tokens_to_read(reads, 256) == 256
    assert own_data.tokens_to_read(reads, 4096) == 1024
    assert own_data.tokens_to_read(lambda _: 0.96, 4096) == own_data.TOKENS


@pytest.mark.parametrize("at_the_end", [True, False])
def test_the_cut_costs_what_it_hides(at_the_end: bool) -> None:
    """Where the words that decide stand behind the cut, little is left; where they stand before it, all."""
    texts, labels = written_texts(400)
    filler = " ".join(["and so on"] * 30)
    long = [f"{filler} {t}" if at_the_end else f"{t} {filler}" for t in texts]
    corpus = build_corpus("long", Labelled(long, labels, None, {}, "long"), 0.1, 7)
    read = corpus.texts, corpus.labels, corpus.duplicate_groups
    cost = cut_cost(*read, 64, 5, "long")
    assert cost == cut_cost(*read, 64, 5, "long") and cost.whole > 0.6
    assert (cost.high < -0.2) == at_the_end
    assert at_the_end or cost.low <= 0 <= cost.high
    assert cost.sentence().startswith(
        "reading only the first 64 tokens changes the accuracy of TF-IDF"
    )


@pytest.mark.parametrize(("words", "read"), [(8, 64), (260, 512), (2500, 512)])
def test_the_audit_says_what_a_study_reads_and_what_less_would_cost(words: int, read: int) -> None:
    texts, labels = written_texts(120)
    rng = np.random.default_rng(1)
    rest = [" ".join(["and so on"] * int(rng.integers(words // 6, 2 * words // 3))) for _ in texts]
    audit = audit_file([f"{r} {t}" for t, r in zip(texts, rest, strict=True)], labels)
    assert audit.tokens_read == read and (audit.unread > 0.05) == (words == 2500)
    page = audit_writers.as_markdown("a", audit)
    if words == 8:
        assert audit.cut is None and "A study of this file reads" not in page
        return
    assert audit.cut is not None and audit.cut.max_tokens == (64 if words == 260 else read)
    assert audit.cut.high < 0, "the words that decide stand at the end"
    said = f"A study of this file reads up to {read:,} tokens of a text; {audit.cut.sentence()}."
    assert said in page and said in "\n".join(audit_writers.terminal_lines("a", audit))
    assert audit_writers.as_data(audit)["cut"] == asdict(audit.cut)


def test_one_sort_of_labels_has_no_cost_of_the_cut() -> None:
    audit = audit_file([f"{i} {'word ' * 400}" for i in range(30)], ["only"] * 30)
    assert audit.cut is None and audit.tokens_read == 512


def test_texts_without_tokens_are_read_by_default() -> None:
    assert audit_file(["", " "], ["a", "b"]).tokens_read == own_data.TOKENS
