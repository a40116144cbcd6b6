import subprocess
import sys

import numpy as np

from datayield.core import seeds


def test_one_key_one_generator_in_any_process() -> None:
    code = "from datayield.core import seeds; print(seeds.rng(1, 'a', 2).integers(2**40), seeds.integer('x'))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "77")
    }
    assert runs == {f"{seeds.rng(1, 'a', 2).integers(2**40)} {seeds.integer('x')}\n"}


def test_keys_are_told_apart() -> None:
    keys = [(1,), ("1",), (1, 2), (12,), ("a", "b"), ("a\x1fstr:b",), ("ab",)]
    assert len({seeds.integer(*k) for k in keys}) == len(keys)


def test_rows_belong_to_words() -> None:
    both = seeds.uniform_rows(["x", "y"], 50, "k")
    assert np.array_equal(both[1], seeds.uniform_rows(["y"], 50, "k")[0])
    assert np.array_equal(both[:, :20], seeds.uniform_rows(["x", "y"], 20, "k"))
    many = seeds.uniform_rows([str(i) for i in range(2000)], 50, "k")
    assert abs(many.mean()) < 0.01 and abs(many.var() - 1 / 3) < 0.01
    assert many.min() >= -1 and many.max() < 1
    assert abs(np.corrcoef(many[:, 0], many[:, 1])[0, 1]) < 0.08


def test_a_generator_is_philox_with_the_digest_as_its_key() -> None:
    for key in ((1, "variant", "eda", 7), ("a",), (0,)):
        number = int.from_bytes(seeds._digest(key, 16), "little")
        wanted = np.random.Generator(np.random.Philox(key=number))
        assert np.array_equal(
            seeds.rng(*key).integers(2**63, size=9), wanted.integers(2**63, size=9)
        )
