#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`larder simulate --sessions SPEC`: traffic that is made up, tables, JSON, drawings and mistakes as a person meets them."""
import glob
import json
import os
import unittest
import xml.etree.ElementTree as ElementTree

from cli_support import CONFIG, DONE, FAILED, NOT_FOUND, USAGE, CliCase, fits, larder_bare, shapes

SPEC = b"""length: 2m
sessions: 2
cache: {entries: 40}
services: {web: {latency: 50ms, capacity: 50}}
endpoints:
  home: {service: web, ttl: 30s}
  item: {service: web, ids: 200, skew: 0.9}
  more: {service: web, same: item}
users:
  guest:
    think: 1s
    start: {home: 1}
    moves: {home: {item: 0.9}, item: {more: 0.8, item: 0.1}, more: {item: 0.5}}
"""


class Sessions(CliCase):
    def simulate(self, *args, code=DONE):
        ran = larder_bare("simulate", *args)
        self.assertEqual(ran.code, code, ran)
        return ran

    def test_a_table_of_contestants(self):
        path = self.write("shop.yaml", SPEC)
        out = self.simulate("--sessions", path, "--seeds", "3").out
        lines = out.splitlines()
        self.assertIn("40 entries fit; means over 3 seeds with 95 % intervals", lines[0])
        self.assertEqual([line.split()[0] for line in lines[3:9]], ["none", "lru", "lru-prefetch", "s3-fifo", "tuned", "agent"])
        self.assertIn("tuned = ", lines[7])
        self.assertRegex(lines[10], r"^agent: \d+\.\d\d % of the decisions by chance; stepped aside \d+ times, for \d+\.\d % of the time$")
        self.assertEqual([line.split()[0] for line in lines[13:]], ["nothing", "cache", "conservative", "moderate", "aggressive", "evict-lru",
                                                                    "evict-unlikely"])
        self.assertEqual(self.simulate("--sessions", path, "--seeds", "3", "--parallel", "1").out, out)
        self.assertRegex(lines[8], r"^agent +\d+\.\d\d ± \d+\.\d\d +[+-]\d+\.\d\d ± \d+\.\d\d %, [0-3] of 3 ")

    def test_one_seed_has_no_intervals(self):
        path = self.write("shop.yaml", SPEC)
        out = self.simulate("--sessions", path, "--contestant", "lru,lru,tuned", "--seeds", "1").out
        self.assertIn("40 entries fit; one seed says nothing of intervals", out.splitlines()[0])
        self.assertNotIn("±", out)
        self.assertNotIn(" of 1", out)
        self.assertRegex(out.splitlines()[3], r"^lru +\d+\.\d\d +[+-]\d+\.\d\d % ")
        document = self.simulate("--json", "--sessions", path, "--contestant", "lru,tuned", "--seeds", "1").document
        self.assertIsNone(fits(shapes()["simulate-sessions"], document))
        lru = document["results"][0]
        self.assertEqual([lru[name]["half"] for name in ("mean_ms", "origin", "cascades")], [None] * 3)
        self.assertIsNone(lru["against"]["mean_ms"]["half"])

    def test_differences_to_a_contestant_of_ones_choice(self):
        path = self.write("shop.yaml", SPEC)
        lines = self.simulate("--sessions", path, "--contestant", "none,lru", "--against", "none", "--seeds", "4").out.splitlines()
        self.assertEqual(lines[2].count("VS NONE"), 2)
        self.assertRegex(lines[4], r"^lru +\S+ ± \S+ +-\S+ ± \S+ %, 4 of 4 .* -\S+ ± \S+ %, 4 of 4 ")
        self.assertNotIn(" of 4", lines[3])
        self.assertNotIn("VS ", self.simulate("--sessions", path, "--contestant", "none,lru", "--seeds", "2").out)
        document = self.simulate("--json", "--sessions", path, "--contestant", "none,lru", "--against", "lru", "--seeds", "4").document
        self.assertEqual(document["against"], "lru")
        none, lru = document["results"]
        self.assertEqual(none["against"]["mean_ms"]["better"], 0)
        self.assertGreater(none["against"]["mean_ms"]["mean"], 0)
        of_means = none["mean_ms"]["mean"] / lru["mean_ms"]["mean"] - 1
        self.assertAlmostEqual(none["against"]["mean_ms"]["mean"], of_means, delta=2e-5)
        self.assertEqual(lru["against"]["origin"], {"mean": 0, "half": 0, "better": 0})
        self.simulate("--sessions", path, "--contestant", "none,lru", "--against", "tuned", code=USAGE)
        self.assertIn("no contestant 'lur'", self.simulate("--sessions", path, "--against", "lur", code=USAGE).err)
        self.simulate("--sessions", path, "--write", "-", "--against", "lru", code=USAGE)

    def test_what_made_nothing_ahead_has_no_part_of_it_that_was_used(self):
        path = self.write("shop.yaml", SPEC)
        document = self.simulate("--json", "--sessions", path, "--contestant", "lru,lru-prefetch", "--seeds", "3").document
        lru, ahead = document["results"]
        self.assertEqual(lru["used_ratio"], {"mean": None, "half": None})
        self.assertGreater(ahead["used_ratio"]["mean"], 0)
        lines = self.simulate("--sessions", path, "--contestant", "lru,lru-prefetch", "--seeds", "3").out.splitlines()
        self.assertRegex(lines[3], r"± \d+\.\d$")
        self.assertRegex(lines[4], r"± \d+ %$")

    def test_an_agent_is_kept_and_begins_with_what_it_learned(self):
        path, kept = self.write("shop.yaml", SPEC), os.path.join(self.folder, "shop.agent")
        out = self.simulate("--sessions", path, "--save-agent", kept, "--seed", "101", "--seeds", "3").out
        self.assertRegex(out, r"^agent learned from 3 seeds of \S+shop.yaml, from 101 on: \S+shop.agent, 10\d.\d KiB\n$")
        chance = lambda *args: self.simulate("--json", "--sessions", path, "--contestant", "lru,agent", "--seeds", "2",
                                             *args).document["results"][1]["agent"]["explored"]
        self.assertLess(chance("--load-agent", kept), chance())
        with open(kept, "rb") as file:
            once = file.read()
        document = self.simulate("--json", "--sessions", path, "--load-agent", kept, "--save-agent", kept, "--seed", "104", "--seeds", "1").document
        self.assertIsNone(fits(shapes()["simulate-agent"], document))
        self.assertEqual((document["contestant"], document["first_seed"], document["seeds"], document["bytes"]), ("agent", 104, 1, len(once)))
        with open(kept, "rb") as file:
            self.assertNotEqual(file.read(), once)
        self.simulate("--sessions", path, "--save-agent", kept, "--contestant", "agent-linear-q", "--seeds", "1")
        err = self.simulate("--sessions", path, "--load-agent", kept, code=USAGE).err
        self.assertIn("agent: it was learned by another method", err)

    def test_mistakes_with_files_of_agents(self):
        path, other = self.write("shop.yaml", SPEC), self.write("notes.txt", b"not an agent")
        for args, says, code in [(("--save-agent", other), "is there and is nothing that an agent has learned", USAGE),
                                 (("--save-agent", "/nowhere/x.agent", "--seeds", "1"), "cannot write /nowhere/x.agent", FAILED),
                                 (("--save-agent", "x", "--contestant", "lru"), '"lru" is none that learns', USAGE),
                                 (("--save-agent", "x", "--contestant", "agent,lru"), "--save-agent needs one contestant", USAGE),
                                 (("--save-agent", "x", "--plot", "p.svg"), "--plot does not go with --sessions and --save-agent", USAGE),
                                 (("--save-agent", "x", "--against", "agent"), "--against does not go with --sessions and --save-agent", USAGE),
                                 (("--save-agent", "x", "--write", "-"), "--save-agent does not go with --sessions and --write", USAGE),
                                 (("--load-agent", other), "is nothing that an agent has learned", NOT_FOUND),
                                 (("--load-agent", "/nowhere.agent"), "cannot read /nowhere.agent", NOT_FOUND)]:
            self.assertIn(says, self.simulate("--sessions", path, *args, code=code).err)
        with open(other, "rb") as file:
            self.assertEqual(file.read(), b"not an agent")
        self.assertIn("--load-agent goes with --sessions only", self.simulate(path, "--load-agent", "x", code=USAGE).err)

    def test_the_help_names_all_contestants(self):
        out = larder_bare("simulate", "--help").out
        for name, says in [("none", "no cache: each request goes to the origin"), ("tuned", "the rule above with the least"),
                           ("agent-network-q", "the same by Q-learning")]:
            self.assertRegex(out.split("Contestants", 1)[1], rf"(?m)^  {name} +{says}")
        page = larder_bare("help", "simulate", "--man").out
        self.assertRegex(page.split(".SH CONTESTANTS", 1)[1], r"lru\\-prefetch\n")

    def test_json_has_every_figure_with_its_interval(self):
        path = self.write("shop.yaml", SPEC)
        document = self.simulate("--json", "--sessions", path, "--seeds", "4", "--seed", "7", "--contestant", "all").document
        self.assertIsNone(fits(shapes()["simulate-sessions"], document))
        self.assertEqual((document["first_seed"], document["seeds"], document["keys"]), (7, 4, 401))
        results = {r["contestant"]: r for r in document["results"]}
        self.assertEqual(results["none"]["hit_ratio"], {"mean": 0, "half": 0})
        self.assertLess(results["lru"]["mean_ms"]["mean"], results["none"]["mean_ms"]["mean"])
        self.assertGreater(results["lru"]["mean_ms"]["half"], 0)
        self.assertEqual(results["tuned"]["against"]["mean_ms"], {"mean": 0, "half": 0, "better": 0})
        self.assertEqual(document["against"], "tuned")
        self.assertIn(results["tuned"]["rule"], results)
        self.assertIsNone(results["tuned"]["agent"])
        agent = results["agent"]["agent"]
        self.assertEqual(set(agent), {"decisions", "explored", "stepped_aside", "aside_ratio", "actions"})
        self.assertEqual(sum(action["taken"] for action in agent["actions"]), agent["decisions"])
        self.assertEqual(set(agent["actions"][0]), {"action", "taken", "reward_mean"})
        alone = self.simulate("--json", "--sessions", path, "--seeds", "2", "--contestant", "lru").document
        self.assertIsNone(fits(shapes()["simulate-sessions"], alone))
        self.assertIsNone(alone["results"][0]["against"])
        self.assertIsNone(alone["against"])

    def test_requests_are_written_and_are_a_trace(self):
        path, out = self.write("shop.yaml", SPEC), os.path.join(self.folder, "requests.jsonl")
        self.simulate("--sessions", path, "--write", out, "--seed", "3")
        with open(out, encoding="utf-8") as file:
            requests = [json.loads(line) for line in file]
        self.assertEqual(set(requests[0]), {"key", "endpoint", "at_ms", "session", "user", "size"})
        self.assertEqual([r["at_ms"] for r in requests], sorted(r["at_ms"] for r in requests))
        self.assertEqual(self.simulate("--sessions", path, "--write", "-", "--seed", "3").out.splitlines()[0], json.dumps(requests[0]))
        trace = self.simulate("--json", out, "--size", "40", "--policy", "lru").document
        self.assertEqual(trace["requests"], len(requests))
        self.assertEqual(trace["unique"], len({r["key"] for r in requests}))
        self.simulate("--sessions", path, "--write", "/nowhere/x.jsonl", code=FAILED)

    def test_a_plot_is_drawn(self):
        path, svg = self.write("shop.yaml", SPEC), os.path.join(self.folder, "plot.svg")
        self.simulate("--sessions", path, "--seeds", "2", "--contestant", "none,lru", "--plot", svg)
        space = "{http://www.w3.org/2000/svg}"
        titles = [t.text for t in ElementTree.parse(svg).getroot().iter(space + "text") if t.get("class") == "title"]
        self.assertEqual(titles, ["shop.yaml: mean latency", "shop.yaml: requests to the origin", "shop.yaml: cascades"])
        self.simulate("--sessions", path, "--seeds", "1", "--contestant", "lru", "--plot", "/nowhere/p.svg", code=FAILED)

    def test_mistakes_of_a_file_are_told_with_their_places(self):
        path = self.write("bad.yaml", SPEC.replace(b"sessions: 2", b"sesions: 2").replace(b"same: item", b"same: items"))
        err = self.simulate("--sessions", path, code=CONFIG).err
        self.assertIn(f'{path}:2:1: the file: found "sesions", which is no name here; did you mean sessions?', err)
        self.assertIn(f'{path}:8:30: endpoints.more.same: found "items"', err)
        error = larder_bare("--json", "simulate", "--sessions", path).error
        self.assertIn(f"{path}:1:1: the file: found no sessions", error["message"])
        self.simulate("--sessions", "/nowhere.yaml", code=NOT_FOUND)
        self.simulate("--sessions", self.folder, code=NOT_FOUND)

    def test_mistakes_of_the_call(self):
        path = self.write("shop.yaml", SPEC)
        for args, says in [(("--contestant", "lur"), "no contestant 'lur'; did you mean"),
                           (("--contestant", "lru,,none"), "no contestant ''"),
                           (("--seeds", "1001"), "--seeds must be from 1 to 1000"),
                           (("--seed", "x"), "--seed cannot be 'x'"),
                           (("--seed", str(1 << 62), "--seeds", "1"), "seeds from 2^62 on are those of tuning"),
                           (("--seed", str((1 << 62) - 2), "--seeds", "3"), "seeds from 2^62 on are those of tuning"),
                           (("--seed", str((1 << 64) - 1),), "seeds from 2^62 on are those of tuning"),
                           (("--policy", "lru"), "--policy does not go with --sessions"),
                           (("--size", "5%"), "--size does not go with --sessions"),
                           ((path,), "TRACE does not go with --sessions"),
                           (("--write", "-", "--plot", "p"), "--plot does not go with --sessions and --write"),
                           (("--write", "-", "--seeds", "3"), "--seeds does not go with --sessions and --write")]:
            self.assertIn(says, self.simulate("--sessions", path, *args, code=USAGE).err)
        self.simulate("--sessions", path, "--seed", str((1 << 62) - 3), "--seeds", "3", "--contestant", "lru")
        for args in [("--seeds", "3"), ("--contestant", "lru"), ("--write", "x"), ("--against", "lru")]:
            self.assertIn(args[0] + " goes with --sessions only", self.simulate(path, *args, code=USAGE).err)

    def test_the_examples_are_fine(self):
        examples = sorted(glob.glob(os.path.join(os.environ["LARDER_SOURCE_DIR"], "examples", "traffic", "*.yaml")))
        self.assertEqual(len(examples), 6)
        for path in examples:
            self.assertGreater(len(self.simulate("--sessions", path, "--write", "-").out.splitlines()), 10000)


if __name__ == "__main__":
    unittest.main()
