#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An origin for tests of the http maker: answers by the path, well and badly. Usage: origin.py [FOLDER]

Prints `ready PORT`, or with a FOLDER `ready PORT TLS_PORT WRONG_PORT`: then it makes a certificate authority there (ca.pem), and
serves TLS with a certificate for 127.0.0.1, and with one for another name. It remembers every request. On standard input it is
asked: `count PATH`, `header PATH NAME` (of the last request for it), `waiting` (requests that hang or drip), `change` (what
/etag and /modified hand out becomes another version), `to NAME URL` (where /to/NAME redirects), `bytes PATH` (of the bodies sent
for it), `most` (requests at once since this was asked last), `times PREFIX` (when requests for such paths came, in
milliseconds), `switch NAME HOW` (what /switch/NAME and, as `ticks`, /tick do), `release NAME` (whoever waits at /hold/NAME is answered),
`clock FILE` (where /tick reads a count). Each is answered by one line. It ends when standard input does."""
import collections
import email.utils
import gzip
import http.server
import mmap
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

lock = threading.Lock()
requests = collections.Counter()
last_headers = {}
targets = {}
switches = {}
body_bytes = collections.Counter()
arrivals = []
state = {"version": 1, "waiting": 0, "inside": 0, "most": 0, "clock": None}
closing = threading.Event()
released = set()
SHORT = 0.01


def body_of(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        with lock:
            body_bytes[self.path] += len(body)  # before whoever has it all may ask for it
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            state["inside"] += 1
            state["most"] = max(state["most"], state["inside"])
        try:
            self.answer()
        finally:
            with lock:
                state["inside"] -= 1

    do_HEAD = do_GET

    def answer(self):
        path = self.path
        with lock:
            requests[path] += 1
            self.number = requests[path]
            last_headers[path] = self.headers
            arrivals.append((path, time.monotonic()))
            del arrivals[:-10000]
        parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(path).path.split("/")[1:]]
        answer = getattr(self, "on_" + parts[0], None)
        if answer is None:
            self.send(404)
            return
        try:
            answer(*parts[1:])
        except OSError:
            self.close_connection = True

    # --- values

    def on_value(self, size):
        self.send(200, body_of(int(size)))

    def on_echo(self, text, status="200"):
        self.send(int(status), text.encode("latin-1"))

    def on_asked(self, *_parts):
        """The request's target as the body: what a key became."""
        self.send(200, self.path.encode())

    def on_status(self, status, size="0"):
        self.send(int(status), body_of(int(size)))

    def on_chunked(self, size, whole="whole"):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, int(size), 1000):
            piece = body_of(int(size))[at:at + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole == "whole":
            self.wfile.write(b"0\r\nETag: \"of-a-trailer\"\r\n\r\n")
        else:
            self.close_connection = True

    # --- validators

    def conditional(self, version_name, version, asked_name, **headers):
        if self.headers.get(asked_name) == version:
            self.send(304, **{version_name: version}, **headers)
        else:
            self.send(200, b"version %d" % state["version"], **{version_name: version}, **headers)

    def on_etag(self, form=""):
        self.conditional("ETag", '%s"v%d"' % (form, state["version"]), "If-None-Match")

    def on_bare304(self):
        """Says in a 304 no more than it has to."""
        if self.headers.get("If-None-Match") == '"kept"':
            self.send(304)
        else:
            self.send(200, b"kept", ETag='"kept"')

    def on_modified(self, *_none):
        self.conditional("Last-Modified", email.utils.formatdate(784111777 + state["version"], usegmt=True),
                         "If-Modified-Since")

    def on_headers(self, *pairs):
        """Headers as the path names them: name, value, name, value."""
        self.send_response(200)
        for name, value in zip(pairs[::2], pairs[1::2]):
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    # --- failures that pass

    def on_fail(self, times, status, _name):
        if self.number <= int(times):
            self.send(int(status), b"not now")
        else:
            self.send(200, b"at last")

    def on_after(self, times, after, _name):
        if self.number <= int(times):
            self.send(429, b"slow down", Retry_After=after)
        else:
            self.send(200, b"at last")

    # --- lies and worse

    def on_short(self, said, sent):
        self.send(200, body_of(int(sent)), length=int(said))
        self.close_connection = True

    def on_until_closed(self, size):
        """HTTP/1.0: the end of the connection is the end of the body."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + body_of(int(size)))
        self.close_connection = True

    def on_garbage(self):
        self.wfile.write(b"\x00\xff\x13garbage that is no HTTP\r\n\r\n" * 20)
        self.close_connection = True

    def on_nothing(self):
        self.close_connection = True

    def on_early(self):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nETag: \"of-a-hint\"\r\n\r\n")
        self.send(200, b"after a hint")

    def on_endless(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not closing.is_set():
            self.wfile.write(b"X-More: " + b"x" * 4000 + b"\r\n")

    def wait(self, piece):
        with lock:
            state["waiting"] += 1
        try:
            while not closing.wait(SHORT):
                self.wfile.write(piece)
                self.connection.setblocking(False)
                try:
                    if self.connection.recv(1) == b"":
                        break
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                self.connection.setblocking(True)
        finally:
            self.close_connection = True
            with lock:
                state["waiting"] -= 1

    def on_hang(self, *_name):
        self.wait(b"")

    def on_drip(self, *_name):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wait(b"x")

    # --- as it is told

    def on_hold(self, name):
        """Answers once it is released."""
        with lock:
            state["waiting"] += 1
        while name not in released and not closing.wait(SHORT):
            pass
        with lock:
            state["waiting"] -= 1
        self.send(200, b"held " + name.encode())

    def on_slow(self, milliseconds, name):
        closing.wait(int(milliseconds) / 1000)
        self.send(200, b"slow " + name.encode())

    def on_switch(self, name):
        how = switches.get(name, "well")
        if how == "well":
            self.send(200, b"value of " + name.encode())
        elif how.startswith("value-"):
            self.send(200, how.encode())
        elif how.isdigit():
            self.send(int(how), b"so it was told")
        else:
            getattr(self, "on_" + how)()

    def on_tick(self, ns, key):
        """The count as it stands, in a value that tells whether it is whole."""
        how = switches.get("ticks", "well")
        if how == "well":
            now = state["clock"][0]
            text = b"%s|%s|H|%d|" % (ns.encode(), key.encode(), now)
            size = 60 + now % 2000
            self.send(200, (text * (size // len(text) + 1))[:size])
        else:
            self.on_switch("ticks")

    # --- redirects

    def on_hop(self, left):
        """So many redirects, then an echo."""
        to = "/hop/%d" % (int(left) - 1) if int(left) > 1 else "/echo/there"
        self.send(302, b"", Location=to)

    def on_loop(self):
        self.send(301, b"round", Location="/loop")

    def on_to(self, name):
        self.send(307, b"", Location=targets[name])

    def on_lost(self):
        self.send(302)

    # --- packed

    def on_gzip(self, size, form="whole"):
        packed = gzip.compress(body_of(int(size)))
        if form == "twice":
            packed += gzip.compress(b"and more")
        elif form == "short":
            packed = packed[:-9]
        elif form == "bad":
            packed = packed[:-8] + bytes(8)
        elif form == "empty":
            packed = b""
        self.send(200, packed, Content_Encoding="gzip")

    def on_bomb(self, mebibytes):
        packer = gzip.zlib.compressobj(9, wbits=31)
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        for _ in range(int(mebibytes)):
            self.wfile.write(packer.compress(bytes(1 << 20)))
        self.wfile.write(packer.flush())
        self.close_connection = True

    def on_packed(self, coding):
        self.send(200, b"whatever", Content_Encoding=coding)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Origin)
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        # In the connection's own thread: a slow handshake holds up nobody else.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # a client that does not trust us, or has gone


def openssl(folder, *argv):
    subprocess.run(["/usr/bin/openssl", *argv], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def certificate(folder, name, alternative):
    """A server's certificate, signed by the authority in the folder; its context."""
    with open(os.path.join(folder, name + ".ext"), "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={alternative}\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
            "-keyout", name + ".key", "-out", name + ".csr")
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", name + ".ext", "-out", name + ".pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key"))
    return context


def answer_control(words):
    with lock:
        if words[0] == "count":
            return str(requests[words[1]])
        if words[0] == "header":
            headers = last_headers.get(words[1])
            value = headers.get(words[2]) if headers else None
            return "-" if value is None else value
        if words[0] == "waiting":
            return str(state["waiting"])
        if words[0] == "change":
            state["version"] += 1
            return "done"
        if words[0] == "to":
            targets[words[1]] = words[2]
            return "done"
        if words[0] == "bytes":
            return str(body_bytes[words[1]])
        if words[0] == "most":
            most, state["most"] = state["most"], state["inside"]
            return str(most)
        if words[0] == "times":
            return " ".join("%d" % (when * 1000) for path, when in arrivals if path.startswith(words[1])) or "-"
        if words[0] == "switch":
            switches[words[1]] = words[2]
            return "done"
        if words[0] == "release":
            released.add(words[1])
            return "done"
        if words[0] == "clock":
            with open(words[1], "rb") as file:
                state["clock"] = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).cast("Q")
            return "done"
    return "?"


def main():
    servers = [Server()]
    if len(sys.argv) > 1:
        folder = sys.argv[1]
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=An authority for tests", "-keyout", "ca.key", "-out", "ca.pem")
        servers.append(Server(certificate(folder, "right", "IP:127.0.0.1,DNS:localhost")))
        servers.append(Server(certificate(folder, "wrong", "DNS:elsewhere.example")))
    print("ready", *(server.server_address[1] for server in servers), flush=True)
    for line in sys.stdin:
        print(answer_control(line.split()), flush=True)
    closing.set()


main()
