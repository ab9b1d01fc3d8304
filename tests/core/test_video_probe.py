"""probe and frame_times: header and packets only, times as shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.core import UserError
from grounding.core.video import frame_times, probe

Film = Callable[..., Path]


def test_probe_by_hand(film: Film) -> None:
    info = probe(film(count=20, fps=10, gop=6))
    assert (info.size, info.turns, info.frame_count, info.container) == ((48, 64), 0, 20, "mov")
    assert info.fps == pytest.approx(10)
    assert info.duration == pytest.approx(2.0)
    np.testing.assert_allclose(info.pts, np.arange(20) / 10, atol=1e-9)
    ticks = info.stamps[1] - info.stamps[0]
    assert ((info.keyframes - info.stamps[0]) / ticks).tolist() == [0, 6, 12, 18]  # a key frame every 6


def test_probe_takes_a_string(film: Film) -> None:
    assert probe(str(film())).frame_count == 20


def test_frame_times_with_b_frames_are_sorted(film: Film) -> None:
    np.testing.assert_allclose(frame_times(film(b_frames=3)), np.arange(20) / 10, atol=1e-9)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_frame_times_of_a_variable_rate(film: Film, name: str) -> None:
    stamps = [0, 40, 80, 1000, 1001, 3000]
    np.testing.assert_allclose(frame_times(film(name, count=6, stamps_ms=stamps)) * 1000, stamps, atol=1e-6)


def test_times_count_from_the_first_frame(film: Film) -> None:
    late = film("film.ts", b_frames=2)
    with av.open(str(late)) as container:
        assert container.streams.video[0].start_time > 0
    np.testing.assert_allclose(frame_times(late), np.arange(20) / 10, atol=1e-4)


def test_rotated_size_is_as_shown(film: Film, turned: Callable) -> None:
    path = film()
    turned(path, (0, 1, -1, 0))
    info = probe(path)
    assert (info.size, info.turns) == ((64, 48), 3)  # a quarter turn clockwise = three counter-clockwise


def test_frame_rate_of_a_single_frame(film: Film) -> None:
    info = probe(film(count=1, fps=10))
    assert info.pts.tolist() == [0]
    assert info.fps == pytest.approx(10)


def test_cut_off_file_counts_whole_frames_only(film: Film) -> None:
    path = film(noise=True)
    data = path.read_bytes()
    sizes, places = [], []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                sizes.append(packet.size)
                places.append(packet.pos)
    path.write_bytes(data[: places[7] + sizes[7] // 2])  # in the middle of the eighth frame
    assert probe(path).frame_count == 7
    path.write_bytes(data[: places[7] + sizes[7]])  # right after it
    assert probe(path).frame_count == 8
    path.write_bytes(data[: places[0] + 3])
    with pytest.raises(UserError, match="no frames"):
        probe(path)


def test_damaged_pictures_without_one_sound_frame(film: Film) -> None:
    path = film(count=3)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    data[at:] = b"\xff" * (len(data) - at)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=str(path)):
        probe(path)
