"""The official OpenAI SDK against the gateway with the shipped policies bound: what its users meet."""

import asyncio
import json
import time

import openai
import pytest

from gateway import KEY, sse_answer, until
from shipped import shipped


@pytest.fixture(scope="module")
def gateway(start_for_module, engine):
    return start_for_module(shipped(engine.url))


@pytest.fixture(scope="module")
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=KEY, max_retries=0, timeout=20) as made:
        yield made


def ask(client, model, text="hello", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def text_of(stream, choice=0):
    return "".join(
        one.delta.content or "" for chunk in stream for one in chunk.choices if one.index == choice)


# Answers


def test_answer(client):
    answer = ask(client, "echo", "what colour is the sea")
    assert answer.choices[0].message.content == "what color is the sea"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 5


def test_stream(client):
    chunks = list(ask(client, "echo", "my favourite colour is GREY, Colour!", stream=True))
    assert text_of(chunks) == "my favorite color is GRAY, Color!"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 1, "it did not stream"


@pytest.mark.parametrize("text", [
    "colour", "colours and grey-haired Favourite", "COLOUR\ncolour\tgrey", "“grey” – naïve colour 🎨 grey", "",
    "grey " * 300, 'a "quoted\\ colour" {grey}',
])
def test_streamed_and_whole_answers_are_filtered_alike(client, text):
    prompt = text or " "
    whole = ask(client, "echo", prompt).choices[0].message.content
    assert text_of(ask(client, "echo-burst", prompt, stream=True)) == whole
    assert "🎨" in whole or "🎨" not in text


def test_a_word_cut_in_two_is_one_word(start, upstream):
    for deltas in (["col", "our gr", "ey"], ["c", "o", "l", "o", "u", "r", " ", "g", "r", "e", "y"], ["colour grey"]):
        raw = upstream(*sse_answer({"role": "assistant", "content": ""}, *deltas))
        own = start(
            shipped({"url": raw.url, "protocol": "http/1.1"}), name=f"cut-{len(deltas)}")
        with openai.OpenAI(base_url=own.url + "/v1", api_key=KEY, max_retries=0) as client:
            assert text_of(ask(client, "echo", stream=True)) == "color gray"


def test_several_choices(client):
    answer = ask(client, "echo", "grey sea", n=2)
    assert [choice.message.content for choice in answer.choices] == ["gray sea", "gray sea"]
    chunks = list(ask(client, "echo", "grey sea", n=2, stream=True))
    assert [text_of(chunks, choice) for choice in (0, 1)] == ["gray sea", "gray sea"]


TOOL = {
    "type": "function",
    "function": {"name": "colour_of", "description": "a colour", "parameters": {
        "type": "object", "properties": {"grey": {"type": "string"}}}},
}


def test_tool_calls(client, engine):
    script = {"x-engine-script": '{"grey":"the colour of \\"fog\\""}'}
    answer = ask(client, "tool-call", tools=[TOOL], extra_headers=script)
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("colour_of", {"grey": 'the colour of "fog"'})
    assert json.loads(engine.last["body"])["tools"] == [TOOL]

    arguments, name, finish = "", None, None
    for chunk in ask(client, "tool-call", tools=[TOOL], stream=True, extra_headers=script):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for part in choice.delta.tool_calls or []:
                name = part.function.name or name
                arguments += part.function.arguments or ""
    assert (name, json.loads(arguments), finish) == ("colour_of", {"grey": 'the colour of "fog"'}, "tool_calls")


def test_usage_comes_when_asked_for(client, engine):
    chunks = list(ask(client, "echo", "one two three", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_usage_is_stripped_when_not_asked_for(client, engine):
    chunks = list(ask(client, "echo", "one two three", stream=True))
    assert json.loads(engine.last["body"])["stream_options"] == {"include_usage": True}
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_reasoning_is_passed_on(client):
    reasoning, text = "", ""
    for chunk in ask(client, "reasoning-echo", "grey", stream=True):
        for choice in chunk.choices:
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            text += choice.delta.content or ""
    assert len(reasoning.split()) > 1
    assert text == "gray"


def test_system_prompt_is_added_only_when_missing(client, engine):
    ask(client, "echo")
    assert json.loads(engine.last["body"])["messages"][0] == {"role": "system", "content": "Answer in plain words."}
    own = [{"role": "system", "content": "Be rude."}, {"role": "user", "content": "hello"}]
    client.chat.completions.create(model="echo", messages=own)
    assert json.loads(engine.last["body"])["messages"] == own


def test_router_sends_demo_to_echo(client, engine):
    assert ask(client, "demo", "to echo").choices[0].message.content == "to echo"
    assert json.loads(engine.last["body"])["model"] == "echo"


def test_embeddings(client):
    answer = client.embeddings.create(model="embed-small", input=["one", "two"], encoding_format="float")
    assert [one.index for one in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 0


def test_models(client):
    assert [model.id for model in client.models.list()] == ["echo", "lorem", "demo"]
    assert client.models.retrieve("demo").id == "demo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


# Refusals


def test_wrong_key(gateway, client):
    for key in ("tg-wrong-key", KEY + "x"):
        with pytest.raises(openai.AuthenticationError) as raised:
            ask(client.with_options(api_key=key), "echo")
        assert raised.value.code == "invalid_api_key"
        assert key not in raised.value.message
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="tg-wrong-key").models.list()


def test_no_key(client):
    with pytest.raises(openai.AuthenticationError):
        ask(client, "echo", extra_headers={"authorization": openai.omit})


def test_unknown_model(client, engine):
    before = engine.stats["requests"]
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError) as raised:
            ask(client, "gpt-nothing", stream=stream)
        assert raised.value.code == "model_not_found"
    assert engine.stats["requests"] == before


def test_rate_limit(client):
    tight = {"x-tight": "1"}
    with pytest.raises(openai.RateLimitError) as raised:
        for _ in range(20):
            ask(client, "echo", extra_headers=tight)
    answer = raised.value.response
    assert raised.value.code == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "1"
    assert 0 < int(answer.headers["retry-after-ms"]) <= 1000

    # The SDK waits as long as it is told, no longer and no shorter, and then succeeds.
    began = time.monotonic()
    retrying = client.with_options(max_retries=1)
    for _ in range(2):
        assert ask(retrying, "echo", "again", extra_headers=tight).choices[0].message.content == "again"
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_engines_refusals_pass_through(client, stream):
    with pytest.raises(openai.RateLimitError) as raised:
        ask(client, "rate-limited-retry-after-7", stream=stream)
    assert raised.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "overloaded-retry-after-3", stream=stream)
    assert raised.value.status_code == 503
    assert raised.value.response.headers["retry-after"] == "3"
    with pytest.raises(openai.BadRequestError):
        ask(client, "status-400", stream=stream)


def test_bad_requests(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="", messages=[])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="echo", messages="not a list")


# Engines that break


@pytest.mark.parametrize("fault", ["die-after-3", "eof-after-3", "error-after-3", "malformed-after-3", "die-after-0"])
def test_a_broken_stream_is_an_error(client, fault):
    text = ""
    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        for chunk in ask(client, "lorem-20-" + fault, stream=True):
            assert not any(choice.finish_reason for choice in chunk.choices), "the answer looks complete"
            text += text_of([chunk])
    assert len(text.split()) <= 4


@pytest.mark.parametrize("protocol", ["h2c", "http/1.1"])
@pytest.mark.parametrize("fault", ["die-after-3", "eof-after-3", "malformed-after-3", "die-before-head", "error-after-3"])
def test_a_broken_whole_answer_is_an_error(start, engine, fault, protocol):
    for policies in (True, False):
        settings = shipped({"url": engine.url, "protocol": protocol})
        if not policies:
            settings["policies"] = settings["policies"][:1]
        own = start(settings, name="with" if policies else "without")
        with openai.OpenAI(base_url=own.url + "/v1", api_key=KEY, max_retries=0, timeout=20) as client:
            # Bytes that nobody had to look into end as they came: what is no JSON is for the SDK to refuse.
            with pytest.raises((openai.APIError, json.JSONDecodeError)):
                ask(client, "lorem-20-" + fault)


def test_a_stream_over_http1_that_breaks(start, engine):
    own = start(shipped({"url": engine.url, "protocol": "http/1.1"}))
    with openai.OpenAI(base_url=own.url + "/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        for fault in ("die-after-3", "eof-after-3"):
            with pytest.raises(openai.APIError) as raised:
                list(ask(client, "lorem-20-" + fault, stream=True))
            assert raised.value.body["code"] == "upstream_stream_interrupted"


def test_a_forgotten_marker_is_added_after_a_finish(client):
    chunks = list(ask(client, "lorem-5-no-done", stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"


# Clients that leave


def test_a_client_that_leaves_is_seen_by_the_engine(client, engine):
    before = engine.stats["cancelled"]
    stream = ask(client, "lorem-10000-interval-20ms", stream=True)
    next(iter(stream))
    stream.close()
    until(lambda: engine.stats["cancelled"] == before + 1, "the engine sees the cancel")


def test_a_client_that_leaves_before_the_first_token(client, engine):
    before = engine.stats["cancelled"]
    for stream in (True, False):
        with pytest.raises(openai.APITimeoutError):
            ask(client.with_options(timeout=0.3), "lorem-5-slow-first-60000", stream=stream)
    until(lambda: engine.stats["cancelled"] == before + 2, "the engine sees both cancels")


def test_many_streams_at_once(gateway, engine):
    async def run():
        async with openai.AsyncOpenAI(
            base_url=gateway.url + "/v1", api_key=KEY, max_retries=0, timeout=50) as client:

            async def one(number):
                text = ""
                stream = await client.chat.completions.create(
                    model="echo-interval-20ms", stream=True,
                    messages=[{"role": "user", "content": f"stream {number} is grey " + f"word{number} " * 20}])
                async for chunk in stream:
                    text += chunk.choices[0].delta.content or ""
                return text

            return await asyncio.gather(*(one(number) for number in range(50)))

    texts = asyncio.run(run())
    assert texts == [f"stream {number} is gray " + f"word{number} " * 20 for number in range(50)]


# Routes by what policies need


def test_completions_are_refused_where_policies_need_the_text(client):
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="echo", prompt="grey")


def test_completions_pass_where_nothing_needs_the_text(start, engine):
    settings = shipped(engine.url)
    settings["policies"] = settings["policies"][:2]
    own = start(settings)
    with openai.OpenAI(base_url=own.url + "/v1", api_key=KEY, max_retries=0) as client:
        assert client.completions.create(model="echo", prompt="grey sea").choices[0].text == "grey sea"
        chunks = client.completions.create(model="echo", prompt="grey sea", stream=True)
        assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "grey sea"


def test_the_log_tells_neither_prompts_nor_keys(gateway, client):
    ask(client, "echo", "xyzzy-secret-prompt")
    before = gateway.metric("tidegate_exchanges_total")
    ask(client, "echo", "another-secret-prompt")
    until(lambda: gateway.metric("tidegate_exchanges_total") > before, "the exchange is counted")
    until(lambda: "model=echo" in gateway.text or '"model":"echo"' in gateway.text, "the access log is written")
    assert "secret-prompt" not in gateway.text
    log = gateway.text[gateway.text.index("try:"):].splitlines()[3:]
    assert KEY not in "\n".join(log)
