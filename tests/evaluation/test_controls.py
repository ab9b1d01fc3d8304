"""Controls: answers that do not come from the video, worked out by hand on clips of one shade each.

The clips are 8 s long; clip number i is one shade, 20 i, and a policy that sees nothing but frames answers by it.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, ParseFailure, Sample, UserError, rle
from grounding.evaluation import controls as module
from grounding.evaluation import evaluate as evaluation
from grounding.evaluation.controls import GREY, Controls, Partners, best_constant, blanked, unseen
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.question_only import fitted_rule
from grounding.evaluation.report import contact_sheet
from grounding.policies.policy import Policy, VideoPrompt, load_policy
from grounding.policies.tiny import build_tiny
from grounding.tasks.asking import Asking
from grounding.tasks.qa import QA
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG
from prompting import IdMarker

MARKER = IdMarker("badge", 15.0)
PTS = np.arange(8.0)


def loaded(video: str, start: float, end: float, name: str = "", shade: int = 0, side: int = 56) -> LoadedSample:
    sample = Sample(name or video, video, "the square", Answer(Interval(start, end)))
    clip = Clip(np.full((8, side, side, 3), shade, np.uint8), PTS, 1.0, (side, side), 8.0)
    return LoadedSample(sample, clip, Masklets((side, side), 1.0, PTS, {}))


@dataclass
class Clips:
    """A source of clips in memory, some of which cannot be loaded."""

    clips: Sequence[LoadedSample]
    broken: Sequence[str] = ()
    arrays: list[Any] = field(default_factory=list)
    most: int = 0

    @property
    def samples(self) -> list[Sample]:
        return [one.sample for one in self.clips]

    def load(self, sample: Sample) -> LoadedSample:
        if sample.id in self.broken:
            raise UserError(f"{sample.id} has no frames")
        found = next(one for one in self.clips if one.sample.id == sample.id)
        frames = found.clip.frames.copy()
        self.arrays.append(weakref.ref(frames))
        self.most = max(self.most, self.alive)
        return replace(found, clip=found.clip.with_frames(frames))

    def version(self, sample: Sample) -> str:
        return sample.id

    @property
    def alive(self) -> int:
        return sum(array() is not None for array in self.arrays)


# tIoU of neighbours: a-b 2/6, b-c 1/6, c-d 0.
FOUR = [
    loaded("a", 0, 4, shade=0),
    loaded("b", 2, 6, shade=20),
    loaded("c", 5, 8, shade=40),
    loaded("d", 0, 3, shade=60),
]


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, ["When: the square", "<think>so</think> <answer>1.0 to 2.0</answer>"] * 4, seed=0)
    return load_policy(str(folder))


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> list[VideoPrompt]:
    """Make the policy answer by the shade it is shown, rightly; gives all prompts that it was asked."""
    asked: list[VideoPrompt] = []
    answers = {one.clip.frames[0, 0, 0, 0]: VTG.say(one.sample.truth, "") for one in FOUR}

    def say(policy: Policy, prompts: Sequence[VideoPrompt], tokens: int) -> list[str]:
        asked.extend(prompts)
        return [answers.get(shade_of(prompt), "I see nothing") for prompt in prompts]

    for one in (module, evaluation):
        monkeypatch.setattr(one, "generate", say)
    return asked


def shade_of(prompt: VideoPrompt) -> int:
    (shade,) = prompt.pixel_values.unique().tolist()
    return round(shade)


def ask(policy: Policy, clips: Sequence[LoadedSample], batch: int = 2, **options: Any) -> Evaluation:
    source, task = options.pop("source", None) or Clips(clips), options.pop("task", VTG)
    how = {"max_new_tokens": 6, "batch": batch, "controls": True, **options}
    return evaluate(policy, source, Asking(task, "short", MARKER), **how)


def means(result: Evaluation, metric: str) -> dict[str, float]:
    return {name: float(np.mean([one[metric] for one in scores])) for name, scores in result.controls.items()}


def test_a_policy_that_only_looks_is_lost_without_the_video(policy: Policy, seeing: list[VideoPrompt]) -> None:
    result = ask(policy, FOUR, constant="<answer>0 to 4</answer>")
    assert result.metrics["mIoU"] == 1.0
    # a is asked about b's video, and each other one about the video before it. 0 to 4: 1, 2/6, 0 and 3/4.
    other, constant = np.mean([2 / 6, 2 / 6, 1 / 6, 0]), np.mean([1, 2 / 6, 0, 3 / 4])
    assert means(result, "mIoU") == pytest.approx({"blind": 0.0, "other": other, "constant": constant})
    assert means(result, "parse_rate") == {"blind": 0.0, "other": 1.0, "constant": 1.0}
    assert means(result, "R1@0.3") == {"blind": 0.0, "other": 0.5, "constant": 0.75}
    assert [p.controls["other"].text for p in result.predictions] == [
        VTG.say(FOUR[index].sample.truth, "") for index in (1, 0, 1, 2)
    ]
    assert isinstance(result.predictions[0].controls["blind"].said, ParseFailure)


def question(name: str, truth: Answer, **meta: Any) -> LoadedSample:
    one = loaded(name, 0, 4)
    return replace(one, sample=Sample(name, name, "what is it?", truth, meta))


def test_questions_with_options_are_answered_by_the_rule_too(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (module, evaluation):
        monkeypatch.setattr(one, "generate", lambda policy, prompts, tokens: ["<answer>A</answer>"] * len(prompts))
    a, b = (Answer(choices=frozenset(letter)) for letter in "AB")
    clips = [
        question("1", a, options=["cup", "dog"]),
        question("2", a, options=["dog", "cup"]),
        question("3", Answer(number=2.0)),
    ]
    rule = fitted_rule([question("t", b, options=["dog", "cup"]).sample] * 9)
    result = ask(policy, clips, task=QA, constant="<answer>B</answer>", rule=rule)
    texts = [one.controls["question_only"].text for one in result.predictions if "question_only" in one.controls]
    assert texts == [f"<think></think> <answer>{letter}</answer>" for letter in "AB"]  # the cup; nothing for a number
    assert [score["accuracy"] for score in result.controls["question_only"]] == [1.0, 0.0]
    assert "question_only" not in ask(policy, clips, task=QA).controls


def test_what_else_is_asked_beside_the_options_comes_from_the_constant() -> None:
    def say(truth: Answer, thinking: str) -> str:
        return f"{truth.choices and min(truth.choices)} {truth.interval}"

    def read(text: str, loaded: LoadedSample) -> Answer:
        return Answer(Interval(0, 1), choices=frozenset("B"))

    task = replace(QA, say=say, read=read, needs=(("choices",), ("interval",)))
    sample = question("1", Answer(choices=frozenset("A")), options=["cup", "dog"])
    rule = fitted_rule([sample.sample])
    beside = Controls(None, Asking(task, "short", MARKER), 6, Partners(lambda video: None), "B 0 to 1", rule)  # type: ignore[arg-type]
    assert beside._by_rule(sample) == f"A {Interval(0, 1)}"
    assert replace(beside, constant=None)._by_rule(sample) is None  # when is not known, and the task asks for it


def test_a_policy_that_never_looks_reaches_its_figures_without_the_video(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (module, evaluation):
        monkeypatch.setattr(one, "generate", lambda policy, prompts, tokens: ["<answer>0 to 4</answer>"] * len(prompts))
    result = ask(policy, FOUR)
    assert means(result, "mIoU") == {name: result.metrics["mIoU"] for name in ("blind", "other")}


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_batches_change_nothing(policy: Policy, seeing: list[VideoPrompt], batch: int) -> None:
    whole, parts = ask(policy, FOUR, 2), ask(policy, FOUR, batch)
    texts = [[{n: reply.text for n, reply in p.controls.items()} for p in one.predictions] for one in (whole, parts)]
    assert texts[0] == texts[1]
    assert whole.controls == parts.controls


def test_the_question_stays_and_only_the_video_goes(policy: Policy, seeing: list[VideoPrompt]) -> None:
    clips = [replace(one, sample=replace(one.sample, query=f"the {word}")) for one, word in zip(FOUR, "pqrs")]  # noqa: B905
    ask(policy, clips, batch=4)
    own, blind, other = seeing[:4], seeing[4:8], seeing[8:]  # blind and other are asked before
    words = [[policy.tokenizer.decode(p.input_ids) for p in part] for part in (own, blind, other)]
    assert words[0] == words[1] == words[2]
    assert len(set(words[0])) == 4
    assert [shade_of(p) for p in seeing] == [*[GREY] * 4, 20, 0, 20, 40, 0, 20, 40, 60]


def test_without_controls_nothing_else_is_asked(policy: Policy, seeing: list[VideoPrompt]) -> None:
    plain, controlled = ask(policy, FOUR, controls=False), ask(policy, FOUR)
    assert len(seeing) == 4 + 12
    assert plain.controls == {}
    assert not any(p.controls for p in plain.predictions)
    assert (plain.metrics, plain.ceilings, plain.scores) == (
        controlled.metrics,
        controlled.ceilings,
        controlled.scores,
    )


def test_questions_about_one_video_have_no_other(policy: Policy, seeing: list[VideoPrompt]) -> None:
    clips = [replace(FOUR[0], sample=replace(FOUR[0].sample, id=name)) for name in "xyz"]
    assert ask(policy, clips).controls.keys() == {"blind"}


def test_a_video_that_is_too_much_for_the_question_gives_no_answer(policy: Policy, seeing: list[VideoPrompt]) -> None:
    # One question alone takes nearly all of the context; together with the larger video, more than all of it.
    long = replace(FOUR[0].sample, query="square " * (policy.context - 100))
    large = loaded("b", 2, 6, shade=20, side=112)
    result = ask(policy, [replace(FOUR[0], sample=long), large, FOUR[2]])
    assert [p.controls.keys() for p in result.predictions] == [{"blind"}, {"blind", "other"}, {"blind", "other"}]
    assert [len(result.controls[name]) for name in ("blind", "other")] == [3, 2]


def test_what_cannot_be_used_is_nobodys_partner(policy: Policy, seeing: list[VideoPrompt]) -> None:
    told: list[str] = []
    source = Clips(FOUR, broken=("b", "d"))
    result = ask(policy, (), source=source, on_broken=lambda sample, why: told.append(sample.id))
    assert told == ["b", "d"]
    # a with c's video, 0 to 4 and 5 to 8; c with a's.
    assert means(result, "mIoU") == {"blind": 0.0, "other": 0.0}
    assert [shade_of(prompt) for prompt in seeing] == [GREY, 40, 0, GREY, 0, 40]
    again = ask(policy, FOUR, leave_out=result.left_out)
    assert again.controls == result.controls
    with pytest.raises(UserError, match="b has no frames"):
        ask(policy, (), source=Clips(FOUR, broken=("b",)))


@pytest.mark.parametrize(("batch", "keep"), [(2, 0), (3, 1)])
def test_two_clips_more_than_a_batch_are_in_memory(
    policy: Policy, seeing: list[VideoPrompt], batch: int, keep: int
) -> None:
    source = Clips(
        [replace(one, sample=replace(one.sample, id=f"{k}", video=f"{k}")) for k, one in enumerate(3 * FOUR)]
    )
    result = ask(policy, (), batch, source=source, keep=keep)
    assert batch <= source.most <= batch + keep + 2
    assert source.alive == keep
    assert len(result.controls["other"]) == 12


def test_the_partner_is_the_last_one_with_another_video() -> None:
    order = [("a", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("a", "5"), ("c", "6")]
    clips = [loaded(video, 0, 1, name) for video, name in order]
    asked: list[str] = []

    def first_of_another(video: str) -> LoadedSample:
        asked.append(video)
        return clips[2]

    partners = Partners(first_of_another)
    found = [partners.next(one) for one in clips]
    assert [one.sample.id if one else None for one in found] == ["3", "3", "2", "2", "4", "5"]
    assert asked == ["a"]
    alone = Partners(lambda video: None)
    assert [alone.next(one) for one in clips[:2]] == [None, None]


def test_a_blanked_turn_shows_no_id_and_keeps_its_times() -> None:
    mask = np.zeros((56, 56), bool)
    mask[10:40, 10:40] = True
    plain = loaded("a", 0, 1)
    sample = replace(plain, masklets=Masklets((56, 56), 1.0, PTS, {3: (rle.encode(mask),) * 8}))
    turn = Asking(STVG, "short", MARKER)(sample).turn
    shown = next(part for part in turn if isinstance(part, Clip))
    assert len(np.unique(shown.frames)) > 1  # the ID is drawn
    blank = blanked(turn)
    assert [part for part in blank if isinstance(part, str)] == ["Query: the square"]
    seen = next(part for part in blank if isinstance(part, Clip))
    assert (seen.frames == GREY).all() and seen.frames.shape == shown.frames.shape
    assert (seen.pts.tolist(), seen.duration, seen.size) == (PTS.tolist(), 8.0, (56, 56))
    assert len(np.unique(shown.frames)) > 1  # and still is


def test_an_unseen_sample_takes_no_memory_for_its_frames() -> None:
    blank = unseen(FOUR[1]).clip
    assert blank.frames.shape == FOUR[1].clip.frames.shape
    assert blank.frames.strides == (0, 0, 0, 0)
    assert blank.pts.tolist() == PTS.tolist()


def test_the_planted_constant_wins() -> None:
    clips = [loaded(str(k), 0, 2) for k in range(3)] + [loaded("x", 0, 4)]
    texts = ["<answer>0 to 4</answer>", "nothing", "<answer>0 to 2</answer>", "<answer>5 to 6</answer>"]
    assert best_constant(VTG, texts, clips) == texts[2]  # 3.5 / 4 against 2.5 / 4, 0 and 0
    assert best_constant(VTG, texts, clips[3:]) == texts[0]
    assert best_constant(VTG, [], []) is None


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ({"p": (0.5, 0.9), "q": (0.6, 0.1)}, "q"),  # the first metric decides
        ({"p": (0.5, 0.1), "q": (0.5, 0.9)}, "q"),  # then the second
        ({"p": (0.1 + 0.2, 0.1), "q": (0.3, 0.9)}, "q"),  # 0.1 + 0.2 is 0.3 but for rounding
        ({"p": (0.5, 0.5), "q": (0.5, 0.5)}, "p"),  # then the order
    ],
)
def test_ties_are_broken_by_the_next_metric(figures: dict[str, tuple[float, float]], best: str) -> None:
    def measure(said: Any, truth: Answer) -> dict[str, float]:
        return dict(zip(("first", "second"), figures[said.text], strict=True))

    planted = Task("planted", (), {}, "", lambda text, one: Answer(text=text), lambda truth, so: "", measure)
    assert best_constant(planted, list(figures), FOUR[:2]) == best


def test_the_contact_sheet_has_a_line_for_what_was_said_unseeing(
    policy: Policy, seeing: list[VideoPrompt], tmp_path: Path
) -> None:
    with_controls = ask(policy, FOUR, constant="<answer>0 to 4</answer>").shown
    blind, other, constant = with_controls[0].controls.values()
    assert isinstance(blind, ParseFailure)
    assert (other, constant) == (Answer(Interval(2.0, 6.0)), Answer(Interval(0.0, 4.0)))
    heights = []
    for number, shown in enumerate((with_controls, [replace(one, controls={}) for one in with_controls])):
        contact_sheet(shown, tmp_path / f"{number}.png")
        heights.append(picture_height(tmp_path / f"{number}.png"))
    assert heights[0] - heights[1] == 4 * 20  # 1.35 times letters of 15 pixels


def picture_height(path: Path) -> int:
    with Image.open(path) as image:
        return image.height
