"""Every way in and out, with curl: HTTP versions, TLS, upstreams that fail, and what crosses the gateway."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import h2.connection
import h2.errors
import h2.events
import pytest

from certificates import Authority
from gateway import KEY, PATIENCE, cluster, configuration, free_port, sse_answer, unanswered_port, until

CHAT = "/v1/chat/completions"


class Answer:
    """What curl got. `exit` is curl's own code: 0 only when the answer was whole."""

    def __init__(self, finished):
        self.exit = finished.returncode
        output = finished.stdout.decode(errors="replace")
        output, _, facts = output.rpartition("\n@@")
        status, version = (facts.split() + ["0", "0"])[:2]
        self.status, self.version = int(status), version
        heads, self.body = "", output
        while re.match(r"HTTP/\d", self.body):
            heads, _, self.body = self.body.partition("\r\n\r\n")
        self.headers = {
            name.lower(): value for name, value in (line.split(": ", 1) for line in heads.split("\r\n")[1:] if ": " in line)}
        self.error = finished.stderr.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a dialect-shaped error."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        return error["code"]


def curl(*arguments):
    return Answer(subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--no-buffer", "--max-time", "20",
         "--write-out", "\n@@%{http_code} %{http_version}", *map(str, arguments)], capture_output=True))


def chat(url, *arguments, model="echo", text="the tide is in", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
    return curl(*arguments, "-H", "content-type: application/json", "-d", json.dumps(body), url + CHAT)


def said(answer):
    """The text of a streamed or whole answer."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json["choices"][0]["message"]["content"]
    events = [line[6:] for line in answer.body.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", answer.body
    return "".join(json.loads(one)["choices"][0]["delta"].get("content") or "" for one in events[:-1])


def errors(answer):
    """The error events of a stream, which must then have no marker."""
    assert "[DONE]" not in answer.body
    events = [json.loads(line[6:]) for line in answer.body.splitlines() if line.startswith("data: ")]
    return [event["error"] for event in events if "error" in event]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.sign("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def plain(start_for_module, engine):
    return start_for_module(configuration(engine.url, limits={"request_body": "4KiB"}))


@pytest.fixture(scope="module")
def secure(start_for_module, engine, certificate, authority):
    """A listener for everybody, one of HTTP/1.1 alone, one for clients with a certificate, and one with two names."""
    return start_for_module(configuration(engine.url, listeners=[
        {"address": "127.0.0.1:0", "tls": {"certificates": [certificate]}},
        {"address": f"127.0.0.1:{free_port()}", "tls": {"certificates": [certificate]}, "protocols": ["http/1.1"]},
        {"address": f"127.0.0.1:{free_port()}",
         "tls": {"certificates": [certificate], "client_ca": str(authority.file)}},
        {"address": f"127.0.0.1:{free_port()}",
         "tls": {"certificates": [authority.sign("one.example"), authority.sign("two.example", "*.two.example")]}},
    ]))


# Ways in


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("option, version", [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")])
def test_cleartext(plain, option, version, stream):
    answer = chat(plain.url, option, stream=stream)
    assert (answer.exit, answer.status, answer.version, said(answer)) == (0, 200, version, "the tide is in")
    if stream:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-accel-buffering"] == "no"


def test_no_upgrade_to_h2c(plain):
    answer = chat(plain.url, "--http2")
    assert (answer.status, answer.version, said(answer)) == (200, "1.1", "the tide is in")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("option, version", [("--http1.1", "1.1"), ("--http2", "2")])
def test_tls(secure, authority, option, version, stream):
    answer = chat(f"https://127.0.0.1:{secure.ports[0]}", option, "--cacert", authority.file, stream=stream)
    assert (answer.exit, answer.status, answer.version, said(answer)) == (0, 200, version, "the tide is in")


def test_tls_without_alpn_is_http1(secure, authority):
    answer = chat(f"https://127.0.0.1:{secure.ports[0]}", "--no-alpn", "--cacert", authority.file)
    assert (answer.status, answer.version) == (200, "1.1")


def test_tls_of_http1_alone(secure, authority):
    answer = chat(f"https://127.0.0.1:{secure.ports[1]}", "--http2", "--cacert", authority.file)
    assert (answer.status, answer.version) == (200, "1.1")


def test_cleartext_on_a_tls_port_is_refused(secure):
    assert chat(f"http://127.0.0.1:{secure.ports[0]}").exit != 0
    assert chat(f"http://127.0.0.1:{secure.ports[0]}", "--http2-prior-knowledge").exit != 0


def test_mutual_tls(secure, authority, tmp_path):
    url = f"https://127.0.0.1:{secure.ports[2]}"
    own = authority.sign("client.example")
    answer = chat(url, "--cacert", authority.file, "--cert", own["certificate"], "--key", own["key"])
    assert (answer.status, said(answer)) == (200, "the tide is in")
    assert chat(url, "--cacert", authority.file).exit != 0
    stranger = Authority(tmp_path, "stranger").sign("client.example")
    assert chat(url, "--cacert", authority.file, "--cert", stranger["certificate"], "--key", stranger["key"]).exit != 0


@pytest.mark.parametrize("name", ["one.example", "two.example", "any.two.example"])
def test_the_name_chooses_the_certificate(secure, authority, name):
    port = secure.ports[3]
    answer = chat(f"https://{name}:{port}", "--cacert", authority.file, "--resolve", f"{name}:{port}:127.0.0.1")
    assert (answer.exit, answer.status) == (0, 200), answer.error


def test_pipelined_connection_is_kept(plain):
    both = curl("--http1.1", plain.url + "/v1/models", plain.url + "/v1/models", "--verbose")
    assert "Re-using existing connection" in both.error


# Ways out


@pytest.mark.parametrize("protocol, version", [("h2c", "h2"), ("http/1.1", "http/1.1"), ("auto", "http/1.1")])
@pytest.mark.parametrize("stream", [False, True])
def test_cleartext_upstreams(start, engine, protocol, version, stream):
    gateway = start(configuration({"url": engine.url, "protocol": protocol}))
    for _ in range(3):
        answer = chat(gateway.url, stream=stream)
        assert (answer.status, said(answer)) == (200, "the tide is in")
    assert engine.last["version"] == version


@pytest.mark.parametrize("protocol", ["h2", "http/1.1", "auto"])
def test_tls_upstreams(start, secure, authority, protocol):
    gateway = start(configuration() | {"clusters": [cluster(
        "engine", {"url": f"https://127.0.0.1:{secure.ports[0]}", "protocol": protocol}, tls={"ca": str(authority.file)})]})
    for stream in (False, True):
        answer = chat(gateway.url, stream=stream)
        assert (answer.status, said(answer)) == (200, "the tide is in")
    line = until(lambda: re.findall(r"protocol\W+(h2|http/1\.1)", secure.text), "the front end logs the request")[-1]
    assert line == ("http/1.1" if protocol == "http/1.1" else "h2")


def test_upstream_certificates_are_verified(start, secure, authority, tmp_path):
    url = f"https://127.0.0.1:{secure.ports[0]}"
    named = f"https://127.0.0.1:{secure.ports[3]}"
    stranger = Authority(tmp_path, "other")
    gateway = start(configuration(clusters=[
        cluster("stranger", {"url": url}, tls={"ca": str(stranger.file)}),
        cluster("system", {"url": url}),
        cluster("wrong-name", {"url": url}, tls={"ca": str(authority.file), "server_name": "else.example"}),
        cluster("right-name", {"url": named}, tls={"ca": str(authority.file), "server_name": "two.example"}),
        cluster("trusting", {"url": url}, tls={"ca": str(stranger.file), "verify": False}),
    ], models=[{"id": name, "cluster": name, "model": "echo"}
               for name in ("stranger", "system", "wrong-name", "right-name", "trusting")]))
    for model in ("stranger", "system", "wrong-name"):
        answer = chat(gateway.url, model=model)
        assert (answer.status, answer.code) == (502, "upstream_unreachable")
    for model in ("right-name", "trusting"):
        assert chat(gateway.url, model=model).status == 200


def test_a_url_with_a_path_is_a_prefix(start, engine):
    gateway = start(configuration({"url": engine.url + "/v1/below", "protocol": "h2c"}))
    assert chat(gateway.url).status == 404
    assert engine.last["path"] == "/v1/below" + CHAT


# Upstreams that fail


@pytest.mark.parametrize("stream", [False, True])
def test_a_dead_upstream(start, stream):
    for protocol in ("h2c", "http/1.1"):
        gateway = start(
            configuration({"url": f"http://127.0.0.1:{free_port()}", "protocol": protocol}), name=protocol.replace("/", ""))
        answer = chat(gateway.url, stream=stream)
        assert (answer.status, answer.code) == (502, "upstream_unreachable")
        assert answer.headers["content-type"] == "application/json"


def test_an_upstream_that_does_not_accept(start):
    with unanswered_port() as port:
        gateway = start(configuration(clusters=[
            cluster("engine", f"http://127.0.0.1:{port}", timeouts={"connect": "200ms"})]))
        answer = chat(gateway.url)
        assert (answer.status, answer.code) == (504, "upstream_connect_timeout")


def test_the_next_endpoint_is_tried(start, engine):
    dead = f"http://127.0.0.1:{free_port()}"
    gateway = start(configuration(
        clusters=[cluster("mixed", dead, engine.url), cluster("dead", dead), cluster("alive", engine.url)],
        models=[{"id": "echo", "cluster": "mixed"},
                {"id": "fallback", "targets": [{"cluster": "dead", "model": "x"}, {"cluster": "alive", "model": "echo"}]}]))
    for _ in range(8):
        assert said(chat(gateway.url)) == "the tide is in"
        assert said(chat(gateway.url, model="fallback", stream=True)) == "the tide is in"
    assert json.loads(engine.last["body"])["model"] == "echo"
    assert gateway.metric("tidegate_retries_total") > 0


def test_timeouts(start, engine):
    gateway = start(configuration(clusters=[
        cluster("engine", engine.url, timeouts={"first_byte": "200ms", "idle": "200ms"}),
        cluster("brief", engine.url, timeouts={"total": "300ms"})
    ], models=[{"id": "brief", "cluster": "brief", "model": "lorem-100000-interval-20ms"}, {"id": "*", "cluster": "engine"}]))
    before = engine.stats["cancelled"]
    for stream in (False, True):
        answer = chat(gateway.url, model="lorem-5-slow-first-60000", stream=stream)
        assert (answer.status, answer.code) == (504, "upstream_timeout")
    for model in ("lorem-9-stall-after-3", "brief"):
        answer = chat(gateway.url, model=model, stream=True)
        assert answer.status == 200
        assert [error["code"] for error in errors(answer)] == ["upstream_timeout"]
    until(lambda: engine.stats["cancelled"] >= before + 4, "the engine sees that all four were given up")


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    b"nonsense\r\n\r\n",
    b"",
])
def test_an_upstream_that_speaks_no_http(start, upstream, answer):
    gateway = start(configuration({"url": upstream(answer).url, "protocol": "http/1.1"}))
    answer = chat(gateway.url)
    assert answer.status == 502
    assert answer.code.startswith("upstream_")


def test_a_relayed_answer_that_breaks_off_is_not_whole(start, upstream):
    raw = upstream(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"object\":")
    gateway = start(configuration({"url": raw.url, "protocol": "http/1.1"}))
    assert chat(gateway.url).exit != 0
    assert chat(gateway.url, "--http2-prior-knowledge").exit != 0


def test_streams_in_every_line_ending(start, upstream):
    pieces = sse_answer("the ", "tide")
    events = b"".join(pieces[1:-1])
    text = b"".join(re.findall(rb"[0-9a-f]+\r\n(data: .*?\n\n)\r\n", events, re.S))
    for name, ending in (("crlf", b"\r\n"), ("cr", b"\r"), ("lf", b"\n")):
        body = b": hello\n\n".replace(b"\n", ending) + text.replace(b"\n", ending)
        raw = upstream(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", body)
        gateway = start(configuration({"url": raw.url, "protocol": "http/1.1"}), name=name)
        answer = chat(gateway.url, stream=True)
        assert answer.body.replace("\r\n", "\n").replace("\r", "\n").count("[DONE]") == 1
        assert '"the "' in answer.body and '"tide"' in answer.body


# What crosses


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_what_is_forwarded(start, engine, option):
    settings = configuration(clusters=[
        cluster("engine", engine.url, credentials={"bearer": "${ENGINE_SECRET}"})])
    gateway = start(settings, environment={"ENGINE_SECRET": "s3cret-of-the-engine"})
    sent = [
        "authorization: Bearer client-key", "x-api-key: client-key", "api-key: client-key", "x-goog-api-key: client-key",
        "cookie: session=client-key", "x-forwarded-for: 1.2.3.4", "forwarded: for=1.2.3.4", "x-real-ip: 1.2.3.4",
        "x-request-id: mine", "proxy-authorization: Basic client-key", "accept-encoding: br, gzip",
        "openai-organization: org-7", "x-custom: kept",
    ]
    if option == "--http1.1":
        sent += ["connection: keep-alive, x-hop", "x-hop: 1", "keep-alive: timeout=5", "te: trailers", "expect:"]
    arguments = [part for line in sent for part in ("-H", line)]
    body = '{ "model" : "echo",  "messages":[{"role":"user","content":"gr\\u00fc\\u00dfe"}], "future_field": [1.50, null] }'
    answer = curl(option, *arguments, "-H", "content-type: application/json", "-d", body, f"{gateway.url}{CHAT}?key=client-key&a=1")
    assert answer.json["choices"][0]["message"]["content"] == "grüße"
    seen = engine.last
    headers = dict(seen["headers"])
    assert seen["body"] == body, "an unchanged body must be forwarded byte for byte"
    assert seen["path"] == CHAT + "?a=1"
    assert headers["authorization"] == "Bearer s3cret-of-the-engine"
    assert "client-key" not in json.dumps(seen)
    assert "1.2.3.4" not in json.dumps(seen)
    assert (headers["openai-organization"], headers["x-custom"]) == ("org-7", "kept")
    assert headers["accept-encoding"] == "identity"
    gone = {"connection", "keep-alive", "te", "x-hop", "proxy-authorization", "cookie", "expect", "transfer-encoding"}
    assert not gone & set(headers)
    # One identifier for the exchange, on both sides, of the gateway's own making.
    assert answer.headers["x-request-id"] == headers["x-request-id"] != "mine"
    shown = curl(gateway.admin + "/config").body
    assert "s3cret" not in shown and "s3cret" not in gateway.text


def test_hop_by_hop_fields_of_answers(start, upstream):
    raw = upstream(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n"
        b"set-cookie: a=b\r\nx-request-id: upstream\r\nopenai-version: 2020-10-01\r\ncontent-length: 2\r\n\r\n{}")
    gateway = start(configuration({"url": raw.url, "protocol": "http/1.1"}))
    answer = chat(gateway.url)
    assert answer.status == 200
    assert not {"x-hop", "keep-alive", "set-cookie"} & set(answer.headers)
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-request-id"].startswith("req_")


# Requests that are refused


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_refused_requests(plain, engine, option):
    before = engine.stats["requests"]

    def post(body, *more, path=CHAT):
        return curl(option, "-H", "content-type: application/json", "-H", "expect:", *more, "--data-binary", body, plain.url + path)

    for body in ("{", "[]", '"x"', "", '{"model":"echo","messages":[]} x', '{"model":"echo","messages":[{"content":"\\ud8"}]}'):
        answer = post(body)
        assert answer.status == 400, body
        assert answer.code, body
    twice = '{"model":"echo","messages":[],"model":"other"}'
    for body in (twice, twice.replace('"model":"other"', '"mod\\u0065l":"other"')):
        assert post(body).status == 400, body
    assert post('{"messages":[]}').status == 400
    large = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "x" * 5000}]})
    # Without a length: the byte that is too many decides. A length that is too large has its own test below.
    answer = post(large, "-H", "transfer-encoding: chunked" if option == "--http1.1" else "content-length:")
    assert (answer.status, answer.code) == (413, "request_too_large")
    for path in ("/", "/v2/chat/completions", "/engine/stats", "/v1"):
        answer = curl(option, plain.url + path)
        assert (answer.status, answer.code) == (404, "not_found"), path
    assert engine.stats["requests"] == before


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(plain):
    """With sockets: curl 7.88 over HTTP/2 now and then takes an answer that overtakes its upload for a broken stream."""
    with socket.create_connection(("127.0.0.1", plain.port), timeout=PATIENCE) as one:
        one.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" % CHAT.encode())
        assert one.recv(65536).startswith(b"HTTP/1.1 413 ")

    with socket.create_connection(("127.0.0.1", plain.port), timeout=PATIENCE) as two:
        codec = h2.connection.H2Connection()
        codec.initiate_connection()
        codec.send_headers(1, [
            (":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", CHAT), ("content-length", "5000")])
        events = []
        while not any(isinstance(event, h2.events.StreamReset) for event in events):
            two.sendall(codec.data_to_send())
            events += codec.receive_data(two.recv(65536))
    head = next(event for event in events if isinstance(event, h2.events.ResponseReceived))
    assert dict(head.headers)[b":status"] == b"413"
    body = b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived))
    assert json.loads(body)["error"]["code"] == "request_too_large"
    assert any(isinstance(event, h2.events.StreamEnded) for event in events)
    assert events[-1].error_code == h2.errors.ErrorCodes.NO_ERROR


def test_paths_are_canonical(plain):
    for path in ("/v1/%2e%2e/engine/stats", "/v1/../engine/stats"):
        assert curl("--path-as-is", plain.url + path).status in (400, 404)
    for path in ("/v1/%00", "/v1/a%2Fb", "/v1/a%5Cb"):
        assert curl("--path-as-is", plain.url + path).status == 400


def test_a_key_in_other_headers(start, engine):
    gateway = start(configuration(engine.url, policies=[{"use": "api-keys", "config": {"keys": "keys.yaml"}}]))
    for header in (f"authorization: Bearer {KEY}", f"x-api-key: {KEY}", f"api-key: {KEY}"):
        assert chat(gateway.url, "-H", header).status == 200
        assert curl("-H", header, gateway.url + "/v1/models").status == 200
    for header in ("x-none: 1", "authorization: Bearer", "authorization: Basic " + KEY, "x-api-key: wrong"):
        answer = chat(gateway.url, "-H", header)
        assert (answer.status, answer.code) == (401, "invalid_api_key"), header


def worker_cores(gateway):
    """The cores of each worker's thread, as Linux lists them."""
    cores = {}
    for task in Path(f"/proc/{gateway.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if re.fullmatch(r"tide-\d+", name):
            cores[name] = re.search(r"Cpus_allowed_list:\s*(\S+)", (task / "status").read_text())[1]
    return cores


@pytest.mark.parametrize("choice", ["own", "any"])
def test_workers_keep_to_cores_of_their_own_where_asked(start, engine, choice):
    gateway = start(configuration(engine.url, worker_cores=choice))
    allowed = sorted(os.sched_getaffinity(0))
    cores = worker_cores(gateway)
    # Beside the two workers, the admin listener has a thread of the same kind, which goes anywhere.
    own = [cores[f"tide-{place}"] for place in range(2)]
    if choice == "own":
        assert own == [str(allowed[place % len(allowed)]) for place in range(2)]
    else:
        assert len(set(cores.values())) == 1
    assert said(chat(gateway.url, "-H", f"authorization: Bearer {KEY}")) == "the tide is in"
