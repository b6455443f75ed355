#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""refresh with real commands as makers: what is due by the schedule, what is told, dry runs, failures."""
import os
import time
import unittest

from cli_support import CONFIG, DONE, FAILED, USAGE, CliCase, fits, shapes

# The value is the key and what the file EDITION holds; `bad…` fails once that is "two".
CONFIGURATION = """cache:
  namespaces:
    a:
      refresh: every 1s
      error_ttl: 0s
      maker:
        command: [/bin/sh, -c, 'e=$(cat "$2"); case $1.$e in bad*.two) echo broken >&2; exit 1;; esac; printf "%s %s" "$1" "$e"',
          sh, "{key}", "EDITION"]
    rare: {refresh: "@yearly", maker: {command: [printf, "%s", "{key}"]}}
    plain: {maker: {command: [printf, "%s", "{key}"]}}
    none: {}
"""


class Refresh(CliCase):
    def setUp(self):
        super().setUp()
        self.edition = os.path.join(self.folder, "edition")
        self.write("edition", b"one")
        self.write("larder.yaml", CONFIGURATION.replace("EDITION", self.edition).encode())

    def keep(self, ns, *keys):
        listed = self.write("keys", "\n".join(keys).encode() + b"\n")
        self.expect(DONE, "warm", ns, "--keys", listed)

    def until_due(self, count):
        for _ in range(600):
            document = self.document("refresh", "a", "--due", "--dry-run")
            if document["due"] == count:
                return document
            time.sleep(0.05)
        self.fail(f"{count} entries were never due")

    def test_what_is_due_is_made(self):
        self.keep("a", "x", "y")
        self.keep("rare", "z")
        document = self.until_due(2)
        self.assertIsNone(fits(shapes()["refresh"], document))
        self.assertEqual([document[m] for m in ("looked", "made", "dry_run")], [2, 0, True])
        self.assertEqual(sorted(entry["key"] for entry in document["would_make"]), ["x", "y"])
        self.write("edition", b"two")
        document = self.document("refresh", "--due", "--parallel", "2", "--rate", "100/s")
        self.assertIsNone(fits(shapes()["refresh"], document))
        self.assertEqual([document[m] for m in ("ns", "looked", "due", "made", "errors")], [None, 3, 2, 2, 0])
        self.assertEqual(self.expect(DONE, "get", "a", "x").raw, b"x two")

    def test_all_are_made_without_due(self):
        self.keep("plain", "x", "y")
        ran = self.expect(DONE, "refresh", "plain")
        self.assertIn("of 2 entries 2 were due: made 2, unchanged 0, absent 0, failed 0, in ", ran.out)
        self.assertEqual(self.expect(DONE, "--quiet", "refresh", "plain", "--limit", "1").out, "")
        ran = self.expect(DONE, "refresh", "plain", "--dry-run")
        self.assertEqual(sorted(ran.out.splitlines()), ["plain x", "plain y"])
        self.assertIn("of 2 entries 2 would be made", ran.err)

    def test_failures_keep_what_is_kept(self):
        self.keep("a", "bad", "good")
        self.until_due(2)
        self.write("edition", b"two")
        ran = self.expect(FAILED, "refresh", "a", "--due")
        self.assertIn("larder: a bad failed: ", ran.err)
        self.assertIn("broken", ran.err)
        self.assertIn("made 1, unchanged 0, absent 0, failed 1", ran.out)
        self.assertEqual(self.expect(DONE, "get", "a", "bad").raw, b"bad one")
        document = self.document("refresh", "a", code=FAILED)
        self.assertEqual([entry["key"] for entry in document["failures"]], ["bad"])

    def test_what_has_no_schedule_or_no_maker_is_refused(self):
        self.keep("plain", "x")
        self.assertIn("has no schedule", self.expect(USAGE, "refresh", "plain", "--due").err)
        self.assertIn("nobody makes", self.expect(USAGE, "refresh", "none").err)
        self.write("larder.yaml", b"cache: {namespaces: {a: {refresh: sometimes}}}\n")
        self.assertIn("larder.yaml:1:35: cache.namespaces.a.refresh: schedule \"sometimes\"",
                      self.expect(CONFIG, "config", "check").out)


if __name__ == "__main__":
    unittest.main()
