#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stats of a program that runs, seen from outside; bench; the tour."""
import json
import os
import shutil
import subprocess
import time
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


class Adaptive(CliCase):
    """Who decides what goes from the memory of a program that runs; seen from outside."""
    config = """
cache:
  namespaces:
    live: {tiers: [memory, sqlite], policy: adaptive, limits: {memory: 50}}
    other: {tiers: [memory, sqlite], policy: lru}
"""
    experts = ["s3-fifo", "markov", "s3-30", "recency", "clock", "lirs-like", "tinylfu-1", "tinylfu-20"]

    def start(self):
        writer = subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "tour-writer", "live"],
                                  stdout=subprocess.PIPE, env=environment())
        self.addCleanup(writer.communicate)
        self.addCleanup(writer.kill)
        writer.stdout.read(4 * 500)
        for _ in range(600):  # it tells once a second
            told = self.document("stats", "live")["by_source"]["live"]["adaptive"]
            if told["requests"] > 400:
                return told
            time.sleep(0.1)
        self.fail("the program never told")

    def test_stats_and_why(self):
        told = self.start()
        self.assertIsNone(fits(shapes()["stats-adaptive"], told))
        self.assertEqual(list(told["experts"]), self.experts)
        for expert in told["experts"].values():
            self.assertIsNone(fits(shapes()["stats-adaptive-expert"], expert))
        self.assertIn(told["leader"], self.experts)
        self.assertEqual(sum(expert["entries"] for expert in told["experts"].values()), 50)
        self.assertTrue(all(expert["miss_rate"] == 1 for expert in told["experts"].values()), told)  # no note comes twice
        found = self.document("why", "live", "note:000001")
        self.assertIsNone(fits(shapes()["why-adaptive"], found["adaptive"]))
        self.assertIn(found["adaptive"]["leader"], self.experts)
        self.assertRegex(self.expect(DONE, "why", "live", "note:000001").out, "(?m)^policy +adaptive: [a-z0-9-]+ decides .*what stays: .*read")

    def test_tables(self):
        self.start()
        rows = [line.split() for line in self.expect(DONE, "stats", "live").out.splitlines()]
        rows = [row for row in rows if row[:1] == ["live"] and row[1] in self.experts]
        self.assertEqual(sorted(row[1] for row in rows), sorted(self.experts))
        self.assertEqual(rows[0][2], "50")
        rows = [line.split() for line in self.expect(DONE, "stats").out.splitlines()]
        self.assertEqual(len([row for row in rows if row[:1] == ["live"] and row[1] in self.experts]), 1)

    def test_prometheus(self):
        self.start()
        out = self.expect(DONE, "stats", "--prometheus").out
        self.assertRegex(out, r'(?m)^larder_adaptive_requests\{namespace="live"\} [1-9]')
        for expert in self.experts:
            self.assertRegex(out, rf'(?m)^larder_adaptive_missed\{{namespace="live",expert="{expert}"\}} [1-9]')
        self.assertEqual(out.count("# TYPE larder_adaptive_missed gauge"), 1)
        self.assertNotRegex(out, 'larder_adaptive_.*namespace="other"')

    def test_nobody_decided(self):
        self.put("live", "k", "v")
        self.put("other", "k", "v")
        self.assertEqual(self.document("why", "live", "k")["adaptive"], {"leader": None, "requests": 0, "switches": 0})
        self.assertIsNone(self.document("why", "other", "k")["adaptive"])
        self.assertRegex(self.expect(DONE, "why", "live", "k").out, "(?m)^policy +adaptive; in no program")
        self.assertNotRegex(self.expect(DONE, "why", "other", "k").out, "(?m)^policy")
        self.assertNotIn("EXPERT", self.expect(DONE, "stats", "live").out)
        told = self.document("stats", "live")["by_source"]["live"]["adaptive"]
        self.assertIsNone(told["experts"]["clock"]["miss_rate"])
        self.assertNotIn("adaptive", self.document("stats", "other")["by_source"]["other"])


class Agent(CliCase):
    """What an agent has come to in a program that runs; seen from outside."""
    config = """
cache:
  namespaces:
    api: {tiers: [memory, sqlite], ttl: 1h, maker: {command: [/usr/bin/printf, "{key}"]}, predict: {enable: true}, agent: {enable: true}}
    other: {tiers: [memory, sqlite]}
"""
    actions = ["nothing", "cache", "conservative", "moderate", "aggressive", "evict-lru", "evict-unlikely"]
    events = ["hit", "miss", "used", "wasted", "prevented", "occurred", "saved_ms", "lost_ms", "kb", "full"]

    def start(self):
        user = subprocess.Popen([os.path.join(os.environ["LARDER_BINARY_DIR"], "tests", "origin_user"), self.root, self.config_file],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(user.communicate)
        self.addCleanup(user.kill)
        self.assertEqual(user.stdout.readline(), "ready\n")
        for number in range(60):
            user.stdin.write(f"make api k{number % 20}\n")
            user.stdin.flush()
            self.assertTrue(user.stdout.readline().startswith("OK "))
        for _ in range(600):  # it decides behind
            told = self.document("stats", "api")["by_source"]["api"].get("agent")
            if told and told["decisions"] == 60:
                return told
            time.sleep(0.1)
        self.fail("the program never told")

    def test_document(self):
        told = self.start()
        self.assertIsNone(fits(shapes()["stats-agent"], told))
        self.assertEqual(list(told["actions"]), self.actions)
        for action in told["actions"].values():
            self.assertIsNone(fits(shapes()["stats-agent-action"], action))
        self.assertEqual(sum(action["taken"] for action in told["actions"].values()), 60)
        self.assertEqual(list(told["told"]), self.events)
        self.assertGreaterEqual(told["told"]["hit"], 1)
        self.assertEqual((told["agents"], told["aside"], told["compared"]), (1, 0, 60))
        self.put("other", "k", "v")
        self.assertNotIn("agent", self.document("stats", "other")["by_source"]["other"])

    def test_tables(self):
        self.start()
        out = self.expect(DONE, "stats", "api").out
        self.assertRegex(out, r"(?m)^NAMESPACE +DECIDED +BY CHANCE +ASIDE NOW +TIMES ASIDE +TIME ASIDE +WAIT VS PLAIN +ORIGIN VS PLAIN$")
        self.assertRegex(out, r"(?m)^api +60 +[0-9.]+ % +no +0 +- +[-+][0-9.]+ % +[-+][0-9.]+ %$")
        for action in self.actions:
            self.assertRegex(out, rf"(?m)^{action} +[0-9.]+ % +(-|[-+][0-9.]+)$")
        everything = self.expect(DONE, "stats").out
        self.assertRegex(everything, r"(?m)^api +60 ")
        self.assertNotIn("REWARD EACH", everything)

    def test_one_that_learned_in_simulated_sessions(self):
        learned = os.path.join(self.folder, "api.agent")
        steady = os.path.join(os.environ["LARDER_SOURCE_DIR"], "examples/traffic/steady.yaml")
        ran = larder_bare("simulate", "--sessions", steady, "--save-agent", learned, "--seeds", "1")
        self.assertEqual(ran.code, DONE, ran)
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(self.config.replace("agent: {enable: true}", "agent: {enable: true, file: api.agent}"))
        self.assertLess(self.start()["epsilon"], 0.01)  # by chance little is left

    def test_prometheus(self):
        self.start()
        out = self.expect(DONE, "stats", "--prometheus").out
        for action in self.actions:
            self.assertRegex(out, rf'(?m)^larder_agent_taken\{{namespace="api",action="{action}"\}} [0-9]+$')
        for event in self.events:
            self.assertRegex(out, rf'(?m)^larder_agent_told\{{namespace="api",event="{event}"\}} [-0-9.e+]+$')
        self.assertRegex(out, r'(?m)^larder_agent_origin_requests\{namespace="api",way="plain"\} [1-9]')
        self.assertRegex(out, r'(?m)^larder_agent_aside\{namespace="api"\} 0$')
        self.assertEqual(out.count("# TYPE larder_agent_reward gauge"), 1)
        for line in out.splitlines():
            self.assertRegex(line, r'^(# |larder_[a-z0-9_]+(\{[^}]*\})? [-+0-9.eInfNa]+$)')


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
