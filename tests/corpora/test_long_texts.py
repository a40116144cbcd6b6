"""Long texts: nothing is cut without a word, and a study of one's own reads more of them."""

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
from datayield.study import data_stages, new_project
from datayield.study.corpus_folder import corpus_folder
from datayield.study.cut_cost import cut_cost
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


@pytest.mark.parametrize(("words", "chosen"), [(8, 64), (90, 128), (900, 256)])
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
    proposed = [x for x in plan.lines() if "model.max_tokens:" in x]
    assert len(proposed) == (share < 95) and all("model.max_tokens: 1024 in" in x for x in proposed)


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
    cost = cut_cost(corpus, 64, 5)
    assert cost == cut_cost(corpus, 64, 5) and cost.whole > 0.6
    assert (cost.high < -0.2) == at_the_end
    assert at_the_end or cost.low <= 0 <= cost.high
    assert cost.sentence().startswith(
        "reading only the first 64 tokens changes the accuracy of TF-IDF"
    )
