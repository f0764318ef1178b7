"""The spool: what an endpoint does not take waits on disk, outlives the process, and is counted."""

import itertools
import os
import stat
import struct
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelspan.delivery import attempts, segment
from modelspan.delivery.otlp import records
from modelspan.delivery.shelf import Shelf
from modelspan.delivery.spool import Spool

from .conftest import Endpoint, names_in, span

LIMIT = 10_000_000


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "PAUSE_SECONDS", (0.02, 0.1))


def some(*names):
    (joined,) = records.merged([span(name) for name in names])
    return joined


def drained(spool):
    found = []
    while (oldest := spool.oldest()) is not None:
        found.append(oldest[0])
        spool.settle()
    return found


def test_what_is_appended_comes_back_in_order_and_the_files_are_gone_after(tmp_path):
    spool = Spool(tmp_path / "spool", "spans", LIMIT)
    kept = [some(f"a{i}", f"b{i}") for i in range(50)]
    assert all(map(spool.append, kept))
    assert drained(spool) == kept
    assert list((tmp_path / "spool").iterdir()) == []
    assert spool.append(some("c"))  # and it goes on
    assert drained(spool) == [some("c")]


def test_s16_files_are_the_owners_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        spool = Spool(tmp_path / "spool", "spans", LIMIT)
        spool.append(some("a"))
    finally:
        os.umask(before)
    (path,) = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    spool.close()


def test_s16_a_folder_that_others_may_write_to_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError, match="others may write"):
        Spool(tmp_path / "open", "spans", LIMIT)


def test_s15_a_link_in_the_folder_is_not_followed(tmp_path):
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "spool" / "spans-1.spool").symlink_to(tmp_path / "target")
    spool = Spool(tmp_path / "spool", "spans", LIMIT)
    assert spool.oldest() is None
    assert (tmp_path / "target").read_bytes() == b"mine"


def test_c02_a_full_spool_takes_no_more(tmp_path):
    spool = Spool(tmp_path / "spool", "spans", 5000)
    taken = [spool.append(some("x" * 900)) for _ in range(20)]
    assert taken == sorted(taken, reverse=True)
    assert sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()) <= 5000
    assert len(drained(spool)) == sum(taken) >= 3


def test_segments_of_a_living_process_are_left_alone_and_of_a_gone_one_taken_over_oldest_first(tmp_path):
    first, second = Spool(tmp_path / "s", "spans", LIMIT), Spool(tmp_path / "s", "spans", LIMIT)
    first.append(some("1"))
    second.append(some("2"))
    third = Spool(tmp_path / "s", "spans", LIMIT)
    assert third.oldest() is None
    first.close()
    second.close()
    fourth = Spool(tmp_path / "s", "spans", LIMIT)
    fourth.append(some("3"))
    assert drained(fourth) == [some("1"), some("2"), some("3")]


def test_what_was_settled_before_a_crash_is_not_sent_again(tmp_path):
    first = Spool(tmp_path / "s", "spans", LIMIT)
    for name in "abc":
        first.append(some(name))
    first.oldest()
    first.settle()
    first.close()
    assert drained(Spool(tmp_path / "s", "spans", LIMIT)) == [some("b"), some("c")]


@given(st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
def test_a_segment_that_is_cut_or_altered_gives_a_prefix_of_what_it_held(tmp_path, data):
    whole = [some(f"r{i}") for i in range(data.draw(st.integers(1, 5)))]
    content = bytearray(b"".join(map(segment.pack, whole)))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "segment"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    try:
        found, torn = segment.read(descriptor)
        read = [stored.records(descriptor) for stored in found]
    finally:
        os.close(descriptor)
    assert read == [record for record in whole if record in read]
    ends = [0, *itertools.accumulate(len(segment.pack(record)) for record in whole)]
    assert torn or (len(read) == len(whole) if len(content) == ends[-1] else len(content) in ends)


@given(st.binary(max_size=300))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_a02_any_bytes_in_a_segment_are_read_without_an_error(tmp_path, junk):
    path = tmp_path / "segment"
    path.write_bytes(junk)
    descriptor = os.open(path, os.O_RDWR)
    try:
        assert segment.read(descriptor)[0] == []
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("content", [b"", b"\1", struct.pack("<I", 9), struct.pack("<IIIII", 0, 0, 0, 3, 7)])
def test_a_content_that_was_not_packed_here_is_a_value_error(content):
    with pytest.raises(ValueError):
        segment.unpack(content)


def on_disk(sending, tmp_path, url=None):
    return sending(url, make_shelf=partial(Shelf, tmp_path / "spool", "spans", LIMIT))


def whole(out):
    lost = sum(out.dropped.values())
    ledger = out.ledger
    return ledger.emitted["spans"] == ledger.delivered["spans"] + lost + ledger.stored["spans"]


def test_c01_records_of_an_outage_wait_on_disk_and_arrive_once_when_it_is_over(sending, tmp_path, until):
    first = Endpoint()
    port = first.server_address[1]
    out = on_disk(sending, tmp_path, first.url)
    out.add("before")
    assert out.flush()
    first.stop()
    names = [f"s{i}" for i in range(60)]
    for start in range(0, 60, 10):
        out.add(*names[start : start + 10])
        assert out.flush(1.0) is False
    assert (out.ledger.stored["spans"], out.sender.held_bytes) == (60, 0)
    assert whole(out)
    second = Endpoint(port)
    try:
        until(lambda: len(second.names) == 60)
        assert second.names == names
        out.add("after")
        assert out.flush()
        assert second.names == [*names, "after"]
        assert (out.ledger.stored["spans"], out.dropped) == (0, {})
        assert whole(out)
    finally:
        second.stop()
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_is_on_disk_at_the_end_is_sent_by_the_next_process(sending, endpoint, tmp_path):
    down = Endpoint()
    url = down.url
    down.stop()
    first = on_disk(sending, tmp_path, url)
    first.add("a", "b")
    began = time.monotonic()
    assert first.close(3.0) is False
    assert time.monotonic() - began < 8
    assert (first.ledger.stored["spans"], first.dropped) == (2, {})
    assert whole(first)
    second = on_disk(sending, tmp_path)
    second.add("c")
    assert second.flush()
    assert endpoint.names == ["a", "b", "c"]
    assert (second.ledger.emitted["spans"], second.ledger.delivered["spans"]) == (3, 3)


def test_a_stored_record_that_is_refused_is_halved_out_of_its_neighbours(sending, endpoint, tmp_path):
    down = Endpoint()
    url = down.url
    down.stop()
    first = on_disk(sending, tmp_path, url)
    first.add(*[f"s{i}" for i in range(40)])
    first.close(1.0)
    endpoint.script = lambda body: 400 if "s7" in names_in(body) else 200
    second = on_disk(sending, tmp_path)
    second.add("c")
    second.flush()
    assert sorted(endpoint.names) == sorted({"c", *(f"s{i}" for i in range(40))} - {"s7"})
    assert second.dropped == {"rejected": 1}
    assert whole(second)


def test_a_corrupt_segment_is_cut_counted_and_removed(sending, endpoint, tmp_path):
    spool = Spool(tmp_path / "spool", "spans", LIMIT)
    spool.append(some("good"))
    spool.append(some("bad"))
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    out = on_disk(sending, tmp_path)
    out.add("new")
    assert out.flush()
    assert sorted(endpoint.names) == ["good", "new"]
    assert out.dropped == {"spool_corrupt": 1}
    assert whole(out)
    assert not path.exists()
