#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""health: reports, eviction, what is shown and listed; and the lines of inspect."""
import unittest

from cli_support import CONFIG, DONE, NOT_FOUND, USAGE, CliCase, fits, shapes


class Health(CliCase):
    config = "cache: {namespaces: {n: {tiers: [memory, sqlite], health: 2}, m: {tiers: [memory]}, t: {health: {evict: no}}}}\n"

    def report(self, ns, key, *what):
        document = self.document("health", ns, key, *what)
        self.assertIsNone(fits(shapes()["health-report"], document))
        return document

    def test_failures_in_a_row_evict(self):
        self.put("n", "k", "v")
        first = self.report("n", "k", "fail", "--error", "refused")
        self.assertEqual((first["status"], first["evicted"], first["error"]), ("degraded", False, "refused"))
        self.expect(DONE, "get", "n", "k")
        second = self.report("n", "k", "fail", "--error", "timed out")
        self.assertEqual((second["status"], second["evicted"], second["failures_in_row"]), ("unhealthy", True, 2))
        self.assertGreater(second["next_check_ms"], second["reported_ms"])
        self.expect(NOT_FOUND, "get", "n", "k")
        shown = self.document("health", "n", "k")
        self.assertIsNone(fits(shapes()["health-key"], shown))
        self.assertEqual((shown["status"], shown["failures"], shown["error"]), ("unhealthy", 2, "timed out"))
        self.assertIn("larder health NS KEY", self.expect(NOT_FOUND, "inspect", "n", "k").err)
        stats = self.document("stats")
        self.assertEqual(stats["evictions"]["health"], 1)
        self.assertNotIn(".health", str(stats))

    def test_a_success_resets(self):
        self.put("n", "k", "v")
        self.report("n", "k", "fail")
        self.assertEqual(self.report("n", "k", "ok")["status"], "healthy")
        self.assertEqual(self.report("n", "k", "fail")["failures_in_row"], 1)
        self.expect(DONE, "get", "n", "k")

    def test_words_for_people(self):
        self.put("n", "k", "v")
        self.assertIn("k in n is degraded: 1 failure in a row\n", self.expect(DONE, "health", "n", "k", "fail").err)
        ran = self.expect(DONE, "health", "n", "k", "fail", "--error", "password=hunter2 \x1b[2Jrefused")
        self.assertIn("unhealthy: 2 failures in a row; evicted", ran.err)
        shown = self.expect(DONE, "health", "n", "k", "show").out
        self.assertIn("unhealthy: 2 failures in a row", shown)
        self.assertNotIn("hunter2", shown)
        self.assertNotIn("\x1b", shown)
        self.assertRegex(shown, r"(?m)^next check +\d{4}-\d\d-\d\d [\d:]+ \(in ")
        self.assertRegex(shown, r"(?m)^last success +never$")
        self.assertEqual(self.expect(DONE, "--quiet", "health", "n", "k", "ok").err, "")

    def test_without_eviction_it_stays(self):
        self.put("t", "k", "v")
        for _ in range(4):
            self.assertFalse(self.report("t", "k", "fail")["evicted"])
        self.expect(DONE, "get", "t", "k")
        self.assertEqual(self.document("health", "t", "k")["status"], "unhealthy")

    def test_listing_by_status(self):
        for i in range(30):
            self.report("n", f"good{i}", "ok")
        self.report("n", "bad", "fail", "--error", "refused")
        listed = self.document("health", "n", "--limit", "0")
        self.assertIsNone(fits(shapes()["health-ns"], listed))
        self.assertEqual(len(listed["entries"]), 31)
        self.assertEqual(len(self.document("health", "n")["entries"]), 20)
        bad = self.document("health", "n", "--status", "degraded")["entries"]
        self.assertEqual([(e["key"], e["error"]) for e in bad], [("bad", "refused")])
        table = self.expect(DONE, "health", "n", "--status", "degraded").out
        self.assertRegex(table, r"(?m)^KEY +HEALTH")
        self.assertRegex(table, r"(?m)^bad +degraded +1 +1 +0 ")
        self.assertIn("nothing in n is unhealthy", self.expect(DONE, "health", "n", "--status", "unhealthy").err)
        self.assertEqual(self.document("ls")["namespaces"][0]["ns"][0] != ".", True)

    def test_inspect_shows_health(self):
        self.put("n", "k", "v")
        self.assertIsNone(self.document("inspect", "n", "k")["health"])
        self.report("n", "k", "fail", "--error", "refused")
        document = self.document("inspect", "n", "k")
        self.assertIsNone(fits(shapes()["inspect-key"], document))
        self.assertIsNone(fits(shapes()["health"], document["health"]))
        self.assertEqual(document["health"]["status"], "degraded")
        self.assertRegex(self.expect(DONE, "inspect", "n", "k").out, r"(?m)^health +degraded: 1 failure in a row\nerror +refused$")

    def test_reset_and_del_forget(self):
        self.expect(NOT_FOUND, "health", "n", "k")
        self.report("n", "k", "fail")
        self.assertEqual(self.document("health", "n", "k", "reset")["status"], "unknown")
        self.expect(NOT_FOUND, "health", "n", "k")
        self.expect(NOT_FOUND, "health", "n", "k", "reset")
        self.put("n", "k", "v")
        self.report("n", "k", "fail")
        self.expect(DONE, "del", "n", "k")
        self.expect(NOT_FOUND, "health", "n", "k")

    def test_binary_keys(self):
        self.report("n", "00ff", "fail", "--key-hex")
        self.assertEqual(self.document("health", "n", "00ff", "--key-hex")["key_encoding"], "base64")

    def test_wrong_calls(self):
        self.expect(USAGE, "health")
        self.expect(USAGE, "health", "n", "k", "sick")
        self.assertIn("--error is for fail", self.expect(USAGE, "health", "n", "k", "ok", "--error", "x").err)
        self.assertIn("leave KEY out", self.expect(USAGE, "health", "n", "k", "--status", "healthy").err)
        self.expect(USAGE, "health", "n", "--status", "sick")
        self.put("n", "k", "v")
        self.assertNotEqual(self.larder("health", "m", "k", "ok").code, DONE)
        self.expect(NOT_FOUND, "health", "nowhere", "k")


class Check(CliCase):
    config = ("cache: {namespaces: {n: {tiers: [memory, sqlite], health: {failures: 1, check: {command: [/bin/sh, -c, "
              "'case $1 in bad*) echo refused >&2; exit 1;; esac', sh, '{key}'], every: 1h}}}, m: {}}}\n")

    def test_all_are_tried_and_what_fails_is_told_and_evicted(self):
        for key in ("good", "bad-1", "bad-2"):
            self.put("n", key, "v")
        document = self.document("health", "n", "--check", code=NOT_FOUND)
        self.assertIsNone(fits(shapes()["health-check"], document))
        self.assertEqual([document[m] for m in ("worked", "failed", "evicted", "not_known")], [1, 2, 2, 0])
        self.assertEqual({e["key"]: e["result"] for e in document["entries"]}, {"good": "worked", "bad-1": "failed", "bad-2": "failed"})
        self.assertIn("refused", [e["message"] for e in document["entries"] if e["key"] == "bad-1"][0])
        self.expect(NOT_FOUND, "get", "n", "bad-1")
        ran = self.expect(NOT_FOUND, "health", "n", "--check", "--parallel", "1")  # what is unhealthy is tried though it is gone
        self.assertRegex(ran.out, r"(?m)^bad-2 +failed +unhealthy: 2 failures in a row +.*refused")
        self.assertIn("1 worked, 2 failed, 0 evicted, 0 not known", ran.err)
        self.assertEqual(self.document("health", "n", "good")["successes"], 2)

    def test_one_is_tried(self):
        self.put("n", "good", "v")
        self.assertEqual(self.document("health", "n", "good", "--check")["worked"], 1)
        self.assertEqual(self.document("health", "n", "bad", "--check", code=NOT_FOUND)["failed"], 1)
        self.assertEqual(self.document("health", "n", "good")["status"], "healthy")

    def test_wrong_calls(self):
        self.put("m", "k", "v")
        self.assertIn("namespace m has no check", self.expect(USAGE, "health", "m", "--check").err)
        self.assertIn("--status is too much", self.expect(USAGE, "health", "n", "--check", "--status", "healthy").err)
        self.assertIn("ok is too much", self.expect(USAGE, "health", "n", "k", "ok", "--check").err)


class Mistakes(CliCase):
    config = "cache: {namespaces: {n: {health: often}}}\n"

    def test_a_wrong_configuration_is_told_with_its_place(self):
        self.assertIn("larder.yaml:1:34: cache.namespaces.n.health", self.expect(CONFIG, "health", "n", "k", "ok").err)


if __name__ == "__main__":
    unittest.main()
