"""Vision features: encoded once, bounded, shared between processes, and never trusted when damaged."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from grounding.core import Clip, UserError
from grounding.policies import fingerprints
from grounding.policies.embedding_cache import EmbeddingCache, Features, fingerprint
from grounding.policies.policy import Policy, load_policy, save_policy

GRID = torch.tensor([[1, 2, 2]])


def patches(number: int) -> torch.Tensor:
    return torch.full((4, 6), number, dtype=torch.uint8)


def tower(number: int, calls: list[int] | None = None) -> Callable[[], Features]:
    """Features of 100 float values (200 bytes in bfloat16) and 2 whole numbers (16 bytes): 216 bytes in memory."""

    def encode() -> Features:
        if calls is not None:
            calls.append(number)
        values = torch.arange(100, dtype=torch.float32) / 3 + number
        return {"last": values.view(10, 10), "tokens": torch.tensor([number, 2**40])}

    return encode


def ask(cache: EmbeddingCache, number: int, calls: list[int] | None = None) -> Features:
    return cache.features(patches(number), GRID, tower(number, calls))


def same(a: Features, b: Features) -> bool:
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def test_a_video_is_encoded_once(tmp_path: Path) -> None:
    calls: list[int] = []
    cache = EmbeddingCache("tower", tmp_path)
    first = ask(cache, 1, calls)
    ask(cache, 2, calls)
    assert same(ask(cache, 1, calls), first)
    assert calls == [1, 2]
    assert cache.counts == {"encoded": 2, "ram": 1}


def test_another_process_finds_it_on_disk_with_the_same_bits(tmp_path: Path) -> None:
    first = ask(EmbeddingCache("tower", tmp_path), 1)
    calls: list[int] = []
    later = EmbeddingCache("tower", tmp_path)
    assert same(ask(later, 1, calls), first)
    assert calls == []
    assert later.counts == {"disk": 1}


def test_features_are_rounded_to_bfloat16_already_when_they_are_new(tmp_path: Path) -> None:
    found = ask(EmbeddingCache("tower", tmp_path), 0)["last"]
    # 1/3 = 0b0.0101..., eight significant bits: 0.01010101|01.. -> 0b1.0101011 x 2^-2 = 171/512
    assert found.dtype == torch.bfloat16
    assert found[0, 1].item() == 171 / 512


def test_float32_is_exact_and_whole_numbers_are_never_rounded(tmp_path: Path) -> None:
    expected = tower(3)()
    for _ in range(2):  # new, then from disk
        found = ask(EmbeddingCache("tower", tmp_path, dtype=torch.float32), 3)
        assert same(found, expected)
    assert ask(EmbeddingCache("tower", tmp_path), 3)["tokens"].tolist() == [3, 2**40]


def test_what_is_kept_has_no_gradient_and_shares_no_memory_with_the_tower() -> None:
    weights = torch.ones(2, 2, requires_grad=True)
    made = weights * 2
    found = EmbeddingCache("tower", dtype=torch.float32).features(patches(1), GRID, lambda: {"last": made})["last"]
    assert not found.requires_grad
    made.data.zero_()
    assert found.tolist() == [[2, 2], [2, 2]]


def test_the_key_holds_everything_the_features_depend_on() -> None:
    cache = EmbeddingCache("tower")
    pixel = patches(1)
    changed = pixel.clone()
    changed[3, 5] += 1
    keys = [
        cache.key(pixel, GRID),
        cache.key(changed, GRID),
        cache.key(pixel.view(6, 4), GRID),
        cache.key(pixel.float(), GRID),
        cache.key(pixel, torch.tensor([[1, 4, 1]])),
        EmbeddingCache("other tower").key(pixel, GRID),
        EmbeddingCache("tower", dtype=torch.float32).key(pixel, GRID),
    ]
    assert len(set(keys)) == len(keys)
    assert cache.key(pixel.clone(), GRID.clone()) == keys[0]
    assert cache.key(torch.stack([pixel, pixel])[1], GRID) == keys[0]  # a view of a batch


def test_memory_lets_the_longest_unused_go() -> None:
    calls: list[int] = []
    cache = EmbeddingCache("tower", ram_bytes=2 * 216 + 1)
    for number in (1, 2, 1, 3, 1, 2):  # 3 drives out 2, then 2 drives out 3
        ask(cache, number, calls)
    assert calls == [1, 2, 3, 2]


def test_what_is_larger_than_memory_is_given_and_not_kept() -> None:
    calls: list[int] = []
    cache = EmbeddingCache("tower", ram_bytes=215)
    assert len(ask(cache, 1, calls)["last"]) == 10
    ask(cache, 1, calls)
    assert calls == [1, 1]


def test_the_disk_lets_the_longest_unused_go(tmp_path: Path) -> None:
    ask(EmbeddingCache("tower", tmp_path), 0)
    size = entries(tmp_path)[0].stat().st_size
    cache = EmbeddingCache("tower", tmp_path, ram_bytes=0, disk_bytes=3 * size)
    for age, number in ((40, 1), (30, 2), (20, 0)):
        ask(cache, number)
        os.utime(tmp_path / f"{cache.key(patches(number), GRID)}.safetensors", (time.time() - age,) * 2)
    calls: list[int] = []
    ask(cache, 1, calls)  # the oldest is used again, so 2 is now the longest unused
    ask(cache, 3, calls)
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 3 * size
    assert {path.stem for path in entries(tmp_path)} == {cache.key(patches(n), GRID) for n in (0, 1, 3)}
    assert calls == [3]


def test_an_entry_larger_than_the_disk_bound_is_not_written(tmp_path: Path) -> None:
    ask(EmbeddingCache("tower", tmp_path, disk_bytes=215), 1)
    assert list(tmp_path.iterdir()) == []


def test_only_its_own_files_are_counted_and_removed(tmp_path: Path) -> None:
    mine = tmp_path / "notes.txt"
    mine.write_text("x" * 10_000)
    ask(EmbeddingCache("tower", tmp_path, disk_bytes=1000), 1)
    assert mine.exists()
    assert len(entries(tmp_path)) == 1


def test_what_a_killed_process_left_is_removed_and_a_running_ones_is_not(tmp_path: Path) -> None:
    old, new = tmp_path / f".{'a' * 64}.x1_y.safetensors", tmp_path / f".{'b' * 64}.x2_y.safetensors"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3700,) * 2)
    ask(EmbeddingCache("tower", tmp_path), 1)
    assert not old.exists() and new.exists()


def damaged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is in the file now is not believed: said, computed again, and mended."""
    calls: list[int] = []
    cache = EmbeddingCache("tower", path.parent)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = ask(cache, 1, calls)
    assert calls == [1] and cache.counts["damaged"] == 1
    assert same(found, ask(EmbeddingCache("tower"), 1))
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    assert ask(EmbeddingCache("tower", path.parent), 1, calls) and calls == [1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_a_cut_and_rubbish_are_noticed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    ask(EmbeddingCache("tower", folder), 1)
    path = entries(folder)[0]
    whole = path.read_bytes()
    kind = data.draw(st.sampled_from(["byte", "cut", "rubbish"]))
    if kind == "byte":
        begin = len(whole) - 248  # 200 + 16 bytes of features and 32 of the digest; the header may differ harmlessly
        at = data.draw(st.integers(begin, len(whole) - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    elif kind == "cut":
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        path.write_bytes(data.draw(st.binary(max_size=300)))
    damaged(path, caplog)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_header_never_changes_features(at: int, flip: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cache")
    expected = ask(EmbeddingCache("tower", folder), 1)
    path = entries(folder)[0]
    whole = bytearray(path.read_bytes())
    whole[at % (len(whole) - 248)] ^= flip
    path.write_bytes(whole)
    assert same(ask(EmbeddingCache("tower", folder), 1), expected)


def test_an_entry_under_anothers_name_or_without_a_digest_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = EmbeddingCache("tower", tmp_path)
    ask(cache, 1)
    ask(cache, 2)
    mine, other = (tmp_path / f"{cache.key(patches(n), GRID)}.safetensors" for n in (1, 2))
    mine.write_bytes(other.read_bytes())
    damaged(mine, caplog)
    tensors = load_file(mine)
    save_file({name: value for name, value in tensors.items() if name != "sha256"}, mine)
    damaged(mine, caplog)
    save_file({**tensors, "more": torch.ones(1)}, mine)
    damaged(mine, caplog)


def test_a_removed_entry_is_a_miss_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = EmbeddingCache("tower", tmp_path, ram_bytes=0)
    calls: list[int] = []
    ask(cache, 1, calls)
    entries(tmp_path)[0].unlink()
    ask(cache, 1, calls)
    assert calls == [1, 1]
    assert caplog.records == []


def test_a_full_disk_costs_one_line_and_no_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("grounding.policies.embedding_cache.save_file", full)
    cache = EmbeddingCache("tower", tmp_path)
    first = ask(cache, 1)
    ask(cache, 2)
    assert same(ask(cache, 1), first)
    assert list(tmp_path.iterdir()) == []
    assert [record.getMessage().count("No space left") for record in caplog.records] == [1]


def test_a_folder_that_cannot_be_made_costs_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = EmbeddingCache("tower", tmp_path / "file" / "cache")
    calls: list[int] = []
    for number in (1, 2, 1):
        ask(cache, number, calls)
    assert calls == [1, 2]
    assert all("cannot write" in r.getMessage() or "Not a directory" in r.getMessage() for r in caplog.records)


def use(folder: str, seed: int, wrong: object) -> None:
    """A process that asks for ten videos in its own order, in a folder that has room for three."""
    cache = EmbeddingCache("tower", Path(folder), ram_bytes=0, disk_bytes=1500)
    order = torch.Generator().manual_seed(seed)
    for number in torch.randint(10, (150,), generator=order).tolist():
        found = ask(cache, number)
        expected = {name: value.to(found[name].dtype) for name, value in tower(number)().items()}
        if not same(found, expected):
            wrong.put(number)  # type: ignore[attr-defined]
    wrong.put(-cache.counts["damaged"])  # type: ignore[attr-defined]


@pytest.mark.slow
def test_processes_share_a_folder(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    wrong = spawn.Queue()
    processes = [spawn.Process(target=use, args=(str(tmp_path), seed, wrong)) for seed in range(2)]
    for process in processes:
        process.start()
    reports = [wrong.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    assert reports == [0, 0]
    assert [process.exitcode for process in processes] == [0, 0]
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 1500
    assert list(tmp_path.glob(".*")) == []


def frozen(policy: Policy) -> torch.nn.Module:
    return policy.core.visual.requires_grad_(False)


def test_the_fingerprint_is_of_weights_configuration_and_processor(tiny_folder: Path) -> None:
    policy, other = load_policy(str(tiny_folder)), load_policy(str(tiny_folder))
    known = fingerprint(frozen(policy), policy.processor.video_processor)
    assert fingerprint(frozen(other), other.processor.video_processor) == known
    other.processor.video_processor.image_mean = [0.5, 0.5, 0.5]
    assert fingerprint(frozen(other), other.processor.video_processor) != known
    with torch.no_grad():
        next(policy.core.visual.parameters()).view(-1)[0] += 1e-6
    assert fingerprint(frozen(policy), other.processor.video_processor) != known


def test_the_fingerprint_is_the_same_in_another_folder(tiny_folder: Path, tmp_path: Path) -> None:
    policy = load_policy(str(tiny_folder))
    save_policy(policy, tmp_path / "copy")
    copy = load_policy(str(tmp_path / "copy"))
    assert fingerprints.fingerprint(copy.model, copy.processor) == fingerprints.fingerprint(
        policy.model, policy.processor
    )


def test_the_fingerprint_sees_the_towers_configuration(tiny_folder: Path) -> None:
    policy = load_policy(str(tiny_folder))
    before = fingerprint(frozen(policy), policy.processor.video_processor)
    policy.core.visual.config.window_size += 28  # the same weights, other features
    assert fingerprint(frozen(policy), policy.processor.video_processor) != before


def test_a_tower_that_is_trained_is_refused(tiny_folder: Path) -> None:
    policy = load_policy(str(tiny_folder))
    with pytest.raises(UserError, match=r"frozen tower; set model\.freeze_vision=true"):
        fingerprint(policy.core.visual, policy.processor.video_processor)


def test_a_towers_features_come_back_exactly(tiny_folder: Path, tmp_path: Path, noise: Callable[..., Clip]) -> None:
    policy = load_policy(str(tiny_folder))
    name = fingerprint(frozen(policy), policy.processor.video_processor)
    prompts = policy.encode([("x", noise(seed=1)), ("x", noise(seed=2, frames=6))])
    for _ in range(2):
        cache = EmbeddingCache(name, tmp_path, dtype=torch.float32)
        for prompt in prompts:
            direct = policy.encode_videos([prompt])[0]
            kept = cache.features(
                prompt.pixel_values, prompt.grid, lambda p=prompt: {"video": policy.encode_videos([p])[0]}
            )
            assert torch.equal(kept["video"], direct)
    assert cache.counts == {"disk": 2}
