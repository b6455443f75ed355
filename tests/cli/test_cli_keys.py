# SPDX-License-Identifier: Apache-2.0
"""Sealed namespaces and their keys, and compression, as the command line has them."""
import os
import random
import signal
import subprocess
import time
import unittest

from cli_support import DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes

KEY_A = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
KEY_B = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SEALED = "cache:\n  key_file: KEYS\n  namespaces:\n    people: {seal: aes-256-gcm}\n"


class Keys(CliCase):
    config = SEALED

    def key_file(self):
        return os.path.join(self.folder, "KEYS")

    def test_a_key_file_is_made_and_never_shown(self):
        document = self.document("keys", "new")
        self.assertIsNone(fits(shapes()["keys-new"], document))
        self.assertEqual(document["file"], self.key_file())
        self.assertEqual(os.stat(self.key_file()).st_mode & 0o777, 0o600)
        key = self.read(self.key_file()).decode().strip()
        self.put("people", "ann", "hunter2")
        shown = self.expect(DONE, "keys", "show")
        document = self.document("keys", "show")
        self.assertIsNone(fits(shapes()["keys-show"], document))
        self.assertEqual([(k["source"], k["current"], k["entries"]) for k in document["keys"]], [(self.key_file(), True, 1)])
        self.assertIn(document["keys"][0]["id"], shown.out)
        for ran in (shown, self.expect(FAILED, "keys", "new"), self.expect(DONE, "keys", "new", "--next"),
                    self.expect(DONE, "config", "show")):
            self.assertNotIn(key, ran.out + ran.err)
        self.assertEqual(len(self.read(self.key_file()).split()), 2)

    def test_without_a_key_it_is_told_what_to_do(self):
        ran = self.larder("put", "people", "ann", stdin=b"hunter2")
        self.assertEqual(ran.code, FAILED, ran)
        self.assertIn("larder keys new", ran.err)
        self.expect(DONE, "keys", "show")
        self.expect(DONE, "put", "other", "k", stdin=b"plain")

    def test_a_loose_key_file_is_refused(self):
        self.expect(DONE, "keys", "new")
        os.chmod(self.key_file(), 0o644)
        ran = self.larder("get", "people", "ann")
        self.assertEqual(ran.code, FAILED, ran)
        self.assertIn("chmod 600", ran.err)

    def test_nothing_of_a_sealed_namespace_is_previewed(self):
        self.expect(DONE, "keys", "new")
        self.put("people", "ann", "hunter2")
        self.assertEqual(self.expect(DONE, "get", "people", "ann").out, "hunter2")
        for args in (["inspect"], ["inspect", "people"], ["inspect", "people", "ann"], ["--json", "inspect", "people", "ann"]):
            self.assertNotIn("hunter2", self.expect(DONE, *args).out)
        self.assertEqual(self.document("inspect", "people", "ann")["preview_as"], "sealed")

    def test_no_value_of_a_sealed_namespace_is_exported_unless_asked_for(self):
        self.expect(DONE, "keys", "new")
        self.put("people", "ann", "no word that tells: hunter2")
        out = os.path.join(self.folder, "out.jsonl")
        self.expect(DONE, "export", "people", "--output", out)
        self.assertNotIn(b"hunter2", self.read(out))
        self.expect(DONE, "export", "people", "--include-secrets", "--output", out)
        self.assertIn(b"hunter2", self.read(out))

    def test_wrong_usage(self):
        self.expect(USAGE, "keys", "show", "FILE")
        self.expect(USAGE, "keys", "rotate", "--next")
        self.expect(USAGE, "keys", "turn")

    def test_another_key_costs_nothing(self):
        self.expect(DONE, "put", "people", "ann", stdin=b"hunter2", LARDER_KEY=KEY_A)
        ran = self.larder("get", "people", "ann", LARDER_KEY=KEY_B)
        self.assertEqual(ran.code, FAILED, ran)
        self.assertIn("key", ran.err)
        self.expect(DONE, "exists", "people", "ann", LARDER_KEY=KEY_B)
        document = self.document("keys", "rotate", code=FAILED, LARDER_KEY=KEY_B)
        self.assertEqual((document["resealed"], document["locked"]), (0, 1))
        keys = self.document("keys", "show", LARDER_KEY=KEY_B)["keys"]
        self.assertEqual([(k["source"], k["entries"]) for k in keys], [("LARDER_KEY", 0), (None, 1)])
        for env in ({"LARDER_KEY": KEY_B}, {}):
            ran = self.expect(DONE, "validate", "--repair", **env)
            self.assertIn("not to be opened here: 1; sealed with a key that is not here", ran.out)
            report = self.document("validate", **env)
            self.assertEqual((report["locked"], report["damaged"], report["sound"]), (1, 0, True))
        self.assertNotIn("not checked", self.expect(DONE, "validate", LARDER_KEY=KEY_A).out)
        self.assertEqual(self.expect(DONE, "get", "people", "ann", LARDER_KEY=KEY_A).out, "hunter2")

    def test_a_rotation_that_is_killed_is_taken_up_again(self):
        self.expect(DONE, "keys", "new")
        values = {f"person-{n}": f"value {n}" for n in range(40)}
        for key, value in values.items():
            self.put("people", key, value)
        self.expect(DONE, "keys", "new", "--next")
        args = [LARDER, "--root", self.root, "--config", self.config_file, "keys", "rotate"]
        for _ in range(12):
            run = subprocess.Popen(args, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * 0.04)  # wherever it is then; nothing is judged by it
            run.send_signal(signal.SIGKILL)
            run.wait()
        document = self.document("keys", "rotate")
        self.assertIsNone(fits(shapes()["keys-rotate"], document))
        self.assertTrue(document["complete"])
        self.assertEqual(self.document("keys", "rotate")["resealed"], 0)
        present = self.read(self.key_file()).split(b"\n")[0]
        with open(self.key_file(), "wb") as file:
            file.write(present + b"\n")
        for key, value in values.items():
            self.assertEqual(self.expect(DONE, "get", "people", key).out, value)
        self.assertEqual([k["entries"] for k in self.document("keys", "show")["keys"]], [40])


class Fields(CliCase):
    config = ("cache:\n  namespaces:\n    people: {kind: json, tiers: [sqlite], seal: {algorithm: fernet, fields: [password]}}\n")

    def test_python_opens_a_field(self):
        try:
            from cryptography.fernet import Fernet
        except ImportError:
            self.skipTest("python3-cryptography is not installed")
        import json
        import sqlite3
        person = b'{"name": "ann", "password": "hunter2"}'
        self.expect(DONE, "put", "people", "ann", stdin=person, LARDER_KEY=KEY_A)
        with sqlite3.connect(os.path.join(self.root, "larder.db")) as db:
            stored = [json.loads(row[0]) for row in db.execute("SELECT value FROM entries WHERE key = CAST('ann' AS BLOB)")]
        self.assertEqual(stored[0]["name"], "ann")
        self.assertEqual(json.loads(Fernet(KEY_A).decrypt(stored[0]["password"])), "hunter2")
        self.assertEqual(self.larder("get", "people", "ann", LARDER_KEY=KEY_A).raw, person)
        self.assertNotIn("hunter2", self.larder("inspect", "people", "ann", LARDER_KEY=KEY_A).out)

    def test_sealed_fields_are_not_exported(self):
        config = self.read(self.config_file).replace(b"[password]", b"[favourite]")
        with open(self.config_file, "wb") as file:
            file.write(config)
        self.expect(DONE, "put", "people", "ann", stdin=b'{"name": "ann", "favourite": "hunter2"}', LARDER_KEY=KEY_A)
        out = os.path.join(self.folder, "out.jsonl")
        self.expect(DONE, "export", "people", "--output", out, LARDER_KEY=KEY_A)
        self.assertNotIn(b"hunter2", self.read(out))
        self.assertIn(b"ann", self.read(out))


class Compression(CliCase):
    config = "cache:\n  compression: {enable: true, codec: zlib, threshold_kb: 10, level: 6}\n"

    def test_what_is_stored_and_what_it_was_are_told(self):
        value = b"a line that comes again and again\n" * 2000
        self.expect(DONE, "put", "n", "k", stdin=value)
        self.assertEqual(self.expect(DONE, "get", "n", "k").raw, value)
        document = self.document("inspect", "n", "k")
        self.assertEqual(document["bytes"], len(value))
        self.assertLess(document["stored_bytes"], len(value) // 10)
        self.assertIn("stored in", self.expect(DONE, "inspect", "n", "k").out)
        self.assertIn("RATIO", self.expect(DONE, "stats").out)
        self.expect(NOT_FOUND, "get", "n", "another")


if __name__ == "__main__":
    unittest.main()
