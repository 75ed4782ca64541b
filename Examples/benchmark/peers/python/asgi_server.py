"""A token server as an ASGI application, for hypercorn: answers chat completions with a stream of one token every 25 ms."""

import asyncio
import time

from tokens import HEADERS, PATH, REQUEST_BYTES_MAX, Answer, BadRequest, error_body

# Tokens that are due together, since the client or this server was late, leave together: about so much at a time.
CHUNK_BYTES = 16 << 10


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    if (scope["method"], scope["raw_path"]) != ("POST", PATH):
        await refuse(send, 404, f"Only POST {PATH.decode()} is served.")
        return
    body = bytearray()
    is_whole = False
    while not is_whole:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event["body"]
        is_whole = not event["more_body"]
        if len(body) > REQUEST_BYTES_MAX:
            await refuse(send, 413, "The request is too large.")
            return
    try:
        answer = Answer(body)
    except BadRequest as error:
        await refuse(send, 400, str(error))
        return
    await stream(answer, receive, send)


async def live(receive, send):
    """Confirms that the application has started and, at the end, that it has stopped: it keeps nothing."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def stream(answer, receive, send):
    # Once the body is read, the one event to come is that the client has gone.
    gone = asyncio.create_task(receive())
    try:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        events = answer.opening()
        while not gone.done():
            events += answer.tokens(time.monotonic_ns(), CHUNK_BYTES)
            if answer.is_complete:
                await send({"type": "http.response.body", "body": events + answer.ending()})
                return
            # Waits while the client has no room.
            await send({"type": "http.response.body", "body": events, "more_body": True})
            events = b""
            await sleep_until(answer.due)
    finally:
        gone.cancel()


async def sleep_until(due):
    """Sleeps until the monotonic clock, in nanoseconds, says `due`. Loops count in milliseconds and may wake early."""
    while (left := due - time.monotonic_ns()) > 0:
        await asyncio.sleep(-(-left // 1_000_000) / 1000)


async def refuse(send, status, message):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": error_body(message)})
