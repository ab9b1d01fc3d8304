"""The pictures of a run, looked at pixel by pixel.

The world of these tests: source frames of 120 x 80 pixels, 8 of them at 4 fps, so 2 s; a clip of 4 grey frames of
60 x 40 at 0, 0.5, 1 and 1.5 s, which are the source frames 0, 2, 4 and 6.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import (
    Answer,
    Clip,
    Interval,
    LoadedSample,
    Masklets,
    ParseFailure,
    Sample,
    Tube,
    UserError,
    read_clip,
    rle,
)
from grounding.core.pictures import picture_size
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.evaluation.drawing import GREY, PREDICTED, TRUE
from grounding.evaluation.report import Shown, contact_sheet, in_words, showcase_video

SHADE = (100, 100, 100)
BOX = [20.0, 10.0, 60.0, 50.0]
FIGURES = {"m_tIoU": 1 / 3, "vIoU@0.5": 0.0, "id_accuracy": 1.0}


def make_shown(prediction: Answer | ParseFailure, query: str = "the grey thing", duration: float = 2.0) -> Shown:
    mask = np.zeros((80, 120), bool)
    mask[10:50, 20:60] = True
    masklets = Masklets((80, 120), 4.0, np.arange(8) / 4, {3: (rle.encode(mask),) * 8})
    truth = Answer(Interval(0.5, 1.5), 3, Tube(2, np.array([BOX] * 4)))
    frames = np.full((4, 40, 60, 3), SHADE, np.uint8)
    clip = Clip(frames, np.arange(4) / 2 * duration / 2, 4.0, (80, 120), duration)
    return Shown(LoadedSample(Sample("a", "a.mp4", query, truth), clip, masklets), clip, prediction, FIGURES)


def answer_of(boxes: list[list[float]], start_frame: int, interval: tuple[float, float], object_id: int = 3) -> Answer:
    return Answer(Interval(*interval), object_id, Tube(start_frame, np.array(boxes)))


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(picture.reshape(-1, 3), axis=0).tolist()}


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture that came from a video has about this colour."""
    return (np.abs(picture.astype(int) - colour) < 60).all(axis=-1)


class TestPicture:
    def test_true_box_surrounds_the_object(self) -> None:
        # Room of 336 x 252 for 40 x 60: factors 8.4 and 4.2, so 4 whole times: 160 x 240 pixels, twice the source.
        # The box becomes [40, 20, 120, 100], its outline 3 pixels around that.
        picture = make_shown(ParseFailure("nothing")).picture(1, (336, 252))
        expected = np.full((160, 240, 3), SHADE, np.uint8)
        expected[17:103, 37:123] = TRUE
        expected[20:100, 40:120] = SHADE
        np.testing.assert_array_equal(picture, expected)

    @pytest.mark.parametrize(("index", "there"), [(0, False), (1, True), (2, True), (3, False)])
    def test_true_box_is_drawn_within_the_interval_only(self, index: int, there: bool) -> None:
        # The tube has the source frames 2 to 5; the sampled frames are 0, 2, 4 and 6.
        picture = make_shown(ParseFailure("nothing")).picture(index, (336, 252))
        assert (TRUE in colours(picture)) is there

    def test_predicted_box_lies_elsewhere_dashed(self) -> None:
        # [70, 50, 110, 70] becomes [140, 100, 220, 140]; it is told for source frames 4 to 7 only.
        shown = make_shown(answer_of([[70.0, 50.0, 110.0, 70.0]] * 4, 4, (1.0, 2.0)))
        assert PREDICTED not in colours(shown.picture(1, (336, 252)))
        magenta = (shown.picture(2, (336, 252)) == PREDICTED).all(axis=-1)
        rows, columns = np.nonzero(magenta)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (97, 142, 137, 222)
        assert not magenta[100:140, 140:220].any()
        # Outline of 86 x 46 around 80 x 40 pixels: 756; every other stretch of 8 is left out.
        assert 0.4 * 756 < magenta.sum() < 0.6 * 756

    def test_equal_boxes_show_both_colours(self) -> None:
        picture = make_shown(answer_of([BOX] * 4, 2, (0.5, 1.5))).picture(1, (336, 252))
        assert colours(picture) == {SHADE, TRUE, PREDICTED}
        assert colours(picture[17:20, 37:123]) == {TRUE, PREDICTED}

    def test_frame_of_the_tube_without_box_has_none(self) -> None:
        shown = make_shown(answer_of([[np.nan] * 4] * 8, 0, (0.0, 2.0), object_id=9))
        assert PREDICTED not in colours(shown.picture(2, (336, 252)))

    def test_frames_are_those_with_marks(self) -> None:
        shown = make_shown(ParseFailure("nothing"))
        marked = shown.marked.with_frames(np.full_like(shown.marked.frames, 7))
        assert tuple(replace(shown, marked=marked).picture(0, (336, 252))[0, 0]) == (7, 7, 7)

    def test_input_is_untouched(self) -> None:
        shown = make_shown(ParseFailure("nothing"))
        shown.picture(1, (40, 60))  # the factor is 1, so nothing had to be made larger
        assert colours(shown.marked.frames[1]) == {SHADE}


class TestVerdict:
    def test_an_answer_beside_the_truth(self) -> None:
        shown = make_shown(answer_of([BOX] * 4, 0, (0.0, 1.0)))
        said = "predicted ID 3, 0.00 to 1.00 s, true ID 3, 0.50 to 1.50 s"
        assert shown.verdict == f"{said}; m_tIoU 0.33, id_accuracy 1.00"

    def test_failure_gives_its_reason(self) -> None:
        assert make_shown(ParseFailure("no tags")).verdict == "predicted nothing, true ID 3, 0.50 to 1.50 s: no tags"

    def test_several_of_a_kind(self) -> None:
        many = Answer(intervals=(Interval(0, 1), Interval(2, 3.5)), object_ids=frozenset([4, 2]))
        assert in_words(many) == "ID 2, ID 4, 0.00 to 1.00 s, 2.00 to 3.50 s"

    def test_no_time_at_all(self) -> None:
        assert in_words(Answer(intervals=())) == "never"


class TestContactSheet:
    # 8 columns of 252 pixels, 8 apart and 16 from the edge: 2104 wide. A row: 12 edge, 27 query and 20 verdict (1.35 x
    # the letters' 20 and 15), 4 space, 160 picture, 20 caption, 60 time line, 12 edge: 315.
    ROW, TOP, LEFT, COLUMN = 315, 63, 16, 260

    def sheet(self, tmp_path: Path, *shown: Shown) -> np.ndarray:
        contact_sheet(shown, tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
            return np.asarray(image)

    def test_a_row_a_sample(self, tmp_path: Path) -> None:
        shown = make_shown(ParseFailure("nothing"))
        assert self.sheet(tmp_path, shown, shown, shown).shape == (3 * self.ROW, 2104, 3)

    def test_frames_stand_side_by_side_with_their_boxes(self, tmp_path: Path) -> None:
        sheet = self.sheet(tmp_path, make_shown(answer_of([BOX] * 4, 4, (1.0, 2.0))))
        strip = sheet[self.TOP : self.TOP + 160, self.LEFT :]
        tiles = [strip[:, column * self.COLUMN :][:, :240] for column in range(8)]
        seen = [(SHADE in colours(tile), TRUE in colours(tile), PREDICTED in colours(tile)) for tile in tiles]
        assert seen[:4] == [(True, False, False), (True, True, False), (True, True, True), (True, False, True)]
        assert all(colours(tile) == {(255, 255, 255)} for tile in tiles[4:])

    def test_bars_stand_where_the_intervals_are(self, tmp_path: Path) -> None:
        sheet = self.sheet(tmp_path, make_shown(answer_of([BOX] * 4, 4, (1.0, 2.0))))
        # The ground is 2072 - 100 - 130 = 1842 wide from 116 on, for 2 s; bars are 14 high from 243 + 2 and 243 + 22.
        true, predicted = sheet[243 + 8, 116:1958], sheet[243 + 28, 116:1958]
        # 0.5 s: 460.5, 1.5 s: 1381.5; 1 s: 921.
        assert colours(true[:459]) == colours(true[1383:]) == colours(predicted[:921]) == {GREY}
        assert colours(true[462:1380]) == {TRUE}
        assert colours(predicted[921:]) == {PREDICTED}

    def test_a_failure_has_no_bar_but_a_reason(self, tmp_path: Path) -> None:
        sheet = self.sheet(tmp_path, make_shown(ParseFailure("nothing")))
        assert colours(sheet[243 + 28, 116:1958]) == {GREY}
        assert PREDICTED not in colours(sheet)

    def test_of_many_frames_eight_are_shown_from_first_to_last(self, tmp_path: Path) -> None:
        shown = make_shown(ParseFailure("nothing"))
        frames = np.zeros((15, 40, 60, 3), np.uint8) + np.arange(15, dtype=np.uint8)[:, None, None, None] * 10
        clip = Clip(frames, np.arange(15) / 8 + 1e-3, 8.0, (80, 120), 2.0)
        outside = replace(shown.loaded.sample, truth=Answer(Interval(0.0, 0.1), 3, Tube(0, np.full((1, 4), np.nan))))
        loaded = LoadedSample(outside, clip, shown.loaded.masklets)
        sheet = self.sheet(tmp_path, Shown(loaded, clip, ParseFailure("nothing"), FIGURES))
        shades = sheet[self.TOP + 80, self.LEFT :: self.COLUMN, 0][:8]
        assert shades.tolist() == [0, 20, 40, 60, 80, 100, 120, 140]  # 15 frames: every other one

    def test_long_and_foreign_text_does_not_change_the_size(self, tmp_path: Path) -> None:
        query = "наибольший круг 日本語 \U0001f600\n\ttabs \udc80 " + "w" * 5000
        sheet = self.sheet(tmp_path, make_shown(ParseFailure("x" * 5000), query))
        assert sheet.shape == (self.ROW, 2104, 3)
        assert (sheet[:, -16:] == 255).all()  # nothing runs over the edge

    def test_queries_are_written(self, tmp_path: Path) -> None:
        sheet = self.sheet(tmp_path, make_shown(ParseFailure("n"), "short"), make_shown(ParseFailure("n"), "short" * 9))
        first, second = ((sheet[row * self.ROW + 12 :][:27] < 128).sum() for row in (0, 1))
        assert 0 < 6 * first < second

    def test_refusals(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no samples"):
            contact_sheet([], tmp_path / "sheet.png")
        (tmp_path / "sheet.png").write_text("mine")
        with pytest.raises(UserError, match="exists already"):
            contact_sheet([make_shown(ParseFailure("n"))], tmp_path / "sheet.png")
        assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]
        contact_sheet([make_shown(ParseFailure("n"))], tmp_path / "sheet.png", overwrite=True)
        assert picture_size(tmp_path / "sheet.png", "the sheet") == (self.ROW, 2104)


class TestShowcaseVideo:
    # 640 wide; 8 edge, 2 x 24 query (1.35 x 18), 19 verdict, 8 space, 504 picture, 8 space, 60 bars: 655, made even.
    SIZE = (654, 640)

    def frames(self, tmp_path: Path, *shown: Shown) -> Clip:
        showcase_video(shown, tmp_path / "video.mp4")
        return read_clip(tmp_path / "video.mp4", fps=4.0, max_frames=1000, backend="pyav")

    def test_plays_all_samples_in_real_time(self, tmp_path: Path) -> None:
        # 2 s and 3 s at 4 frames a second.
        clip = self.frames(tmp_path, make_shown(ParseFailure("n")), make_shown(ParseFailure("n"), duration=3.0))
        assert clip.frames.shape == (20, *self.SIZE, 3)
        np.testing.assert_allclose(clip.pts, np.arange(20) / 4, atol=1e-3)

    def test_a_long_sample_lasts_twenty_seconds(self, tmp_path: Path) -> None:
        assert len(self.frames(tmp_path, make_shown(ParseFailure("n"), duration=600.0))) == 80

    def test_boxes_are_there_while_the_interval_lasts(self, tmp_path: Path) -> None:
        clip = self.frames(tmp_path, make_shown(answer_of([BOX] * 4, 4, (1.0, 2.0))))
        # Sampled frames are shown until the next: 0 0 1 1 2 2 3 3. Picture: 8 + 67 + 8 = 83 to 587.
        pictures = clip.frames[:, 83:587]
        assert [near(picture, TRUE).sum() > 300 for picture in pictures] == [False] * 2 + [True] * 4 + [False] * 2
        assert [near(picture, PREDICTED).sum() > 300 for picture in pictures] == [False] * 4 + [True] * 4

    def test_picture_is_letterboxed(self, tmp_path: Path) -> None:
        picture = self.frames(tmp_path, make_shown(ParseFailure("n"))).frames[0, 83:587]
        # 40 x 60 ten times: 400 x 600 in 504 x 640, so 52 and 20 pixels of black on each side.
        assert near(picture[60:440, 30:610], SHADE).all()
        for black in (picture[4:48], picture[456:500], picture[:, 4:16], picture[:, 624:]):
            assert near(black, (0, 0, 0)).all()

    def test_the_cursor_moves_on(self, tmp_path: Path) -> None:
        clip = self.frames(tmp_path, make_shown(ParseFailure("n")))
        # The ground is 624 - 230 = 394 wide from 8 + 100 on, for 2 s; bars begin at 594. Dark is only the cursor.
        dark = clip.frames[:, 594 + 19, 108:502].max(axis=-1) < 110
        places = [int(np.nonzero(row)[0].mean()) for row in dark]
        np.testing.assert_allclose(places, np.arange(8) / 4 / 2 * 394, atol=2)

    def test_samples_of_any_shape_share_one_size(self, tmp_path: Path) -> None:
        shown = make_shown(ParseFailure("n"))
        tall = shown.marked.with_frames(np.full((4, 91, 33, 3), 50, np.uint8))
        clip = self.frames(tmp_path, shown, replace(shown, marked=tall))
        assert clip.frames.shape == (16, *self.SIZE, 3)

    def test_refuses_nothing_and_existing_files(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no samples"):
            showcase_video([], tmp_path / "video.mp4")
        (tmp_path / "video.mp4").write_text("mine")
        with pytest.raises(UserError, match="exists already"):
            showcase_video([make_shown(ParseFailure("n"))], tmp_path / "video.mp4")
        assert (tmp_path / "video.mp4").read_text() == "mine"


@pytest.mark.shared_data
def test_real_video(shared_data: Path, tmp_path: Path) -> None:
    source = open_jsonl(
        shared_data / "stvg" / "schoolgirls",
        "annotations.jsonl",
        ClipOptions(max_frames=8, backend="pyav"),
    )
    loaded = source.load(source.samples[1])  # [1.0, 2.4167] s of 80 frames at 24 fps; seen at 0, 0.5, ..., 3 s
    shown = Shown(loaded, loaded.clip, replace(loaded.sample.truth, object_id=1), FIGURES)
    true = [(shown.picture(index, (336, 252)) == TRUE).all(axis=-1).sum() for index in range(len(loaded.clip))]
    assert [count > 100 for count in true] == [False, False, True, True, True, False, False]
    contact_sheet([shown], tmp_path / "sheet.png")
    # 240 x 432 fits into 252 columns as 140 x 252: 20 rows less than in the generated world.
    assert picture_size(tmp_path / "sheet.png", "the sheet") == (295, 2104)
