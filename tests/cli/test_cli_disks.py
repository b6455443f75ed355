#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A root that can only be read, and one whose disk is full before it is opened: every command that looks works, every one that
changes says why it can't. Needs mounts of its own, so it is skipped where that is not allowed."""
import os
import shutil
import subprocess
import unittest

from cli_support import DONE, FAILED, NOT_FOUND, CliCase, larder_bare


def mount(*args):
    return subprocess.run(["mount", *args], capture_output=True, check=False).returncode == 0


class ReadOnly(CliCase):
    config = "cache:\n  namespaces:\n    arrays: {tiers: [memory, files, sqlite]}\n"

    def setUp(self):
        super().setUp()
        self.view = os.path.join(self.folder, "view")
        os.mkdir(self.view)
        self.put("demo", "greeting", "hello")
        self.put("arrays", "a", "[1, 2]", "--kind", "json")

    def view_mount(self, source):
        if not shutil.which("mount") or not mount("--bind", source, self.view):
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.view], check=False)
        self.assertTrue(mount("-o", "remount,bind,ro", self.view))

    def look(self, *args, **how):
        return larder_bare("--root", self.view, "--config", self.config_file, *args, **how)

    def test_what_is_there_is_shown(self):
        self.view_mount(self.root)
        for args, out in ((("get", "demo", "greeting"), "hello"), (("get", "arrays", "a"), "[1, 2]"),
                          (("ls", "demo"), "greeting"), (("ls",), "arrays"), (("inspect", "demo", "greeting"), "hello"),
                          (("stats",), "sqlite"), (("validate",), ""), (("exists", "demo", "greeting"), ""),
                          (("export", "demo", "--output", "-"), "greeting")):
            ran = self.look(*args)
            self.assertEqual(ran.code, DONE, ran)
            self.assertIn(out, ran.out, ran)
            self.assertNotIn("warning", ran.err, ran)
        self.assertEqual(self.look("get", "demo", "absent").code, NOT_FOUND)
        self.assertEqual(self.look("ls", "nowhere").code, NOT_FOUND)

    def test_what_is_put_meanwhile_is_seen(self):
        self.view_mount(self.root)
        self.put("demo", "greeting", "good day")
        self.put("made later", "k", "v")
        self.assertEqual(self.look("get", "demo", "greeting").out, "good day")
        self.assertEqual(self.look("get", "made later", "k").out, "v")

    def test_changes_are_refused_with_a_reason(self):
        self.view_mount(self.root)
        for args in (("put", "demo", "greeting"), ("put", "new", "k"), ("del", "demo", "greeting"),
                     ("purge", "--ns", "demo", "--confirm"), ("clear-expired",), ("validate", "--repair")):
            ran = self.look(*args, stdin=b"other")
            self.assertEqual(ran.code, FAILED, ran)
            self.assertIn("can't be written", ran.err, ran)
        self.assertEqual(self.expect(DONE, "get", "demo", "greeting").out, "hello")
        refused = self.look("--json", "put", "demo", "greeting", stdin=b"x")
        self.assertEqual(refused.error["code"], "LARDER_EACCES")

    def test_where_nothing_was_made_there_is_nothing_to_see(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        self.view_mount(empty)
        ran = self.look("ls")
        self.assertEqual(ran.code, FAILED, ran)
        self.assertIn("no cache is there", ran.err)


class FullDisk(CliCase):
    def setUp(self):
        super().setUp()
        os.mkdir(self.root)
        if not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=40m", "tmpfs", self.root):
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.root], check=False)

    def fill(self):
        name = os.path.join(self.root, "filler")
        with open(name, "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        return name

    def test_what_is_there_is_served_and_what_is_put_is_not_called_kept(self):
        for n in range(5):
            self.put("demo", f"k{n}", f"v{n}")
        filler = self.fill()
        for n in range(5):
            self.assertEqual(self.expect(DONE, "get", "demo", f"k{n}").out, f"v{n}")
        self.assertIn("k3", self.expect(DONE, "ls", "demo").out)
        self.expect(DONE, "del", "demo", "k3")
        self.expect(NOT_FOUND, "get", "demo", "k3")
        ran = self.expect(FAILED, "put", "demo", "k0", stdin=b"new")
        self.assertIn("not kept", ran.err)
        self.expect(NOT_FOUND, "get", "demo", "k0")
        os.unlink(filler)
        self.assertNotIn("k3", self.expect(DONE, "ls", "demo").out)
        self.put("demo", "k0", "new")
        self.assertEqual(self.expect(DONE, "get", "demo", "k0").out, "new")
        self.assertEqual(self.expect(DONE, "get", "demo", "k1").out, "v1")


if __name__ == "__main__":
    unittest.main()
