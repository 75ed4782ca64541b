"""Access tokens of an issuer with a key set of its own, as the official SDK meets them: rotation while requests run, an issuer that is down."""

import base64
import http.server
import json
import pathlib
import subprocess
import threading
import time

import openai
import pytest

from gateway import cluster, configuration

ISSUER = "https://login.example.com"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An Ed25519 key of the issuer's, made and used by openssl."""

    def __init__(self, folder, name):
        self.name = name
        self.file = pathlib.Path(folder) / f"{name}.pem"
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.file)
        public = self.openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        self.published = {"kty": "OKP", "crv": "Ed25519", "kid": name, "use": "sig", "x": base64url(public[-32:])}

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout

    def token(self, **claims):
        claims = {"iss": ISSUER, "aud": "tidegate", "sub": "alice", "exp": int(time.time()) + 600, **claims}
        parts = [{"alg": "EdDSA", "kid": self.name}, claims]
        message = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        text = self.file.with_suffix(".txt")
        text.write_text(message)
        return message + "." + base64url(self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", text))


class KeySet(http.server.ThreadingHTTPServer):
    """Publishes the keys that it is given, or fails."""

    daemon_threads = True

    def __init__(self):
        self.keys = []
        self.is_down = False
        self.asked = 0
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/jwks.json"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.server.asked += 1
            body = json.dumps({"keys": self.server.keys}).encode()
            self.send_response(503 if self.server.is_down else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


@pytest.fixture
def key_set():
    server = KeySet()
    yield server
    server.shutdown()
    server.server_close()


def gateway_with(start, engine, key_set):
    return start(configuration(
        clusters=[cluster("engine", engine.url)],
        policies=[{"use": "jwt-auth", "config": {"issuer": ISSUER, "audience": ["tidegate"], "jwks_url": key_set.url}}]))


def ask(gateway, token):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=token, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="echo", stream=True, messages=[{"role": "user", "content": "hello"}])
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_keys_rotate_while_requests_run(start, engine, key_set, tmp_path):
    old, new = Key(tmp_path, "old"), Key(tmp_path, "new")
    key_set.keys = [old.published]
    gateway = gateway_with(start, engine, key_set)
    assert ask(gateway, old.token()) == "hello"
    key_set.keys = [old.published, new.published]
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=old.token(), max_retries=0) as client:
        running = client.chat.completions.create(
            model="lorem-200", stream=True, messages=[{"role": "user", "content": "hello"}])
        first = next(iter(running))
        assert first.choices
        assert [ask(gateway, new.token()) for _ in range(4)] == ["hello"] * 4
        assert ask(gateway, old.token()) == "hello"
        assert sum(1 for chunk in running if chunk.choices and chunk.choices[0].delta.content) >= 190
    # Each worker fetches once, and once more for the key that it did not know.
    assert key_set.asked <= 4


@pytest.mark.parametrize("claims", [
    {"aud": "somebody-else"}, {"iss": "https://login.evil.example"}, {"exp": 1_700_000_000}, {"nbf": 4_000_000_000},
])
def test_what_is_wrong_is_refused(start, engine, key_set, tmp_path, claims):
    key = Key(tmp_path, "key")
    key_set.keys = [key.published]
    gateway = gateway_with(start, engine, key_set)
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(gateway, key.token(**claims))
    assert refused.value.code == "invalid_token"
    assert refused.value.response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_an_issuer_that_is_down_lets_nobody_in(start, engine, key_set, tmp_path):
    key = Key(tmp_path, "key")
    key_set.keys = [key.published]
    key_set.is_down = True
    gateway = gateway_with(start, engine, key_set)
    for _ in range(5):
        with pytest.raises(openai.InternalServerError) as refused:
            ask(gateway, key.token())
        assert refused.value.status_code == 503
        assert refused.value.code == "issuer_unavailable"
    assert key_set.asked == 1, "an issuer that fails is left alone for a while"


def test_an_issuer_that_goes_down_leaves_its_keys(start, engine, key_set, tmp_path):
    key = Key(tmp_path, "key")
    key_set.keys = [key.published]
    gateway = gateway_with(start, engine, key_set)
    assert ask(gateway, key.token()) == "hello"
    key_set.is_down = True
    # Whichever worker answers, one that has fetched nothing included.
    assert [ask(gateway, key.token()) for _ in range(6)] == ["hello"] * 6
