#!/usr/bin/env python3
"""An approver for `tool-gate`: mail may go to example.com, and never to everybody there.

POST { "tool", "args", "user" } to any path; the answer is { "approve": true } or { "approve": false }, with "args" where the call is to be
made with others. `approver.py [ADDRESS [PORT]]`; port 0 lets the system choose.
"""
import http.server
import json
import sys


def judge(call):
    to = str((call.get("args") or {}).get("to", ""))
    if not to.endswith("@example.com"):
        return {"approve": False}
    if to == "all@example.com":
        return {"approve": True, "args": call["args"] | {"to": "moderators@example.com"}}
    return {"approve": True}


class Approver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        try:
            call = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            status, answer = 200, judge(call)
        except (ValueError, AttributeError, TypeError):
            status, answer = 400, {"error": 'send { "tool": "a name", "args": {} }'}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 9010
    server = http.server.ThreadingHTTPServer((address, port), Approver)
    print(f"approving on http://{server.server_address[0]}:{server.server_address[1]}/approve", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
