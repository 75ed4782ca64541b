"""The answer of a token server: the events of `tidegate engine --due` in lorem mode, one token every 25 ms."""

import itertools
import json
import pathlib
import re
import time

INTERVAL_NS = 25_000_000
DEFAULT_TOKENS = 64
REQUEST_BYTES_MAX = 1 << 20
PATH = b"/v1/chat/completions"
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

WORDS = (pathlib.Path(__file__).parents[1] / "lorem.txt").read_bytes().split()
# What follows the head of a token's event, up to the instant at which it was due. The first token has no space before it.
FIRST = b'{"content":"%s"},"finish_reason":null}],"due":' % WORDS[0]
LATER = [b'{"content":" %s"},"finish_reason":null}],"due":' % word for word in WORDS]

last_id = itertools.count(time.monotonic_ns())


class BadRequest(Exception):
    """What is wrong with a request, in words for its sender."""


class Answer:
    """The events of one answer. It begins when it is made: token n is due n intervals later, whenever it can be sent."""

    __slots__ = ("head", "position", "count", "finish_reason", "due")

    def __init__(self, body):
        try:
            request = json.loads(body)
        except ValueError as error:
            raise BadRequest(f"The body is not valid JSON: {error}.") from error
        if not isinstance(request, dict) or not isinstance(request.get("model"), str):
            raise BadRequest("Not a chat request: `model` must be a string.")
        model, limit = request["model"], request.get("max_tokens")
        if not (limit is None or isinstance(limit, int) and limit >= 0):
            raise BadRequest("Not a chat request: `max_tokens` must be a whole number.")
        if not request.get("stream"):
            raise BadRequest("Only streams are served: set `stream` to true.")
        asked = re.match(r"lorem-(\d{1,9})\b", model)
        count = int(asked[1]) if asked else DEFAULT_TOKENS
        self.count = count if limit is None else min(count, limit)
        self.finish_reason = b"stop" if self.count == count else b"length"
        self.position = 0
        self.due = time.monotonic_ns()
        self.head = (
            f'data: {{"id":"chatcmpl-{next(last_id):016x}","object":"chat.completion.chunk","created":{int(time.time())},'
            f'"model":{json.dumps(model)},"choices":[{{"index":0,"delta":'
        ).encode()

    def opening(self):
        return self.head + b'{"role":"assistant","content":""},"finish_reason":null}]}\n\n'

    def tokens(self, now, byte_count):
        """The events of all tokens that are due by `now`, but no more than fill about `byte_count`."""
        events = []
        room = byte_count
        while self.due <= now and self.position < self.count and room > 0:
            rest = LATER[self.position % len(LATER)] if self.position else FIRST
            event = b"%b%b%d}\n\n" % (self.head, rest, self.due)
            events.append(event)
            room -= len(event)
            self.position += 1
            self.due += INTERVAL_NS
        return b"".join(events)

    @property
    def is_complete(self):
        return self.position == self.count

    def ending(self):
        return b'%b{},"finish_reason":"%b"}]}\n\ndata: [DONE]\n\n' % (self.head, self.finish_reason)


def error_body(message):
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json.dumps({"error": error}).encode()
