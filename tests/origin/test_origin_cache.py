#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole of it: the command line and a program with the cache in it, before an origin that counts what it is asked."""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

SOURCE, BUILD = os.environ["LARDER_SOURCE_DIR"], os.environ["LARDER_BINARY_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests/cli"))
from cli_support import CONFIG, DONE, FAILED, NOT_FOUND, CliCase, environment  # noqa: E402

USER = os.path.join(BUILD, "tests/origin_user")
NGINX = "/usr/sbin/nginx"
SECRET = "s3cret-Of-The-Origin"
PATIENCE = 60

CONFIG_TEXT = """cache:
  defaults: {tiers: [memory, sqlite], ttl: 1h, error_ttl: 1h, negative_ttl: 1h, maker: {http: "ORIGIN/{+key}", retries: 0}}
  namespaces:
    plain: {}
    folder: {tiers: [memory, files]}
    behind: {stale_while_revalidate: 1h}
    error: {stale_if_error: 1h, error_ttl: 1ms, maker: {http: "ORIGIN/{+key}", retries: 0, timeout: 300ms}}
    gone: {stale_if_error: 1h, error_ttl: 1ms, maker: {http: "http://127.0.0.1:CLOSED/{+key}", retries: 0}}
    brief: {error_ttl: 1ms}
    soft: {stale_if_error: 1h, maker: {http: "ORIGIN/{+key}", retries: 0, soft_timeout: 200ms, hard_timeout: 30s}}
    hard: {maker: {http: "ORIGIN/{+key}", retries: 0, hard_timeout: 400ms}}
    told: {ttl: 2h, maker: {http: "ORIGIN/{+key}", cache_control: true}}
    untold: {ttl: 2h, maker: {http: "ORIGIN/{+key}"}}
    small: {maker: {http: "ORIGIN/{+key}", max_size: 1KiB}}
    hops: {maker: {http: "ORIGIN/{+key}", redirects: 3}}
    rated: {maker: {http: "ORIGIN/{+key}", rate: 5/s, parallel: 16}}
    two: {maker: {http: "ORIGIN/{+key}", parallel: 2}}
    safe: {maker: {http: "TLS/{+key}", ca_file: "FOLDER/ca.pem"}}
    wrong: {maker: {http: "WRONG/{+key}", ca_file: "FOLDER/ca.pem"}}
    headed: {maker: {http: "ORIGIN/{+key}", retries: 0, headers: {X-Api-Key: "${ORIGIN_KEY}"}}}
    web: {maker: {http: "NGINX/{+key}"}}
"""


class Origin:
    def __init__(self, folder):
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.join(SOURCE, "tests/support/origin.py"), folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port, self.tls_port, self.wrong_port = self.process.stdout.readline().split()[1:]

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def count(self, path):
        return int(self.ask("count", path))

    def wait(self, wanted, *words):
        """Until it answers that; no verdict but by its answer."""
        end = time.monotonic() + PATIENCE
        while self.ask(*words) != str(wanted):
            if time.monotonic() > end:
                raise AssertionError(f"{words} is {self.ask(*words)}, not {wanted}")
            time.sleep(0.005)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class User:
    """A program with the cache in it."""

    def __init__(self, case):
        self.process = subprocess.Popen([USER, case.root, case.config_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(ORIGIN_KEY=SECRET))
        case.addCleanup(self.end)
        self.answer()

    def send(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
            self.process.stdout.close()
        return self.process.returncode

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)


class OriginCase(CliCase):
    def setUp(self):
        super().setUp()
        self.origin = Origin(self.folder)
        self.addCleanup(self.origin.stop)
        self.here = f"http://127.0.0.1:{self.origin.port}"
        self.configure(NGINX="http://127.0.0.1:1")

    def configure(self, **more):
        closed = socket.socket()  # bound and not listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        self.addCleanup(closed.close)
        places = {"ORIGIN": self.here, "CLOSED": str(closed.getsockname()[1]), "FOLDER": self.folder,
                  "TLS": f"https://127.0.0.1:{self.origin.tls_port}", "WRONG": f"https://127.0.0.1:{self.origin.wrong_port}",
                  **more}
        text = CONFIG_TEXT
        for name, place in places.items():
            text = text.replace(f'"{name}/', f'"{place}/').replace(f":{name}/", f":{place}/")
        self.write("larder.yaml", text.encode())

    def larder(self, *args, **how):
        return super().larder(*args, ORIGIN_KEY=SECRET, **how)

    def user(self):
        return User(self)

    def made(self, user, ns, key, value, how="fresh"):
        answer = user.ask("make", ns, key)
        self.assertEqual(answer.split(" ", 3)[::3] + answer.split(" ", 3)[1:2], ["OK", value, how], answer)

    def failed(self, user, ns, key, *parts):
        answer = user.ask("make", ns, key)
        for part in parts:
            self.assertIn(part, answer)
        return answer

    def figure(self, user, name, ns):
        return int(user.ask("stat", name, ns))


class Stampede(OriginCase):
    def test_eight_processes_of_threads_are_one_request(self):
        for ns in ("plain", "folder"):
            users = [self.user() for _ in range(8)]
            for user in users:
                user.send("many", ns, f"slow/700/{ns}", 6)
            self.assertEqual([user.answer() for user in users], ["6 0"] * 8)
            self.assertEqual(self.origin.count(f"/slow/700/{ns}"), 1)

    def test_the_next_makes_what_a_killed_process_was_making(self):
        first, second = self.user(), self.user()
        first.send("make", "plain", "hold/a")
        self.origin.wait(1, "waiting")
        second.send("make", "plain", "hold/a")
        first.kill()
        self.origin.wait(2, "count", "/hold/a")
        self.origin.ask("release", "a")
        self.assertIn("held a", second.answer())
        self.made(self.user(), "plain", "hold/a", "held a")
        self.assertEqual(self.origin.count("/hold/a"), 2)

    def test_what_is_changed_meanwhile_is_not_overwritten(self):
        user, other = self.user(), self.user()
        for number, (key, verb, after) in enumerate([("hold/put", "put", "LARDER_OK newer"), ("hold/del", "delete", "LARDER_MISS ")]):
            user.ask("start", "plain", key)
            self.origin.wait(1, "count", "/" + key)
            other.ask(verb, "plain", key, "newer")
            self.origin.ask("release", key[5:])
            self.assertIn("held", user.ask("join"))
            self.assertEqual(user.ask("get", "plain", key), after)
            self.assertEqual(self.figure(user, "make_overtaken", "plain"), number + 1)

    def test_a_fork_while_flights_are_under_way(self):
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
            if "LARDER_SANITIZE:STRING=thread" in file.read():
                self.skipTest("the thread sanitizer loses count of threads begun in a forked child")
        user = self.user()
        user.ask("start", "plain", "hold/parent")
        self.origin.wait(1, "waiting")
        self.assertIn("value of child", user.ask("fork", "plain", "switch/child"))
        self.assertEqual(self.origin.count("/switch/child"), 1)
        self.assertEqual(user.ask("get", "plain", "switch/child"), "LARDER_OK value of child")
        self.origin.ask("release", "parent")
        self.assertIn("held parent", user.ask("join"))
        self.made(user, "plain", "switch/child", "value of child")
        self.assertEqual([self.origin.count("/hold/parent"), self.origin.count("/switch/child")], [1, 1])
        self.assertEqual(user.end(), 0)


class Stale(OriginCase):
    def test_stale_is_served_and_one_request_is_made_behind(self):
        user, other = self.user(), self.user()
        self.made(user, "behind", "switch/a", "value of a")
        self.origin.ask("switch", "a", "value-two")
        user.ask("expire", "behind", "switch/a")
        self.made(other, "behind", "switch/a", "value of a", "stale")
        self.origin.wait(2, "count", "/switch/a")
        end = time.monotonic() + PATIENCE
        while "stale" in (answer := user.ask("make", "behind", "switch/a")) and time.monotonic() < end:
            time.sleep(0.005)
        self.assertEqual(answer.split(" ", 3)[3], "value-two")
        self.assertEqual(self.origin.count("/switch/a"), 2)
        self.assertGreaterEqual(self.figure(user, "make_behind", "behind"), 1)

    def test_stale_is_served_when_the_origin_fails(self):
        user = self.user()
        for how in ("500", "503", "hang", "drip", "nothing", "garbage"):
            key = "switch/of-" + how
            self.made(user, "error", key, "value of of-" + how)
            self.origin.ask("switch", "of-" + how, how)
            user.ask("expire", "error", key)
            self.made(user, "error", key, "value of of-" + how, "stale")
            # A connection that was closed unused is no failure: libcurl takes another.
            self.assertIn(self.origin.count("/" + key), (2, 3) if how == "nothing" else (2,), how)
            self.origin.ask("switch", "of-" + how, "value-well-again")
            end = time.monotonic() + PATIENCE  # the failure is remembered for 1 ms
            while "stale" in (answer := user.ask("make", "error", key)) and time.monotonic() < end:
                pass
            self.assertEqual(answer.split(" ", 3)[3], "value-well-again")
        user.ask("put", "gone", "k", "kept")
        user.ask("expire", "gone", "k")
        self.made(user, "gone", "k", "kept", "stale")
        self.failed(user, "gone", "another", "LARDER_EAWAY")

    def test_past_the_soft_time_out_stale_is_served_and_past_the_hard_one_nothing(self):
        user = self.user()
        user.ask("put", "soft", "hold/s", "kept")
        user.ask("expire", "soft", "hold/s")
        self.made(user, "soft", "hold/s", "kept", "stale")
        self.failed(user, "hard", "hold/h", "LARDER_EAWAY")
        self.failed(user, "hard", "hold/h", "LARDER_EAWAY")
        self.assertEqual([self.origin.count("/hold/s"), self.origin.count("/hold/h")], [1, 1])
        self.origin.ask("release", "s")
        end = time.monotonic() + PATIENCE
        while user.ask("get", "soft", "hold/s") != "LARDER_OK held s" and time.monotonic() < end:
            time.sleep(0.005)
        self.made(user, "soft", "hold/s", "held s")  # what went on was kept
        self.assertEqual(self.origin.count("/hold/s"), 1)


class Failures(OriginCase):
    def test_a_failure_is_one_request_for_everybody(self):
        user = self.user()
        for _ in range(5):
            self.failed(user, "plain", "status/500", "LARDER_EAWAY", "500")
        self.failed(self.user(), "plain", "status/500", "500")
        self.assertIn("500", self.expect(FAILED, "get", "plain", "status/500", "--make").err)
        self.assertEqual(self.origin.count("/status/500"), 1)

    def test_retry_after_is_kept_to_by_all_processes(self):
        user = self.user()
        self.failed(user, "brief", "after/1/600/x", "429")
        for asker in (user, self.user()):
            self.failed(asker, "brief", "after/1/600/x", "429")
        self.expect(FAILED, "get", "brief", "after/1/600/x", "--make")
        self.assertEqual(self.origin.count("/after/1/600/x"), 1)

    def test_that_there_is_none_is_one_request_also_after_a_restart(self):
        for status in ("404", "410"):
            user = self.user()
            for _ in range(5):
                self.failed(user, "plain", "status/" + status, "LARDER_MISS")
            self.assertEqual(user.end(), 0)
            self.failed(self.user(), "plain", "status/" + status, "LARDER_MISS")
            self.expect(NOT_FOUND, "get", "plain", "status/" + status, "--make")
            self.assertEqual(self.origin.count("/status/" + status), 1)

    def test_too_big_too_far_and_not_who_it_says(self):
        user = self.user()
        self.assertIn("fresh", user.ask("make", "small", "value/1024"))
        self.failed(user, "small", "value/1025", "LARDER_ETOOBIG")
        self.made(user, "hops", "hop/3", "there")
        self.assertEqual(self.origin.count("/hop/1"), 1)
        self.failed(user, "hops", "hop/4", "redirect")
        self.made(user, "safe", "echo/safe", "safe")
        self.failed(user, "wrong", "echo/wrong", "LARDER_EACCES", "127.0.0.1")
        self.assertEqual(self.origin.count("/echo/wrong"), 0)


class Lifetimes(OriginCase):
    def test_what_is_not_modified_lives_on_and_is_not_sent_again(self):
        user = self.user()
        for key in ("etag", "modified", "bare304"):
            value = "kept" if key == "bare304" else "version 1"
            self.made(user, "error", key, value)
            sent = int(self.origin.ask("bytes", "/" + key))
            self.assertEqual(sent, len(value))
            user.ask("expire", "error", key)
            self.made(user, "error", key, value)
            self.assertEqual([self.origin.count("/" + key), int(self.origin.ask("bytes", "/" + key))], [2, sent])
            self.assertEqual(user.ask("get", "error", key), "LARDER_OK " + value)  # its lifetime began anew
        self.assertEqual(self.figure(user, "made_unchanged", "error"), 3)
        self.assertEqual(self.figure(user, "origin_not_modified", "error"), 3)
        self.origin.ask("change")
        for key in ("etag", "modified"):
            user.ask("expire", "error", key)
            self.made(user, "error", key, "version 2")

    def test_cache_control_counts_where_it_is_asked_for(self):
        user = self.user()
        key = "headers/Cache-Control/max-age=60"
        for ns, wanted in (("told", 60), ("untold", 7200)):
            self.made(user, ns, key, "ok")
            self.assertIn(int(user.ask("left", ns, key)), range(wanted - 30, wanted + 2))
        self.made(user, "told", "headers/Cache-Control/no-store", "ok")
        self.assertEqual(user.ask("get", "told", "headers/Cache-Control/no-store").strip(), "LARDER_MISS")
        self.made(user, "untold", "headers/Cache-Control/no-store", "ok")
        self.assertEqual(user.ask("get", "untold", "headers/Cache-Control/no-store"), "LARDER_OK ok")


class Manners(OriginCase):
    def test_no_more_than_so_many_a_second(self):
        keys = self.write("keys", b"".join(b"asked/rate/%d\n" % i for i in range(10)))
        self.assertEqual(self.document("warm", "rated", "--keys", keys, "--parallel", "10")["made"], 10)
        times = [int(ms) for ms in self.origin.ask("times", "/asked/rate/").split()]
        self.assertEqual(len(times), 10)
        self.assertGreaterEqual(times[-1] - times[0], 1750)  # nine intervals of 200 ms, less what arrives late at first

    def test_no_more_than_so_many_at_once(self):
        keys = self.write("keys", b"".join(b"slow/60/%d\n" % i for i in range(12)))
        self.origin.ask("most")
        self.assertEqual(self.document("warm", "two", "--keys", keys, "--parallel", "12")["made"], 12)
        self.assertEqual(self.origin.ask("most"), "2")

    def test_a_secret_is_sent_and_shown_nowhere(self):
        user = self.user()
        self.made(user, "headed", "echo/x", "x")
        self.assertEqual(self.origin.ask("header", "/echo/x", "X-Api-Key"), SECRET)
        shown = [self.failed(user, "headed", key, "LARDER_") for key in ("status/500", "status/401", "short/100/10")]
        for args in (["get", "headed", "status/403", "--make"], ["why", "headed", "status/500"], ["why", "headed", "echo/x"],
                     ["config", "show"], ["--json", "config", "show"], ["stats"], ["--json", "stats"],
                     ["--json", "why", "headed", "status/401"], ["list", "headed"]):
            ran = self.larder(*args)
            self.assertNotEqual(ran.code, CONFIG, ran)
            shown += [ran.out, ran.err]
        self.assertEqual(user.end(), 0)
        for where, _, names in os.walk(self.root):
            for name in names:
                shown.append(self.read(os.path.join(where, name)).decode("latin-1"))
        self.assertGreater(len(shown), 20)
        for text in shown:
            self.assertNotIn(SECRET, text)


class Nginx(OriginCase):
    def setUp(self):
        super().setUp()
        if not os.path.exists(NGINX):
            self.skipTest("nginx is not here")
        listening = socket.socket()  # handed down, so that nobody takes the port before
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.set_inheritable(True)
        self.log = os.path.join(self.folder, "access.log")
        os.mkdir(os.path.join(self.folder, "files"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        temps = "".join(f"{name}_temp_path {self.folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        port = listening.getsockname()[1]
        conf = self.write("nginx.conf", f"""daemon off;\nworker_processes 1;\npid {self.folder}/nginx.pid;\n{user}
events {{ worker_connections 64; }}
http {{ log_format asked "$request_uri $status $body_bytes_sent"; access_log {self.log} asked; default_type text/plain;
  {temps} server {{ listen 127.0.0.1:{port}; root {self.folder}/files; }} }}\n""".encode())
        self.nginx = subprocess.Popen([NGINX, "-p", self.folder, "-c", conf, "-e", "stderr"], stderr=subprocess.DEVNULL,
                                      pass_fds=[listening.fileno()], env={**os.environ, "NGINX": f"{listening.fileno()};"})
        listening.close()
        self.addCleanup(self.nginx_end)
        self.configure(NGINX=f"http://127.0.0.1:{port}")

    def nginx_end(self):
        self.nginx.terminate()
        self.nginx.wait(PATIENCE)

    def asked(self, wanted):
        """What nginx wrote, once it has written so much."""
        end = time.monotonic() + PATIENCE
        while len(lines := self.read(self.log).decode().splitlines()) < wanted and time.monotonic() < end:
            time.sleep(0.005)
        return lines

    def test_files_of_a_server_that_many_use(self):
        self.write("files/one", b"the first")
        users = [self.user() for _ in range(4)]
        for user in users:
            user.send("many", "web", "one", 4)
        self.assertEqual([user.answer() for user in users], ["4 0"] * 4)
        for _ in range(3):
            self.failed(users[0], "web", "none", "LARDER_MISS")
        self.assertEqual(self.expect(DONE, "get", "web", "one", "--make").raw, b"the first")
        self.assertEqual(self.asked(2), ["/one 200 9", "/none 404 " + self.asked(2)[1].split()[-1]])


if __name__ == "__main__":
    unittest.main()
