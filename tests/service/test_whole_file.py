"""What others read is there whole or not at all."""

import os

import pytest

from service.whole_file import write_whole


def test_a_file_that_could_not_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "pain.xml"
    write_whole(path, b"the first")

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_whole(path, b"the second")
    assert path.read_bytes() == b"the first"
    write_whole(path, b"the second")
    assert [one.name for one in tmp_path.iterdir()] == ["pain.xml"]
    assert path.read_bytes() == b"the second"
