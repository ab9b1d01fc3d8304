"""Tests of grounding.curriculum.server, chat, messages and side_by_side against a server on this machine."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from grounding.core import Clip, UserError, UserTurn
from grounding.curriculum.messages import content_of
from grounding.curriculum.replies import Request, replies
from grounding.curriculum.server import KEY, ServerBackend
from grounding.curriculum.side_by_side import SideBySide


@dataclass
class Reply:
    """What the server sends.

    Args:
        body: JSON, or bytes as they are.
        status: Of HTTP.
        headers: Beside the length.
        after: Seconds until it is sent.
        drip: Seconds between its bytes.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0
    drip: float = 0.0


def completion(*texts: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}} for text in texts]}


def said_first(body: dict[str, Any]) -> str:
    return body["messages"][0]["content"][0]["text"]


def echo(body: dict[str, Any], number: int) -> Reply:
    """As many texts as are wanted: the first text of the request, the number of the request, and a number."""
    return Reply(completion(*(f"{said_first(body)} {number} {one}" for one in range(body["n"]))))


@dataclass
class Server:
    """The server; `reply` gets each request's body and its number, from 0."""

    reply: Callable[[dict[str, Any], int], Reply] = echo
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[str]:
        """The first text of each request."""
        return [said_first(body) for body in self.bodies]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
        reply = self.reply(body, number)
        time.sleep(reply.after)
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        try:
            handler.send_response(reply.status)
            for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            for part in [bytes([byte]) for byte in data] if reply.drip else [data]:
                handler.wfile.write(part)
                time.sleep(reply.drip)
        except OSError:
            handler.close_connection = True  # who asked has gone


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("TUBELET_SERVER_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            made.answer(self)

        def log_message(self, *_: Any) -> None:
            """Tests are silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        made.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        http.shutdown()
        thread.join()


def backend(server: Server, **more: Any) -> ServerBackend:
    return ServerBackend(**{"url": server.url, "model": "m", "pause": 0.01, "tries": 3, **more})


def requests(*keys: str) -> list[Request]:
    return [Request(key, lambda key=key: (key,), f"sample {key}") for key in keys]  # type: ignore[misc]


def ask(backend: ServerBackend, *keys: str, count: int = 1) -> dict[str, list[str]]:
    return {keys[place]: list(texts) for place, texts in backend.ask(requests(*keys), count)}


def in_turn(*said: Reply | None) -> Callable[[dict[str, Any], int], Reply]:
    """One reply after another, and the echo in place of None and after the last."""

    def reply(body: dict[str, Any], number: int) -> Reply:
        return (said[number] if number < len(said) else None) or echo(body, number)

    return reply


def test_each_request_is_asked_once_for_all_its_texts(server: Server) -> None:
    said = ask(backend(server, at_once=1, top_p=0.5, temperature=0.7, max_new_tokens=9), "a", "b", count=2)
    assert said == {"a": ["a 0 0", "a 0 1"], "b": ["b 1 0", "b 1 1"]}
    assert server.bodies[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        "n": 2,
        "temperature": 0.7,
        "top_p": 0.5,
        "max_tokens": 9,
    }


def test_without_temperature_one_text_is_enough(server: Server) -> None:
    assert ask(backend(server, temperature=0.0), "a", count=3) == {"a": ["a 0 0"] * 3}


def test_frames_are_shown_after_their_times() -> None:
    frames = np.zeros((2, 16, 24, 3), np.uint8)
    frames[0, ..., 0] = frames[1, ..., 2] = 200  # red, then blue
    clip = Clip(frames, np.array([0.0, 1.25]), 4.0, (16, 24), 2.0)
    first, *shown = content_of(("what", clip))
    assert first == {"type": "text", "text": "what"}
    assert [one["text"] for one in shown[::2]] == ["0.00 s", "1.25 s"]
    for one, frame in zip(shown[1::2], frames, strict=True):
        url = one["image_url"]["url"]
        assert url.startswith("data:image/jpeg;base64,")
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        assert np.abs(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(int) - frame).max() < 8


def test_a_still_is_at_no_time() -> None:
    still = Clip(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1), 1.0, (8, 8), 1.0)
    assert [one["type"] for one in content_of((still, "what"))] == ["image_url", "text"]


def test_as_many_as_allowed_are_asked_at_once(server: Server) -> None:
    together = threading.Barrier(4)

    def reply(body: dict[str, Any], number: int) -> Reply:
        together.wait(10)  # fails unless four are here
        return echo(body, number)

    server.reply = reply
    assert len(ask(backend(server, at_once=4), *map(str, range(8)))) == 8


def test_quick_replies_come_before_slow_ones(server: Server) -> None:
    server.reply = lambda body, number: Reply(echo(body, number).body, after=0.5 if said_first(body) == "a" else 0.0)
    assert list(ask(backend(server, at_once=2), "a", "b", "c")) == ["b", "c", "a"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(server: Server, status: int) -> None:
    server.reply = in_turn(Reply({"error": "busy"}, status), Reply(b"busy", status))
    assert ask(backend(server), "a") == {"a": ["a 2 0"]}


def test_a_slow_reply_is_asked_for_again(server: Server) -> None:
    server.reply = in_turn(Reply(completion("late"), after=1.0))
    assert ask(backend(server, timeout=0.3), "a") == {"a": ["a 1 0"]}


def test_a_server_that_never_ends_is_given_up(server: Server) -> None:
    server.reply = lambda body, number: Reply(json.dumps(completion("x" * 100)).encode(), drip=0.05)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"did not reply within 0.3 s"):
        ask(backend(server, timeout=0.3, tries=1), "a")
    assert time.monotonic() - start < 3  # all of it would take 7 s


def test_a_server_that_stays_slow_is_given_up(server: Server) -> None:
    server.reply = lambda body, number: Reply(completion("late"), after=1.0)
    with pytest.raises(
        UserError, match=rf"^{server.url}/chat/completions did not reply within 0.2 s, 2 times in a row; "
    ):
        ask(backend(server, timeout=0.2, tries=2), "a")


def test_the_server_says_when_it_wants_to_be_asked_again(server: Server) -> None:
    server.reply = in_turn(Reply({}, 429, {"Retry-After": "1"}), Reply({}, 503, {"Retry-After": formatdate(0)}))
    start = time.monotonic()
    assert ask(backend(server), "a") == {"a": ["a 2 0"]}
    assert 1.0 <= time.monotonic() - start < 5.0


NONSENSE = {
    "no JSON": b"<html>hello</html>",
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "no choices": {},
    "choices of another kind": {"choices": "a"},
    "empty choices": {"choices": []},
    "a choice of another kind": {"choices": ["a"]},
    "no message": {"choices": [{"text": "a"}]},
    "no text": completion(None),
    "parts": completion([{"type": "text", "text": "a"}]),
    "one text of two": completion("a", None),
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=list(NONSENSE))
def test_nonsense_is_asked_again_and_then_reported(server: Server, body: Any) -> None:
    server.reply = in_turn(Reply(body))
    assert ask(backend(server), "a", count=2) == {"a": ["a 1 0", "a 1 1"]}
    server.reply = lambda *_: Reply(body)
    with pytest.raises(UserError, match=r"completions replies [\w ,]+, 3 times in a row; see whether it is an OpenAI"):
        ask(backend(server), "a")


def test_a_reply_that_cannot_be_unpacked_or_is_endless_is_nonsense(server: Server, monkeypatch: Any) -> None:
    packed = {"Content-Encoding": "gzip"}
    server.reply = lambda *_: Reply(b"not gzip", headers=packed)
    with pytest.raises(UserError, match="replies what cannot be unpacked"):
        ask(backend(server), "a")
    bomb = gzip.compress(bytes(1 << 20))
    monkeypatch.setattr("grounding.curriculum.chat.LONGEST", 50_000)
    server.reply = lambda *_: Reply(bomb, headers=packed)
    with pytest.raises(UserError, match="replies more than 50,000 bytes"):
        ask(backend(server), "a")


def test_a_text_that_no_file_could_hold_is_mended(server: Server) -> None:
    server.reply = lambda *_: Reply(b'{"choices": [{"message": {"content": "a\\ud800b"}}]}')
    assert ask(backend(server), "a") == {"a": ["a?b"]}


def test_a_question_that_no_file_could_hold_is_asked(server: Server) -> None:
    assert ask(backend(server), "a\ud800") == {"a\ud800": ["a? 0 0"]}


def test_without_the_package_it_says_how_to_get_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "grounding.curriculum.chat", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(UserError, match=r"httpx2 is not installed; get it with: pip install 'tubelet\[server\]'"):
        ask(backend(server), "a")


def test_nothing_is_asked_where_there_is_nothing_to_ask(server: Server) -> None:
    assert ask(backend(server)) == {}


def test_a_thought_that_was_cut_off_says_what_to_do(server: Server) -> None:
    server.reply = lambda *_: Reply({"choices": [{"message": {"content": None}, "finish_reason": "length"}]})
    with pytest.raises(UserError, match="without a text, for it used up max_new_tokens"):
        ask(backend(server), "a")


def test_a_server_that_is_down_is_named(server: Server) -> None:
    down = "http://127.0.0.1:9"  # nobody listens there
    with pytest.raises(UserError) as error:
        ask(ServerBackend(down, "m", tries=2, pause=0.01), "a")
    assert str(error.value).startswith(f"{down}/chat/completions cannot be reached (")
    assert str(error.value).endswith("), 2 times in a row; start the server, or mend the URL")


def test_a_server_that_hangs_up_is_asked_again(server: Server) -> None:
    server.reply = in_turn(Reply(b"", headers={"Content-Length": "100", "Connection": "close"}))
    assert ask(backend(server), "a") == {"a": ["a 1 0"]}


def refuse_many(body: dict[str, Any], number: int) -> Reply:
    return echo(body, number) if body["n"] == 1 else Reply({"error": {"message": "n must be 1"}}, 400)


def test_a_server_that_gives_one_text_at_a_time_is_asked_more_often(server: Server) -> None:
    server.reply = refuse_many
    said = ask(backend(server, at_once=1), "a", "b", count=2)
    assert said == {"a": ["a 1 0", "a 2 0"], "b": ["b 3 0", "b 4 0"]}


def test_a_server_that_passes_over_n_is_asked_for_the_rest(server: Server) -> None:
    server.reply = lambda body, number: Reply(completion(f"text {number}"))
    assert ask(backend(server), "a", count=3) == {"a": ["text 0", "text 1", "text 2"]}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "refuses sample a: 400 the prompt is too long; mend what it names"),
        (401, f"answers 401 the prompt is too long; give the server's key in the environment variable {KEY}"),
        (404, "answers 404 the prompt is too long; mend the URL"),
        (307, "answers 307 the prompt is too long; mend the URL"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(server: Server, status: int, told: str) -> None:
    server.reply = lambda *_: Reply({"error": {"message": "the prompt\nis too long"}}, status)
    with pytest.raises(UserError) as error:
        ask(backend(server), "a")
    assert str(error.value).startswith(f"{server.url}/chat/completions {told}")
    assert len(server.bodies) == 1


def test_the_key_is_told_to_nobody_else(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret-123")
    list(replies(requests("a"), 1, backend(server), tmp_path / "r.jsonl"))
    assert server.headers[0]["Authorization"] == "Bearer secret-123"
    assert "secret" not in (tmp_path / "r.jsonl").read_text() + repr(backend(server)) + backend(server).identity
    server.reply = lambda *_: Reply(b"who is Bearer secret-123?", 403)
    with pytest.raises(UserError, match=r"answers 403 who is Bearer \(the key\)\?; give a key"):
        ask(backend(server), "a")


def test_without_a_key_none_is_sent(server: Server) -> None:
    ask(backend(server), "a")
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("key", ["two words", "line\nend", "schlüssel"])
def test_a_key_that_cannot_be_one_is_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(UserError, match=f"^the key in {KEY} must be letters") as error:
        ask(backend(server), "a")
    assert key not in str(error.value)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "file:///etc/passwd", "http://[::1", "http://a:b/v1", "http://a b/"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="a server's URL must be like http://localhost:8000/v1, got"):
        ServerBackend(url, "m")


def test_a_host_that_is_none_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^cannot use http://☃/v1: .*; mend it, or the proxy of the environment$"):
        ask(ServerBackend("http://☃/v1", "m"), "a")


def test_a_proxy_that_cannot_be_used_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "nonsense://proxy")
    with pytest.raises(
        UserError, match=r"^cannot use http://127.*nonsense.*; mend it, or the proxy of the environment$"
    ):
        ask(backend(server), "a")


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://host/v1?key=secret", "https://host/v1#secret"])
def test_a_url_with_a_key_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UserError, match="must hold no user, options or key") as error:
        ServerBackend(url, "m")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1.0),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("tries", 0),
        ("at_once", 0),
        ("timeout", 0.0),
    ],
)
def test_values_that_cannot_be_used_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"a server's {name} must be .*, got"):
        ServerBackend(**{"url": "http://host/v1", "model": "m", name: value})  # type: ignore[arg-type]


def test_who_is_asked_and_how_is_in_the_identity_and_the_trying_is_not() -> None:
    known = ServerBackend("http://host/v1", "m")
    assert ServerBackend("http://host/v1/", "m", tries=2, at_once=1, timeout=1.0, pause=0.0).identity == known.identity
    others = [{"model": "n"}, {"temperature": 0.5}, {"top_p": 0.5}, {"max_new_tokens": 5}, {"url": "http://other/v1"}]
    for one in others:
        assert ServerBackend(**{"url": "http://host/v1", "model": "m", **one}).identity != known.identity


def test_what_was_answered_is_kept_when_another_request_is_given_up(server: Server, tmp_path: Path) -> None:
    def reply(body: dict[str, Any], number: int) -> Reply:
        said = said_first(body)
        return Reply(b"no", 404) if said == "bad" else Reply(completion(said), after=0.3)

    server.reply = reply
    file, some = tmp_path / "r.jsonl", requests("a", "bad", "b", "c", "d")
    with pytest.raises(UserError, match="answers 404"):
        list(replies(some, 1, backend(server, at_once=3), file))
    assert sorted(server.asked) == ["a", "b", "bad"]  # no more were begun
    server.reply = echo
    server.bodies.clear()
    said = list(replies(some, 1, backend(server, at_once=3), file))
    assert (said[0], said[2]) == (("a",), ("b",))
    assert sorted(server.asked) == ["bad", "c", "d"]


def test_a_request_that_waits_to_be_tried_again_ends_with_the_others(server: Server) -> None:
    server.reply = lambda body, number: Reply(b"no", 404 if said_first(body) == "b" else 503)
    start = time.monotonic()
    with pytest.raises(UserError, match="answers"):
        ask(backend(server, at_once=2, pause=60.0), "a", "b")
    assert time.monotonic() - start < 30


def test_a_video_that_cannot_be_read_ends_it_after_those_under_way(server: Server) -> None:
    def broken() -> UserTurn:
        raise UserError("sample x: no frames")

    coming = backend(server).ask([*requests("a"), Request("x", broken), *requests("b")], 1)
    assert next(coming) == (0, ["a 0 0"])
    with pytest.raises(UserError, match="sample x: no frames"):
        next(coming)
    assert server.asked == ["a"]


def test_nothing_goes_on_when_nobody_listens_any_more(server: Server) -> None:
    coming = backend(server, at_once=1).ask(requests(*map(str, range(50))), 1)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert len(server.bodies) <= 2


def test_a_fault_in_a_thread_is_raised_where_it_is_waited_for() -> None:
    def work(item: int) -> float:
        return 1 / item

    ending = threading.Event()
    with pytest.raises(ZeroDivisionError):
        list(SideBySide(work, 2, ending)([1, 0]))
    assert ending.is_set()


RUN = """
import sys
from grounding.curriculum.replies import Request, replies
from grounding.curriculum.server import ServerBackend
some = [Request(f"key {n}", lambda n=n: (str(n),)) for n in range(40)]
for _ in replies(some, 2, ServerBackend(sys.argv[1], "m", at_once=4), sys.argv[2]):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 11, 30])
def test_a_killed_run_loses_nothing_that_was_answered(server: Server, tmp_path: Path, after: int) -> None:
    file, killed = tmp_path / "r.jsonl", threading.Event()

    def reply(body: dict[str, Any], number: int) -> Reply:
        if number >= after:
            killed.set()
        return Reply(echo(body, number).body, after=0.02)

    server.reply = reply
    command = [sys.executable, "-c", RUN, server.url, str(file)]
    with subprocess.Popen(command) as run:
        assert killed.wait(60)
        run.kill()  # -9
    assert run.returncode == -9
    before = file.read_text().splitlines()
    assert len(before) >= after - 4
    subprocess.run(command, check=True, timeout=60)
    asked = Counter(server.asked)
    assert len(asked) == 40
    assert 0 <= sum(asked.values()) - 40 <= 4  # those under way
    after_all = file.read_text().splitlines()
    whole = [line for line in before if line.endswith("]}")]
    assert after_all[: len(whole)] == whole
    assert len({json.loads(line)["key"] for line in after_all}) == len(after_all) == 40
