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
from grounding.core.samples import Mask
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.evaluation.drawing import GREY, PREDICTED, TRUE
from grounding.evaluation.report import Shown, contact_sheet, showcase_video

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


def square_at(x: int, y: int) -> bytes:
    """A mask of 10 x 10 pixels on a source frame."""
    mask = np.zeros((80, 120), bool)
    mask[y : y + 10, x : x + 10] = True
    return rle.encode(mask)


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


class TestPictureByParts:
    """Each part of an answer that has a place is drawn: solid green if it is true, dashed magenta if it was said."""

    ROOM = (160, 240)  # the source frames twice; object 3 is [40, 20, 120, 100] there
    STILL_BOX = (70.0, 50.0, 110.0, 70.0)

    def made(
        self, truth: Answer, said: Answer | ParseFailure, tracks: dict[int, tuple[int, int]] | None = None
    ) -> Shown:
        """Masks of 10 x 10 pixels at the given corners (x, y) on all source frames but the first two."""
        shown = make_shown(said)
        tracked = {i: (None, None, *[square_at(x, y)] * 6) for i, (x, y) in (tracks or {}).items()}
        loaded = shown.loaded
        masklets = replace(loaded.masklets, tracks=tracked)
        return replace(shown, loaded=replace(loaded, sample=replace(loaded.sample, truth=truth), masklets=masklets))

    def at(self, picture: np.ndarray, x: int, y: int) -> set[tuple[int, ...]]:
        """The colours of a line around a mask at this corner of the source frames, twice as large in the picture."""
        around = picture[2 * y - 3 : 2 * y + 23, 2 * x - 3 : 2 * x + 23].copy()
        around[3:-3, 3:-3] = SHADE
        return colours(around) - {SHADE}

    def test_boxes_of_a_still(self) -> None:
        shown = self.made(Answer(box=(20.0, 10.0, 60.0, 50.0)), Answer(box=self.STILL_BOX))
        picture = shown.picture(0, self.ROOM)
        solid = (picture == TRUE).all(axis=-1)
        expected = np.zeros((160, 240), bool)
        expected[17:103, 37:123] = True
        expected[20:100, 40:120] = False
        np.testing.assert_array_equal(solid, expected)
        rows, columns = np.nonzero((picture == PREDICTED).all(axis=-1))
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (97, 142, 137, 222)

    def test_of_several_objects_right_missed_and_wrong_ones_differ(self) -> None:
        corners = {1: (10, 10), 2: (40, 10), 3: (70, 10), 4: (100, 10)}
        shown = self.made(Answer(object_ids=frozenset({1, 2})), Answer(object_ids=frozenset({2, 3, 99})), corners)
        picture = shown.picture(2, self.ROOM)
        assert [self.at(picture, *corner) for corner in corners.values()] == [
            {TRUE},  # missed
            {TRUE, PREDICTED},  # right
            {PREDICTED},  # wrong
            set(),
        ]
        assert colours(shown.picture(0, self.ROOM)) == {SHADE}  # nobody is seen on source frame 0

    def test_a_region_is_drawn_by_its_own_masks_which_may_be_others_than_those_shown(self) -> None:
        elsewhere = self.made(Answer(), Answer(), {5: (70, 10)}).loaded.masklets.region([5])
        shown = self.made(Answer(object_ids=frozenset({1}), region=elsewhere), Answer(), {1: (10, 10)})
        picture = shown.picture(2, self.ROOM)
        assert [self.at(picture, *corner) for corner in ((10, 10), (70, 10))] == [set(), {TRUE}]

    def test_one_object_without_a_tube_is_drawn_while_it_is_meant(self) -> None:
        shown = self.made(Answer(Interval(1.0, 1.5), 1), ParseFailure("no"), {1: (10, 10)})
        seen = [self.at(shown.picture(index, self.ROOM), 10, 10) for index in range(4)]  # at 0, 0.5, 1 and 1.5 s
        assert seen == [set(), set(), {TRUE}, set()]

    def test_a_region_is_drawn_in_place_of_masklets(self) -> None:
        shown = self.made(Answer(), Answer(object_ids=frozenset({1})), {1: (40, 10)})
        true = Masklets((80, 120), 4.0, np.arange(8) / 4, {5: (square_at(10, 10),) * 8, 6: (square_at(70, 10),) * 8})
        truth = Answer(object_ids=frozenset({1}), region=true.region({5, 6}))
        loaded = replace(shown.loaded, sample=replace(shown.loaded.sample, truth=truth))
        picture = replace(shown, loaded=loaded).picture(2, self.ROOM)
        assert [self.at(picture, x, 10) for x in (10, 40, 70)] == [{TRUE}, {PREDICTED}, {TRUE}]

    def test_a_point_and_the_mask_it_should_hit(self) -> None:
        shown = self.made(Answer(mask=Mask((80, 120), square_at(10, 10))), Answer(point=(60.0, 40.0)))
        picture = shown.picture(0, self.ROOM)
        assert self.at(picture, 10, 10) == {TRUE}
        rows, columns = np.nonzero((picture == PREDICTED).all(axis=-1))
        assert (rows.mean(), columns.mean()) == (80, 120)

    def test_what_has_no_place_draws_nothing(self) -> None:
        said = Answer(choices=frozenset("A"), text="grey", number=3.0, intervals=(Interval(0, 1),))
        assert colours(self.made(said, said).picture(1, self.ROOM)) == {SHADE}


class TestContactSheet:
    # 8 columns of 252 pixels, 8 apart and 16 from the edge: 2104 wide. A row: 12 edge, 27 query (1.35 x the letters'
    # 20), 20 each for what is true, what was said and the figures, 4 space, 160 picture, 20 caption, 60 time line, 12
    # edge: 355.
    ROW, TOP, LEFT, COLUMN = 355, 103, 16, 260
    BARS = TOP + 180

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
        # The ground is 2072 - 100 - 130 = 1842 wide from 116 on, for 2 s; bars are 14 high from 2 and 22 on.
        true, predicted = sheet[self.BARS + 8, 116:1958], sheet[self.BARS + 28, 116:1958]
        # 0.5 s: 460.5, 1.5 s: 1381.5; 1 s: 921.
        assert colours(true[:459]) == colours(true[1383:]) == colours(predicted[:921]) == {GREY}
        assert colours(true[462:1380]) == {TRUE}
        assert colours(predicted[921:]) == {PREDICTED}

    def test_a_failure_has_no_bar_but_a_reason(self, tmp_path: Path) -> None:
        sheet = self.sheet(tmp_path, make_shown(ParseFailure("nothing")))
        assert colours(sheet[self.BARS + 28, 116:1958]) == {GREY}
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

    def test_long_and_foreign_text_takes_two_lines(self, tmp_path: Path) -> None:
        query = "наибольший круг 日本語 \U0001f600\n\ttabs \udc80 " + "w" * 5000
        sheet = self.sheet(tmp_path, make_shown(ParseFailure("x" * 5000), query))
        assert sheet.shape == (self.ROW + 27 + 20, 2104, 3)
        assert (sheet[:, -16:] == 255).all()  # nothing runs over the edge

    def test_a_still_is_larger_and_has_no_time_line(self, tmp_path: Path) -> None:
        shown = make_shown(Answer(box=(0.0, 0.0, 120.0, 80.0)))
        still = replace(shown.marked, frames=shown.marked.frames[:1], pts=shown.marked.pts[:1])
        sample = replace(shown.loaded.sample, truth=Answer(box=(20.0, 10.0, 60.0, 50.0)))
        sheet = self.sheet(tmp_path, replace(shown, marked=still, loaded=replace(shown.loaded, sample=sample)))
        assert sheet.shape == (self.ROW - 60 + 160, 2104, 3)  # 336 x 512 holds 40 x 60 eight times, not four
        picture = sheet[self.TOP : self.TOP + 320, self.LEFT : self.LEFT + 480]
        assert colours(picture) == {SHADE, TRUE, PREDICTED}

    def test_options_and_numbers_have_their_own_rows(self, tmp_path: Path) -> None:
        shown = make_shown(Answer(choices=frozenset("B"), number=4.0))
        truth, meta = Answer(choices=frozenset("A"), number=3.0), {"options": ["left", "right"]}
        sample = replace(shown.loaded.sample, truth=truth, meta=meta)
        sheet = self.sheet(tmp_path, replace(shown, loaded=replace(shown.loaded, sample=sample)))
        # 36 for one row of options (20 and 8 on both sides), and the numbers are where the times were.
        assert sheet.shape == (self.ROW + 36, 2104, 3)
        grid = sheet[39 : 39 + 36, 16:-16]
        assert colours(grid[:, :1036]) >= {TRUE} and PREDICTED not in colours(grid[:, :1036])
        assert colours(grid[:, 1036:]) >= {PREDICTED} and TRUE not in colours(grid[:, 1036:])
        true, predicted = (sheet[self.BARS + 36 + row, 116:1958] for row in (8, 28))
        # The ground is 1842 wide for 10: 552.6 and 736.8.
        assert colours(true[:552]) == {TRUE} and colours(true[554:]) == {GREY}
        assert colours(predicted[:736]) == {PREDICTED} and colours(predicted[738:]) == {GREY}

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
    # 640 wide; 8 edge, 24 query (1.35 x 18), 3 x 19 for truth, answer and figures (1.35 x 14), 8 space, 504 picture, 8
    # space, 60 bars: 669, made even.
    SIZE, TOP, BARS = (668, 640), 97, 609

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
        # Sampled frames are shown until the next: 0 0 1 1 2 2 3 3.
        pictures = clip.frames[:, self.TOP : self.TOP + 504]
        assert [near(picture, TRUE).sum() > 300 for picture in pictures] == [False] * 2 + [True] * 4 + [False] * 2
        assert [near(picture, PREDICTED).sum() > 300 for picture in pictures] == [False] * 4 + [True] * 4

    def test_picture_is_letterboxed(self, tmp_path: Path) -> None:
        picture = self.frames(tmp_path, make_shown(ParseFailure("n"))).frames[0, self.TOP : self.TOP + 504]
        # 40 x 60 ten times: 400 x 600 in 504 x 640, so 52 and 20 pixels of black on each side.
        assert near(picture[60:440, 30:610], SHADE).all()
        for black in (picture[4:48], picture[456:500], picture[:, 4:16], picture[:, 624:]):
            assert near(black, (0, 0, 0)).all()

    def test_the_cursor_moves_on(self, tmp_path: Path) -> None:
        clip = self.frames(tmp_path, make_shown(ParseFailure("n")))
        # The ground is 624 - 230 = 394 wide from 8 + 100 on, for 2 s. Dark is only the cursor.
        dark = clip.frames[:, self.BARS + 19, 108:502].max(axis=-1) < 110
        places = [int(np.nonzero(row)[0].mean()) for row in dark]
        np.testing.assert_allclose(places, np.arange(8) / 4 / 2 * 394, atol=2)

    def test_samples_of_any_shape_share_one_size(self, tmp_path: Path) -> None:
        shown = make_shown(ParseFailure("n"))
        tall = shown.marked.with_frames(np.full((4, 91, 33, 3), 50, np.uint8))
        clip = self.frames(tmp_path, shown, replace(shown, marked=tall))
        assert clip.frames.shape == (16, *self.SIZE, 3)

    def test_parts_of_any_kind_share_one_size(self, tmp_path: Path) -> None:
        # Two options of 19 + 16 pixels, one below the other, are the highest head, a time line is the highest foot.
        shown = make_shown(answer_of([BOX] * 4, 4, (1.0, 2.0)))
        sample = replace(shown.loaded.sample, truth=Answer(choices=frozenset("A")), meta={"options": ["left", "right"]})
        chosen = replace(shown, prediction=ParseFailure("n"), loaded=replace(shown.loaded, sample=sample))
        clip = self.frames(tmp_path, shown, chosen)
        assert clip.frames.shape == (16, self.SIZE[0] + 70, 640, 3)

    def test_a_still_is_shown_for_three_seconds(self, tmp_path: Path) -> None:
        shown = make_shown(Answer(box=(0.0, 0.0, 120.0, 80.0)))
        still = replace(shown.marked, frames=shown.marked.frames[:1], pts=shown.marked.pts[2:3])
        clip = self.frames(tmp_path, replace(shown, marked=still))
        assert len(clip) == 12
        assert all(near(frame, PREDICTED).sum() > 300 for frame in clip.frames)

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
    assert picture_size(tmp_path / "sheet.png", "the sheet") == (335, 2104)


@pytest.mark.shared_data
def test_several_objects_of_a_real_video(shared_data: Path) -> None:
    clips = ClipOptions(max_frames=8, backend="pyav")
    source = open_jsonl(shared_data / "stvg" / "schoolgirls", "annotations.jsonl", clips)
    loaded = source.load(source.samples[0])
    sample = replace(loaded.sample, truth=Answer(object_ids=frozenset({1, 5})))
    said = Answer(object_ids=frozenset({1, 7}))
    picture = Shown(replace(loaded, sample=sample), loaded.clip, said, FIGURES).picture(0, (240, 432))
    for object_id, true, predicted in ((1, True, True), (5, True, False), (7, False, True)):
        x1, y1, x2, _ = loaded.masklets.boxes(object_id)[0].astype(int)
        above = picture[y1 - 3 : y1, x1:x2]  # the line over the top of the object
        assert ((above == TRUE).all(axis=-1).any(), (above == PREDICTED).all(axis=-1).any()) == (true, predicted)
