"""The official OpenAI SDK's Responses against the gateway with the shipped policies bound."""

import json

import openai
import pytest

from gateway import KEY, until
from shipped import shipped

TOOL = {"type": "function", "name": "colour_of", "parameters": {"type": "object", "properties": {}}, "strict": False}


@pytest.fixture(scope="module")
def gateway(start_for_module, engine):
    return start_for_module(shipped(engine.url))


@pytest.fixture(scope="module")
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=KEY, max_retries=0, timeout=20) as made:
        yield made


def ask(client, model, text="hello", **more):
    return client.responses.create(model=model, input=text, **more)


def test_answer(client):
    answer = ask(client, "echo", "what colour is the sea")
    assert answer.output_text == "what color is the sea"
    assert answer.status == "completed"
    assert answer.usage.output_tokens == 5


@pytest.mark.parametrize("text", ["my favourite colour is GREY, Colour!", "“grey” – naïve colour 🎨 grey", "grey " * 300])
def test_a_stream_says_the_same_in_its_deltas_its_repetitions_and_as_a_whole(client, text):
    whole = ask(client, "echo", text).output_text
    events = list(ask(client, "echo-burst", text, stream=True))
    assert [event.sequence_number for event in events] == sorted(event.sequence_number for event in events)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole
    assert [event.text for event in events if event.type == "response.output_text.done"] == [whole]
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole
    assert events[-1].response.usage.total_tokens > 0
    assert "colour" not in whole.lower()


def test_reasoning_is_passed_on(client):
    answer = ask(client, "reasoning-echo", "grey")
    assert answer.output[0].type == "reasoning" and answer.output[0].summary[0].text
    assert answer.output_text == "gray"


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls(client, stream):
    script = {"x-engine-script": '{"grey":"the colour of \\"fog\\""}'}
    answer = ask(client, "tool-call", tools=[TOOL], stream=stream, extra_headers=script)
    if stream:
        events = list(answer)
        deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
        answer = events[-1].response
        assert deltas == answer.output[0].arguments
    call = answer.output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == (
        "function_call", "colour_of", {"grey": 'the colour of "fog"'})


def test_instructions_reach_the_engine_and_the_system_prompt_is_added(client, engine):
    ask(client, "echo", instructions="Be rude.")
    assert json.loads(engine.last["body"])["instructions"] == "Be rude."
    ask(client, "echo")
    assert "Answer in plain words." in engine.last["body"]


# Refusals


def test_wrong_key(client):
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(client.with_options(api_key="tg-wrong-key"), "echo")
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize("stream", [False, True])
def test_refusals_have_the_class_that_clients_catch(client, stream):
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, "gpt-nothing", stream=stream)
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.RateLimitError) as raised:
        ask(client, "rate-limited-retry-after-7", stream=stream)
    assert raised.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        ask(client, "overloaded", stream=stream)
    with pytest.raises(openai.BadRequestError):
        ask(client, "status-400", stream=stream)


# Policies that speak for themselves


@pytest.mark.parametrize("stream", [False, True])
def test_a_policy_denies_and_answers(start, engine, stream):
    own = start(shipped(engine.url))
    own.policy("prompt-template", """
        return { schema = { system = { type = "map" } }, on_request = function(ctx)
          local text = ctx.prompt.messages[#ctx.prompt.messages].text
          if text == "deny" then return tide.deny(403, { code = "not_here", message = "not here" }) end
          if text == "answer" then return tide.respond { text = "my own colour" } end
        end }""")
    own.next_generation(own.generation)
    with openai.OpenAI(base_url=own.url + "/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        with pytest.raises(openai.PermissionDeniedError) as raised:
            ask(client, "echo", "deny", stream=stream)
        assert raised.value.code == "not_here"
        answer = ask(client, "echo", "answer", stream=stream)
        if stream:
            answer = list(answer)[-1].response
        assert answer.output_text == "my own color"


# Streams that break, clients that leave


@pytest.mark.parametrize("fault", ["die-after-3", "eof-after-3", "error-after-3", "malformed-after-3"])
def test_a_broken_stream_is_never_completed(client, fault):
    kinds = []
    try:
        for event in ask(client, "lorem-20-" + fault, stream=True):
            kinds.append(event.type)
    except (openai.APIError, openai.APIConnectionError):
        kinds.append("error")
    assert kinds[-1] in ("error", "response.failed")
    assert "response.completed" not in kinds


def test_a_client_that_leaves_is_seen_by_the_engine(client, engine):
    before = engine.stats["cancelled"]
    stream = ask(client, "lorem-10000-interval-20ms", stream=True)
    next(iter(stream))
    stream.close()
    until(lambda: engine.stats["cancelled"] == before + 1, "the engine sees the cancel")
