"""A disk without room costs counts and no worker."""

import errno
import os
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from runtime import shared_counters, telemetry
from runtime.shared_counters import Reserved

MANY = 2_000  # more than a file has room for as it is made


def told(file: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(file))}


def be_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared_counters.os, "posix_fallocate", refuse)


def count(counts: Reserved, numbers: range) -> None:
    for number in numbers:
        counts.write_value(f"a count of some name, the {number}th", float(number), 0.0)


def test_counts_are_there_for_others_and_their_room_is_taken_before(tmp_path: Path) -> None:
    counts = Reserved(str(tmp_path / "counter_1.db"))
    assert os.stat(tmp_path / "counter_1.db").st_blocks * 512 >= 65_536
    count(counts, range(MANY))
    assert os.stat(tmp_path / "counter_1.db").st_blocks * 512 >= counts._capacity > 65_536
    assert sorted(told(tmp_path / "counter_1.db").values()) == [float(number) for number in range(MANY)]
    counts.close()


def test_who_begins_without_room_counts_alone_and_leaves_no_half_a_file(
    app: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    be_full(monkeypatch)
    counts = Reserved(str(tmp_path / "counter_1.db"))
    count(counts, range(MANY))
    assert [counts.read_value(f"a count of some name, the {number}th")[0] for number in (0, 7, MANY - 1)] == [0.0, 7.0, MANY - 1]
    assert list(tmp_path.iterdir()) == []
    assert "ENOSPC" in caplog.text
    counts.close()


def test_who_runs_out_of_room_goes_on_alone_and_what_was_counted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Reserved(str(tmp_path / "counter_1.db"))
    count(counts, range(10))
    be_full(monkeypatch)
    count(counts, range(10, MANY))
    assert [counts.read_value(f"a count of some name, the {number}th")[0] for number in (0, 7, MANY - 1)] == [0.0, 7.0, MANY - 1]
    assert sorted(told(tmp_path / "counter_1.db").values()) == [float(number) for number in range(10)]
    counts.close()


def test_the_library_counts_so() -> None:
    assert telemetry.REQUESTS
    assert values.MmapedDict is Reserved  # type: ignore[attr-defined]
