#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`larder memo` with real commands. What runs appends a line to a file, so that runs are counted, never timed."""
import base64
import os
import signal
import stat
import subprocess
import time
import unittest

from cli_support import DONE, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes


class Memo(CliCase):
    def memo(self, script, *options, code=DONE, **how):
        return self.expect(code, "memo", *options, "--", "sh", "-c", script, cwd=self.folder, **how)

    def lines(self, name):
        path = os.path.join(self.folder, name)
        return self.read(path).count(b"\n") if os.path.exists(path) else 0

    def start(self, script, *options):
        return subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "memo", *options, "--", "sh", "-c",
                                 script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, env=environment())

    def test_output_is_replayed_byte_for_byte(self):
        script = r"echo x >> log; printf 'a\000b\377\n'; printf '\001\377' >&2"
        for _ in range(2):
            ran = self.memo(script)
            self.assertEqual(ran.raw, b"a\0b\xff\n")
            self.assertEqual(ran.err.encode("utf-8", "surrogateescape"), b"\x01\xff")
        self.assertEqual(self.lines("log"), 1)

    def test_what_can_not_be_opened_here_is_not_replaced(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write("cache:\n  key_file: KEYS\n  namespaces:\n    memo: {seal: aes-256-gcm}\n")
        keys = os.path.join(self.folder, "KEYS")
        self.expect(DONE, "keys", "new", keys)
        first = self.read(keys)
        script = "echo x >> log; date +%s%N"
        kept = self.memo(script).out
        self.assertEqual(self.memo(script).out, kept)
        os.unlink(keys)
        self.expect(DONE, "keys", "new", keys)
        for _ in range(2):
            ran = self.memo(script)
            self.assertNotEqual(ran.out, kept)
            self.assertIn("not kept", ran.err)
        self.assertEqual(self.lines("log"), 3)
        with open(keys, "wb") as file:
            file.write(first)
        self.assertEqual(self.memo(script).out, kept)

    def test_large_output(self):
        script = "echo x >> log; head -c 5000000 /dev/zero | tr '\\0' 'z'"
        for _ in range(2):
            self.assertEqual(self.memo(script).raw, b"z" * 5000000)
        self.assertEqual(self.lines("log"), 1)

    def test_exit_codes_pass_and_only_success_is_kept(self):
        for code in (1, 3, 124, 255):
            self.memo(f"echo x >> log{code}; exit {code}", code=code)
            self.memo(f"echo x >> log{code}; exit {code}", code=code)
            self.assertEqual(self.lines(f"log{code}"), 2)
        self.memo("echo x >> log; exit 7", "--failures", code=7)
        self.memo("echo x >> log; exit 7", "--failures", code=7)
        self.assertEqual(self.lines("log"), 1)
        self.memo("kill -9 $$", code=137)
        self.memo("sleep 1000", "--timeout", "100ms", code=124)
        self.assertEqual(self.larder("memo", "--", "larder-no-such-program").code, 127)
        self.assertEqual(self.larder("memo", "--", self.folder).code, 126)

    def test_inputs_outputs_variables_and_folder(self):
        script = "echo x >> log; mkdir -p d; cat in > d/out; chmod 750 d/out; echo $SEASON"
        how = ("-i", "in", "-o", "d/out", "-e", "SEASON")
        self.write("in", b"one\n")
        out = os.path.join(self.folder, "d", "out")
        self.assertEqual(self.memo(script, *how, SEASON="spring").out, "spring\n")
        os.remove(out)
        os.rmdir(os.path.dirname(out))
        self.assertEqual(self.memo(script, *how, SEASON="spring").out, "spring\n")
        self.assertEqual((self.read(out), stat.S_IMODE(os.stat(out).st_mode)), (b"one\n", 0o750))
        self.assertEqual(self.lines("log"), 1)
        self.assertEqual(self.memo(script, *how, SEASON="autumn").out, "autumn\n")
        self.write("in", b"two\n")
        self.memo(script, *how, SEASON="autumn")
        self.assertEqual((self.lines("log"), self.read(out)), (3, b"two\n"))
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        self.expect(DONE, "memo", "--", "sh", "-c", "echo x >> ../count", cwd=other)
        self.expect(DONE, "memo", "--folder", other, "--", "sh", "-c", "echo x >> ../count", cwd=self.folder)
        self.assertEqual(self.lines("count"), 1)
        self.expect(DONE, "memo", "--", "sh", "-c", "echo x >> ../count", cwd=self.root)
        self.assertEqual(self.lines("count"), 2)

    def test_fresh_ttl_and_namespace(self):
        self.memo("echo x >> log")
        self.memo("echo x >> log", "--fresh")
        self.assertEqual(self.lines("log"), 2)
        key = self.document("memo", "--ns", "tools", "--ttl", "1h", "--", "sh", "-c", "echo hello")["key"]
        record = self.document("get", "tools", key)
        self.assertLessEqual(record["fresh_until_ms"] - record["written_ms"], 3600 * 1000)
        self.assertIn('"exit":0', record["value"])

    def test_concurrent_callers_run_it_once(self):
        # It can't be over before all have been started: it waits until a file is there.
        script = "echo ran >> log; while [ ! -e go ]; do sleep 0.01; done; cat log; echo $$"
        callers = [self.start(script) for _ in range(8)]
        self.write("go", b"")
        outputs = {caller.communicate(timeout=60)[0] for caller in callers}
        self.assertEqual([caller.returncode for caller in callers], [0] * 8)
        self.assertEqual((len(outputs), self.lines("log")), (1, 1))

    def wait_for(self, name):
        done = subprocess.run(["sh", "-c", f"for i in $(seq 3000); do [ -s {name} ] && exit 0; sleep 0.01; done; exit 1"],
                              cwd=self.folder, check=False)
        self.assertEqual(done.returncode, 0, f"{name} never came")

    def test_a_killed_runner_frees_the_others(self):
        script = "echo $$ >> log; while [ ! -e go ]; do sleep 0.01; done; echo done"
        first = self.start(script)
        self.wait_for("log")
        second = self.start(script)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)
        self.write("go", b"")
        out, err = second.communicate(timeout=60)
        self.assertEqual((second.returncode, out), (0, b"done\n"), err)
        self.assertEqual(self.lines("log"), 2)
        # The killed runner's command went with it: it is gone, or a zombie that nobody has looked at.
        pid = self.read(os.path.join(self.folder, "log")).split()[0].decode()
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                self.assertIn(") Z", file.read())
        except FileNotFoundError:
            pass

    def test_what_a_killed_runner_left_behind_is_waited_for(self):
        inner = "echo begin >> log; while [ ! -e go ]; do sleep 0.01; done; echo end >> log"
        script = f"sh -c '{inner}'; true"
        first = self.start(script)
        self.wait_for("log")
        second = self.start(script)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)
        for _ in range(20):  # time for the second to begin too early
            if self.lines("log") > 1:
                break
            time.sleep(0.01)
        self.write("go", b"")
        second.communicate(timeout=60)
        self.assertEqual(self.read(os.path.join(self.folder, "log")).split(), [b"begin", b"end"] * 2)

    def test_a_finished_command_above_is_no_hindrance(self):
        key = self.document("memo", "--", "true")["key"]
        self.assertFalse(self.document("memo", "--fresh", "--", "true", LARDER_MAKING=key)["hit"])

    def test_times_and_output_are_bounded(self):
        self.memo("sleep 0.01", "--timeout", "9223372036854ms")
        document = self.document("memo", "--max-output", "1KiB", "--", "head", "-c", "300000", "/dev/zero")
        self.assertFalse(document["kept"])
        self.assertEqual(len(base64.b64decode(document["stdout"]) if document["stdout_encoding"] == "base64"
                             else document["stdout"]), 1024)

    def test_signals_are_passed_on(self):
        for number, code in ((signal.SIGTERM, 15), (signal.SIGINT, 2), (signal.SIGUSR1, 10)):
            name = f"log{code}"
            caller = self.start(f"trap 'echo caught; exit 9' {code}; echo x >> {name}; while :; do sleep 0.01; done")
            self.wait_for(name)
            caller.send_signal(number)
            self.assertEqual((caller.communicate(timeout=60)[0], caller.returncode), (b"caught\n", 9))

    def test_a_signal_ends_the_waiting_for_another(self):
        script = "echo x >> log; while [ ! -e go ]; do sleep 0.01; done"
        first = self.start(script)
        self.wait_for("log")
        second = self.start(script)
        # From when it catches signals on: then it is waiting, or about to.
        subprocess.run(["sh", "-c", f"for i in $(seq 3000); do grep -q '^SigCgt:.*7$' /proc/{second.pid}/status && exit 0; "
                        "sleep 0.01; done"], check=False)
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=60)
        self.assertEqual(second.returncode, 128 + signal.SIGTERM)
        self.write("go", b"")
        first.communicate(timeout=60)
        self.assertEqual((first.returncode, self.lines("log")), (0, 1))

    def test_output_that_nobody_reads_ends_it_and_is_not_kept(self):
        caller = self.start("yes")
        self.assertEqual(caller.stdout.readline(), b"y\n")
        caller.stdout.close()
        self.assertEqual(caller.wait(timeout=60), 128 + signal.SIGPIPE)
        caller.stderr.close()

    def test_without_a_cache_it_runs_all_the_same(self):
        for options in (("--root", "/dev/null/x"), ("--root", self.root, "--config", self.write("bad.yaml", b"cache: 7\n"))):
            done = subprocess.run([LARDER, *options, "memo", "--", "sh", "-c", "echo out; exit 3"], capture_output=True,
                                  env=environment(), check=False, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (3, b"out\n"))
            self.assertIn(b"going on without the cache", done.stderr)

    def test_document(self):
        first = self.document("memo", "--", "sh", "-c", r"printf '\377'; echo e >&2")
        self.assertIsNone(fits(shapes()["memo"], first))
        second = self.document("memo", "--", "sh", "-c", r"printf '\377'; echo e >&2")
        self.assertIsNone(fits(shapes()["memo"], second))
        self.assertEqual((first["hit"], second["hit"], second["stdout"], second["stdout_encoding"]),
                         (False, True, "/w==", "base64"))
        failed = self.document("memo", "--", "sh", "-c", "exit 3", code=3)
        self.assertEqual((failed["kept"], failed["why"]), (False, "exit code 3"))

    def test_mistakes(self):
        for args, says in ((("memo",), "CMD... is missing"), (("memo", "echo", "hi"), "stands behind --"),
                           (("memo", "-i", "absent", "--", "true"), "the input absent can't be read"),
                           (("memo", "--folder", "/nonexistent", "--", "true"), "folder /nonexistent")):
            ran = self.larder(*args, cwd=self.folder)
            self.assertEqual(ran.code, USAGE, ran)
            self.assertIn(says, ran.err)
        ran = self.larder("get", "memo", "x")
        self.assertEqual(ran.code, NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
