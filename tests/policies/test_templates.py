"""Chat templates are programs out of a model's folder: whatever they do, it ends soon and in one line."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grounding.core import Clip, UserError
from grounding.policies import templates
from grounding.policies.policy import Policy, load_policy
from grounding.policies.templates import bounded
from grounding.policies.tiny import CHAT_TEMPLATE

Noise = Callable[..., Clip]

LOOP = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
DOUBLING = "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
ASKS = "{% if 'blue' in messages[0].content[0].text %}" + LOOP + "{% endif %}"


def with_template(folder: Path, to: Path, template: str) -> str:
    shutil.copytree(folder, to)
    (to / "chat_template.jinja").write_text(template)
    return str(to)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (LOOP, "takes more than 1 s"),
        ("{{ 'a' * 10 ** 11 }}", "bytes"),
        (DOUBLING, "bytes"),
        ("{{ 'a' * 2000000 }}", "more than 1,048,576 letters"),
        ("{% for %}", "cannot be rendered"),
        ("{{ raise_exception('two\nlines') }}", "two lines"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("no question", "leaves the question out"),
        ("", "chat template"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(
    tiny_folder: Path, tmp_path: Path, template: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "SECONDS", 1 if template == LOOP else 60)
    monkeypatch.setattr(templates, "MEMORY", 1 << 28)
    path = with_template(tiny_folder, tmp_path / "model", template)
    with pytest.raises(UserError, match=said) as caught:
        load_policy(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_never_sees_a_question(tiny_folder: Path, tmp_path: Path, noise: Noise) -> None:
    policy = load_policy(with_template(tiny_folder, tmp_path / "model", ASKS + CHAT_TEMPLATE))
    begin = time.monotonic()
    assert "the blue square" in policy.render(["the blue square", noise()])
    assert time.monotonic() - begin < 5


def test_the_rendered_chat_is_the_templates(policy: Policy, noise: Noise) -> None:
    text = "Query: the {{ blue }} square\n"
    chat = [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "video"}]}]
    expected = policy.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert policy.render([text, noise()]) == expected


def test_what_is_made_in_bounds_comes_back() -> None:
    assert (
        bounded(lambda: "ein \u00fc, a \U0001f600, two\nlines and \ud800")
        == "ein \u00fc, a \U0001f600, two\nlines and \ud800"
    )
    assert bounded(lambda: "") == ""


def test_a_copy_that_dies_is_one_line_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[int] = []
    fork = os.fork

    def counted() -> int:
        copies.append(fork())
        return copies[-1]

    monkeypatch.setattr(os, "fork", counted)
    with pytest.raises(UserError, match="cannot be run"):
        bounded(lambda: os._exit(1))
    with pytest.raises(ProcessLookupError):
        os.kill(copies[0], 0)


def test_what_a_template_changes_stays_in_the_copy() -> None:
    seen: list[str] = []

    def render() -> str:
        seen.append("here")
        return str(len(seen))

    assert bounded(render) == "1"
    assert seen == []
