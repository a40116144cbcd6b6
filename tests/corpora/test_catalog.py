"""The catalog's corpora, from the mirror: published counts, and the faults that the audit must find."""

import os
from functools import cache
from pathlib import Path

import pytest

from datayield import config, corpora
from datayield.analysis import text_findings
from datayield.core import tables
from datayield.core.errors import UserError
from datayield.core.types import Corpus
from datayield.corpora import audit
from datayield.corpora.loaders import catalog
from tests.conftest import need

# texts to learn from, test texts, classes; None: the split is ours (nine tenths and one tenth)
COUNTS = {
    "sms_spam": (5574, None, 2),
    "sst2": (6920 + 872, 1821, 2),
    "ag_news": (7600, None, 4),
    "eda_sst2": (7447, 1752, 2),
    "eda_cr": (4082, 452, 2),
    "eda_subj": (9000, 1000, 2),
    "eda_trec": (5452, 500, 6),
    "eda_pc": (39418, 4508, 2),
    "mr": (10662, None, 2),
    "subj": (10000, None, 2),
    "trec": (5452, 500, 6),
    "cr": (3775 - 4, None, 2),
}
# what was found by hand in the same files
FOUND = {
    "eda_pc": {
        "exact duplicates in the pool": 3308,
        "test texts that also occur in the pool": 246,
        "texts of the pool that occur with two labels": 101,
    },
    "eda_trec": {
        "exact duplicates in the pool": 79,
        "test texts that also occur in the pool": 12,
    },
    "sms_spam": {"exact duplicates in all rows": 415},
    "cr": {"left out: rows without a text": 4},
}


@cache
def built(name: str) -> tuple[Corpus, dict]:
    mirror = os.environ.get("DATAYIELD_MIRROR")
    need(bool(mirror) and Path(str(mirror)).is_dir(), "the files of the catalog (DATAYIELD_MIRROR)")
    return corpora.build(name, config.CatalogSource(loader="catalog"), 1, Path("unused"))


@cache
def audited(name: str) -> tuple[dict, object]:
    corpus, card = built(name)
    return audit.audit(corpus, card["removed"])


def test_every_entry_states_what_a_reader_needs() -> None:
    assert set(catalog.catalog()) == set(COUNTS)
    for name, entry in catalog.catalog().items():
        assert entry.title and entry.licence and entry.citation and entry.family, name
        assert entry.format in catalog.FORMATS
        assert all(f.rows and f.url.startswith("https://") for f in entry.files)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    corpus, card = built(name)
    pool, test, classes = COUNTS[name]
    total = len(corpus.texts) + len(corpus.test_texts)
    if test is None:
        assert total == pool and 0.08 < len(corpus.test_texts) / total < 0.12
    else:
        assert (len(corpus.texts), len(corpus.test_texts)) == (pool, test)
    assert len(corpus.classes) == classes
    assert not any("�" in t for t in (*corpus.texts, *corpus.test_texts))
    assert card["source"]["licence"] and card["family"] == catalog.catalog()[name].family


@pytest.mark.slow
def test_the_audit_finds_what_is_known_to_be_wrong() -> None:
    for name, wanted in FOUND.items():
        found = {f["what"]: f["count"] for f in audited(name)[0]["findings"]}
        assert {what: found[what] for what in wanted} == wanted
    html = {f["what"]: f["count"] for f in audited("ag_news")[0]["findings"]}
    assert html["texts with remnants of HTML"] > 1000
    corpus, _ = built("sms_spam")
    ham = corpus.classes.index("ham")
    assert 0.86 < (corpus.test_labels == ham).mean() < 0.88


def test_old_files_are_decoded_and_cut_as_the_catalog_says() -> None:
    assert any("\x85" in t or "\x97" in t for t in built("mr")[0].texts)
    found = {f["what"]: f["count"] for f in audited("mr")[0]["findings"]}
    assert found["texts with control characters (windows-1252 read as latin-1?)"] > 0


@pytest.mark.slow
def test_shared_texts_across_corpora_are_found(tmp_path: Path) -> None:
    names = ["sst2", "mr", "subj", "eda_subj"]
    families = {}
    for name in names:
        tables.write_table(audited(name)[1], tmp_path / "data" / name / "audit.parquet")
        families[name] = built(name)[1]["family"]
    pairs = {p.corpora: p for p in text_findings.shared(names, families, tmp_path)}
    assert pairs["sst2", "mr"].test_in_other[0] == 1431
    assert pairs["sst2", "subj"].texts == 2874
    # the numbers of SUBJ's classes differ between the two copies; their names in the catalog agree
    assert pairs["subj", "eda_subj"].texts > 9000
    assert pairs["subj", "eda_subj"].other_class == 0
    assert all(p.same_family for p in pairs.values())


def test_an_unknown_entry_names_the_nearest() -> None:
    with pytest.raises(UserError, match='the catalog has no "sms_spm": did you mean "sms_spam"'):
        corpora.build("sms_spm", config.CatalogSource(loader="catalog"), 1, Path())
