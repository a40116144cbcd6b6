"""Hub folders, the synthetic corpus, WordNet, presets."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from datayield import config, corpora
from datayield.core.errors import UserError
from datayield.core.system import download
from datayield.core.types import TrainingSet
from datayield.corpora.loaders import synthetic
from datayield.models import linear
from datayield.study import arms, grid
from datayield.testing.small_corpus import write_dictionary
from datayield.text import wordnet
from tests.conftest import REPO, need, write_csv, written_texts


def _hub(**more: object) -> config.HubSource:
    entry = {"loader": "hub", "name": "./set", "text": "body", "label": "stars", **more}
    return config.HubSource.model_validate(entry)


def _written(folder: Path) -> None:
    """A folder as the hub lays out a data set: train and test files by name."""
    folder.mkdir(parents=True)
    texts, labels = written_texts(200)
    write_csv(folder / "train.csv", texts[:150], labels[:150])
    write_csv(folder / "test.csv", texts[150:], labels[150:])


def test_hub_folders_with_files_named_by_split(tmp_path: Path) -> None:
    _written(tmp_path / "set")
    corpus, card = corpora.build("s", _hub(test="test"), 1, tmp_path)
    assert (len(corpus.texts), len(corpus.test_texts)) == (150, 50)
    assert corpus.texts == tuple(written_texts(200)[0][:150])
    assert card["source"]["loader"] == "hub" and len(corpus.classes) == 3
    alone, _ = corpora.build("s", _hub(), 1, tmp_path)
    assert len(alone.texts) + len(alone.test_texts) == 150


def test_hub_folders_with_sharded_parquet_and_named_classes(tmp_path: Path) -> None:
    import datasets

    texts, labels = written_texts(150)
    texts[3] = ""
    classes = datasets.ClassLabel(names=sorted(set(labels)))
    features = datasets.Features({"body": datasets.Value("string"), "stars": classes})
    made = datasets.Dataset.from_dict({"body": texts, "stars": labels}, features=features)
    (tmp_path / "set" / "data").mkdir(parents=True)
    for shard in range(2):
        part = made.shard(2, shard, contiguous=True)
        part.to_parquet(tmp_path / "set" / "data" / f"train-{shard:05d}-of-00002.parquet")
    corpus, card = corpora.build("s", _hub(), 1, tmp_path)
    assert corpus.classes == ("harbour", "kitchen", "weather")
    assert card["removed"] == {"rows without a text or a label": 1}


def test_hub_faults(tmp_path: Path) -> None:
    _written(tmp_path / "set")
    for more, message in (
        ({"text": "bodies"}, 'has no column "bodies": did you mean "body"'),
        ({"test": "tests"}, 'has no split "tests": did you mean "test"'),
        ({"name": "./none"}, "is not a folder"),
    ):
        with pytest.raises(UserError, match=message):
            corpora.build("s", _hub(**more), 1, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="cannot be loaded"):
        corpora.build("s", _hub(name="./empty"), 1, tmp_path)
    with pytest.raises(ValueError, match="needs its revision"):
        _hub(name="owner/set")


def _synthetic(**more: object) -> config.SyntheticSource:
    return config.SyntheticSource.model_validate({"loader": "synthetic", "pool": 3000, **more})


@pytest.mark.parametrize("negation", [0.0, 0.5])
def test_the_synthetic_corpus_has_the_bayes_error_it_says(negation: float) -> None:
    source = _synthetic(bayes_error=0.1, negation=negation, test=4000)
    corpus, card = corpora.build("s", source, 3, Path())
    _, cues = synthetic.lexicon("s", source, 3)
    told = np.array([synthetic.best_class(t, cues) for t in corpus.test_texts])
    error = (told != corpus.test_labels).mean()
    assert abs(error - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 4000)
    assert card["source"]["Bayes error"] == 0.1
    again, _ = corpora.build("s", source, 3, Path())
    assert again.digest == corpus.digest
    assert corpora.build("s", source, 4, Path())[0].digest != corpus.digest


def _bag_of_words(corpus: corpora.Corpus) -> float:
    rows = TrainingSet(
        corpus.texts,
        np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels],
        np.ones(len(corpus.texts), np.float32),
        np.arange(len(corpus.texts)),
    )
    guessed = linear.tfidf(rows, 1).predict(corpus.test_texts).argmax(1)
    return float((guessed == corpus.test_labels).mean())


def test_what_the_synthetic_corpus_plants_is_there() -> None:
    easy, _ = corpora.build("s", _synthetic(bayes_error=0.0), 3, Path())
    thin, _ = corpora.build("s", _synthetic(bayes_error=0.0, cues=1), 3, Path())
    assert _bag_of_words(easy) > _bag_of_words(thin) + 0.01  # redundancy
    noisy, _ = corpora.build("s", _synthetic(bayes_error=0.0, label_noise=0.3), 3, Path())
    _, cues = synthetic.lexicon("s", _synthetic(), 3)
    told = np.array([synthetic.best_class(t, cues) for t in noisy.texts])
    assert abs((told != noisy.labels).mean() - 0.3) < 0.04
    turned, _ = corpora.build(
        "s", _synthetic(bayes_error=0.0, label_noise=0.3, noise="class"), 3, Path()
    )
    assert set((turned.labels - told) % 3) == {0, 1}
    told = [synthetic.best_class(t, cues) for t in noisy.test_texts]
    assert np.array_equal(told, noisy.test_labels)  # the test set stays clean
    copies, card = corpora.build("s", _synthetic(duplicates=0.2), 3, Path())
    assert abs(card["duplicates in the pool"] - 600) < 30 and len(copies.texts) == 3000


def test_wordnet_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dictionary(tmp_path)
    monkeypatch.setenv("DATAYIELD_WORDNET", str(tmp_path))
    words = wordnet.WordNet.load(tmp_path)
    assert words.synonyms("boat") == ("small boat", "vessel")
    assert words.synonyms("boats") == ("boat", "small boat", "vessel")
    assert words.synonyms("boaten") == ("boat", "small boat", "vessel")
    assert words.synonyms("rained") == ("pour", "rain")
    assert words.synonyms("rain") == ("pour", "rain fall")
    assert words.synonyms("sky") == ()
    (tmp_path / "data.noun").write_text((tmp_path / "data.noun").read_text()[:60])
    with pytest.raises(
        UserError, match=r"index.noun lists synsets of 'rain' that data.noun .* cut off"
    ):
        wordnet.WordNet.load(tmp_path)
    (tmp_path / "data.verb").write_text("nonsense\n")
    with pytest.raises(UserError, match="no dictionary files of WordNet"):
        wordnet.WordNet.load(tmp_path)


def test_without_wordnet_the_error_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAYIELD_WORDNET", str(tmp_path))
    with pytest.raises(
        UserError, match="index.noun cannot be read.*wordnet-base.*DATAYIELD_WORDNET.*eda_nn"
    ):
        wordnet.WordNet.load(tmp_path)


def _packed(folder: Path) -> bytes:
    write_dictionary(folder)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in wordnet.NAMES:
            archive.write(folder / name, f"wordnet/{name}")
    return out.getvalue()


def test_wordnet_is_fetched_by_hash_where_no_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("files", "mirror"):
        (tmp_path / name).mkdir()
    content = _packed(tmp_path / "files")
    pinned = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    own = replace(wordnet.ARCHIVE, **pinned, url="http://127.0.0.1:9/wordnet.zip")
    monkeypatch.setattr(wordnet, "ARCHIVE", own)
    monkeypatch.setattr(wordnet, "USUAL", tmp_path / "nowhere")
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.delenv("DATAYIELD_WORDNET", raising=False)
    monkeypatch.setenv("DATAYIELD_MIRROR", str(tmp_path / "mirror"))
    told = "strategy eda needs .* no connection.*The mirror .* has no file.*wordnet-base.*eda_nn"
    with pytest.raises(UserError, match=told):
        wordnet.WordNet.load(tmp_path / "cache")
    (tmp_path / "mirror" / "wordnet.zip").write_bytes(content[:-9])
    with pytest.raises(UserError, match="is truncated: wanted"):
        wordnet.WordNet.load(tmp_path / "cache")
    (tmp_path / "mirror" / "wordnet.zip").write_bytes(content)
    fetched = wordnet.WordNet.load(tmp_path / "cache")
    monkeypatch.setenv("DATAYIELD_WORDNET", str(tmp_path / "files"))
    assert fetched.digest == wordnet.WordNet.load(tmp_path / "cache").digest
    assert fetched.synonyms("boat") == ("small boat", "vessel")


def test_the_real_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAYIELD_WORDNET", raising=False)
    need(wordnet.USUAL.is_dir(), "WordNet's files (Debian: wordnet-base)")
    words = wordnet.WordNet.load(Path("unused"))
    assert sum(len(s) for s in words.members.values()) == 117_659
    assert {"film", "picture", "motion picture"} <= set(words.synonyms("movie"))
    assert "mouse" in words.synonyms("mice")


@pytest.mark.parametrize("name", config.PRESETS)
def test_presets_are_valid_studies(name: str) -> None:
    params = config.parse(yaml.safe_load(config.preset(name)))
    assert params.study.name == name
    assert set(params.study.corpora) == set(params.corpora)
    planned, _ = grid.arms_and_budgets(
        params, 100_000
    )  # every arm, with its control at the same share or pace
    for arm, n in planned:
        arms.default_settings(params, arm, n)


def test_the_folder_starts_with_the_default_preset() -> None:
    assert (REPO / "params.yaml").read_text() == config.preset("default")


def test_writing_a_preset_says_what_changed(tmp_path: Path) -> None:
    from tests.conftest import datayield

    done = datayield(tmp_path, "preset", "quick")
    assert done.returncode == 0 and "study.name: nothing → quick" not in done.stderr
    assert "quick" in (tmp_path / "params.yaml").read_text()
    own = (tmp_path / "params.yaml").read_text().replace("\n  draws: 4 ", "\n  draws: 7 ")
    (tmp_path / "params.yaml").write_text(own)
    done = datayield(tmp_path, "preset", "article")
    assert "study.draws: 7 → 5" in done.stdout and "study.name: quick → article" in done.stdout
    assert (tmp_path / "params.before.yaml").read_text() == own
    assert "article already" in datayield(tmp_path, "preset", "article").stdout
