import hashlib

import pytest

from weighbridge.errors import InputError, MissingPiece
from weighbridge.sources.datasets import DataPlaces, find_data
from weighbridge.sources.digests import file_digest, weights_digest


def test_name_dtype_shape_and_bytes_all_count():
    base = ("a", "float32", (2, 3), [b"x" * 24])
    digests = {
        weights_digest([base]),
        weights_digest([("b", *base[1:])]),
        weights_digest([("a", "float16", *base[2:])]),
        weights_digest([("a", "float32", (3, 2), base[3])]),
        weights_digest([("a", "float32", (2, 3), [b"y" * 24])]),
        weights_digest([base, base]),
    }
    assert len(digests) == 6
    assert weights_digest([(*base[:3], [b"x" * 5, b"x" * 19])]) in digests  # cut elsewhere


def test_a_file_s_digest_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"weigh")
    assert file_digest(tmp_path / "f") == "sha256:" + hashlib.sha256(b"weigh").hexdigest()


def test_data_is_found_nearest_to_the_user_first(tmp_path):
    named, root = tmp_path / "named", tmp_path / "root"
    named.mkdir()
    (root / "mmlu").mkdir(parents=True)
    assert find_data("mmlu", DataPlaces({"mmlu": named}, root)) == named
    assert find_data("mmlu", DataPlaces({}, root)) == root / "mmlu"
    with pytest.raises(MissingPiece, match="get it with: buy it"):
        find_data("mmlu", DataPlaces({}, offline=True), get_it="buy it")
    with pytest.raises(InputError, match="no data for mmlu"):
        find_data("mmlu", DataPlaces({"mmlu": tmp_path / "nowhere"}, root))
