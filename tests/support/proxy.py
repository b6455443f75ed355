#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy for tests of what asks by HTTP: forwards GET and HEAD of whole URLs, and opens tunnels for CONNECT. Usage: proxy.py FOLDER

Prints `ready PORT TLS_PORT`; the second is spoken to by TLS itself, with the certificate right.pem of an origin's FOLDER. On
standard input it is asked: `count HOST:PORT` (requests and tunnels for it), `password NAME:WORD` (which it wants from now on;
`-`: none), `refuse STATUS` (its answer to everything; 0: none), `header NAME` (of the last request or CONNECT, as the proxy saw
it). Each is answered by one line. It ends when standard input does."""
import base64
import collections
import http.client
import http.server
import os
import selectors
import socket
import ssl
import sys
import threading
import urllib.parse

lock = threading.Lock()
asked = collections.Counter()
state = {"password": None, "refuse": 0, "headers": {}}
OF_ONE_CONNECTION = ("proxy-authorization", "proxy-connection", "connection", "keep-alive")


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def refused(self, place):
        with lock:
            asked[place] += 1
            state["headers"] = self.headers
            status, password = state["refuse"], state["password"]
        if password and self.headers.get("Proxy-Authorization") != "Basic " + base64.b64encode(password.encode()).decode():
            status = 407
        if status:
            self.send_response(status)
            if status == 407:
                self.send_header("Proxy-Authenticate", 'Basic realm="tests"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return status != 0

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.scheme != "http" or self.refused(url.netloc):
            self.close_connection = True
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_ONE_CONNECTION}
        origin = http.client.HTTPConnection(url.netloc, timeout=20)
        origin.request(self.command, self.path[self.path.index(url.netloc) + len(url.netloc):], headers=headers)
        answer = origin.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_ONE_CONNECTION + ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def do_CONNECT(self):
        self.close_connection = True
        if self.refused(self.path):
            return
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as origin, selectors.DefaultSelector() as both:
            self.send_response(200)
            self.end_headers()
            both.register(origin, selectors.EVENT_READ, self.connection)
            both.register(self.connection, selectors.EVENT_READ, origin)
            while True:
                for key, _events in both.select():
                    piece = key.fileobj.recv(65536)
                    while piece and isinstance(key.fileobj, ssl.SSLSocket) and key.fileobj.pending():
                        piece += key.fileobj.recv(65536)
                    if not piece:
                        return
                    key.data.sendall(piece)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Proxy)
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # who has gone


def answer_control(words):
    with lock:
        if words[0] == "count":
            return str(asked[words[1]])
        if words[0] == "password":
            state["password"] = None if words[1] == "-" else words[1]
            return "done"
        if words[0] == "refuse":
            state["refuse"] = int(words[1])
            return "done"
        if words[0] == "header":
            return state["headers"].get(words[1]) or "-"
    return "?"


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(sys.argv[1], "right.pem"), os.path.join(sys.argv[1], "right.key"))
    servers = [Server(), Server(context)]
    print("ready", *(server.server_address[1] for server in servers), flush=True)
    for line in sys.stdin:
        print(answer_control(line.split()), flush=True)


main()
