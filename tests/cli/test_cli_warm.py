#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""warm on a real root: products of lists, the configuration's lists, the preset of the examples, mistakes."""
import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

from cli_support import CONFIG, DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes

KERNELS = ["--recipe", "kernel", "--alpha", "1.5,1.8", "--dt", "0.01", "--n", "1000,5000"]


class Warm(CliCase):
    def test_the_product_of_the_lists_is_made_and_then_skipped(self):
        document = self.document("warm", "k", *KERNELS)
        self.assertIsNone(fits(shapes()["warm"], document))
        self.assertEqual((document["total"], document["made"], document["there"], document["failed"]), (4, 4, 0, 0))
        again = self.document("warm", "k", *KERNELS, "--parallel", "3")
        self.assertEqual((again["made"], again["there"]), (0, 4))
        fresh = self.document("warm", "k", *KERNELS, "--fresh")
        self.assertEqual((fresh["made"], fresh["there"]), (4, 0))
        keys = {e["key"] for e in self.document("ls", "k")["entries"]}
        self.assertEqual(keys, {f"kernel_alpha{a}_dt0.01_n{n}" for a in ("1.5", "1.8") for n in (1000, 5000)})
        self.assertEqual({e["kind"] for e in self.document("ls", "k")["entries"]}, {"array"})

    def test_each_value_has_a_line_where_no_terminal_is(self):
        ran = self.expect(DONE, "warm", "k", *KERNELS)
        self.assertEqual(ran.err.count("made     k kernel_alpha"), 4)
        self.assertIn("made 4 (", ran.out)
        ran = self.expect(DONE, "--quiet", "warm", "k", *KERNELS)
        self.assertEqual((ran.out, ran.err), ("", ""))
        self.assertEqual(self.expect(DONE, "--json", "warm", "k", *KERNELS).err, "")

    def test_a_lifetime_is_kept(self):
        self.expect(DONE, "warm", "k", "--recipe", "kernel", "--alpha", "1", "--dt", "1", "--n", "3", "--ttl", "1h")
        facts = self.document("inspect", "k", "kernel_alpha1_dt1_n3")
        self.assertLessEqual(facts["left_ms"], 3600 * 1000)
        self.assertGreater(facts["left_ms"], 3500 * 1000)

    def test_mistakes_say_what_may_be_given(self):
        for args, says in [
                (["--recipe", "kernel", "--alpha", "x", "--dt", "1", "--n", "1"], "alpha cannot be 'x'"),
                (["--recipe", "kernel", "--alpha", "1", "--dt", "1"], "n must be given"),
                (["--recipe", "kernal", "--alpha", "1"], "there are: kernel, laplacian, echo, profile, sources"),
                (["--recipe", "kernel", "--tau0", "1", "--alpha", "1", "--dt", "1", "--n", "1"], "no parameter 'tau0'"),
                (["--alpha", "1"], "--recipe is missing"),
                (["--recipe", "laplacian", "--dim", "4"], "a whole number from 2 to 3"),
                (["--recipe", "sources", "--n", "8x8", "--zones", "disc:1:1:1:1"], "is no zone"),
        ]:
            ran = self.expect(USAGE, "warm", "k", *args)
            self.assertIn(says, ran.err)
        self.assertIn("NS is missing", self.expect(USAGE, "warm", "--recipe", "kernel").err)
        error = self.expect(USAGE, "--json", "warm", "k", "--recipe", "kernal").error
        self.assertEqual(error["code"], "LARDER_EINVAL")

    def test_nothing_listed_is_not_found(self):
        self.assertIn("lists nothing to warm", self.expect(NOT_FOUND, "warm").err)
        self.assertIn("lists nothing to warm in k", self.expect(NOT_FOUND, "warm", "k").err)

    def test_the_list_and_the_page_name_every_parameter(self):
        document = self.document("warm", "--list")
        self.assertIsNone(fits(shapes()["warm-list"], document))
        text = self.expect(DONE, "warm", "--list").out
        page = self.expect(DONE, "warm", "--reference").out
        usage = self.expect(DONE, "warm", "--help").out
        for recipe in document["recipes"]:
            self.assertIn(f"\n## {recipe['recipe']}\n", page)
            for param in recipe["parameters"]:
                self.assertIn(f"--{param['name']}", text)
                self.assertIn(f"--{param['name']} LIST", usage)
                self.assertIn(f"| `{param['name']}` |", page)

    def test_the_printed_page_is_the_one_in_docs(self):
        with open(os.path.join(os.environ["LARDER_SOURCE_DIR"], "docs", "recipes.md"), encoding="utf-8") as file:
            self.assertEqual(file.read(), self.expect(DONE, "warm", "--reference").out)

    def test_a_bar_is_drawn_on_a_terminal_and_taken_away(self):
        ours, theirs = pty.openpty()
        ran = subprocess.run([LARDER, "--root", self.root, "--config", self.config_file, "warm", "k", *KERNELS],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=environment(), timeout=60,
                             check=False)
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 0.5)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
        os.close(ours)
        self.assertEqual(ran.returncode, DONE)
        self.assertIn(b"4/4", seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-40:])

    def test_an_interrupt_stops_in_good_order(self):
        many = ",".join(str(n) for n in range(100000, 103000))
        with subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "--json", "warm", "k", "--recipe",
                               "kernel", "--alpha", "1.5", "--dt", "1", "--n", many, "--parallel", "1"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            # The root is there before the first value is made, and the handler before that.
            until = time.monotonic() + 60
            while not os.path.exists(os.path.join(self.root, "larder.db")) and time.monotonic() < until:
                time.sleep(0.01)
            while running.poll() is None and time.monotonic() < until:
                ls = self.larder("--json", "ls", "k", "--limit", "1")
                if ls.code == DONE and ls.document["count"]:
                    break
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)

        document = json.loads(out)
        self.assertEqual(running.returncode, 128 + signal.SIGINT, err)
        self.assertTrue(document["stopped"])
        self.assertGreater(document["made"], 0)
        self.assertLess(document["made"], 3000)
        self.assertEqual(document["failed"], 0)
        self.expect(DONE, "validate")


class Configured(CliCase):
    config = ("cache:\n  namespaces:\n    a:\n      warm:\n        - {recipe: kernel, alpha: [1, 2], dt: 1, n: [3, 4]}\n"
              "    b: {warm: [{recipe: profile, shape: gaussian, n: 8x8, width: \"${WIDTH:-2}\"}]}\n    c: {tiers: [memory]}\n")

    def test_all_namespaces_or_one(self):
        self.assertEqual(self.document("warm", "b")["made"], 1)
        document = self.document("warm")
        self.assertEqual((document["made"], document["there"]), (4, 1))
        self.expect(DONE, "exists", "b", "profile_shapegaussian_n8x8_width2")
        self.assertEqual(self.document("warm", "b", WIDTH="3")["made"], 1)
        self.expect(DONE, "exists", "b", "profile_shapegaussian_n8x8_width3")

    def test_a_namespace_in_memory_only_is_refused(self):
        self.assertIn("memory only", self.expect(FAILED, "warm", "c", *KERNELS).err)

    def test_the_list_is_shown_and_in_the_schema(self):
        shown = self.document("config", "show")
        self.assertEqual(shown["cache"]["namespaces"]["a"]["warm"],
                         [{"recipe": "kernel", "alpha": "1,2", "dt": "1", "n": "3,4"}])
        text = self.expect(DONE, "config", "show").out
        again = self.write("again.yaml", text.encode())
        self.assertEqual(self.document("--config", again, "config", "show")["cache"]["namespaces"], shown["cache"]["namespaces"])

    def test_a_wrong_parameter_is_told_by_its_place(self):
        self.write("larder.yaml", b"cache:\n  namespaces:\n    a:\n      warm:\n        - {recipe: kernel, alpha: 99, dt: 1, n: 3}\n")
        ran = self.expect(CONFIG, "warm")
        self.assertIn("larder.yaml:5:11: kernel: alpha cannot be '99'", ran.err)


class Preset(CliCase):
    def test_the_simulation_preset_is_made_whole(self):
        file = os.path.join(os.environ["LARDER_SOURCE_DIR"], "examples", "simulation.yaml")
        self.assertEqual(self.larder("--config", file, "config", "check").code, DONE)
        ran = self.larder("--json", "--config", file, "warm").document
        # A build without FFTW says so of each wisdom, and makes the rest.
        absent = [f for f in ran["failures"] if f["ns"] == "fftw_wisdom" and "this build has no FFTW" in f["message"]]
        self.assertEqual((ran["failed"], ran["failures"], ran["made"]), (len(absent), absent, ran["total"] - len(absent)))
        again = self.larder("--json", "--config", file, "warm").document
        self.assertEqual((again["made"], again["there"]), (0, ran["made"]))
        names = {n["ns"] for n in self.document("--config", file, "ls")["namespaces"]}
        self.assertLessEqual({"fractional_kernels", "stencils", "echo_templates", "state_profiles", "source_maps",
                              "mission_graph", "surrogates"}, names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
