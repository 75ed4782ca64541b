"""Token streams of honest clients, which go on while a gateway is attacked and must not lose a token."""

import threading
import time

import wire


class Bystanders:
    """`count` streams over a few HTTP/2 connections; each that ends well is followed by another."""

    def __init__(self, port, model, count=60, connections=3):
        self.peers = [wire.Peer(port) for _ in range(connections)]
        self.model = model
        self.count = count // connections
        self.finished = 0
        self.texts = set()
        self.failures = []
        self.longest_gap = 0.0
        self.isStopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def start(self, peer):
        stream = peer.next
        peer.next += 2
        peer.write(wire.chat(stream, self.model, stream=True))
        peer.running[stream] = time.monotonic()

    def run(self):
        for peer in self.peers:
            peer.next, peer.running = 1, {}
            # A connection window for all it will ever read; a stream's own is large enough for its answer.
            peer.write(wire.frame(wire.WINDOW_UPDATE, 0, 0, b"\x7f\0\0\0"))
            peer.on_frame = lambda kind, stream, peer=peer: self.seen(peer, kind, stream)
            for _ in range(self.count):
                self.start(peer)
        while any(peer.running for peer in self.peers):
            for peer in self.peers:
                self.turn(peer)
            time.sleep(0.005)

    def turn(self, peer):
        peer.take()
        if peer.closed or peer.goaway is not None:
            self.failures += [f"stream {stream}: connection lost, {peer.goaway}" for stream in peer.running]
            peer.running = {}
        for stream in [stream for stream in peer.running if peer.is_over(stream)]:
            self.judge(peer.body.pop(stream, b""), peer.resets.get(stream), peer.status.get(stream))
            del peer.running[stream]
            if not self.isStopping:
                self.start(peer)

    def seen(self, peer, kind, stream):
        if kind == wire.DATA and stream in peer.running:
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - peer.running[stream])
            peer.running[stream] = now

    def judge(self, body, reset, status):
        events = [event[6:] for event in body.split(b"\n\n") if event]
        if reset is not None or status != 200 or events[-1:] != [b"[DONE]"]:
            self.failures.append((status, reset, body[-200:]))
            return
        self.texts.add("".join(
            choice["delta"].get("content", "") for event in events[:-1] for choice in wire.json.loads(event)["choices"]))
        self.finished += 1

    def check(self):
        """Every stream so far was whole, and all said the same."""
        assert not self.failures, self.failures[:3]
        assert self.thread.is_alive()
        assert len(self.texts) <= 1, self.texts

    def stop(self):
        self.isStopping = True
        self.thread.join(30)
        stuck = self.thread.is_alive()
        for peer in self.peers:
            peer.close()
        assert not stuck, "streams never ended"
        assert not self.failures, self.failures[:3]
        assert self.finished >= self.count and len(self.texts) == 1
