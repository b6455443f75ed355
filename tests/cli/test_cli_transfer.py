#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""export and import with real files: round trips through other programs, damage, secrets, rejects, kill -9 and --resume."""
import csv
import io
import json
import os
import signal
import subprocess
import time
import unittest

from cli_support import DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes

SECRET = b'{"user": "ann", "password": "hunter2", "url": "https://ann:hunter2@example.org/"}'


class Transfer(CliCase):
    def path(self, name):
        return os.path.join(self.folder, name)

    def other_root(self):
        """From now on self.larder works on an empty cache."""
        self.root = self.path("other")

    def test_round_trip_in_every_format(self):
        values = {"text": b"hello\r\n\"w\", x", "bin": bytes(range(256)), "json": b'{"a": [1, 2.50]}', "empty": b""}
        for key, value in values.items():
            self.put("demo", key, value, "--kind", "json" if key == "json" else "bytes", "--tag", "t;1", "--ttl", "9d")
        first = self.root
        for ending in ("jsonl", "json", "csv"):
            self.root = first
            file = self.path("x." + ending)
            document = self.document("export", "demo", "--output", file)
            self.assertIsNone(fits(shapes()["export"], document))
            self.assertEqual((document["exported"], document["redacted"], document["failed"]), (4, 0, 0))
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
            self.root = self.path("root-" + ending)
            document = self.document("import", file)
            self.assertIsNone(fits(shapes()["import"], document))
            self.assertEqual((document["imported"], document["verified"]), (4, True))
            for key, value in values.items():
                self.assertEqual(self.expect(DONE, "get", "demo", key).raw, value)
            self.assertEqual(self.document("import", file)["skipped"], 4)
            self.assertEqual(self.document("get", "demo", "text")["tags"], ["t;1"])

    def test_other_programs_read_what_is_exported(self):
        self.put("demo", "a", b'{"n": 1}', "--kind", "json")
        self.put("demo", "b", b"x,\"y\"\nz")
        self.expect(DONE, "export", "--output", self.path("x.jsonl"))
        lines = [json.loads(line) for line in self.read(self.path("x.jsonl")).splitlines()]
        self.assertEqual({line["key"]: line["value"] for line in lines[:-1]}, {"a": {"n": 1}, "b": "x,\"y\"\nz"})
        self.assertEqual(lines[-1]["larder_export"]["entries"], 2)
        self.expect(DONE, "export", "--output", self.path("x.json"))
        document = json.loads(self.read(self.path("x.json")))
        self.assertEqual([entry["key"] for entry in sorted(document["entries"], key=lambda e: e["key"])], ["a", "b"])
        self.expect(DONE, "export", "--output", self.path("x.csv"))
        rows = list(csv.DictReader(io.StringIO(self.read(self.path("x.csv")).decode(), newline="")))
        self.assertEqual({row["key"]: row["value"] for row in rows}, {"a": '{"n": 1}', "b": "x,\"y\"\nz"})

    def test_what_other_programs_write_is_imported(self):
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerows([["value", "key", "ttl"], ["one, \"two\"\nthree", "k1", "7d"], ["", "k2", ""]])
        self.expect(DONE, "import", self.write("t.csv", table.getvalue().encode()), "--ns", "demo")
        self.assertEqual(self.expect(DONE, "get", "demo", "k1").raw, b"one, \"two\"\nthree")
        self.expect(DONE, "import", self.write("t.json", json.dumps({"j1": {"a": [1]}, "j2": "text"}, indent=2).encode()),
                    "--ns", "demo", "--ttl", "1h")
        self.assertEqual(json.loads(self.expect(DONE, "get", "demo", "j1").raw), {"a": [1]})
        document = self.document("get", "demo", "j2")
        self.assertLess(document["fresh_until_ms"] - time.time() * 1000, 3600e3 + 1000)
        self.expect(DONE, "import", "-", "--ns", "demo", stdin=b'{"key":"p","value":"piped"}\n')
        self.assertEqual(self.expect(DONE, "get", "demo", "p").raw, b"piped")

    def test_selection_and_standard_output(self):
        for key in ("a:1", "a:2", "b:1"):
            self.put("demo", key, key, "--tag", key[0])
        self.assertEqual(self.document("export", "demo", "--output", self.path("p.jsonl"), "--prefix", "a:")["exported"], 2)
        self.assertEqual(self.document("export", "demo", "--output", self.path("p.jsonl"), "--key", "*:1")["exported"], 2)
        self.assertEqual(self.document("export", "demo", "--output", self.path("p.jsonl"), "--tag", "b")["exported"], 1)
        ran = self.expect(DONE, "export", "demo", "--output", "-", "--format", "csv")
        self.assertEqual(len(ran.out.splitlines()), 4)
        piped = self.expect(DONE, "export", "demo", "-o", "-")
        self.other_root()
        self.expect(DONE, "import", "-", stdin=piped.raw)
        self.assertEqual(self.expect(DONE, "get", "demo", "b:1").raw, b"b:1")

    def test_secrets_are_hidden_and_do_not_come_back_as_stars(self):
        self.put("demo", "s", SECRET, "--kind", "json", "--meta", "token=hunter2")
        self.put("demo", "o", "open")
        first = self.root
        for ending in ("jsonl", "json", "csv"):
            self.root = first
            hidden, shown = self.path("h." + ending), self.path("s." + ending)
            self.assertEqual(self.document("export", "--output", hidden)["redacted"], 1)
            self.assertNotIn(b"hunter2", self.read(hidden))
            self.assertIn(b"***", self.read(hidden))
            self.expect(DONE, "export", "--output", shown, "--include-secrets")
            self.assertIn(b"hunter2", self.read(shown))
            self.root = self.path("root-" + ending)
            rejects = self.path("rejects-" + ending + (".csv" if ending == "csv" else ".jsonl"))
            ran = self.expect(NOT_FOUND, "import", hidden, "--rejects", rejects)
            self.assertIn("--include-secrets", ran.err)
            if ending != "csv":
                self.rejects_are_imported_when_mended(rejects)
            self.expect(NOT_FOUND, "get", "demo", "s")
            self.assertEqual(self.expect(DONE, "get", "demo", "o").raw, b"open")
            self.expect(DONE, "import", shown)
            self.assertEqual(self.expect(DONE, "get", "demo", "s").raw, SECRET)

    def rejects_are_imported_when_mended(self, rejects):
        """They are lines of an export that lack its end."""
        mended = self.read(rejects).replace(b"***", b"hunter3").replace(b'"redacted":true', b'"redacted":false')
        with open(rejects, "wb") as out:
            out.write(mended)
        self.assertIn("--force", self.expect(NOT_FOUND, "import", rejects).err)
        self.expect(NOT_FOUND, "get", "demo", "s")
        self.expect(DONE, "import", rejects, "--force")
        self.assertIn(b"hunter3", self.expect(DONE, "get", "demo", "s").raw)
        self.expect(DONE, "del", "demo", "s")

    def test_names_of_secrets_are_configurable(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write("cache: {secrets: [badge, '-token']}\n")
        self.put("demo", "s", b'{"badge": "b-1", "max_tokens": 5}', "--kind", "json")
        self.expect(DONE, "export", "--output", self.path("x.jsonl"))
        self.assertNotIn(b"b-1", self.read(self.path("x.jsonl")))
        self.assertIn(b'"max_tokens": 5', self.read(self.path("x.jsonl")))
        self.assertNotIn("b-1", self.expect(DONE, "inspect", "demo").out)

    def test_a_flipped_byte_and_a_cut_are_told(self):
        for i in range(50):
            self.put("demo", f"k{i}", "v" * 50)
        for ending in ("jsonl", "json", "csv"):
            file = self.path("x." + ending)
            self.expect(DONE, "export", "--output", file)
            data = self.read(file)
            for damaged in (data[:700] + bytes([data[700] ^ 4]) + data[701:], data[:len(data) // 2]):
                self.write("x." + ending, damaged)
                ran = self.expect(NOT_FOUND, "import", file, "--ns", "fresh")
                self.assertIn("--force", ran.err)
                self.assertEqual(self.expect(NOT_FOUND, "exists", "fresh", "k1").code, NOT_FOUND)
        self.write("x.jsonl", data)
        self.assertEqual(self.larder("import", self.path("x.csv"), "--ns", "fresh", "--force").code, NOT_FOUND)

    def test_rejects_replace_only_what_an_import_left(self):
        bad = b'{"key":"b"}\n'
        file = self.write("x.jsonl", b'{"key":"a","value":"1"}\n' + bad)
        notes = self.write("notes.txt", b"of a year\n")
        ran = self.expect(USAGE, "import", file, "--ns", "demo", "--rejects", notes)
        self.assertIn("notes.txt is not empty, and is not as an import left its rejects there", ran.err)
        self.assertEqual(self.read(notes), b"of a year\n")
        self.expect(NOT_FOUND, "exists", "demo", "a")
        rejects = self.path("rejects.jsonl")
        for _ in range(2):  # the same again is the latest, and no more
            self.expect(NOT_FOUND, "import", file, "--ns", "demo", "--rejects", rejects)
            self.assertEqual(self.read(rejects), bad)
        mended = self.write("rejects.jsonl", b'{"key":"b","value":"now it has one"}\n')
        self.assertIn("import what was mended", self.expect(USAGE, "import", file, "--ns", "demo", "--rejects", rejects).err)
        self.assertIn(b"now it has one", self.read(mended))
        self.expect(DONE, "import", mended, "--ns", "demo")
        os.remove(mended)
        self.expect(NOT_FOUND, "import", file, "--ns", "demo", "--rejects", rejects)
        self.assertEqual(len([n for n in os.listdir(self.root) if n.startswith("rejects-")]), 1)
        self.write("x.jsonl", b'{"key":"a","value":"1"}\n')
        self.expect(DONE, "import", file, "--ns", "demo", "--rejects", rejects)
        self.assertEqual(self.read(rejects), b"")
        self.assertEqual([n for n in os.listdir(self.root) if n.startswith("rejects-")], [])

    def test_rejects_can_be_mended_and_imported(self):
        file = self.write("x.jsonl", b'{"key":"a","value":"1"}\n{"key":"b"}\nnonsense\n')
        rejects = self.path("rejects.jsonl")
        ran = self.expect(NOT_FOUND, "import", file, "--ns", "demo", "--rejects", rejects)
        self.assertIn("line 2: b: it has no value", ran.err)
        self.assertIn("line 3: no JSON: column 1", ran.err)
        self.assertEqual(self.read(rejects), b'{"key":"b"}\nnonsense\n')
        document = self.larder("--json", "import", file, "--ns", "demo").document
        self.assertEqual([(f["line"], f["key"]) for f in document["failures"]], [(2, "b"), (3, None)])
        self.assertEqual((document["skipped"], document["failed"]), (1, 2))

    def test_wrong_calls(self):
        self.put("demo", "k", "v")
        self.assertIn("--output", self.expect(USAGE, "export", "demo").err)
        self.expect(USAGE, "--json", "export", "demo", "--output", "-")
        self.expect(NOT_FOUND, "export", "dmo", "--output", self.path("x"))
        self.expect(FAILED, "export", "demo", "--output", self.path("no/such/folder"))
        self.assertIn("can't be read", self.expect(NOT_FOUND, "import", self.path("absent.jsonl")).err)
        self.expect(USAGE, "import", self.folder)
        self.expect(NOT_FOUND, "import", self.write("t.csv", b"a,b\n1,2\n"), "--ns", "demo")
        self.assertEqual(self.document("import", self.write("e.jsonl", b""), "--ns", "demo")["entries"], 0)

    def test_a_dry_run_stores_nothing(self):
        file = self.write("x.jsonl", b'{"key":"a","value":"1","ns":"demo"}\n')
        self.put("demo", "k", "v")
        self.assertEqual(self.document("import", file, "--dry-run")["imported"], 1)
        self.expect(NOT_FOUND, "exists", "demo", "a")


class Large(CliCase):
    LINES = 100000

    def test_a_killed_import_of_a_hundred_thousand_lines_goes_on(self):
        file = os.path.join(self.folder, "big.jsonl")
        with open(file, "w", encoding="utf-8") as out:
            for i in range(self.LINES):
                out.write(json.dumps({"key": f"series/{i}", "value": {"year": 1990 + i % 30, "value": i}, "tags": ["bls"]}) + "\n")
        args = [LARDER, "--root", self.root, "--config", self.config_file, "import", file, "--ns", "bls", "--resume"]
        child = subprocess.Popen(args, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Killed once it has come some way: a checkpoint is there, and more entries than it says are stored.
        while child.poll() is None and not [n for n in self.listed() if n.startswith("import-") and n.endswith(".json")]:
            time.sleep(0.01)
        self.assertIsNone(child.poll(), "it ended before it could be killed")
        child.send_signal(signal.SIGKILL)
        child.wait()
        document = self.document("import", file, "--ns", "bls", "--resume")
        self.assertGreater(document["resumed"], 0)
        self.assertEqual((document["entries"], document["failed"]), (self.LINES, 0))
        self.assertEqual(document["imported"] + document["skipped"], self.LINES)
        listed = self.document("ls")
        self.assertEqual([n["entries"] for n in listed["namespaces"] if n["ns"] == "bls"], [self.LINES])
        for i in (0, 1, self.LINES // 2, self.LINES - 1):
            self.assertEqual(json.loads(self.expect(DONE, "get", "bls", f"series/{i}").raw)["value"], i)
        self.assertEqual([n for n in self.listed() if n.startswith("import-")], [])
        exported = self.document("export", "bls", "--output", os.path.join(self.folder, "out.jsonl"))
        self.assertEqual(exported["exported"], self.LINES)
        again = self.document("import", os.path.join(self.folder, "out.jsonl"))
        self.assertEqual((again["skipped"], again["imported"], again["verified"]), (self.LINES, 0, True))

    def listed(self):
        return os.listdir(self.root) if os.path.isdir(self.root) else []

    def test_a_terminated_import_says_how_to_go_on(self):
        """SIGTERM is a request: what was read is stored and remembered."""
        file = os.path.join(self.folder, "big.jsonl")
        with open(file, "w", encoding="utf-8") as out:
            for i in range(self.LINES):
                out.write(f'{{"key":"k{i}","value":"{i}"}}\n')
        args = [LARDER, "--root", self.root, "--config", self.config_file, "import", file, "--ns", "n"]
        child = subprocess.Popen(args, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wal = os.path.join(self.root, "larder.db-wal")
        while child.poll() is None and not (os.path.exists(wal) and os.path.getsize(wal) > 500000):
            time.sleep(0.005)
        child.send_signal(signal.SIGTERM)
        err = child.communicate()[1].decode()
        self.assertEqual(child.returncode, FAILED, err)
        self.assertIn("--resume", err)
        self.assertGreater(self.document("import", file, "--ns", "n", "--resume")["resumed"], 0)


if __name__ == "__main__":
    unittest.main()
