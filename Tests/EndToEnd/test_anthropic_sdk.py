"""The official Anthropic SDK against the gateway with the shipped policies bound."""

import json

import anthropic
import pytest

from gateway import KEY, until
from shipped import shipped

TOOL = {"name": "colour_of", "input_schema": {"type": "object", "properties": {"grey": {"type": "string"}}}}


@pytest.fixture(scope="module")
def gateway(start_for_module, engine):
    return start_for_module(shipped(engine.url))


@pytest.fixture(scope="module")
def client(gateway):
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=20) as made:
        yield made


def ask(client, model, text="hello", **more):
    return client.messages.create(
        model=model, max_tokens=10_000, messages=[{"role": "user", "content": text}], **more)


def stream(client, model, text="hello", **more):
    return client.messages.stream(
        model=model, max_tokens=10_000, messages=[{"role": "user", "content": text}], **more)


def test_answer(client):
    answer = ask(client, "echo", "what colour is the sea")
    assert answer.content[0].text == "what color is the sea"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 5


@pytest.mark.parametrize("text", ["my favourite colour is GREY, Colour!", "“grey” – naïve colour 🎨 grey", "grey " * 300])
def test_a_stream_says_what_the_whole_answer_says(client, text):
    whole = ask(client, "echo", text).content[0].text
    with stream(client, "echo-burst", text) as events:
        assert "".join(events.text_stream) == whole
        final = events.get_final_message()
    assert (final.stop_reason, final.content[0].text) == ("end_turn", whole)
    assert final.usage.output_tokens > 0
    assert "colour" not in whole.lower()


def test_signed_thinking_is_passed_on_untouched(client):
    with stream(client, "reasoning-echo", "grey") as events:
        final = events.get_final_message()
    thinking, text = final.content
    assert thinking.type == "thinking" and thinking.thinking and thinking.signature
    assert text.text == "gray"
    whole = ask(client, "reasoning-echo", "grey")
    assert (whole.content[0].thinking, whole.content[0].signature) == (thinking.thinking, thinking.signature)


def test_tool_calls(client):
    script = {"x-engine-script": '{"grey":"the colour of \\"fog\\""}'}
    whole = ask(client, "tool-call", tools=[TOOL], extra_headers=script)
    with stream(client, "tool-call", tools=[TOOL], extra_headers=script) as events:
        streamed = events.get_final_message()
    for answer in (whole, streamed):
        assert answer.stop_reason == "tool_use"
        assert (answer.content[0].name, answer.content[0].input) == ("colour_of", {"grey": 'the colour of "fog"'})


def test_tokens_are_counted_by_the_engine(client):
    counted = client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "one two three"}])
    assert counted.input_tokens >= 3


def test_the_system_prompt_is_added_only_when_missing(client, engine):
    ask(client, "echo")
    assert "Answer in plain words." in json.dumps(json.loads(engine.last["body"])["system"])
    ask(client, "echo", system="Be rude.")
    assert json.loads(engine.last["body"])["system"] == "Be rude."


# Refusals


def test_wrong_key(client):
    with pytest.raises(anthropic.AuthenticationError) as raised:
        ask(client.with_options(api_key="tg-wrong-key"), "echo")
    assert raised.value.body["error"]["type"] == "authentication_error"
    assert "tg-wrong-key" not in str(raised.value)


def test_refusals_have_the_class_that_clients_catch(client):
    with pytest.raises(anthropic.NotFoundError):
        ask(client, "gpt-nothing")
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask(client, "rate-limited-retry-after-7")
    assert raised.value.response.headers["retry-after"] == "7"
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(client, "overloaded")
    assert raised.value.status_code == 529
    assert raised.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(anthropic.BadRequestError):
        ask(client, "status-400")
    with pytest.raises(anthropic.RateLimitError):
        for _ in range(20):
            ask(client, "echo", extra_headers={"x-tight": "1"})


# Policies that speak for themselves


def test_a_policy_denies_and_answers(start, engine):
    own = start(shipped(engine.url))
    own.policy("prompt-template", """
        return { schema = { system = { type = "map" } }, on_request = function(ctx)
          local text = ctx.prompt.messages[#ctx.prompt.messages].text
          if text == "deny" then return tide.deny(403, { code = "not_here", message = "not here" }) end
          if text == "answer" then return tide.respond { text = "my own colour" } end
        end }""")
    own.next_generation(own.generation)
    with anthropic.Anthropic(base_url=own.url, api_key=KEY, max_retries=0, timeout=20) as client:
        with pytest.raises(anthropic.PermissionDeniedError) as raised:
            ask(client, "echo", "deny")
        assert raised.value.body["error"]["message"] == "not here"
        with pytest.raises(anthropic.PermissionDeniedError), stream(client, "echo", "deny") as events:
            events.until_done()
        assert ask(client, "echo", "answer").content[0].text == "my own color"
        with stream(client, "echo", "answer") as events:
            assert events.get_final_text() == "my own color"


# Streams that break, clients that leave


@pytest.mark.parametrize("fault", ["die-after-3", "eof-after-3", "error-after-3", "malformed-after-3"])
def test_a_broken_stream_is_an_error(client, fault):
    kinds = []
    with pytest.raises((anthropic.APIError, anthropic.APIConnectionError)):
        for event in ask(client, "lorem-20-" + fault, stream=True):
            kinds.append(event.type)
    assert "message_stop" not in kinds


def test_a_client_that_leaves_is_seen_by_the_engine(client, engine):
    before = engine.stats["cancelled"]
    events = ask(client, "lorem-5000-interval-20ms", stream=True)
    next(iter(events))
    events.close()
    until(lambda: engine.stats["cancelled"] == before + 1, "the engine sees the cancel")
