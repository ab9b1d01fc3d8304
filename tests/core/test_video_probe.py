"""probe and frame_times: header and packets only, times as shown."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.core import UserError, read_clip
from grounding.core.video import frame_times, probe

Film = Callable[..., Path]


def test_probe_by_hand(film: Film) -> None:
    info = probe(film(count=20, fps=10, gop=6))
    assert (info.size, info.upright, info.frame_count, info.container) == ((48, 64), (0, False), 20, "mov")
    assert info.fps == pytest.approx(10)
    assert info.duration == pytest.approx(2.0)
    np.testing.assert_allclose(info.pts, np.arange(20) / 10, atol=1e-9)
    ticks = info.stamps[1] - info.stamps[0]
    assert ((info.keyframes - info.stamps[0]) / ticks).tolist() == [0, 6, 12, 18]  # a key frame every 6


def test_the_log_that_makes_decoding_threads_hang_is_off(film: Film) -> None:
    path = film()
    av.logging.set_level(av.logging.ERROR)  # as torchvision 0.24 does when it is imported
    probe(path)
    assert av.logging.get_level() is None


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
    assert (info.size, info.upright) == ((64, 48), (3, False))  # a quarter turn clockwise = three counter-clockwise


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


# What is hidden, and what is lost


def shown_as(source: Path, path: Path, stamps: list[tuple[int, bool]]) -> Path:
    """The packets of a VP8 film in another webm, at other times (ms); some a second time before, with `show` off."""
    with av.open(str(source)) as film, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0])
        packets = [bytes(packet) for packet in film.demux(video=0) if packet.size]
        for data, (stamp, hidden) in zip(packets, stamps, strict=True):
            copies = [(bytes([data[0] & 0b1110_1111]) + data[1:], stamp - 3)] if hidden else []
            for some, at in [*copies, (data, stamp)]:
                packet = av.Packet(some)
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1000), at, at
                packet.is_keyframe = not some[0] & 1
                out.mux(packet)
    return path


def test_hidden_packets_are_no_frames(film: Film, tmp_path: Path, numbered: Callable) -> None:
    stamps = [(40 * k, k % 5 == 3) for k in range(20)]
    path = shown_as(film("plain.webm", codec="libvpx"), tmp_path / "hidden.webm", stamps)
    with av.open(str(path)) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 24
    info = probe(path)
    assert (info.frame_count, info.flaws) == (20, ())
    np.testing.assert_allclose(info.pts, 0.04 * np.arange(20), atol=1e-9)
    assert len(read_clip(path, fps=25, backend="pyav")) == 20


def cut_off(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.webm", "film.avi", "film.flv"])
def test_a_broken_off_file_says_so(film: Film, name: str, caplog: pytest.LogCaptureFixture) -> None:
    codec = {"film.webm": "libvpx", "film.avi": "mpeg4"}.get(name, "libx264")
    path = film(name, codec=codec, noise=True)
    assert probe(path).flaws == ()
    cut_off(path, 0.6)
    info = probe(path)
    assert 5 < info.frame_count < 15
    assert f"more than the {info.frame_count} frames that it holds; was it downloaded" in " ".join(info.flaws)
    assert caplog.text.count("downloaded") == 1
    probe(path)
    assert caplog.text.count("downloaded") == 1  # once a process


@pytest.mark.parametrize("name", ["film.ts", "film.ogg", "film.gif"])
def test_a_broken_off_file_whose_header_promises_nothing(film: Film, tmp_path: Path, name: str) -> None:
    if name == "film.gif":
        path = tmp_path / name
        with av.open(str(path), "w") as out:
            stream = out.add_stream("gif", rate=10)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "rgb8"
            for noise in np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
            out.mux(stream.encode())
    else:
        path = film(name, codec="libvpx" if name == "film.ogg" else "libx264", noise=True)
    assert (probe(path).frame_count, probe(path).flaws) == (20, ())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10 // 188 * 188 + 100])
    info = probe(path)
    assert 5 < info.frame_count < 15
    assert info.flaws[0] == f"it breaks off after {info.frame_count} frames; was it downloaded or copied whole?"


def test_a_fragmented_file_that_breaks_off_counts_its_damaged_packet(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "parts.mp4"
    with (
        av.open(str(film(noise=True))) as source,
        av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert probe(path).flaws == ()
    cut_off(path, 0.6)
    assert "damaged packets left out: 1" in probe(path).flaws


def test_files_put_one_behind_the_other_are_refused(film: Film, tmp_path: Path) -> None:
    """`cat a.ts b.ts`: times start anew, so no time line tells which frame is when."""
    a, b = film("a.ts"), film("b.ts", count=8, gop=20)
    for name, parts in (("aa.ts", (a, a)), ("ab.ts", (a, b)), ("ba.ts", (b, a)), ("bb.ts", (b, b))):
        joined = tmp_path / name
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        with pytest.raises(UserError, match=r"its times start anew, 0\.\d\d s comes after"):
            probe(joined)


def test_frames_of_the_same_time_are_counted(film: Film, tmp_path: Path) -> None:
    """Every frame is a key frame: frames 4 and 5 bear one time, so one of them is never shown."""
    path = tmp_path / "twice.mkv"
    with av.open(str(film(gop=1))) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = 4 if index == 5 else index
            packet.duration = 1
            out.mux(packet)
    info = probe(path)
    assert info.frame_count == 19
    assert info.flaws == ("frames left out because another has their time: 1 of 20",)


def test_what_cannot_be_decoded_before_the_first_key_frame_is_no_frame(film: Film, numbered: Callable) -> None:
    """A recording that begins in the middle: players show nothing before the first key frame."""
    path = film("film.ts")
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    head = path.read_bytes()[: 188 * 3]  # the tables that tell what streams there are
    path.write_bytes(head + path.read_bytes()[starts[3] // 188 * 188 :])
    info = probe(path)
    assert info.frame_count == 14  # key frames are 0, 6, 12, 18: frames 6 to 19 are left
    assert info.flaws == ("packets left out before the first picture that can be decoded: 3",)
    assert len(read_clip(path, fps=10, backend="pyav")) == 14
