"""Filters end to end: the same text in all dialects, streamed or not, wherever the upstream's chunks end."""

import http.server
import itertools
import json
import threading
import urllib.request

import pytest

from gateway import PATIENCE, cluster, configuration

ADDRESS = "bob@example.com"
TEXT = f"Ask {ADDRESS}, not bob."
MASKED = "Ask [email], not bob."
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}

MASK = """
return {
  filters = { tide.filter.mask { kinds = { "email", "card" } } },
}
"""


# The upstream


def event(data, name=None):
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def named(data):
    return event(data, data["type"])


def chat_events(deltas):
    for delta in deltas:
        yield event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                     "choices": [{"index": 0, "delta": {"content": delta}, "finish_reason": None}]})
    yield event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield b"data: [DONE]\n\n"


def messages_events(deltas):
    yield named({"type": "message_start", "message": messages_body([]) | {"content": [], "stop_reason": None}})
    yield named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for delta in deltas:
        yield named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": delta}})
    yield named({"type": "content_block_stop", "index": 0})
    yield named({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                 "usage": {"output_tokens": 7}})
    yield named({"type": "message_stop"})


def responses_events(deltas):
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(deltas)
    body = responses_body(deltas)
    empty = body | {"status": "in_progress", "output": [], "usage": None}
    item = body["output"][0]
    numbers = itertools.count()

    def numbered(data):
        return named(data | {"sequence_number": next(numbers)})

    yield numbered({"type": "response.created", "response": empty})
    yield numbered({"type": "response.output_item.added", "output_index": 0,
                    "item": item | {"status": "in_progress", "content": []}})
    yield numbered({"type": "response.content_part.added", **place,
                    "part": {"type": "output_text", "text": "", "annotations": []}})
    for delta in deltas:
        yield numbered({"type": "response.output_text.delta", **place, "delta": delta})
    yield numbered({"type": "response.output_text.done", **place, "text": text})
    yield numbered({"type": "response.content_part.done", **place, "part": item["content"][0]})
    yield numbered({"type": "response.output_item.done", "output_index": 0, "item": item})
    yield numbered({"type": "response.completed", "response": body})


def chat_body(deltas):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(deltas)},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8}}


def messages_body(deltas):
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "".join(deltas)}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 7}}


def responses_body(deltas):
    part = {"type": "output_text", "text": "".join(deltas), "annotations": []}
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                        "content": [part]}],
            "usage": {"input_tokens": 1, "output_tokens": 7, "total_tokens": 8}}


EVENTS = {"chat": chat_events, "responses": responses_events, "messages": messages_events}
BODIES = {"chat": chat_body, "responses": responses_body, "messages": messages_body}


class Upstream(http.server.ThreadingHTTPServer):
    """Answers in the dialect of the path with the deltas that the prompt lists; `None` among them waits for `go_on`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.go_on = threading.Event()
        self.last = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.last = request
        dialect = next(name for name, path in PATHS.items() if path == self.path)
        deltas = json.loads(prompt_of(request))
        if not request.get("stream"):
            body = json.dumps(BODIES[dialect](deltas)).encode()
            self.head("application/json", ("content-length", str(len(body))))
            self.wfile.write(body)
            return
        self.head("text/event-stream", ("transfer-encoding", "chunked"))
        pauses = [index - before for before, index in
                  enumerate(index for index, delta in enumerate(deltas) if delta is None)]
        texts = [delta for delta in deltas if delta is not None]
        sent = 0
        for one in EVENTS[dialect](texts):
            if is_text(one):
                if sent in pauses:
                    self.server.go_on.wait(PATIENCE)
                sent += 1
            self.wfile.write(b"%x\r\n%s\r\n" % (len(one), one))
        self.wfile.write(b"0\r\n\r\n")

    def head(self, kind, *headers):
        self.send_response(200)
        self.send_header("content-type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


def is_text(data):
    return b'"text_delta"' in data or b"output_text.delta" in data or b'"delta": {"content"' in data


def prompt_of(request):
    asked = request.get("messages") or request["input"]
    content = asked if isinstance(asked, str) else asked[-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


# The client


def post(gateway, dialect, prompt, stream):
    question = {"model": "m", "stream": stream, "max_tokens": 100}
    if dialect == "responses":
        question = {"model": "m", "stream": stream, "input": prompt}
    else:
        question["messages"] = [{"role": "user", "content": prompt}]
    return urllib.request.urlopen(
        urllib.request.Request(gateway.url + PATHS[dialect], json.dumps(question).encode(),
                               {"content-type": "application/json"}), timeout=PATIENCE)


def pieces(answer):
    """The texts of a streamed answer's deltas, as they come."""
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        data = json.loads(line[6:])
        if data.get("choices"):
            yield data["choices"][0]["delta"].get("content") or ""
        elif data.get("type") == "content_block_delta":
            yield data["delta"]["text"]
        elif data.get("type") == "response.output_text.delta":
            yield data["delta"]


def said(gateway, dialect, deltas, stream):
    """What the client reads as the answer."""
    with post(gateway, dialect, json.dumps(deltas), stream) as answer:
        if stream:
            return "".join(pieces(answer))
        body = json.load(answer)
    match dialect:
        case "chat": return body["choices"][0]["message"]["content"]
        case "messages": return body["content"][0]["text"]
        case _: return body["output"][0]["content"][0]["text"]


# Fixtures


@pytest.fixture(scope="module")
def scripted():
    server = Upstream()
    yield server
    server.shutdown()
    server.server_close()


def settings(upstream, *policies):
    return configuration(policies=policies, clusters=[
        cluster("engine", {"url": upstream.url, "protocol": "http/1.1"}, dialect=["openai", "anthropic"])])


@pytest.fixture(scope="module")
def gateway(start_for_module, scripted):
    return start_for_module(settings(scripted, {"use": "mask"}), policies={"mask": MASK})


# Tests


@pytest.mark.parametrize("dialect", PATHS)
def test_an_address_is_masked_wherever_the_chunks_end(gateway, dialect):
    start = TEXT.index(ADDRESS)
    cuts = range(start, start + len(ADDRESS) + 1)
    for first, second in itertools.combinations(cuts, 2):
        deltas = [one for one in (TEXT[:first], TEXT[first:second], TEXT[second:]) if one]
        assert said(gateway, dialect, deltas, stream=True) == MASKED, deltas
    assert said(gateway, dialect, list(TEXT), stream=True) == MASKED
    assert said(gateway, dialect, [TEXT], stream=False) == MASKED


@pytest.mark.parametrize("dialect", PATHS)
def test_nothing_waits_where_no_match_is_live(gateway, scripted, dialect):
    scripted.go_on.clear()
    with post(gateway, dialect, json.dumps(["Hello there, ", "how are you? bo", None, "b@example.com"]), True) as answer:
        texts = (text for text in pieces(answer) if text)
        assert next(texts) == "Hello there, "
        # While the upstream waits, all that cannot begin an address has come.
        assert next(texts) == "how are you? "
        scripted.go_on.set()
        assert "".join(texts) == "[email]"


@pytest.mark.parametrize("dialect", PATHS)
def test_what_waits_too_long_is_let_go(gateway, scripted, dialect):
    scripted.go_on.clear()
    with post(gateway, dialect, json.dumps(["Hello bo", None, "b@example.com"]), True) as answer:
        texts = (text for text in pieces(answer) if text)
        assert next(texts) == "Hello "
        # The upstream says nothing more, and yet it comes.
        assert next(texts) == "bo"
        scripted.go_on.set()
        assert "".join(texts) == "b@example.com", "what began outside was let go"


@pytest.mark.parametrize("dialect", PATHS)
def test_a_strict_hold_ends_the_answer(start, scripted, dialect):
    gateway = start(settings(scripted, {"use": "strict"}), policies={"strict": """
      return { hold = { time = "50ms", strict = true }, filters = { tide.filter.mask { kinds = { "email" } } } }"""})
    scripted.go_on.clear()
    with post(gateway, dialect, json.dumps(["Hello bo", None, "b@example.com"]), True) as answer:
        assert "".join(pieces(answer)) == "Hello "
    scripted.go_on.set()


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [True, False])
def test_what_leaves_the_prompt_comes_back_in_the_answer(start, scripted, dialect, stream):
    gateway = start(settings(scripted, {"use": "pii-roundtrip"}))
    deltas = ["Dear ", ADDRESS, ", is it 4111 1111 1111 1111?"]
    assert said(gateway, dialect, deltas, stream) == "".join(deltas)
    seen = prompt_of(scripted.last)
    assert ADDRESS not in seen and json.loads(seen) == ["Dear ", "<EMAIL_1>", ", is it <CARD_1>?"]


@pytest.mark.parametrize("dialect", PATHS)
def test_placeholders_come_back_wherever_the_chunks_end(start, scripted, dialect):
    gateway = start(settings(scripted, {"use": "pii-roundtrip"}, {"use": "pieces"}), policies={"pieces": """
      return { on_request = function(ctx)
        for part in ctx.prompt:each_text {} do
          part.text = tide.json.encode { "<EM", "AIL", "_", "1", ">, <EMAIL_1", "> <EMAIL_2>", "<EMAIL_" }
        end
      end }"""})
    for stream in (True, False):
        assert said(gateway, dialect, ["I am ", ADDRESS], stream) == f"{ADDRESS}, {ADDRESS} <EMAIL_2><EMAIL_"


@pytest.mark.parametrize("dialect", PATHS)
def test_a_limit_ends_the_answer_well_formed(start, scripted, dialect):
    gateway = start(settings(scripted, {"use": "short"}), policies={
        "short": "return { filters = { tide.filter.limit { output_tokens = 3 } } }"})
    for stream in (True, False):
        assert said(gateway, dialect, ["Hello, ", "world! And", " more."], stream) == "Hello, world"
