"""Tool calls that policies judge, as the official SDKs of all three dialects meet them."""

import http.server
import json
import threading

import anthropic
import openai
import pytest

from gateway import KEY, cluster, configuration

SCRIPT = {"x-engine-script": '{"to":"all@example.com"}'}
FUNCTION = {"name": "send_mail", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}
REFUSED = "[The tool call send_mail was not allowed.]"


class Approver(http.server.ThreadingHTTPServer):
    """Approves what it is told to, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        self.asked = []
        self.reply = {}
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/approve"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            body = json.dumps(self.server.reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


@pytest.fixture(scope="module")
def approver():
    server = Approver()
    yield server
    server.shutdown()
    server.server_close()


def gateway_with(start, engine, config):
    return start(configuration(
        clusters=[cluster("engine", engine.url, dialect=["openai", "anthropic"])],
        policies=[{"use": "tool-gate", "config": config}]))


def chat(url, stream, prompt="x", script=SCRIPT):
    tool = {"type": "function", "function": FUNCTION}
    with openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        request = dict(model="tool-call", messages=[{"role": "user", "content": prompt}], tools=[tool], extra_headers=script)
        if stream:
            with client.chat.completions.stream(**request) as events:
                for _ in events:
                    pass
                answer = events.get_final_completion().choices[0]
        else:
            answer = client.chat.completions.create(**request).choices[0]
    calls = [(one.function.name, json.loads(one.function.arguments)) for one in answer.message.tool_calls or []]
    return answer.message.content or "", calls, answer.finish_reason == "tool_calls"


def responses(url, stream, prompt="x", script=SCRIPT):
    with openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        request = dict(model="tool-call", input=prompt, tools=[{"type": "function", **FUNCTION}], extra_headers=script)
        if stream:
            with client.responses.stream(**request) as events:
                numbers = [event.sequence_number for event in events]
                answer = events.get_final_response()
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        else:
            answer = client.responses.create(**request)
    calls = [(one.name, json.loads(one.arguments)) for one in answer.output if one.type == "function_call"]
    return answer.output_text, calls, bool(calls)


def messages(url, stream, prompt="x", script=SCRIPT):
    tool = {"name": FUNCTION["name"], "input_schema": FUNCTION["parameters"]}
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:
        request = dict(model="tool-call", max_tokens=1000, messages=[{"role": "user", "content": prompt}], tools=[tool],
                       extra_headers=script)
        if stream:
            with client.messages.stream(**request) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(**request)
    text = "".join(one.text for one in answer.content if one.type == "text")
    calls = [(one.name, one.input) for one in answer.content if one.type == "tool_use"]
    return text, calls, answer.stop_reason == "tool_use"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, responses, messages])
def test_a_refused_call_becomes_text(start, engine, ask, stream):
    gateway = gateway_with(start, engine, {"deny": ["send_*"]})
    assert ask(gateway.url, stream) == (REFUSED, [], False)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, responses, messages])
def test_an_approver_decides(start, engine, approver, ask, stream):
    gateway = gateway_with(start, engine, {"ask": ["*"], "approver": approver.url})
    approver.asked.clear()
    approver.reply = {"approve": True}
    assert ask(gateway.url, stream) == ("", [("send_mail", {"to": "all@example.com"})], True)
    assert [(one["tool"], one["args"]) for one in approver.asked] == [("send_mail", {"to": "all@example.com"})]
    approver.reply = {"approve": True, "args": {"to": "bob@example.com"}}
    assert ask(gateway.url, stream) == ("", [("send_mail", {"to": "bob@example.com"})], True)
    approver.reply = {"approve": False}
    assert ask(gateway.url, stream) == (REFUSED, [], False)


def test_a_policy_that_fails_lets_no_call_through(start, engine):
    gateway = start(
        configuration(clusters=[cluster("engine", engine.url, dialect=["openai", "anthropic"])],
                      policies=[{"use": "broken"}]),
        policies={"broken": "return { on_tool_call = function(ctx, cfg, call) error('no ' .. call.name) end }"})
    for ask in (chat, responses, messages):
        for stream in (False, True):
            text, calls, finished_with_calls = ask(gateway.url, stream)
            assert (calls, finished_with_calls) == ([], False) and "withheld" in text
    assert "on_tool_call failed" in gateway.text and "broken.lua:1: no send_mail" in gateway.text


def with_policy(start, engine, text):
    return start(
        configuration(clusters=[cluster("engine", engine.url, dialect=["openai", "anthropic"])], policies=[{"use": "own"}]),
        policies={"own": text})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, responses, messages])
def test_placeholders_in_arguments_become_the_clients_own_words(start, engine, ask, stream):
    gateway = start(configuration(
        clusters=[cluster("engine", engine.url, dialect=["openai", "anthropic"])], policies=[{"use": "pii-roundtrip"}]))
    script = {"x-engine-script": r'{"to": ["<EMAIL_1>", "eve@example.com"], "n": 1.50, "\u003cEMAIL_1>": "\u003cEMAIL_1>"}'}
    text, calls, finished_with_calls = ask(gateway.url, stream, "write to bob@example.com", script)
    assert (text, finished_with_calls) == ("", True)
    assert calls == [("send_mail", {"to": ["bob@example.com", "eve@example.com"], "n": 1.5, "<EMAIL_1>": "bob@example.com"})]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, responses, messages])
def test_replacements_in_arguments_keep_the_json(start, engine, ask, stream):
    gateway = with_policy(
        start, engine, r"""return { filters = { tide.filter.replace {
          words = { secret = 'a "b" \\ c\n\1 é 😀' }, channels = { "tool_args" } } } }""")
    script = {"x-engine-script": r'{"secret":{"x":["no","secret"]},"sec":"ret","u":"\u0073ecret \ud83d\ude00"}'}
    made = 'a "b" \\ c\n\x01 é 😀'
    assert ask(gateway.url, stream, script=script) == (
        "", [("send_mail", {"secret": {"x": ["no", made]}, "sec": "ret", "u": made + " 😀"})], True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, responses, messages])
def test_a_block_on_arguments_ends_the_answer_without_the_call(start, engine, ask, stream):
    # The SDKs' helpers raise at any other reason.
    gateway = with_policy(
        start, engine,
        """return { filters = { tide.filter.block { patterns = { "all@[a-z.]{1,40}" }, channels = { "tool_args" },
             on_match = function(s, match) return tide.cut { reason = "stop", text = "Not to " .. match.text } end } } }""")
    assert ask(gateway.url, stream) == ("Not to all@example.com", [], False)
    script = {"x-engine-script": '{"to":"bob@example.com"}'}
    assert ask(gateway.url, stream, script=script) == ("", [("send_mail", {"to": "bob@example.com"})], True)


@pytest.mark.parametrize("ask", [chat, responses])
def test_arguments_that_are_no_json_are_an_error(start, engine, ask):
    gateway = with_policy(
        start, engine, "return { filters = { tide.filter.replace { words = { a = 'b' }, channels = { 'tool_args' } } } }")
    for stream in (False, True):
        with pytest.raises(openai.APIError, match="arguments that are not valid JSON"):
            ask(gateway.url, stream, script={"x-engine-script": '{"to":"al'})
