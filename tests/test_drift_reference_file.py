"""The file: small, deterministic, whole or refused."""

import hashlib
import json

import numpy as np
import pytest

from modelspan.drift import reference_file
from modelspan.drift.reference import Reference
from modelspan.drift.reference_file import compact
from modelspan.errors import ReferenceFileError


def reference():
    rng = np.random.default_rng(6)
    data = {"amount": rng.lognormal(8, 1, 500), "job": rng.choice(["cook", "\ud800", "ü"], 500).tolist()}
    return Reference.build(data, score=rng.random(500), model="credit", version="1.4.2")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ref.json"
    reference().save(path)
    return path


def rewrite(path, **changes):
    """Change the file as somebody would who also repairs the checksum."""
    document = json.loads(path.read_text()) | changes
    document.pop("checksum")
    digest = hashlib.sha256(compact(document).encode()).hexdigest()
    path.write_text(json.dumps({**document, "checksum": f"sha256:{digest}"}))


def test_a_reference_comes_back_as_it_was(tmp_path):
    before = reference()
    before.save(tmp_path / "a.json")
    after = Reference.load(str(tmp_path / "a.json"))
    after.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert list(after.features) == list(before.features)
    for one, other in zip(
        [*before.features.values(), before.score], [*after.features.values(), after.score], strict=True
    ):
        assert (one.name, one.kind, one.levels, one.labels) == (
            other.name,
            other.kind,
            other.levels,
            other.labels,
        )
        assert (one.edges.tolist(), one.counts.tolist()) == (other.edges.tolist(), other.counts.tolist())
    facts = ("model", "version", "rows", "created", "fingerprint")
    assert [getattr(before, name) for name in facts] == [getattr(after, name) for name in facts]


def test_a_column_takes_less_than_a_kilobyte(tmp_path):
    data = np.random.default_rng(1).lognormal(8, 3, (2000, 20))
    Reference.build(data).save(tmp_path / "r.json")
    assert (tmp_path / "r.json").stat().st_size < 20 * 1024


def test_the_file_is_ascii_with_sorted_keys_and_its_schema(saved):
    document = json.loads(saved.read_bytes().decode("ascii"))
    assert list(document) == sorted(document)
    assert document["schema"] == "modelspan.reference/2"


@pytest.mark.parametrize(
    ("old", "new"), [('"credit"', '"debit"'), ('"rows":500', '"rows":501'), ("[\n{", "[ {")]
)
def test_an_edited_file_says_so_but_white_space_is_free(saved, old, new):
    saved.write_text(saved.read_text().replace(old, new, 1))
    if new == "[ {":
        assert Reference.load(saved).model == "credit"
        return
    with pytest.raises(ReferenceFileError, match=r"ref\.json.*was edited.*modelspan reference build"):
        Reference.load(saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[1, 2]", "is not a reference of modelspan"),
        (b'{"schema": 7}', "is not a reference of modelspan"),
        (b'{"schema": "modelspan.reference/3"}', "upgrade modelspan"),
        (b'{"schema": "modelspan.reference/1"}', "was edited"),
        (b" " * (reference_file.MAX_BYTES + 1), "is larger than"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_refused(tmp_path, content, message):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ReferenceFileError, match=message) as caught:
        Reference.load(path)
    assert "other.json" in str(caught.value)


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(ReferenceFileError, match="can't be read"):
            Reference.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": "500"},
        {"features": 5},
        {"features": [{"name": "x"}]},
        {"features": [{"name": "x", "kind": "numeric", "edges": [2, 1], "counts": [1, 1, 1, 1]}]},
        {"features": [{"name": "x", "kind": "numeric", "edges": [1], "counts": [1, 1.5, 1]}]},
        {"features": [{"name": "x", "kind": "numeric", "edges": [1], "counts": [1, 2**70, 1]}]},
        {"features": [{"name": "x", "kind": "numeric", "edges": ["1"], "counts": [1, 1, 1]}]},
        {"features": [{"name": "x", "kind": "categorical", "levels": ["a"], "counts": [1]}]},
        {"score": 3},
    ],
)
def test_a_damaged_document_with_a_right_checksum_is_refused(saved, changes):
    rewrite(saved, **changes)
    with pytest.raises(ReferenceFileError, match="is damaged"):
        Reference.load(saved)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(saved, monkeypatch):
    before = saved.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reference_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        reference().save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["ref.json"]


FIRST_SCHEMA = {
    "created": "2026-10-01T00:00:00+00:00", "fingerprint": "ab", "model": "credit", "rows": 8,
    "features": [
        {"name": "age", "kind": "numeric", "edges": [30.5], "counts": [1, 2, 1]},
        {"name": "job", "kind": "categorical", "levels": ["cook"], "counts": [2, 1, 1]},
    ],
    "schema": "modelspan.reference/1", "score": None, "version": "1",
}  # fmt: skip


def test_a_file_of_the_first_schema_still_loads_and_is_saved_in_the_present_one(tmp_path):
    path = tmp_path / "old.json"
    digest = hashlib.sha256(compact(FIRST_SCHEMA).encode()).hexdigest()
    path.write_text(json.dumps({**FIRST_SCHEMA, "checksum": f"sha256:{digest}"}))
    reference = Reference.load(path)
    assert reference.features["age"].count([20, 40, None]).tolist() == [1, 1, 1]
    assert reference.compare({"age": [20, 40], "job": ["cook", "smith"]}).rows == 2
    reference.save(path)
    assert json.loads(path.read_text())["schema"] == "modelspan.reference/2"
    assert Reference.load(path).features["job"].counts.tolist() == [2, 1, 1]
