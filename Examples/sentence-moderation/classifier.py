#!/usr/bin/env python3
"""A classifier for `sentence-moderation`, as slow as a real one: it takes 300 ms for a sentence.

POST { "input": "..." } to any path; the answer is { "flagged": true } for what holds a word of the list below. Serves many
requests at once, as many streams have many sentences. `classifier.py [ADDRESS [PORT]]`; port 0 lets the system choose.
"""
import http.server
import json
import re
import sys
import time

SECONDS = 0.3
WORDS = re.compile(r"\b(stupid|idiot|hate)\b", re.IGNORECASE)


class Classifier(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        try:
            text = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))["input"]
            status, answer = 200, {"flagged": bool(WORDS.search(text))}
        except (ValueError, KeyError, TypeError):
            status, answer = 400, {"error": 'send { "input": "a text" }'}
        time.sleep(SECONDS)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 9009
    server = http.server.ThreadingHTTPServer((address, port), Classifier)
    print(f"classifying on http://{server.server_address[0]}:{server.server_address[1]}/classify", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
