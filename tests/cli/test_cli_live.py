#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stats of a program that runs, seen from outside; bench; the tour."""
import json
import os
import shutil
import subprocess
import unittest

from cli_support import DONE, LARDER, NOT_FOUND, CliCase, environment, fits, larder_bare, shapes


class Stats(CliCase):
    def hits_of(self, document):
        return document["hits"] if "hits" in document else document["by_tier"]["all"]["hits"]

    def start_writer(self):
        writer = subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "tour-writer", "live"],
                                  stdout=subprocess.PIPE, env=environment())
        self.addCleanup(writer.communicate)
        self.addCleanup(writer.kill)
        return writer

    @staticmethod
    def numbers(writer, count):
        data = writer.stdout.read(4 * count)
        return int.from_bytes(data[-4:], "little")

    def live_row(self):
        lines = self.expect(DONE, "stats", "live", "--quiet").out.splitlines()
        head = lines[0].split()
        row = next(line for line in lines if line.split()[:2] == ["live", "all"])
        return int(row.replace(",", "").replace(" %", "").split()[head.index("PUTS") - 1])

    def test_a_running_program_is_seen_from_outside(self):
        writer = self.start_writer()
        first = self.numbers(writer, 200)
        ran = self.expect(DONE, "stats")
        self.assertIn(str(writer.pid), ran.out)
        self.assertIn("in use by", ran.out)
        seen = self.live_row()
        self.assertGreaterEqual(seen, first)
        later = self.numbers(writer, 2000)
        grown = self.live_row()
        self.assertGreaterEqual(grown, later)
        self.assertGreater(grown, seen)
        self.assertIsNone(writer.poll())
        self.assertEqual(larder_bare("--root", self.root, "--config", self.config_file, "get", "live", "note:000001").code, DONE)

    def test_a_copy_of_a_root_has_figures_of_its_own(self):
        writer = self.start_writer()
        self.numbers(writer, 200)
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.root, copy)
        ran = larder_bare("--root", copy, "--config", self.config_file, "stats")
        self.assertEqual(ran.code, DONE, ran)
        self.assertIn("no other program", ran.out)
        before = self.live_row()
        self.numbers(writer, 500)
        self.assertGreater(self.live_row(), before)
        self.assertIn(str(writer.pid), self.expect(DONE, "stats").out)

    def test_figures_outlive_their_process(self):
        self.put("demo", "k", "v")
        for _ in range(5):
            self.expect(DONE, "get", "demo", "k")
        self.expect(NOT_FOUND, "get", "demo", "absent")
        ran = self.expect(DONE, "stats", "demo")
        self.assertIn("no other program", ran.out)
        row = next(line for line in ran.out.splitlines() if line.split()[:2] == ["demo", "all"])
        self.assertEqual(row.split()[2:4], ["5", "1"])

    def test_document(self):
        self.put("demo", "k", "v")
        self.expect(DONE, "get", "demo", "k")
        document = self.document("stats")
        for name in ("hit_rate", "miss_rate", "by_tier", "by_source", "latency_ms", "storage_mb"):
            self.assertIn(name, document)
        self.assertIn("demo", document["by_source"])
        self.assertIsInstance(self.document("stats", "demo"), dict)

    def test_prometheus(self):
        self.put("demo", "k", "v")
        lines = self.expect(DONE, "stats", "--prometheus").out.splitlines()
        self.assertTrue(any(line.startswith("# TYPE larder_") for line in lines))
        for line in lines:
            self.assertRegex(line, r'^(# |larder_[a-z0-9_]+(\{[^}]*\})? [-+0-9.eInfNa]+$)')

    def test_reset(self):
        self.put("demo", "k", "v")
        self.expect(DONE, "get", "demo", "k")
        self.assertIn("from zero", self.expect(DONE, "stats", "--reset").err)
        out = self.expect(DONE, "stats", "demo").out
        rows = [line for line in out.splitlines() if line.split()[:2] == ["demo", "all"]]
        self.assertTrue(all(row.split()[2] == "0" for row in rows), out)

    def test_table_aligns(self):
        self.put("demo", "k", "v")
        self.expect(DONE, "get", "demo", "k")
        lines = self.expect(DONE, "stats", "--quiet").out.splitlines()
        self.assertFalse([line for line in lines if line.startswith("(other)")])
        table = lines[:lines.index("")]
        self.assertTrue(table[0].startswith("NAMESPACE"))
        ends = {line.rstrip().find("  ", len(line) - 1) for line in table}
        self.assertEqual(ends, {-1})
        column = table[0].index("TIER")
        self.assertTrue(all(line[column - 1] == " " and line[column] != " " for line in table), "\n".join(table))


class Bench(CliCase):
    def test_a_short_one(self):
        ran = larder_bare("--json", "bench", "--entries", "200", "--gets", "500", "--value-size", "100")
        self.assertEqual(ran.code, DONE, ran)
        self.assertIsNone(fits(shapes()["bench"], ran.document))
        rows = ran.document["rows"]
        self.assertEqual([(r["tiers"], r["op"]) for r in rows], [(t, o) for t in ("memory", "sqlite", "memory sqlite")
                                                               for o in ("put", "get")])
        for row in rows:
            self.assertEqual(row["missed"], 0, row)
            self.assertEqual(row["count"], 200 if row["op"] == "put" else 500)
            self.assertTrue(0 < row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"], row)

    def test_table_and_that_nothing_is_left(self):
        ran = larder_bare("bench", "--entries", "50", "--gets", "50", TMPDIR=self.folder)
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"(?m)^TIERS +OPERATION +PER SECOND")
        self.assertEqual(os.listdir(self.folder), ["larder.yaml"])


class Tour(CliCase):
    def test_everything_is_as_told(self):
        ran = larder_bare("tour", TMPDIR=self.folder)
        self.assertEqual(ran.code, DONE, ran)
        self.assertNotIn("not as told", ran.out)
        self.assertGreaterEqual(ran.out.count("✓"), 18)
        for word in ("kill -9", "0 lost, 0 broken", "Try next", "larder.db"):
            self.assertIn(word, ran.out)
        self.assertEqual(os.listdir(self.folder), ["larder.yaml"])

    def test_document(self):
        ran = larder_bare("--json", "tour", TMPDIR=self.folder)
        self.assertEqual(ran.code, DONE, ran)
        document = json.loads(ran.out)
        self.assertIsNone(fits(shapes()["tour"], document))
        self.assertTrue(document["ok"] and all(step["as_told"] for step in document["steps"]))

    def test_the_configuration_of_the_person_does_not_matter(self):
        bad = self.write("bad.yaml", b"cache: {nonsense: true}\n")
        self.assertEqual(larder_bare("--quiet", "tour", LARDER_CONFIG=bad).code, DONE)

    def test_a_folder_that_cannot_be_written_is_4(self):
        ran = larder_bare("tour", TMPDIR="/dev/null")
        self.assertEqual(ran.code, 4, ran)
        self.assertIn("TMPDIR", ran.err)


if __name__ == "__main__":
    unittest.main()
