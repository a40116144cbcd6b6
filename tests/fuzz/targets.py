"""What is fuzzed: every reader of what others made or of what a disk may have damaged.

A target gets bytes and an empty folder. It may return, or raise UserError; everything else is a crash.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import inputs, stored


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    Attributes:
        run: reads the bytes in the folder.
        seeds: good inputs, from which others are made.
        refuses: whether it can refuse anything.
    """

    run: Callable[[bytes, Path], object]
    seeds: Callable[[], Sequence[bytes]]
    refuses: bool = True


TARGETS: dict[str, Target] = {
    "csv": Target(
        inputs.labelled(".csv"),
        lambda: inputs._with_heads(inputs._csv().encode(), inputs._csv(";").encode()),
    ),
    "tsv": Target(inputs.labelled(".tsv"), lambda: inputs._with_heads(inputs._csv("\t").encode())),
    "jsonl": Target(
        inputs.labelled(".jsonl"), lambda: inputs._with_heads(inputs._jsonl().encode())
    ),
    "json": Target(inputs.labelled(".json"), inputs.exports),
    "parquet": Target(inputs.labelled(".parquet"), inputs.parquet_seeds),
    "download": Target(inputs.downloaded, inputs.download_seeds),
    "params": Target(inputs.params, inputs.params_seeds),
    "arm": Target(inputs.arm, inputs.arm_seeds),
    "results": Target(stored.results, stored.table_seeds),
    "data": Target(stored.data_tables, stored.data_seeds),
    "state": Target(stored.state, stored.state_seeds),
    "model": Target(stored.model, stored.model_seeds),
    "tokens": Target(inputs.tokens, inputs.token_seeds, refuses=False),
    "vectors": Target(inputs.word_vectors, lambda: [b"boat 0.5 1\nrain 1 2\n", b"\0" * 8]),
    "wordnet": Target(inputs.dictionary, inputs.dictionary_seeds),
    "synonyms": Target(inputs.synonyms, inputs.synonym_seeds),
}


def words_of(seeds: Iterable[bytes]) -> list[bytes]:
    """Words of the seeds that are texts, for a fuzzer's dictionary."""
    found = {w for s in seeds for w in re.findall(rb"[A-Za-z_][\w.]{2,30}", s)}
    return sorted(found)[:600]
