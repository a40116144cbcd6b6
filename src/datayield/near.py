"""Near duplicates: character 5-grams, MinHash for candidates, Jaccard for the decision."""

from collections.abc import Iterator, Sequence

from datasketch import MinHash, MinHashLSH

SHINGLE = 5
NEAR = 0.8
SLACK = 0.1  # candidates are looked for so far below, so that MinHash's error hides few
PERMUTATIONS = 128


def pairs(keys: Sequence[str], similarity: float = NEAR) -> Iterator[tuple[str, str]]:
    """Pairs of different keys (`text.key`) whose 5-grams have at least this Jaccard similarity."""
    shingles = [shingled(k) for k in keys]
    hashed = MinHash.bulk([[s.encode() for s in own] for own in shingles], num_perm=PERMUTATIONS)
    index = MinHashLSH(threshold=max(0.05, similarity - SLACK), num_perm=PERMUTATIONS)
    for i, own in enumerate(hashed):
        for j in sorted(index.query(own)):
            if len(shingles[i] & shingles[j]) >= similarity * len(shingles[i] | shingles[j]):
                yield keys[j], keys[i]
        index.insert(i, own)


def shingled(key: str) -> set[str]:
    """The character 5-grams of a text; a shorter text is its own only one."""
    return {key[i : i + SHINGLE] for i in range(max(1, len(key) - SHINGLE + 1))}
