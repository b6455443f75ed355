#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM amid what is made or tried: nothing that was started is left behind, and the exit code says so."""
import os
import signal
import subprocess
import time
import unittest

from cli_support import DONE, LARDER, CliCase, environment

# While the file is there, the program starts another, says which, and waits.
PROGRAM = """[sh, -c, 'if [ -e "$1/slow" ]; then sleep 1000 >/dev/null 2>&1 & echo $! >>"$1/pids"; wait; fi; echo value', sh, FOLDER]"""


def is_there(pid):
    """Not gone, and no zombie that nobody has reaped yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return ") Z" not in file.read()
    except OSError:
        return False


class Interrupts(CliCase):
    def setUp(self):
        super().setUp()
        program = PROGRAM.replace("FOLDER", self.folder)
        self.write("larder.yaml", ("cache: {namespaces: {a: {ttl: 1h, maker: {command: " + program +
                                   "}, health: {check: {command: " + program + ", timeout: 5m, every: 10h}}}}}\n").encode())

    def pids(self):
        path = os.path.join(self.folder, "pids")
        return [int(line) for line in self.read(path).split()] if os.path.exists(path) else []

    def interrupted(self, *args, signals, count=1):
        """The exit code of a command that is sent the signals once so many programs wait."""
        self.write("slow", b"")
        with subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, *args], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=environment(),
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as running:
            until = time.monotonic() + 60
            while len(self.pids()) < count and time.monotonic() < until and running.poll() is None:
                time.sleep(0.01)
            for number in signals:
                time.sleep(0.3)
                self.assertIsNone(running.poll())
                running.send_signal(number)
            err = running.communicate(timeout=60)[1].decode()
        self.assertEqual(len(self.pids()), count, err)
        for pid in self.pids():
            self.assertFalse(is_there(pid), (args, pid))
        return running.returncode, err

    def test_a_making_ends_with_all_it_has_started(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                self.write("pids", b"")
                code, err = self.interrupted("get", "a", "k", "--make", signals=[number])
                self.assertEqual(code, 128 + number, err)
                self.assertIn("stopped", err)

    def test_what_was_broken_off_is_made_the_next_time(self):
        self.interrupted("get", "a", "k", "--make", signals=[signal.SIGINT])
        os.remove(os.path.join(self.folder, "slow"))
        self.assertEqual(self.expect(DONE, "get", "a", "k", "--make").raw, b"value\n")

    def test_a_job_ends_what_is_under_way_by_sigterm_and_by_the_second_interrupt(self):
        keys = self.write("keys", b"one\ntwo\nthree\n")
        for signals in ([signal.SIGTERM], [signal.SIGINT, signal.SIGINT]):
            with self.subTest(signals=signals):
                self.write("pids", b"")
                code, err = self.interrupted("warm", "a", "--keys", keys, "--parallel", "2", signals=signals, count=2)
                self.assertEqual(code, 128 + signals[0], err)
                self.assertIn("stopped with 3 left", err)
                self.assertNotIn("failed:", err)

    def test_refreshing_and_checking_end_likewise(self):
        self.put("a", "k", "v")
        for args in (["refresh", "a"], ["health", "a", "--check"]):
            with self.subTest(args=args):
                self.write("pids", b"")
                code, err = self.interrupted(*args, signals=[signal.SIGTERM])
                self.assertEqual(code, 128 + signal.SIGTERM, err)
        self.assertEqual(self.document("health", "a", "--limit", "0")["entries"], [])
        self.assertEqual(self.expect(DONE, "get", "a", "k").raw, b"v")


if __name__ == "__main__":
    unittest.main()
