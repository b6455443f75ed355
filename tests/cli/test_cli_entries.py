#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""put, get, del, exists, ls and inspect on a real root, each with its exit codes and documents."""
import base64
import json
import os
import re
import sqlite3
import subprocess
import time
import unittest

from cli_support import DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, larder_bare, shapes

BINARY = bytes(range(256)) * 40 + b"\x00\xff\xfe"
SECRETS = ["hunter2", "tok-123", "s3cr3t", "abc.def", "pa%55w", "nested-one"]
SECRET_JSON = (b'{"user": "ann", "password": "hunter2", "api_token" : "tok-123", "n": 7, "client-secret": {"a": "nested-one"}, '
               b'"url": "https://ann:s3cr3t@example.org:8080/x?access_key=pa%55w&page=2", "Authorization": "Bearer abc.def"}')


class Away(CliCase):
    config = "cache: {sqlite: {busy_timeout: 20ms}}\n"

    def test_what_a_tier_can_not_take_is_not_called_kept_and_what_it_is_to_forget_is_gone(self):
        self.put("demo", "k1", "old")
        self.put("demo", "k2", "v")
        stranger = sqlite3.connect(os.path.join(self.root, "larder.db"), isolation_level=None)
        self.addCleanup(stranger.close)
        stranger.execute("BEGIN IMMEDIATE")
        self.assertIn("the tier of demo is away", self.expect(FAILED, "put", "demo", "k1", stdin=b"new").err)
        self.expect(NOT_FOUND, "get", "demo", "k1")
        document = self.document("purge", "--ns", "demo", "--confirm")
        self.assertEqual((document["entries"], document["failed"]), (1, 0))
        self.expect(NOT_FOUND, "get", "demo", "k2")
        stranger.execute("ROLLBACK")
        self.expect(NOT_FOUND, "get", "demo", "k1")
        self.expect(NOT_FOUND, "get", "demo", "k2")
        self.put("demo", "k1", "newer")
        self.assertEqual(self.expect(DONE, "get", "demo", "k1").out, "newer")

    def test_that_there_is_no_such_namespace_is_not_said_of_a_tier_that_is_away(self):
        self.put("demo", "k", "v")
        stranger = sqlite3.connect(os.path.join(self.root, "larder.db"), isolation_level=None)
        self.addCleanup(stranger.close)
        stranger.execute("PRAGMA locking_mode=EXCLUSIVE")
        stranger.execute("BEGIN IMMEDIATE")
        ran = self.expect(NOT_FOUND, "get", "demo", "k")
        self.assertIn("not found: k in demo", ran.err)
        self.assertNotIn("no namespace", ran.err)
        stranger.close()
        self.expect(DONE, "get", "demo", "k")


class PutAndGet(CliCase):
    def test_what_is_put_comes_back(self):
        self.put("demo", "greeting", "hello\n")
        self.assertEqual(self.expect(DONE, "get", "demo", "greeting").raw, b"hello\n")

    def test_binary_is_bit_exact_through_pipes_and_files(self):
        self.put("demo", "b", BINARY)
        self.assertEqual(self.expect(DONE, "get", "demo", "b").raw, BINARY)
        path = self.write("in", BINARY + b"!")
        self.expect(DONE, "put", "demo", "c", path)
        target = os.path.join(self.folder, "out")
        self.expect(DONE, "get", "demo", "c", "--output", target)
        self.assertEqual(self.read(target), BINARY + b"!")
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("out.")], [])

    def test_large_and_empty_values(self):
        large = os.urandom(3 << 20)
        self.put("demo", "large", large)
        self.assertEqual(self.expect(DONE, "get", "demo", "large").raw, large)
        self.put("demo", "empty", b"")
        self.assertEqual(self.expect(DONE, "get", "demo", "empty").raw, b"")
        self.assertEqual(self.document("get", "demo", "empty")["value"], "")

    def test_output_replaces_a_file_whole_and_keeps_its_mode(self):
        target = self.write("out", b"old")
        os.chmod(target, 0o640)
        self.put("demo", "k", "new")
        self.expect(DONE, "get", "demo", "k", "-o", target)
        self.assertEqual((self.read(target), os.stat(target).st_mode & 0o777), (b"new", 0o640))
        ran = self.expect(NOT_FOUND, "get", "demo", "absent", "-o", target)
        self.assertEqual(self.read(target), b"new", ran)
        self.expect(FAILED, "get", "demo", "k", "-o", os.path.join(self.folder, "no", "such", "folder"))

    def test_keys_of_any_bytes(self):
        key = bytes([0, 1, 0xff, 0x0a]) + b"end"
        self.put("demo", key.hex(), "x", "--key-hex")
        self.assertEqual(self.expect(DONE, "get", "demo", key.hex(), "--key-hex").raw, b"x")
        self.assertEqual(self.expect(DONE, "ls", "demo").out, "\\x00\\x01\\xff\\nend\n")
        entry = self.document("ls", "demo")["entries"][0]
        self.assertEqual((base64.b64decode(entry["key"]), entry["key_encoding"]), (key, "base64"))
        self.put("demo", "-dash", "y")
        self.assertEqual(self.expect(DONE, "get", "--", "demo", "-dash").raw, b"y")

    def test_a_miss_is_1_and_says_so(self):
        self.put("demo", "k", "v")
        ran = self.expect(NOT_FOUND, "get", "demo", "absent")
        self.assertEqual(ran.out, "")
        self.assertIn("not found: absent in demo", ran.err)
        ran = self.expect(NOT_FOUND, "--json", "get", "demo", "absent")
        self.assertEqual((ran.out, ran.error["exit"]), ("", NOT_FOUND))

    def test_fresh_bypasses_what_is_kept(self):
        self.put("demo", "k", "v")
        self.assertIn("--make", self.expect(NOT_FOUND, "get", "demo", "k", "--fresh").err)
        self.expect(DONE, "get", "demo", "k")

    def test_get_document(self):
        before = int(time.time() * 1000)
        self.put("demo", "k", '{"a": 1}', "--kind", "json", "--ttl", "1h", "--version", "v7", "--tag", "red", "--tag", "blue",
                 "--meta", "a note")
        document = self.document("get", "demo", "k")
        self.assertIsNone(fits(shapes()["get"], document))
        self.assertEqual((document["value"], document["encoding"], document["kind"]), ('{"a": 1}', "utf-8", "json"))
        self.assertEqual((document["version"], document["tags"], document["meta"]), ("v7", ["blue", "red"], "a note"))
        self.assertGreaterEqual(document["written_ms"], before - 1)
        self.assertAlmostEqual(document["fresh_until_ms"] - document["written_ms"], 3600000, delta=3600000 * 0.06)
        self.put("demo", "b", BINARY)
        document = self.document("get", "demo", "b")
        self.assertEqual((document["encoding"], base64.b64decode(document["value"])), ("base64", BINARY))
        document = self.document("get", "demo", "b", "--output", os.path.join(self.folder, "o"))
        self.assertIsNone(fits(shapes()["get-output"], document))

    def test_meta_from_a_file(self):
        path = self.write("note", b"from a file")
        self.put("demo", "k", "v", "--meta", "@" + path)
        self.assertEqual(self.document("get", "demo", "k")["meta"], "from a file")

    def test_lifetimes(self):
        self.put("demo", "never", "v", "--ttl", "never")
        self.assertIsNone(self.document("get", "demo", "never")["fresh_until_ms"])
        self.put("demo", "soon", "v", "--ttl", "1ms", "--stale", "1h")
        deadline = time.monotonic() + 30
        while self.larder("get", "demo", "soon").code != NOT_FOUND:
            self.assertLess(time.monotonic(), deadline)
        ran = self.expect(DONE, "get", "demo", "soon", "--stale")
        self.assertEqual(ran.raw, b"v")
        self.assertIn("stale", ran.err)
        self.assertTrue(self.document("get", "demo", "soon", "--stale")["stale"])

    def test_put_document_and_quiet(self):
        document = self.document("put", "demo", "k", stdin=b"value")
        self.assertIsNone(fits(shapes()["put"], document))
        self.assertEqual((document["bytes"], document["result"]), (5, "kept"))
        ran = self.expect(DONE, "put", "--quiet", "demo", "k", stdin=b"value")
        self.assertEqual((ran.out, ran.err), ("", ""))
        self.assertIn("kept k in demo (5 B)", self.expect(DONE, "put", "demo", "k", stdin=b"value").err)

    def test_a_root_that_is_not_there_is_not_made_by_looking(self):
        for args in (["get", "a", "b"], ["exists", "a", "b"], ["del", "a", "b"], ["ls"], ["inspect"], ["stats"], ["validate"],
                     ["purge", "--all", "--confirm"], ["clear-expired"]):
            ran = self.expect(NOT_FOUND, *args)
            self.assertIn("there is no cache at", ran.err)
            self.assertFalse(os.path.exists(self.root), args)

    def test_a_root_that_cannot_be_is_4(self):
        self.write("root", b"a file")
        self.assertIn("is no folder", self.expect(FAILED, "put", "a", "b", stdin=b"x").err)

    def test_a_bad_namespace_is_wrong_usage(self):
        self.expect(USAGE, "put", "n" * 129, "k", stdin=b"x")

    def test_a_reader_that_leaves_early_is_no_failure(self):
        for i in range(3):
            self.put("demo", f"{i}:" + "k" * 900, "v")
        for args in (["ls", "demo"], ["config", "reference"]):
            child = subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, *args],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
            child.stdout.close()
            _, err = child.communicate(timeout=60)
            self.assertEqual((child.returncode, err), (DONE, b""))

    def test_output_that_cannot_be_written_is_told(self):
        self.put("demo", "k", "v")
        for args in (["get", "demo", "k"], ["--json", "ls"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([LARDER, "--root", self.root, "--config", self.config_file, *args], stdout=full,
                                      stderr=subprocess.PIPE, env=environment(), check=False)
            self.assertEqual(done.returncode, FAILED)
            self.assertIn(b"cannot write the output", done.stderr)
        self.assertEqual(json.loads(done.stderr)["error"]["exit"], FAILED)

    def test_a_pattern_that_is_none_is_told(self):
        self.put("demo", "k", "v")
        self.assertIn("'[' is no pattern", self.expect(USAGE, "ls", "demo", "--glob", "[").err)
        self.assertIn("'[' is no pattern", self.expect(USAGE, "purge", "--ns", "demo", "--key", "[", "--confirm").err)


class MemoryOnly(CliCase):
    config = "cache:\n  namespaces:\n    passing: {tiers: [memory]}\n    tiny: {max_entry: 100}\n"

    def test_a_namespace_that_would_end_with_the_command_is_refused(self):
        self.assertIn("memory only", self.expect(FAILED, "put", "passing", "k", stdin=b"x").err)

    def test_what_is_above_the_limit_is_told(self):
        ran = self.expect(FAILED, "put", "tiny", "k", stdin=b"x" * 101)
        self.assertIn("at most 100 B", ran.err)
        self.put("tiny", "k", b"x" * 100)


class DelAndExists(CliCase):
    def test_del(self):
        self.put("demo", "k", "v")
        document = self.document("del", "demo", "k")
        self.assertIsNone(fits(shapes()["del"], document))
        self.expect(NOT_FOUND, "get", "demo", "k")
        self.assertIn("not found: k in demo", self.expect(NOT_FOUND, "del", "demo", "k").err)

    def test_what_would_steer_a_terminal_is_escaped(self):
        key = "k\x1b[31m\x9b"
        for command in (("put", "demo", key), ("get", "demo", key), ("del", "demo", key), ("del", "demo", key), ("get", "demo", key)):
            ran = self.larder(*command, stdin=b"v")
            self.assertNotIn("\x1b", ran.err, ran)
            self.assertNotIn("\x9b", ran.err, ran)
            if ran.err:
                self.assertIn("k\\x1b[31m\\xc2\\x9b", ran.err)

    def test_expire_leaves_it_stale(self):
        self.put("demo", "k", "v", "--stale", "1h")
        self.assertEqual(self.document("del", "demo", "k", "--expire")["result"], "expired")
        self.expect(NOT_FOUND, "get", "demo", "k")
        self.assertEqual(self.expect(DONE, "get", "demo", "k", "--stale").raw, b"v")

    def test_exists(self):
        self.put("demo", "k", "v")
        self.assertEqual(self.expect(DONE, "exists", "demo", "k").out, "yes\n")
        self.assertEqual(self.expect(NOT_FOUND, "exists", "demo", "absent").out, "no\n")
        self.assertEqual(self.expect(DONE, "exists", "demo", "k", "--quiet").out, "")
        document = self.document("exists", "demo", "absent", code=NOT_FOUND)
        self.assertIsNone(fits(shapes()["exists"], document))
        self.assertIs(document["exists"], False)


class Ls(CliCase):
    def fill(self):
        self.put("alpha", "a:1", "one", "--tag", "odd", "--kind", "text")
        self.put("alpha", "a:2", "two" * 1000)
        self.put("alpha", "b:1", "three", "--tag", "odd", "--ttl", "never")
        self.put("beta", "ключ", "v")

    def lines(self, *args):
        return sorted(self.expect(DONE, "ls", *args).out.splitlines())

    def test_namespaces(self):
        self.fill()
        document = self.document("ls")
        self.assertIsNone(fits(shapes()["ls"], document))
        self.assertEqual({n["ns"]: n["entries"] for n in document["namespaces"]}, {"alpha": 3, "beta": 1})
        self.assertEqual(document["root"], os.path.realpath(self.root))
        ran = self.expect(DONE, "ls")
        self.assertRegex(ran.out, r"(?m)^NAMESPACE +ENTRIES +SIZE +TTL +TIERS$")
        self.assertNotIn("NAMESPACE", self.expect(DONE, "ls", "--quiet").out)

    def test_selection(self):
        self.fill()
        self.assertEqual(self.lines("alpha"), ["a:1", "a:2", "b:1"])
        self.assertEqual(self.lines("alpha", "--prefix", "a:"), ["a:1", "a:2"])
        self.assertEqual(self.lines("alpha", "--glob", "?:1"), ["a:1", "b:1"])
        self.assertEqual(self.lines("alpha", "--tag", "odd"), ["a:1", "b:1"])
        self.assertEqual(self.lines("alpha", "--tag", "odd", "-p", "b"), ["b:1"])
        self.assertEqual(self.lines("beta"), ["ключ"])

    def test_limit(self):
        self.fill()
        self.assertEqual(len(self.lines("alpha", "--limit", "2")), 2)
        document = self.document("ls", "alpha", "-n", "2")
        self.assertEqual((document["count"], document["more"]), (2, True))
        self.assertEqual(self.document("ls", "alpha")["more"], False)

    def test_documents(self):
        self.fill()
        document = self.document("ls", "alpha")
        self.assertIsNone(fits(shapes()["ls-ns"], document))
        self.assertEqual(sorted(e["key"] for e in document["entries"]), ["a:1", "a:2", "b:1"])
        self.assertEqual(self.document("ls", "alpha", "--glob", "nothing")["entries"], [])

    def test_long_form_aligns(self):
        self.fill()
        lines = self.expect(DONE, "ls", "alpha", "--long").out.splitlines()
        self.assertEqual(lines[0].split(), ["SIZE", "KIND", "AGE", "LEFT", "TAGS", "KEY"])
        columns = {line.index(key) for line, key in zip(sorted(lines[1:], key=lambda l: l.split()[-1]), ["a:1", "a:2", "b:1"])}
        self.assertEqual(columns, {lines[0].index("KEY")})
        self.assertTrue(all(line == line.rstrip() for line in lines))

    def test_a_root_on_a_file_system_that_is_not_known_to_be_local_is_4(self):
        ran = larder_bare("--root", "/proc", "ls")
        self.assertEqual((ran.code, ran.out), (FAILED, ""), ran)
        for part in ("/proc lies on an unknown file system", "`shared_filesystem: allow`", "--root on a local disk"):
            self.assertIn(part, ran.err)
        self.assertEqual(larder_bare("--json", "--root", "/proc", "ls").error["code"], "LARDER_EUNSUPPORTED")

    def test_an_unknown_namespace_is_1_and_the_nearest_is_told(self):
        self.fill()
        for command in (["ls", "alhpa"], ["inspect", "alhpa"], ["inspect", "alhpa", "k"], ["stats", "alhpa"], ["validate", "alhpa"],
                        ["get", "alhpa", "k"], ["exists", "alhpa", "k"], ["del", "alhpa", "k"],
                        ["why", "alhpa", "k"], ["versions", "alhpa", "k"], ["rollback", "alhpa", "k"], ["health", "alhpa"],
                        ["health", "alhpa", "k"], ["health", "alhpa", "k", "reset"], ["export", "alhpa", "-o", "x.jsonl"],
                        ["purge", "--ns", "alhpa"], ["refresh", "alhpa"]):
            ran = self.expect(NOT_FOUND, *command)
            self.assertIn("there is no namespace 'alhpa' here", ran.err)
            self.assertIn("did you mean alpha?", ran.err)
            self.assertEqual(ran.out, "")
        self.assertEqual([n["ns"] for n in self.document("ls")["namespaces"]], ["alpha", "beta"])

    def test_what_is_known_to_be_absent_is_listed_only_with_all(self):
        self.write("larder.yaml", b"cache: {namespaces: {none: {maker: {command: [/bin/sh, -c, 'exit 3'], absent_exit: 3}, "
                   b"negative_ttl: 1h}}}\n")
        self.expect(NOT_FOUND, "get", "none", "nothing", "--make")
        self.put("none", "k", "v")
        self.put("none", "old", "v", "--ttl", "1ms")
        time.sleep(0.01)
        self.assertEqual(self.lines("none"), ["k"])
        self.assertEqual(self.lines("none", "--stale")[:1], ["k"])
        self.assertNotIn("nothing", self.lines("none", "--stale"))
        self.assertIn("nothing", self.lines("none", "--all"))
        document = self.document("ls", "none", "--all", "--prefix", "n")
        self.assertIsNone(fits(shapes()["ls-ns"], document))
        self.assertEqual([(e["key"], e["kind"], e["bytes"]) for e in document["entries"]], [("nothing", "absent", 0)])
        self.assertRegex(self.expect(DONE, "ls", "none", "-a", "-l").out, r"(?m)^ *0 B +absent ")
        self.assertIn("would remove 2 entries", self.expect(USAGE, "purge", "--ns", "none", "--key", "[nk]*").out)
        self.assertIn("removed 2 entries", self.expect(DONE, "purge", "--ns", "none", "--key", "[nk]*", "--confirm").out)
        self.expect(USAGE, "ls", "--all")

    def test_many_entries_are_all_listed(self):
        writer = subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "tour-writer", "many"],
                                  stdout=subprocess.PIPE, env=environment())
        seen = b""
        while len(seen) < 4 * 1000:
            seen += writer.stdout.read(4 * 1000 - len(seen))
        writer.kill()
        writer.communicate()
        keys = self.lines("many", "--quiet")
        self.assertGreaterEqual(len(keys), 1000)
        self.assertEqual(keys, [f"note:{i:06}" for i in range(1, len(keys) + 1)])
        self.assertEqual(self.document("ls", "many")["count"], len(keys))


class Inspect(CliCase):
    def test_one_entry(self):
        self.put("demo", "k", "hello", "--kind", "text", "--ttl", "1h", "--tag", "red", "--version", "v1", "--meta", "note")
        out = self.expect(DONE, "inspect", "demo", "k").out
        for word in ("key        k", "namespace  demo", "kind       text", "size       5 B", "version    v1", "tags       red",
                     "meta       note", "preview    hello"):
            self.assertIn(word, out)
        document = self.document("inspect", "demo", "k")
        self.assertIsNone(fits(shapes()["inspect-key"], document))
        self.assertEqual((document["preview"], document["preview_as"], document["near_expiry"]), ("hello", "text", False))
        self.expect(NOT_FOUND, "inspect", "demo", "absent")

    def test_many_entries(self):
        for i in range(5):
            self.put("demo", f"k{i}", f"value {i}")
        self.put("other", "k", "v")
        lines = self.expect(DONE, "inspect", "demo").out.splitlines()
        self.assertEqual(lines[0].split(), ["KEY", "KIND", "SIZE", "AGE", "LEFT", "READS", "PREVIEW"])
        self.assertEqual({line.index("value") for line in lines[1:]}, {lines[0].index("PREVIEW")})
        self.assertEqual(len(self.expect(DONE, "inspect", "--source", "demo", "-n", "2").out.splitlines()), 3)
        document = self.document("inspect")
        self.assertIsNone(fits(shapes()["inspect"], document))
        self.assertEqual(len(document["entries"]), 6)

    def test_what_ends_soon(self):
        self.put("demo", "long", "v", "--ttl", "30d")
        self.put("demo", "short", "v", "--ttl", "5m")
        self.put("demo", "never", "v", "--ttl", "never")
        self.put("demo", "stale", "v", "--stale", "1h")
        self.expect(DONE, "del", "--expire", "demo", "stale")
        found = {e["key"]: e for e in self.document("inspect", "demo", "--expiring", "1h")["entries"]}
        self.assertEqual(sorted(found), ["short", "stale"])
        self.assertTrue(found["stale"]["stale"] and found["stale"]["near_expiry"])
        self.assertFalse(found["short"]["near_expiry"])
        self.assertRegex(self.expect(DONE, "inspect", "demo").out, r"(?m)^stale .* stale ! ")

    def test_binary_is_shown_in_hexadecimal(self):
        self.put("demo", "b", bytes([0, 1, 2, 0xff]))
        document = self.document("inspect", "demo", "b")
        self.assertEqual((document["preview"], document["preview_as"]), ("00 01 02 ff", "hex"))

    def test_a_character_at_the_edge_of_the_window_is_not_cut(self):
        for shift in (b"", b"x"):
            self.put("demo", "long", shift + "\u0436".encode() * 3000)
            self.assertEqual(self.document("inspect", "demo", "long")["preview_as"], "text")

    def test_an_array_shows_its_type_shape_and_figures(self):
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }".ljust(117) + b"\n"
        array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
        self.put("demo", "a", array, "--kind", "array")
        document = self.document("inspect", "demo", "a")
        self.assertEqual(document["preview_as"], "array")
        self.assertEqual(document["preview"], "npy float64 (2,), min 0, max 0, mean 0")

    def test_a_terminal_is_not_disturbed(self):
        self.put("demo", "esc", b"\x1b]0;owned\x07 text \xc2\x9b", "--kind", "text")
        for args in (["inspect", "demo", "esc"], ["inspect", "demo"]):
            raw = self.expect(DONE, *args).raw
            self.assertNotIn(b"\x1b", raw)
            self.assertIn(b"\\x1b]0;owned\\x07 text", raw)
            self.assertNotIn(b"\xc2\x9b", raw)

    def test_secrets_are_hidden(self):
        self.put("demo", "s", SECRET_JSON, "--kind", "json", "--meta", "password=hunter2 ok")
        self.put("demo", "y", b"user: ann\npassword: hunter2\nAPI-Key: tok-123\n--db-url=postgres://u:s3cr3t@db/x\n")
        for args in (["inspect", "demo"], ["inspect", "demo", "s"], ["inspect", "demo", "y"]):
            for as_json in ([], ["--json"]):
                out = self.expect(DONE, *as_json, *args).out
                for secret in SECRETS:
                    self.assertNotIn(secret, out, args)
        shown = self.document("inspect", "demo", "s")["preview"]
        self.assertIn('"user": "ann"', shown)
        self.assertIn('"password": "***"', shown)
        self.assertIn('"n": 7', shown)
        self.assertIn("https://ann:***@example.org", shown)
        self.assertEqual(self.expect(DONE, "get", "demo", "s").raw, SECRET_JSON)

    def test_secrets_at_the_edge_of_the_window_are_hidden(self):
        """Only so much of a value is looked at. A long secret before the edge shrinks, so that the edge is shown."""
        for tail in (b'"password": "hunter2-and-more-of-it"}', b"https://ann:hunter2-and-more-of-it@example.org"):
            shown = 0
            for cut in range(4096 - len(tail), 4097, 3):
                head = b'{"token": "'
                value = head + b"x" * (cut - len(head) - 3) + b'", ' + tail
                self.assertEqual(len(value), cut + len(tail))
                self.put("demo", "edge", value)
                preview = self.document("inspect", "demo", "edge")["preview"]
                self.assertIsNone(re.search("hu|-and|more", preview), preview)
                shown += "pass" in preview or "ann" in preview
            self.assertGreater(shown, 5)


if __name__ == "__main__":
    unittest.main()
