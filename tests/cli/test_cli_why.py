#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""why, and get --make: on a real root, with makers that are real programs."""
import os
import time
import unittest

from cli_support import DONE, FAILED, NOT_FOUND, CliCase, fits, shapes

CONFIG = """
cache:
  namespaces:
    plain: {tiers: [memory, sqlite], ttl: 1h}
    alone: {tiers: [memory]}
    kept: {tiers: [sqlite], ttl: 1h, stale_if_error: 2h}
    two: {tiers: [memory, files, sqlite], ttl: 1h}
    stale: {tiers: [sqlite], ttl: 1ms, stale_while_revalidate: 1h, stale_if_error: 2h}
    error: {tiers: [sqlite], ttl: 1ms, stale_if_error: 2h}
    made: {tiers: [memory, sqlite], ttl: 1h, negative_ttl: 1h, error_ttl: 1h, maker: {command: ["/bin/sh", "-c", "printf 'made of %s' \\"$LARDER_MAKE_KEY\\""]}}
    none: {tiers: [memory, sqlite], ttl: 1h, negative_ttl: 1h, maker: {command: ["/bin/sh", "-c", "exit 3"], absent_exit: 3}}
    down: {tiers: [memory, sqlite], ttl: 1h, error_ttl: 1h, maker: {command: ["/bin/sh", "-c", "echo password=hunter2 >&2; exit 7"]}}
"""


class Why(CliCase):
    config = CONFIG

    def why(self, ns, key, code=DONE):
        document = self.document("why", ns, key, code=code)
        shape = dict(shapes()["why"])
        if document["slot"] is None:
            shape["slot"] = "null"
        self.assertIsNone(fits(shape, document))
        return document

    def events(self, ns, key, code=DONE):
        return [event["event"] for event in self.why(ns, key, code)["events"]]

    def test_where_it_is_and_what_happened(self):
        self.put("two", "k", "value", "--version", "v7")
        found = self.why("two", "k")
        self.assertEqual(found["state"], "fresh")
        self.assertEqual([tier["tier"] for tier in found["tiers"]], ["memory", "files", "sqlite"])
        self.assertEqual([tier["here"] for tier in found["tiers"]], [False, True, True])
        self.assertEqual(found["tiers"][1]["version"], "v7")
        self.assertEqual(found["tiers"][1]["stamp"], found["tiers"][2]["stamp"])
        self.expect(DONE, "del", "two", "k")
        found = self.why("two", "k", NOT_FOUND)
        self.assertEqual(found["state"], "nothing")
        self.assertEqual([event["event"] for event in found["events"]], ["deleted", "put"])
        self.assertEqual(self.events("two", "another", NOT_FOUND), [])

    def test_which_window_it_is_in(self):
        self.put("stale", "k", "value")
        self.put("error", "k", "value")
        self.assertEqual(self.why("stale", "k")["state"], "revalidate")
        self.assertEqual(self.why("error", "k")["state"], "on error")

    def test_why_it_is_stale(self):
        self.put("stale", "k", "value")
        time.sleep(0.01)
        found = self.why("stale", "k")
        self.assertEqual(found["stale_by"], "lifetime")
        self.assertIn("since its lifetime is over", found["why"])
        for key in ("one", "tagged"):
            self.put("kept", key, "value", "--tag", "t")
        self.assertIsNone(self.why("kept", "one")["stale_by"])
        self.expect(DONE, "del", "kept", "one", "--expire")
        self.assertEqual(self.why("kept", "one")["stale_by"], "call")
        self.expect(DONE, "purge", "--ns", "kept", "--tag", "t", "--expire", "--confirm")
        found = self.why("kept", "tagged")
        self.assertEqual(found["stale_by"], "call")
        self.assertIn("since a call made it so", found["why"])
        self.put("kept", "old", "value")
        self.write("larder.yaml", CONFIG.replace("kept: {", "kept: {version: v2, ").encode())
        found = self.why("kept", "old")
        self.assertEqual(found["stale_by"], "version")
        self.assertIn("another version of the namespace", self.expect(DONE, "why", "kept", "old").out)

    def test_the_last_error_of_its_health_is_shown(self):
        self.put("plain", "k", "value")
        self.assertIsNone(self.why("plain", "k")["health"])
        self.expect(DONE, "health", "plain", "k", "fail", "--error", "refused \x1b[2J")
        health = self.why("plain", "k")["health"]
        self.assertIsNone(fits(shapes()["health"], health))
        self.assertEqual(health["status"], "degraded")
        shown = self.expect(DONE, "why", "plain", "k").out
        self.assertRegex(shown, r"(?m)^health +degraded: 1 failure in a row\nerror +refused ")
        self.assertNotIn("\x1b", shown)

    def test_memory_alone_has_no_slot(self):
        self.put("plain", "k", "value")
        self.assertIsNone(self.why("alone", "k", NOT_FOUND)["slot"])

    def test_what_a_sweep_took_is_told(self):
        self.put("plain", "k", "value", "--ttl", "1ms")
        self.expect(DONE, "clear-expired")
        found = self.why("plain", "k", NOT_FOUND)
        self.assertEqual((found["events"][0]["event"], found["events"][0]["reason"]), ("evicted", "ttl"))
        self.assertEqual(found["events"][0]["tier"], "sqlite")

    def test_a_value_is_made_and_kept(self):
        self.assertEqual(self.expect(DONE, "get", "made", "a key", "--make").out, "made of a key")
        self.assertEqual(self.expect(DONE, "get", "made", "a key").out, "made of a key")
        self.assertEqual(self.events("made", "a key"), ["made"])
        self.assertEqual(self.document("get", "made", "a key", "--make")["tier"], "sqlite")
        self.assertEqual(self.document("get", "made", "a key", "--make", "--fresh")["tier"], "made")
        self.assertEqual(self.events("made", "a key"), ["made", "made"])

    def test_that_there_is_none_is_kept(self):
        self.assertIn("there is no", self.expect(NOT_FOUND, "get", "none", "k", "--make").err)
        self.expect(NOT_FOUND, "get", "none", "k")
        found = self.why("none", "k", NOT_FOUND)
        self.assertEqual(found["state"], "absent")
        self.assertTrue(found["tiers"][1]["absent"])
        self.assertEqual([event["event"] for event in found["events"]], ["absent"])

    def test_a_failure_is_told_to_every_process_without_its_secrets(self):
        ran = self.expect(FAILED, "get", "down", "k", "--make")
        self.assertIn("7", ran.err)
        again = self.expect(FAILED, "get", "down", "k", "--make")
        found = self.why("down", "k", NOT_FOUND)
        self.assertEqual(found["making"]["maker"], "command")
        self.assertEqual(found["making"]["failure"], "LARDER_EIO")
        self.assertEqual([event["event"] for event in found["events"]], ["make failed"])  # once
        shown = self.expect(NOT_FOUND, "why", "down", "k").out
        for text in (ran.err, again.err, str(found), shown):
            self.assertNotIn("hunter2", text)

    def test_without_a_maker_it_says_what_to_do(self):
        self.assertIn("configure `maker`", self.expect(FAILED, "get", "plain", "nothing", "--make").err)

    def test_for_people(self):
        self.put("plain", "k", "value")
        shown = self.expect(DONE, "why", "plain", "k").out
        for text in ("It is kept and fresh", "sqlite", "not here", "slot", "none is configured", "put"):
            self.assertIn(text, shown)
        self.assertIn("nowhere", self.expect(NOT_FOUND, "why", "nowhere", "k").err)


if __name__ == "__main__":
    unittest.main()
