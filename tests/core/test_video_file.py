"""Opening a video: whatever PyAV raises becomes one line, and nothing is decoded that is too large."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition

from grounding.core import UserError, read_clip
from grounding.core.video import probe
from grounding.core.video_backends import in_time
from grounding.core.video_file import VideoFile, open_video, reading
from grounding.core.video_scan import Packet, Scan, flaws

Film = Callable[..., Path]


def patched(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1 and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


def titled(path: Path, codec: str, where: str) -> Path:
    """A video of 12 frames with a title of eight X, of the file or of its stream."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        (out if where == "file" else stream).metadata["title"] = "XXXXXXXX"
        for level in range(12):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * level, np.uint8), "rgb24")))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "where"),
    [
        ("v.avi", "mpeg4", "file"),
        ("v.mkv", "libx264", "file"),
        ("v.mkv", "libx264", "stream"),
        ("v.flv", "flv", "file"),
    ],
)
@pytest.mark.parametrize("title", ["测试视频".encode("gbk"), b"\xff\xfe\x80\x81\xc3\x28\xa0\xa1"])
def test_titles_that_are_not_utf_8(tmp_path: Path, name: str, codec: str, where: str, title: bytes) -> None:
    path = patched(titled(tmp_path / name, codec, where), b"XXXXXXXX", title)
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path), metadata_errors="strict")
    assert probe(path).frame_count == 12
    assert len(read_clip(path, fps=10, backend="pyav")) == 12


def with_cover(path: Path, film: Path | None) -> Path:
    """Sound with a cover picture, and the frames of a film, if there is one; the cover comes first."""
    with av.open(str(path), "w") as out:
        cover = out.add_stream("png", rate=25)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 64, 48, "rgb24", Disposition.attached_pic
        sound = out.add_stream("aac", rate=16000, layout="mono")
        packets = []
        if film is not None:
            with av.open(str(film)) as source:
                stream = out.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        packets.append(packet)
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 200, np.uint8), format="rgb24")
        for packet in [*cover.encode(picture), *cover.encode(None), *packets]:
            out.mux(packet)
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = 16000, 0, Fraction(1, 16000)
        for packet in [*sound.encode(heard), *sound.encode(None)]:
            out.mux(packet)
    return path


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = with_cover(tmp_path / "song.mp4", None)
    with pytest.raises(UserError, match="no video stream but a cover picture"):
        probe(path)
    with pytest.raises(UserError, match="no video stream but a cover picture"):
        read_clip(path)


def test_the_film_is_found_beside_a_cover_picture(film: Film, tmp_path: Path) -> None:
    assert probe(with_cover(tmp_path / "film_with_cover.mp4", film())).frame_count == 20


def test_pictures_that_nothing_decodes(film: Film) -> None:
    path = film()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"zz9z").replace(b"avcC", b"zz9C"))
    with pytest.raises(UserError, match=r"FFmpeg knows no decoder|damaged") as caught:
        read_clip(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad\nbyte"), OverflowError("too large"), MemoryError(), KeyError("x")],
)
def test_what_pyav_raises_is_one_line(error: Exception) -> None:
    with (
        pytest.raises(UserError, match=r"cannot read video v\.mp4: .+; the file is damaged") as caught,
        reading(Path("v.mp4")),
    ):
        raise error
    assert "\n" not in str(caught.value)


def test_packets_end_where_the_file_breaks_off() -> None:
    packet = SimpleNamespace(size=4)

    def demux() -> Iterator[object]:
        yield packet
        yield SimpleNamespace(size=0)
        yield packet
        raise av.InvalidDataError(1094995529, "Invalid data found when processing input")

    video = VideoFile(Path("v.mkv"), SimpleNamespace(demux=demux), None)
    assert list(video.packets()) == [packet, packet] and video.broken_off
    found = Scan([Packet(0, 1, True), Packet(1, 1, False)], broken_off=True)
    assert list(flaws(found, 2, 2)) == ["it breaks off after 2 frames; was it downloaded or copied whole?"]


def test_ctrl_c_is_no_error_of_the_file() -> None:
    with pytest.raises(KeyboardInterrupt), reading(Path("v.mp4")):
        raise KeyboardInterrupt


def tiny_gif(path: Path, width: int, height: int) -> Path:
    """A GIF of 43 bytes: one frame of a single pixel on a canvas of any size."""
    canvas = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\xff\xff\xff\0\0\0"
    frame = b"!\xf9\x04\0\0\0\0\0," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0;"
    path.write_bytes(canvas + frame)
    assert path.stat().st_size == 43
    return path


def test_a_tiny_gif_is_read(tmp_path: Path) -> None:
    assert read_clip(tiny_gif(tmp_path / "a.gif", 40, 30)).frames.shape == (1, 30, 40, 3)


@pytest.mark.parametrize(("width", "height"), [(32000, 32000), (16000, 16000), (65535, 65535), (9000, 8000)])
def test_a_canvas_beyond_the_limit_is_never_made(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(UserError, match="TUBELET_MAX_PIXELS"):
        in_time(10, lambda: read_clip(tiny_gif(tmp_path / "a.gif", width, height)))


def test_the_limit_can_be_set(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film()  # 48 x 64 = 3072 pixels
    monkeypatch.setenv("TUBELET_MAX_PIXELS", "3072")
    assert probe(path).frame_count == 20
    monkeypatch.setenv("TUBELET_MAX_PIXELS", "3071")
    with pytest.raises(UserError, match=r"64 x 48 = 3,072 pixels, more than the limit of 3,071"):
        probe(path)


def test_more_frames_or_bytes_than_the_limit(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film()
    monkeypatch.setenv("TUBELET_MAX_FRAMES", "19")
    with pytest.raises(UserError, match="20 frames, more than the limit of 19"):
        probe(path)
    monkeypatch.setenv("TUBELET_MAX_FRAMES", "20")
    monkeypatch.setenv("TUBELET_MAX_BYTES", str(20 * 48 * 64 * 3 - 1))
    assert len(read_clip(path, fps=5)) == 10
    with pytest.raises(UserError, match=r"a clip of 20 frames of .* needs 184,320 bytes"):
        read_clip(path, fps=10)


@pytest.mark.parametrize("name", ["pipe.mp4", "/dev/zero", "/dev/stdin"])
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = Path(name)
    if not path.is_absolute():
        path = tmp_path / name
        os.mkfifo(path)
    with pytest.raises(UserError, match=str(path)):
        in_time(10, lambda: read_clip(path))


def test_a_name_that_is_not_utf_8(film: Film, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    film().rename(name)
    assert len(read_clip(name, fps=1, backend="pyav")) == 2


def test_open_videos_are_closed(film: Film) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("this system does not list the open files of a process")
    before = len(list(handles.iterdir()))
    for _ in range(5):
        with open_video(film()) as video:
            next(video.packets(video.stream))
    assert len(list(handles.iterdir())) == before
