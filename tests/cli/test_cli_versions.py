#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Versions of entries and of namespaces on a real root: compare and put, list, get, roll back."""
import json
import os
import subprocess
import unittest

from cli_support import DONE, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes


class CompareAndPut(CliCase):
    config = "cache: {namespaces: {demo: {ttl: 1h}}}\n"

    def test_over_a_version(self):
        self.expect(NOT_FOUND, "put", "demo", "k", "--if-version", "7", stdin=b"x")
        self.expect(NOT_FOUND, "get", "demo", "k")
        self.put("demo", "k", "seven", "--version", "7")
        self.put("demo", "k", "eight", "--version", "8", "--if-version", "7")
        lost = self.expect(NOT_FOUND, "put", "demo", "k", "--version", "9", "--if-version", "7", stdin=b"late")
        self.assertIn("not kept: k in demo has the version 8", lost.err)
        self.assertEqual(self.expect(DONE, "get", "demo", "k").out, "eight")
        self.assertEqual(self.document("get", "demo", "k")["version"], "8")
        error = self.expect(NOT_FOUND, "--json", "put", "demo", "k", "--if-version", "7", stdin=b"late").error
        self.assertEqual(error["exit"], 1)
        self.put("demo", "plain", "x")
        self.put("demo", "plain", "y", "--if-version", "")
        self.expect(NOT_FOUND, "put", "demo", "k", "--if-version", "", stdin=b"late")

    def test_over_a_stamp(self):
        self.put("demo", "k", "one")
        stamp = self.document("inspect", "demo", "k")["stamp"]
        self.put("demo", "k", "two", "--if-stamp", str(stamp))
        lost = self.expect(NOT_FOUND, "put", "demo", "k", "--if-stamp", str(stamp), stdin=b"late")
        self.assertIn("not kept: k in demo has the stamp", lost.err)
        self.assertEqual(self.expect(DONE, "get", "demo", "k").out, "two")
        for bad in "0", "-1", "x", "12x", "99999999999999999999":
            self.expect(USAGE, "put", "demo", "k", f"--if-stamp={bad}", stdin=b"late")
        self.expect(USAGE, "put", "demo", "k", "--if-stamp", str(stamp), "--if-version", "7", stdin=b"late")
        self.assertEqual(self.expect(DONE, "get", "demo", "k").out, "two")

    def test_of_many_at_once_one_wins(self):
        self.put("demo", "k", "seven", "--version", "7")
        started = [subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "put", "demo", "k", "--version",
                                     "8", "--if-version", "7"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                    env=environment()) for _ in range(6)]
        for i, one in enumerate(started):
            one.stdin.write(b"%d" % i)
            one.stdin.close()
        codes = [one.wait(timeout=60) for one in started]
        self.assertEqual(sorted(codes), [DONE] + [NOT_FOUND] * 5)
        self.assertEqual(self.expect(DONE, "get", "demo", "k").out, str(codes.index(DONE)))


class Modified(CliCase):
    def test_it_is_shown_and_travels(self):
        self.put("demo", "k", "v", "--modified", "2026-11-21T18:00:00Z", "--version", "7")
        self.assertEqual(self.document("inspect", "demo", "k")["modified_ms"], 1795284000000)
        self.assertIn("modified", self.expect(DONE, "inspect", "demo", "k").out)
        self.assertEqual(self.document("ls", "demo")["entries"][0]["modified_ms"], 1795284000000)
        for name in "a.jsonl", "a.csv", "a.json":
            path = os.path.join(self.folder, name)
            self.expect(DONE, "export", "demo", "--output", path)
            self.expect(DONE, "del", "demo", "k")
            self.expect(DONE, "import", path)
            self.assertEqual(self.document("get", "demo", "k")["modified_ms"], 1795284000000)


class Former(CliCase):
    config = "cache: {namespaces: {conf: {ttl: 1h, keep_versions: 3}, demo: {ttl: 1h}}}\n"

    def kept(self, key="k"):
        document = self.document("versions", "conf", key)
        self.assertIsNone(fits(shapes()["versions"], document))
        return [(one["version"], one["present"]) for one in document["versions"]]

    def fill(self, last=3):
        for number in range(1, last + 1):
            self.put("conf", "k", f"value {number}", "--version", str(number), "--tag", f"t{number}")

    def test_they_are_listed_and_got(self):
        self.expect(NOT_FOUND, "versions", "conf", "k")
        self.fill(5)
        self.assertEqual(self.kept(), [("5", True), ("4", False), ("3", False), ("2", False)])
        lines = self.expect(DONE, "versions", "conf", "k").out.splitlines()
        self.assertEqual([line.split()[0] for line in lines][0], "STAMP")
        self.assertEqual(len(lines), 5)
        self.assertIn("present", lines[1])
        self.assertEqual(self.expect(DONE, "get", "conf", "k", "--version", "3").out, "value 3")
        self.assertEqual(self.expect(DONE, "get", "conf", "k", "--version", "5").out, "value 5")
        document = self.document("get", "conf", "k", "--version", "3")
        self.assertIsNone(fits(shapes()["get"], document))
        self.assertEqual((document["version"], document["tags"], document["bytes"]), ("3", ["t3"], 7))
        self.assertIn("version 1 of k", self.expect(NOT_FOUND, "get", "conf", "k", "--version", "1").err)
        self.expect(USAGE, "get", "conf", "k", "--version", "3", "--fresh")

    def test_rolling_back(self):
        self.fill()
        document = self.document("rollback", "conf", "k")
        self.assertIsNone(fits(shapes()["rollback"], document))
        self.assertEqual(self.expect(DONE, "get", "conf", "k").out, "value 2")
        self.assertEqual(self.document("get", "conf", "k")["tags"], ["t2"])
        self.assertEqual(self.kept(), [("2", True), ("3", False), ("2", False), ("1", False)])
        self.expect(DONE, "rollback", "conf", "k", "--version", "3")
        self.assertEqual(self.expect(DONE, "get", "conf", "k").out, "value 3")
        stamps = [one["stamp"] for one in self.document("versions", "conf", "k")["versions"]]
        self.expect(DONE, "rollback", "conf", "k", "--stamp", str(stamps[3]))
        self.assertEqual(self.expect(DONE, "get", "conf", "k").out, "value 2")
        self.expect(NOT_FOUND, "rollback", "conf", "k", "--version", "9")
        self.expect(USAGE, "rollback", "conf", "k", "--stamp", "x")
        self.expect(NOT_FOUND, "rollback", "conf", "absent")

    def test_without_keep_versions_the_hint_says_so(self):
        self.put("demo", "k", "1")
        self.put("demo", "k", "2")
        self.assertIn("keep_versions", self.expect(NOT_FOUND, "rollback", "demo", "k").err)

    def test_what_is_deleted_is_not_brought_back(self):
        for how in (["del", "conf", "k"], ["purge", "--ns", "conf", "--confirm"], ["purge", "--ns", "conf", "--key", "k", "--confirm"]):
            self.fill()
            self.expect(DONE, *how)
            self.expect(NOT_FOUND, "versions", "conf", "k")
            self.expect(NOT_FOUND, "rollback", "conf", "k")

    def test_the_companion_is_shown_nowhere(self):
        self.fill()
        self.assertEqual([one["ns"] for one in self.document("ls")["namespaces"]], ["conf", "demo"])
        self.assertNotIn(".history", self.expect(DONE, "--json", "stats").out)
        self.assertNotIn(".history", self.expect(DONE, "inspect").out)
        self.expect(DONE, "validate")

    def test_a_document_is_one(self):
        self.fill()
        json.loads(self.expect(DONE, "--json", "versions", "conf", "k").out)


class NamespaceVersion(CliCase):
    def configure(self, version):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(f"cache: {{namespaces: {{demo: {{ttl: 1h, stale_if_error: 1h, version: '{version}'}}}}}}\n")

    def test_a_new_one_makes_the_older_stale(self):
        self.configure("1")
        self.put("demo", "k", "v")
        self.configure("2")
        self.expect(NOT_FOUND, "get", "demo", "k")
        self.assertEqual(self.expect(DONE, "get", "demo", "k", "--stale").out, "v")
        self.assertEqual(self.document("ls", "demo")["count"], 0)
        self.assertTrue(self.document("inspect", "demo", "k")["stale"])
        self.configure("1")
        self.assertEqual(self.expect(DONE, "get", "demo", "k").out, "v")


if __name__ == "__main__":
    unittest.main()
