"""The audit of a file: every planted fault is found in its row, and cleanlab agrees about the labels.

`PYTHONPATH=build/cleanlab python -m tests.study.test_file_audit` writes cleanlab's answers again, after
`pip install --no-deps --target build/cleanlab cleanlab==2.9.0 termcolor`.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datayield.core import spreadsheet
from datayield.corpora.build import Noise
from datayield.strategies.selection import confident_errors
from datayield.study import audit_writers
from datayield.study.file_audit import FileAudit, audit_file
from datayield.study.wrong_labels import judge_labels, out_of_fold
from datayield.testing.small_corpus import written_texts

TABLE = Path(__file__).with_name("cleanlab.json")
SHARES = (0.05, 0.3)  # of labels planted wrong


def planted(share: float, kind: str = "symmetric") -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts, labels of which a share is wrong, and which ones are."""
    texts, named = written_texts(400)
    truth = np.unique(named, return_inverse=True)[1]
    labels = Noise(share, kind).plant(truth, 3, np.random.default_rng(3))
    return texts, labels, labels != truth


def audited(texts: Sequence[str], labels: Sequence[object], **options: object) -> FileAudit:
    return audit_file(texts, [str(x) for x in labels], **options)  # type: ignore[arg-type]


def rows(audit: FileAudit, name: str) -> list[int]:
    [finding] = [x for x in audit.findings if x.name.startswith(name)]
    return [int(audit.rows[x.place]) for x in finding.texts]


@pytest.mark.parametrize("share", SHARES)
def test_cleanlab_finds_the_same_labels(share: float) -> None:
    """cleanlab 2.9.0, find_label_issues(labels, p): its default, prune by noise rate."""
    stored = json.loads(TABLE.read_text())[str(share)]
    texts, labels, _ = planted(share)
    p = np.array(stored["p"]) / 10_000
    assert out_of_fold(texts, labels, np.arange(400), 3, 0) == pytest.approx(p, abs=2e-3)
    found, wanted = (
        set(confident_errors(p.astype(np.float32), labels).tolist()),
        set(stored["issues"]),
    )
    assert len(found & wanted) > 0.95 * len(found | wanted)
    # Both count the wrong labels of each pair of classes; cleanlab rounds so that rows keep their sums.
    apart = [(int(labels[i]), int(p[i].argmax())) for i in found ^ wanted]
    assert len(set(apart)) == len(apart)
    assert len(stored["issues"]) >= 10


@pytest.mark.parametrize("share", SHARES)
def test_planted_wrong_labels_are_found(share: float) -> None:
    texts, labels, wrong = planted(share)
    found = judge_labels(texts, labels, np.arange(400), 3, 0).wrong
    places = {x.place for x in found}
    hits = len(places & set(np.flatnonzero(wrong).tolist()))
    assert hits > 0.7 * wrong.sum() and hits > 0.5 * len(places)
    assert [x.margin for x in found] == sorted((x.margin for x in found), reverse=True)
    assert all(x.suggested != labels[x.place] and 0 < x.margin <= x.certainty <= 1 for x in found)


def test_copies_of_a_text_never_judge_each_other() -> None:
    """Each wrong label stands ten times; models that saw a copy would believe it."""
    texts, labels, wrong = planted(0.1)
    groups = np.repeat(np.arange(400), 10)
    many, labels = [t for t in texts for _ in range(10)], np.repeat(labels, 10)
    apart = out_of_fold(many, labels, groups, 3, 0)
    mixed = out_of_fold(many, labels, np.arange(4000), 3, 0)
    planted_wrong = np.repeat(wrong, 10)
    of_label = [p[np.arange(4000), labels][planted_wrong].mean() for p in (apart, mixed)]
    assert of_label[0] < 0.4 < 0.8 < of_label[1]


def test_the_order_of_a_sorted_file_does_not_matter_much() -> None:
    texts, labels, wrong = planted(0.1)
    order = np.argsort(labels, kind="stable")
    found = judge_labels([texts[i] for i in order], labels[order], np.arange(400), 3, 0).wrong
    hits = {int(order[x.place]) for x in found} & set(np.flatnonzero(wrong).tolist())
    assert len(hits) > 0.7 * wrong.sum()


def test_every_planted_fault_is_found_in_its_row() -> None:
    texts, labels = written_texts(300)
    texts += ["Ã©tÃ© in the hills", "a broken � mark in here", "see <b>this</b> one here", "ok fine",
              texts[0].upper(), texts[1], f"{texts[2]} too", "word " * 80]  # fmt: skip
    labels += [labels[0], labels[1], labels[2], labels[0], labels[0], "other", "other", labels[5]]
    more = [
        texts[4],
        "nothing like this was ever labelled before",
        "nothing like this was ever labelled before",
    ]
    audit = audited(texts, labels, unlabelled=more, unlabelled_places=np.array([0, 2, 5]))
    assert rows(audit, "texts that look decoded twice") == [301]
    assert rows(audit, "texts with undecodable") == [302]
    assert rows(audit, "texts with remnants") == [303]
    assert rows(audit, "texts of one or two words") == [304]
    assert {305, 306} <= set(rows(audit, "exact duplicates of an earlier labelled"))
    assert {2, 306} <= set(rows(audit, "texts that occur with different labels"))
    assert 305 not in rows(audit, "texts that occur with different labels")
    assert 307 in rows(audit, "near duplicates with different labels")
    assert 307 in rows(audit, "near duplicates of an earlier text")
    assert rows(audit, "texts longer than the 64 tokens") == [308] and 0 < audit.unread < 0.05
    assert rows(audit, "texts of classes with fewer than 10") == [306, 307]
    assert rows(audit, "unlabelled texts that are labelled already") == [1]
    assert rows(audit, "exact duplicates of an earlier unlabelled") == [6]
    [judged] = [x for x in audit.findings if x.name == "labels that are likely wrong"]
    assert judged.of == 306  # all but the rare class
    assert [c.wrong for c in audit.classes if c.name == "other"] == [None]


def test_test_texts_that_were_learnt_from_are_found() -> None:
    texts, labels = written_texts(200)
    texts, labels = (
        [*texts, texts[3], f"{texts[7]} today", "an entirely different one"],
        [*labels, *labels[:3]],
    )
    audit = audited(texts, labels, in_test=[False] * 200 + [True] * 3)
    assert rows(audit, "test texts that also occur") == [201, 202]
    assert not rows(audited(texts, labels), "test texts that also occur")


@pytest.mark.parametrize(
    ("texts", "labels"),
    [(["a b c"], ["x"]), (["a b c"] * 40, ["x", "y"] * 20), (["\u200b"] * 40, ["x", "y"] * 20),
     ([f"word{i}" for i in range(40)], ["x"] * 40), ([f"w{i} v{i}" for i in range(40)], ["x", "y"] * 20)],
)  # fmt: skip
def test_files_in_which_nothing_can_be_judged(texts: list[str], labels: list[str]) -> None:
    audit = audited(texts, labels)
    assert len(audit.labels) == len(texts)
    assert audit_writers.as_markdown("f", audit) and audit_writers.as_csv(audit)


FEW = st.sampled_from(["rain fell", "Rain fell", "the sun", "a b", "é", "x y z w"])


@given(st.lists(st.tuples(FEW, st.sampled_from("ab")), min_size=1, max_size=30))
def test_every_text_is_counted_once_in_each_finding(lines: list[tuple[str, str]]) -> None:
    audit = audited(*zip(*lines, strict=True))
    keys = [t.casefold() for t, _ in lines]
    for finding in audit.findings:
        places = [x.place for x in finding.texts]
        assert len(set(places)) == len(places) <= max(finding.of, 0)
    assert len(rows(audit, "exact duplicates of an earlier labelled")) == len(keys) - len(set(keys))
    conflicts = {k for k in keys if len({c for t, c in lines if t.casefold() == k}) > 1}
    assert len(rows(audit, "texts that occur with different labels")) == sum(
        k in conflicts for k in keys
    )


def test_models_that_know_nothing_say_so() -> None:
    texts, labels, _ = planted(0.1)
    said = "\n".join(audit_writers.terminal_lines("f", audited(texts, labels)))
    assert "The models that judge the labels predict" in said and "says nothing" not in said
    at_random = np.random.default_rng(1).integers(0, 3, 400)
    audit = audited(texts, at_random)
    assert audit.judgement and not audit.judgement.informed
    assert "what they list says nothing" in audit_writers.as_markdown("f", audit)
    alone = "\n".join(audit_writers.terminal_lines("f", audited(texts, ["x"] * 400)))
    assert "No label was judged" in alone


def test_a_majority_is_suggested_and_a_tie_is_not() -> None:
    audit = audited(["so it is"] * 3 + ["so it was"] * 2, list("aabab"))
    [finding] = [x for x in audit.findings if x.name == "texts that occur with different labels"]
    assert [x.suggested for x in finding.texts] == ["a", "a", "a", "", ""]
    assert [x.like for x in finding.texts] == [1, 2, 0, 4, 3]


HOSTILE = "=1+1 | <script>alert(1)</script> \x1b[31m \u202e `x` [a](javascript:b)"


def test_texts_of_users_are_escaped_wherever_they_are_shown() -> None:
    audit = audited([HOSTILE] * 3, ["=a|b", "=a|b", "\x1b[0m"])
    lines = "\n".join(audit_writers.terminal_lines("f\x1b", audit))
    page, table = audit_writers.as_markdown("*f*", audit), audit_writers.as_csv(audit)
    assert "\x1b" not in lines and "\u202e" not in lines
    assert "\x1b" not in page and not re.search(r"(?<!\\)(<|\]\(|`|\*f)", page)
    for rows_of_table in re.findall(r"(?:^\|.*\n)+", page, re.M):
        assert len({line.replace("\\|", "").count("|") for line in rows_of_table.splitlines()}) == 1
    for row in csv.DictReader(io.StringIO(table)):
        assert row["text"] == f"'{HOSTILE}" and not row["label"].startswith(spreadsheet.FORMULA)


def test_the_table_has_every_text_and_the_page_twelve() -> None:
    texts, labels, _ = planted(0.3)
    audit = audited(texts, labels)
    table = list(csv.DictReader(io.StringIO(audit_writers.as_csv(audit))))
    assert len(table) == sum(len(f.texts) for f in audit.findings)
    page = audit_writers.as_markdown("f", audit)
    count = len(audit.findings[0].texts)
    assert f"The first 12 of {count}; all are in rows.csv." in page
    first = table[0]
    assert first["finding"] == "labels that are likely wrong"
    assert first["text"] == texts[int(first["row"]) - 1] and first["label"] == str(
        labels[int(first["row"]) - 1]
    )
    assert audit_writers.as_data(audit)["findings"][0]["texts"] == count
    assert audited(texts, labels).findings == audit.findings


if __name__ == "__main__":
    from cleanlab.filter import find_label_issues

    answers = {}
    for share in SHARES:
        texts, labels, _ = planted(share)
        p = np.round(10_000 * out_of_fold(texts, labels, np.arange(400), 3, 0)).astype(int)
        issues = np.flatnonzero(find_label_issues(labels, p / 10_000, n_jobs=1)).tolist()
        answers[share] = {"p": p.tolist(), "issues": issues}
    TABLE.write_text(json.dumps(answers) + "\n")
