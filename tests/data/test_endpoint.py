import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clap.command_line import Parser, run
from clap.data import translate
from clap.data.endpoint import TRIES, Endpoint, read_answer
from clap.data.records import Caption, read_jsonl
from clap.data.translate import translate_captions
from clap.errors import UserError
from clap.languages import ENGLISH

KEY = "sk-very-secret"
TEXTS = ["a dog barks", "rain falls", "a bell rings"]


class Server:
    """A chat endpoint that answers each request with the next of `plan`, and well when the plan is over; keeps what it was sent.

    A part of the plan is a status, a (status, headers) pair, a body, or a function of the numbered texts to the content.
    """

    def __init__(self):
        self.plan, self.requests, self.keys, self.paths = [], [], [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(json.loads(body))
                outer.keys.append(self.headers.get("Authorization"))
                outer.paths.append(self.path)
                status, headers, answer = outer.answer()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self):
        planned = self.plan.pop(0) if self.plan else well
        if isinstance(planned, str):
            return 200, {}, planned
        if isinstance(planned, int | tuple):
            status, headers = planned if isinstance(planned, tuple) else (planned, {})
            return status, headers, json.dumps({"error": {"message": "because"}})
        content = planned(self.asked(-1))
        return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]})

    def asked(self, number):
        """The texts of a request, by their numbers."""
        rows = [json.loads(line) for line in self.requests[number]["messages"][1]["content"].split("\n")]
        return {row["id"]: row["text"] for row in rows}


def well(texts):
    return "\n".join(json.dumps({"id": number, "text": f"<{text}>"}) for number, text in texts.items())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def ask(server, waits):
    return Endpoint(server.url, "gpt-test", KEY, waits.append)


def texts_of(translations):
    return [one.text for one in translations]


def test_translations_come_back_in_order_whatever_the_answers(server, ask):
    server.plan = [lambda texts: "```json\n" + "\n".join(reversed(well(texts).split("\n"))) + "\n```"]
    made = ask(TEXTS, "fra_Latn")
    assert texts_of(made) == ["<a dog barks>", "<rain falls>", "<a bell rings>"] and {one.similarity for one in made} == {None}
    assert server.requests[0]["model"] == "gpt-test" and "French (fra_Latn)" in server.requests[0]["messages"][0]["content"]
    assert server.keys == [f"Bearer {KEY}"] and server.paths == ["/v1/chat/completions"]
    ask(TEXTS[:1], "por_Latn")
    assert "por_Latn" in server.requests[1]["messages"][0]["content"]


def test_without_a_key_none_is_sent_and_the_whole_address_may_be_given(server):
    Endpoint(f"{server.url}/chat/completions/", "m")(TEXTS, "fra_Latn")
    assert server.keys == [None] and server.paths == ["/v1/chat/completions"]


def test_partial_answers_are_completed_by_asking_for_the_rest(server, ask):
    server.plan = [
        lambda texts: well(texts).split("\n")[0] + '\n{"id": 2, "text": "<rain',  # cut short
        lambda texts: "Here you are:\n" + well(texts).split("\n")[-1],
    ]
    assert texts_of(ask(TEXTS, "fra_Latn")) == ["<a dog barks>", "<rain falls>", "<a bell rings>"]
    assert [list(server.asked(n)) for n in range(3)] == [[1, 2, 3], [2, 3], [2]]


def test_busy_and_broken_servers_are_asked_again(server, ask, waits):
    dated = formatdate(time.time() + 30, usegmt=True)
    server.plan = [(429, {"Retry-After": "7"}), (429, {"Retry-After": dated}), 500, 503, "<html>", well]
    assert len(ask(TEXTS, "fra_Latn")) == 3
    assert waits[0] == 7 and 25 < waits[1] <= 30 and waits[2:] == [4, 8, 16]


def test_a_server_that_stays_broken(server, ask, waits):
    server.plan = [500] * TRIES
    with pytest.raises(UserError, match=rf"cannot be used \(status 500, {TRIES} times\)"):
        ask(TEXTS, "fra_Latn")
    assert len(server.requests) == TRIES and len(waits) == TRIES - 1


def test_a_wait_of_hours_is_told_instead(server, ask, waits):
    server.plan = [(429, {"Retry-After": "7200"})]
    with pytest.raises(UserError, match="asks to wait for 7200 s"):
        ask(TEXTS, "fra_Latn")
    assert not waits


def test_no_server(server, waits):
    server.http.server_close()
    with pytest.raises(UserError, match="cannot be used .*refused"):
        Endpoint(server.url, "m", KEY, waits.append)(TEXTS, "fra_Latn")
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("status", "sentence"), [(401, "refuses the key; set OPENAI_API_KEY"), (404, "no such address or model"), (400, "refuses the request")]
)
def test_refusals_are_told_at_once_without_the_key(server, ask, status, sentence):
    server.plan = [status]
    with pytest.raises(UserError, match=f"{sentence}.*because") as error:
        ask(TEXTS, "fra_Latn")
    assert KEY not in str(error.value) and len(server.requests) == 1


@pytest.mark.parametrize("answer", [
    lambda texts: "I cannot do that.",
    lambda texts: "",
    lambda texts: well({1: "a", 2: "b", 3: "c", 4: "d"}),
    lambda texts: well(texts) + '\n{"id": 1, "text": "again"}',
    lambda texts: "\n".join(json.dumps({"id": n, "text": " "}) for n in texts),
    lambda texts: "\n".join(json.dumps([n, text]) for n, text in texts.items()),
    lambda texts: "\n".join(json.dumps({"id": True, "text": text}) for text in texts.values()),
])  # fmt: skip
def test_useless_answers_are_not_kept(server, ask, answer):
    server.plan = [answer]
    assert texts_of(ask(TEXTS, "fra_Latn")) == ["<a dog barks>", "<rain falls>", "<a bell rings>"]
    assert len(server.requests) == 2 and list(server.asked(1)) == [1, 2, 3]
    server.plan = [answer] * TRIES
    with pytest.raises(UserError, match=f"gpt-test answered {TRIES} times without a usable line"):
        ask(TEXTS, "fra_Latn")


def test_what_was_wrong_with_an_answer():
    assert read_answer('{"id": 1, "text": "a\\nb"}', {1: "x"}) == ({1: "a b"}, "1 lines for 1 captions")
    assert read_answer('{"id": 1, "text": "a"}\nhm', {1: "x", 2: "y"}) == ({1: "a"}, "a line is no object with id and text: 'hm'")
    assert read_answer('{"id": "1", "text": "a"},', {1: "x"})[0] == {1: "a"}
    assert read_answer('{"id": 9, "text": "a"}', {1: "x"})[1] == "the number 9 stands there twice or was not asked for"


def test_no_address_and_no_key():
    with pytest.raises(UserError, match="begins with http"):
        Endpoint("api.openai.com", "m")
    with pytest.raises(UserError, match="is no address"):
        Endpoint("http://a b:c", "m")(TEXTS, "fra_Latn")
    with pytest.raises(UserError, match="holds a sign that no key has") as error:
        Endpoint("http://localhost", "m", KEY + "\n")
    assert KEY not in str(error.value)


def test_a_stopped_run_asks_for_the_rest_only(server, ask, tmp_path):
    captions = [Caption(str(n), str(n), ENGLISH, f"text {n:02}", "human") for n in range(10)]
    server.plan = [well, 401]
    with pytest.raises(UserError, match="refuses the key"):
        translate_captions(captions, ask, tmp_path / "t.jsonl", languages=("fra_Latn",), batch=4)
    done = translate_captions(captions, ask, tmp_path / "t.jsonl", languages=("fra_Latn",), batch=4)
    assert [len(server.asked(n)) for n in range(4)] == [4, 4, 4, 2]
    assert [caption.text for caption in done] == [f"<text {n:02}>" for n in range(10)]
    assert {(caption.translator, caption.provenance, caption.similarity) for caption in done} == {("gpt-test", "machine", None)}


def test_the_command_with_the_key_from_the_environment(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "kitchen.csv").write_text("file,caption,language\na.wav,rain,eng_Latn\na.wav,wind,eng_Latn\n", encoding="utf-8")
    parser = Parser(prog="clap")
    translate.add_parser(parser.add_subparsers(required=True, metavar="COMMAND"))
    call = ["translate", str(tmp_path / "kitchen.csv"), "--to", "fra_Latn", "--every-caption", "--out", str(tmp_path)]
    assert run(parser, lambda args: args.run(args), [*call, "--endpoint", server.url, "--model", "gpt-test"]) == 0
    made = read_jsonl(tmp_path / "captions.fra_Latn.kitchen.jsonl", Caption)
    assert [caption.text for caption in made] == ["<rain>", "<wind>"] and server.keys == [f"Bearer {KEY}"]
    assert KEY not in capsys.readouterr().err
