#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""warm --keys and --places with real commands as makers: counts, progress, rate, Ctrl-C and the command that goes on."""
import json
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import subprocess
import threading
import time
import unittest

from cli_support import DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes

# A value is its key; `absent…` is not there, `bad…` fails, `slow…` waits until a file is there.
MAKER = """cache:
  defaults:
    error_ttl: 0s
    maker:
      command: [/bin/sh, -c, 'echo "$1" >> "$2"; case $1 in absent*) exit 3;; bad*) echo broken >&2; exit 1;;
        slow*) n=0; while [ ! -e "$2.go" ] && [ $n -lt 6000 ]; do n=$((n+1)); sleep 0.01; done;; esac; printf "value of %s" "$1"',
        sh, "{key}", "CALLS"]
      absent_exit: 3
      inherit_environment: true
  namespaces: {plain: {maker: {callback: nobody}}}
"""
PLACES = (b"name,lat,lon,cbsa\nBoulder,40.0150,-105.2705,14500\nDenver,39.7392,-104.9903,19740\n"
          b"Fort Collins,40.5853,-105.0844,22660\nGolden,39.7555,-105.2211,\nNowhere,91,0,1\nPueblo,38.2544,-104.6091,39380\n")


class Keys(CliCase):
    def setUp(self):
        super().setUp()
        self.calls_file = os.path.join(self.folder, "calls")
        self.write("larder.yaml", MAKER.replace("CALLS", self.calls_file).encode())
        self.write("calls", b"")

    def calls(self):
        return self.read(self.calls_file).decode().splitlines()

    def command(self, *args):
        return [LARDER, "--root", self.root, "--config", self.config_file, *args]

    def test_keys_are_made_once_in_every_namespace(self):
        keys = self.write("k", b"one\ntwo\r\n\nabsent-1\n# three\n")
        document = self.document("warm", "a,b", "--keys", keys, "--parallel", "3")
        self.assertIsNone(fits(shapes()["warm-keys"], document))
        self.assertEqual([document[m] for m in ("total", "done", "made", "absent", "hits", "errors")], [8, 8, 6, 2, 0, 0])
        self.assertEqual(self.expect(DONE, "get", "b", "two").raw, b"value of two")
        self.assertEqual(len(self.calls()), 8)
        again = self.expect(DONE, "warm", "a,b", "--keys", keys)
        self.assertIn("made 0 (0 B), there already 6, absent 2, failed 0, in ", again.out)
        self.assertEqual(self.document("warm", "a", "--keys", keys, "--comments")["total"], 3)
        self.assertEqual(self.document("warm", "a", "--keys", "-", "--fresh", stdin=b"one\nfour")["made"], 2)
        self.assertEqual(self.calls()[-2:].count("one"), 1)

    def piped(self, name, data):
        pipe = os.path.join(self.folder, name)
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pathlib.Path(pipe).write_bytes(data))
        writer.start()
        self.addCleanup(writer.join)
        return pipe

    def test_keys_and_places_come_out_of_pipes_too(self):
        keys = self.piped("keys", b"one\n" + b"# \n" * 200000 + b"two")
        self.assertEqual(self.document("warm", "a", "--keys", keys, "--comments")["made"], 2)
        places = self.piped("places.csv", PLACES)
        document = self.document("warm", "a", "--places", places, "--key", "{cbsa}", code=NOT_FOUND)
        self.assertEqual([document[m] for m in ("made", "rejected")], [4, 2])
        for args in (["--keys", self.folder], ["--places", self.folder, "--key", "{name}"]):
            self.assertIn("is a folder; name a file in it", self.expect(USAGE, "warm", "a", *args).err)

    def test_failures_are_told_and_the_rest_is_made(self):
        keys = self.write("k", b"bad-\x1b[31m\ngood\n" + b"x" * 1025 + b"\nbad-2\n")
        ran = self.expect(FAILED, "warm", "a", "--keys", keys)
        self.assertIn("k:3: a key has 1 to 1024 bytes; this one has 1025", ran.err)
        self.assertIn("larder: a bad-2 failed: ", ran.err)
        self.assertIn("broken", ran.err)
        self.assertNotIn("\x1b", ran.err)
        self.assertIn("made 1 (", ran.out)
        document = self.document("warm", "a", "--keys", keys, code=FAILED)
        self.assertIsNone(fits(shapes()["warm-keys"], document))
        self.assertEqual([document[m] for m in ("total", "hits", "errors", "rejected")], [3, 1, 2, 1])
        self.assertEqual(sorted(f["key"] for f in document["failures"]), ["bad-\x1b[31m", "bad-2"])
        self.assertEqual((document["rejects"][0]["line"], document["rejects"][0]["file"]), (3, keys))
        self.expect(NOT_FOUND, "warm", "a", "--keys", self.write("k", b"good\n" + b"x" * 1025))

    def test_places_near_another(self):
        places = self.write("p.csv", PLACES)
        args = ["warm", "a", "--places", places, "--key", "acs:{cbsa}:{name}"]
        ran = self.expect(NOT_FOUND, *args, "--near", "boulder", "--radius", "50mi", "--parallel", "1")
        self.assertIn("p.csv:6: lat is from -90 to 90, not 91; are lat and lon swapped?", ran.err)
        self.assertIn("p.csv:5: its cbsa is empty", ran.err)
        self.assertEqual(self.calls(), ["acs:14500:Boulder", "acs:19740:Denver", "acs:22660:Fort Collins"])
        self.assertEqual(self.document(*args, code=NOT_FOUND)["made"], 1)
        self.assertIn('is "Boulder" meant?', self.expect(NOT_FOUND, *args, "--near", "Bolder").err)
        self.assertIn("a radius is such as 50mi", self.expect(USAGE, *args, "--near", "Boulder", "--radius", "far").err)

    def test_what_does_not_go_together_is_told(self):
        keys = self.write("k", b"a\n")
        for args, code, says in [
                (["--keys", keys], USAGE, "NS is missing"),
                (["a", "--keys", keys, "--ttl", "1h"], USAGE, "--ttl does not go with keys for makers"),
                (["a", "--keys", keys, "--places", keys, "--key", "{name}"], USAGE, "exactly one of these"),
                (["a", "--keys", keys, "--key", "{name}"], USAGE, "only they do"),
                (["a", "--near", "x"], USAGE, "--places is missing"),
                (["a", "--places", keys], USAGE, "--key is missing"),
                (["a", "--keys", "/nowhere/k"], NOT_FOUND, "can't be read"),
                (["a,,b", "--keys", keys], USAGE, ""),
                (["plain", "--keys", keys], FAILED, "nobody makes the keys of namespace plain"),
                (["a", "--keys", self.write("none", b"\n\n")], NOT_FOUND, "there is no key in it"),
        ]:
            self.assertIn(says, self.expect(code, "warm", *args).err)

    def test_a_rate_holds_back(self):
        keys = self.write("k", b"".join(b"k%d\n" % i for i in range(6)))
        self.assertGreaterEqual(self.document("warm", "a", "--keys", keys, "--rate", "20/s")["ms"], 249)

    def interrupted(self, keys, *more, count=3):
        """A run that is interrupted with so many makings under way."""
        with subprocess.Popen(self.command("warm", "a", "--keys", keys, "--parallel", str(count), *more),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            until = time.monotonic() + 60
            while len(self.calls()) < count and time.monotonic() < until:
                time.sleep(0.005)
            running.send_signal(signal.SIGINT)
            # It waits for these three; let them be seen to be under way still.
            time.sleep(0.3)
            self.assertIsNone(running.poll())
            self.write("calls.go", b"")
            out, err = running.communicate(timeout=60)
        return running.returncode, out.decode(), err.decode()

    def test_an_interrupt_ends_in_good_order_and_says_how_to_go_on(self):
        keys = self.write("it's keys", b"".join(b"slow-%d\n" % i for i in range(20)))
        code, out, err = self.interrupted(keys, "--fresh")
        self.assertEqual(code, 128 + signal.SIGINT)
        self.assertIn("made 3 (", out)
        self.assertIn("stopped with 17 left; this goes on from here:\n", err)
        line = err.split("this goes on from here:\n", 1)[1].strip().splitlines()[0]
        words = shlex.split(line)
        self.assertEqual(words[0], "larder")
        self.assertEqual(words[-1], "--resume")
        ran = subprocess.run([LARDER, "--json", *words[1:]], capture_output=True, env=environment(), timeout=60, check=True)
        document = json.loads(ran.stdout)
        self.assertEqual((document["resumed"], document["made"], document["done"]), (3, 17, 20))
        self.assertEqual(len(self.calls()), 20)
        self.assertFalse([name for name in os.listdir(self.root) if name.startswith("warm-")])

    def test_a_checkpoint_of_another_root_leaves_no_key_out(self):
        keys, mark = self.write("k", b"".join(b"slow-%d\n" % i for i in range(20))), os.path.join(self.folder, "mark.json")
        self.interrupted(keys, "--checkpoint", mark)
        command = self.command("--json", "warm", "a", "--keys", keys, "--checkpoint", mark, "--resume")
        command[command.index("--root") + 1] = os.path.join(self.folder, "another root")
        ran = subprocess.run(command, capture_output=True, env=environment(), timeout=60, check=True)
        document = json.loads(ran.stdout)
        self.assertEqual((document["resumed"], document["made"]), (0, 20))

    def test_a_document_has_the_command_that_goes_on(self):
        keys = self.write("k", b"".join(b"slow-%d\n" % i for i in range(9)))
        code, out, err = self.interrupted(keys, "--json", "--rate", "600/min", count=2)
        document = json.loads(out)
        self.assertEqual((code, err), (128 + signal.SIGINT, ""))
        self.assertIsNone(fits(shapes()["warm-keys"], document))
        self.assertTrue(document["stopped"])
        self.assertIn("--rate 36000.000000/h", document["resume"])

    def test_quiet_says_nothing_and_no_terminal_gets_no_bar(self):
        keys = self.write("k", b"one\n")
        ran = self.expect(DONE, "--quiet", "warm", "a", "--keys", keys)
        self.assertEqual((ran.out, ran.err), ("", ""))
        ran = self.expect(DONE, "warm", "b", "--keys", keys)
        self.assertEqual(ran.err, "")

    def test_a_bar_on_a_terminal(self):
        keys = self.write("k", b"".join(b"slow-%d\n" % i for i in range(4)))
        ours, theirs = pty.openpty()
        seen = b""
        with subprocess.Popen(self.command("warm", "a", "--keys", keys), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=theirs, env=environment()) as running:
            os.close(theirs)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        seen += os.read(ours, 65536)
                    except OSError:
                        break
                    if b"0/4" in seen:
                        self.write("calls.go", b"")
                elif running.poll() is not None:
                    break
            running.communicate(timeout=60)
        os.close(ours)
        self.assertIn(b"0/4", seen)
        self.assertTrue(re.search(rb"made \d+  there 0", seen))
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-60:])


if __name__ == "__main__":
    unittest.main()
