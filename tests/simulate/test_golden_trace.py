#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The golden trace and its known answers."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden_trace as golden  # noqa: E402

LARDER = os.environ["LARDER_CLI"]


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ids, cls.sizes = golden.make()
        cls.found = golden.simulate(LARDER, golden.all_sizes())
        with open(golden.ANSWERS, encoding="utf-8") as file:
            cls.answers = json.load(file)

    def test_it_is_what_the_generator_makes(self):
        plain = golden.as_ltrc(self.ids, self.sizes)
        again = subprocess.run([LARDER, "--json", "simulate", "-", "--policy", "all", "--size", golden.all_sizes()], input=plain,
                               check=True, stdout=subprocess.PIPE)
        document = json.loads(again.stdout)
        self.assertEqual((document["requests"], document["unique"]), (len(self.ids), len(set(self.ids))))
        self.assertEqual([r["misses"] for r in document["results"]], list(self.found.values()))

    def test_plain_policies_and_the_optimum_miss_what_models_miss(self):
        for name, model in golden.MODELS.items():
            for size in golden.SIZES:
                self.assertEqual(self.found[f"{name} {size}"], model(self.ids, size), f"{name} at {size}")

    def test_answers_are_the_known_ones(self):
        known = {cell: misses for cell, misses in self.found.items() if cell in self.answers}
        self.assertEqual(known, self.answers)

    def test_the_page_shows_what_is_printed(self):
        with open(os.path.join(os.environ["LARDER_SOURCE_DIR"], "docs", "simulate.md"), encoding="utf-8") as file:
            page = file.read()
        blocks = re.findall(r"^    \$ larder (.*shop\.ltrc\.zst.*)\n((?:(?:    .*)?\n)+)", page, re.M)
        self.assertEqual(len(blocks), 3)
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(golden.TRACE, os.path.join(folder, "shop.ltrc.zst"))
            for command, shown in blocks:
                printed = subprocess.run([LARDER, *command.split()], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
                lines = [" ".join(line.split()) for line in printed.splitlines()]
                for line in filter(str.strip, shown.splitlines()):
                    self.assertIn(" ".join(line.split()), lines, command)

    def test_nobody_beats_the_optimum(self):
        for cell, misses in self.found.items():
            size = cell.split()[1]
            least = self.found["opt-bound " + size if size.endswith("B") else "opt " + size]
            self.assertGreaterEqual(misses, least, cell)
            self.assertLessEqual(misses, len(self.ids), cell)

    def test_seeds_and_threads_change_nothing_that_they_should_not(self):
        def run(*how):
            return subprocess.run([LARDER, "--json", "simulate", golden.TRACE, "--policy", "all", "--size", golden.all_sizes(), *how],
                                  check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(run("--parallel", "1"), run("--parallel", "7"))
        self.assertEqual(run("--seed", "3"), run("--seed", "3"))
        exact = ["fifo", "lru", "lfu", "sieve", "opt", "opt-bound"]
        one, two = ([r for r in json.loads(run("--seed", s))["results"] if r["policy"] in exact] for s in ("1", "2"))
        self.assertEqual(one, two)


if __name__ == "__main__":
    unittest.main()
