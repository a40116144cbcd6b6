"""Decides which labels of a file name the same class, which name none, and which classes are too small."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datayield.core.errors import UserError
from datayield.corpora.build import SMALLEST_CLASS
from datayield.corpora.row_account import Label
from datayield.corpora.row_labels import SEVERAL_LABELS, Absent, Answers, single
from datayield.text import tokens

MERGED, AS_THEY_ARE = "merged", "as-they-are"
MISSING = frozenset({"nan", "na", "null", "none", "n/a", "#n/a", "<na>"})
"""Labels, without regard to case, by which programs mark a missing one."""

_ITEM = r"""'[^']*'|"[^"]*"|-?\d+"""
_LIST = re.compile(
    rf"\s*\[\s*((?:{_ITEM})(?:[\s,]+(?:{_ITEM}))*)?\s*\]\s*"
)  # as programs write a list
_WHOLE = re.compile(r"([+-]?\d+)\.0+")  # a whole number that was kept as a fraction
_JOINTS = re.compile(r"\s*[,;|#]\s*")  # between the labels of one text
NAMED = 5  # small classes up to which each of them is named
MOST_SEVERAL = (
    0.1  # share of labelled rows with several labels from which it is another kind of task
)


def counted(labels: Iterable[Label]) -> Counter[str]:
    """Return how often each label occurs, those of several annotators included."""
    return Counter(name for label in labels for name in _given(label))


def _given(label: Label) -> Iterator[str]:
    if isinstance(label, Answers):
        yield from (name for _, name in label.given)
    elif isinstance(label, str):
        yield label


def names(file: str, counts: Mapping[str, int], decision: str | None) -> dict[str, str | Absent]:
    """Return what each label is read as, for the labels that are not read as they are.

    Args:
        file: name of the file, for messages.
        counts: rows of each label.
        decision: MERGED, AS_THEY_ARE, or None: not decided.

    Raises:
        UserError: labels differ in case or blanks alone and nothing is decided; labels name several classes.
    """
    blanks = {x: x.strip() for x in counts if x != x.strip()}
    if decision == AS_THEY_ARE:
        return {**blanks}
    missing: dict[str, str | Absent] = {
        x: Absent(f'whose label is "{x}" (if it is a class: --labels {AS_THEY_ARE})')
        for x in counts
        if tokens.key(x) in MISSING
    }
    if missing and len(counts) - len(missing) < 2 <= len(counts):
        raise UserError(
            f"{file}: without {_quoted(counts, missing)} fewer than two classes are left. If that is a"
            f" class, say --labels {AS_THEY_ARE}."
        )
    numbers = {x: m[1] for x in counts if (m := _WHOLE.fullmatch(x)) and m[1] in counts}
    lists = {x: of for x in counts if (of := _of_list(x)) is not None}
    spellings = defaultdict(list)
    for label in counts:
        if label not in missing and label not in numbers and label not in lists:
            spellings[tokens.key(label)].append(label)
    _check_several(file, counts, [x for xs in spellings.values() for x in xs])
    alike = [group for group in spellings.values() if len({x.strip() for x in group}) > 1]
    if alike and decision is None:
        raise _question(file, counts, alike)
    merged = {x: _commonest(group, counts) for group in alike for x in group}
    changed: dict[str, str | Absent] = {
        x: merged.get(name, name) for x, name in (blanks | merged | numbers).items()
    }
    return {x: name for x, name in (changed | missing | lists).items() if x != name}


def _of_list(label: str) -> str | Absent | None:
    """Return the label in a list that was written as text, as ['pos'], or why there is not one; None: no list."""
    if not _LIST.fullmatch(label):
        return None
    return single([x.strip("'\"") for x in re.findall(_ITEM, label)])


def _commonest(group: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return the commonest spelling, without the blanks around it."""
    stripped: Counter[str] = Counter()
    for label in group:
        stripped[label.strip()] += counts[label]
    return min(stripped, key=lambda x: (-stripped[x], x))


def _quoted(counts: Mapping[str, int], labels: Iterable[str]) -> str:
    return ", ".join(f'"{x}" {counts[x]:,}' for x in sorted(labels, key=lambda x: (-counts[x], x)))


def _question(file: str, counts: Mapping[str, int], alike: Sequence[Sequence[str]]) -> UserError:
    shown = "; ".join(_quoted(counts, group) for group in alike[:5])
    kept = ", ".join(f'"{_commonest(group, counts)}"' for group in alike[:5])
    more = " ..." * (len(alike) > 5)
    return UserError(
        f"{file}: labels differ in case or blanks alone ({shown}{more}). Are they the same class? If so, say"
        f" --labels {MERGED} (read as {kept}{more}); if not, --labels {AS_THEY_ARE}."
    )


def _check_several(file: str, counts: Mapping[str, int], labels: Sequence[str]) -> None:
    """Raise UserError if a label is made of labels that other rows have alone."""
    alone = {tokens.key(x) for x in labels}
    several = [
        x
        for x in labels
        if len(parts := [tokens.key(p) for p in _JOINTS.split(x)]) > 1 and set(parts) <= alone
    ]
    if several:
        raise UserError(
            f"{file}: labels name several classes at once ({_quoted(counts, several[:5])}); wanted one label"
            f" for each text. Make a file for each class (yes or no), or say --labels {AS_THEY_ARE} if such"
            " a label is a class of its own."
        )


def check_single(file: str, labels: Sequence[Label]) -> None:
    """Raise UserError if more than a tenth of the labelled rows have several labels."""
    several = sum(isinstance(x, Absent) and x.reason == SEVERAL_LABELS for x in labels)
    labelled = sum(not isinstance(x, Absent) for x in labels)
    if several > MOST_SEVERAL * (several + labelled):
        raise UserError(
            f"{file}: {several:,} of {several + labelled:,} labelled texts have several labels; wanted one"
            " label for each text. Make a file for each class (yes or no)."
        )


def renamed(labels: Sequence[Label], names: Mapping[str, str | Absent]) -> list[Label]:
    """Return the labels of all rows as `names` reads them; answers that name no class are dropped."""
    return [_renamed(label, names) for label in labels] if names else list(labels)


def _renamed(label: Label, names: Mapping[str, str | Absent]) -> Label:
    if isinstance(label, str):
        return names.get(label, label)
    if isinstance(label, Absent):
        return label
    read = [(who, names.get(name, name)) for who, name in label.given]
    kept = tuple((who, name) for who, name in read if isinstance(name, str))
    if not kept:
        return next(name for _, name in read if isinstance(name, Absent))
    return Answers(kept)


def without_rare(labels: Sequence[Label], merge_into: str | None) -> list[Label]:
    """Return the labels with classes of fewer rows than a study needs left out, or merged into one class.

    Nothing is left out where fewer than two classes would remain, so that the corpus is refused by name.
    """
    counts = counted(labels)
    small = {x for x, n in counts.items() if n < SMALLEST_CLASS}
    if merge_into is not None:
        joined: list[Label] = [merge_into if x in small else x for x in labels]
        counts = counted(joined)
        labels = joined
        small = {merge_into} if 0 < counts[merge_into] < SMALLEST_CLASS else set()
    if len(counts) - len(small) < 2:
        return list(labels)
    rare = {x: Absent(_of_rare(x, counts[x], len(small)), left_out=True) for x in small}
    return [rare.get(x, x) if isinstance(x, str) else x for x in labels]


def _of_rare(label: str, count: int, small: int) -> str:
    """Return the reason why a class is left out; many such classes have one reason together."""
    which = (
        f'the class "{label}", which has {count} where {SMALLEST_CLASS} are needed'
        if small <= NAMED
        else f"{small} classes of fewer than {SMALLEST_CLASS} each"
    )
    return f"of {which} (to join such classes: --merge-rare NAME)"
