#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A public API to try things on: slow, and not always well. Usage: public_api.py PORT [--slow SECONDS] [--background]

Answers GET /SOURCE/MARKET with a small JSON document and its ETag; 304 to who has it already, 404 for a market that it does not
have, 503 while there is a file `trouble` in the folder where it was started. A file `release` there says which release of the
data it gives out. With port 0 it takes a free one. It prints its address, and writes what it was asked and how it answered into
`api.log`, its process into `api.pid`. With --background it goes on by itself; `kill $(cat api.pid)` ends it."""
import argparse
import hashlib
import http.server
import json
import os
import time

MARKETS = {"14500": "Boulder", "19740": "Denver", "22660": "Fort Collins", "24540": "Greeley", "17820": "Colorado Springs"}
SOURCES = ("census", "bls", "fema", "transit")


def release_now():
    try:
        with open("release", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 1


def document(source, market):
    figure = int(hashlib.sha256(f"{source} {market}".encode()).hexdigest()[:5], 16)
    return json.dumps({"source": source, "market": market, "name": MARKETS[market], "release": release_now(), "figure": figure})


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    slow = 0.5

    def answer(self, status, body="", **headers):
        with open("api.log", "a", encoding="ascii") as log:
            log.write(f"{self.path} {status}\n")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        time.sleep(self.slow)
        parts = self.path.strip("/").split("/")
        if os.path.exists("trouble"):
            self.answer(503, Retry_After="1")
        elif len(parts) != 2 or parts[0] not in SOURCES or parts[1] not in MARKETS:
            self.answer(404)
        else:
            body = document(*parts)
            etag = '"%s"' % hashlib.sha256(body.encode()).hexdigest()[:12]
            if self.headers.get("If-None-Match") == etag:
                self.answer(304, ETag=etag)
            else:
                self.answer(200, body, ETag=etag, Content_Type="application/json")

    def log_message(self, *args):
        pass


def main():
    parser = argparse.ArgumentParser(description="A public API to try things on.")
    parser.add_argument("port", type=int)
    parser.add_argument("--slow", type=float, default=Origin.slow, metavar="SECONDS", help="before each answer")
    parser.add_argument("--background", action="store_true", help="go on by itself")
    args = parser.parse_args()
    Origin.slow = args.slow
    http.server.ThreadingHTTPServer.request_queue_size = 64
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Origin)
    print("http://127.0.0.1:%d" % server.server_address[1], flush=True)
    if args.background:
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
    with open("api.pid", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
