#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""wisdom on a real root, with sizes for which FFTW searches a moment."""
import unittest

from cli_support import DONE, FAILED, USAGE, CliCase, fits, shapes


class Wisdom(CliCase):
    def setUp(self):
        super().setUp()
        probe = self.larder("--json", "wisdom", "4", "--measure")
        if probe.code == FAILED and probe.error["code"] == "LARDER_EUNSUPPORTED":
            self.assertIn("this build has no FFTW", probe.error["message"])
            self.skipTest("a build without FFTW")

    def test_the_first_searches_and_the_second_loads(self):
        first = self.document("wisdom", "8", "8", "--measure")
        self.assertIsNone(fits(shapes()["wisdom"], first))
        self.assertEqual((first["result"], first["reason"], first["plans"], first["kept"]), ("made", "not found", 4, True))
        self.assertRegex(first["key"], r"^fftw_8_8_1_[A-Za-z0-9.-]+_measure$")
        again = self.document("wisdom", "8", "8", "--measure")
        self.assertEqual((again["result"], again["reason"], again["key"]), ("loaded", None, first["key"]))
        self.assertEqual(self.document("wisdom", "8", "8", "--measure", "--force")["result"], "made")
        facts = self.document("inspect", "fftw_wisdom", first["key"])
        self.assertEqual(facts["kind"], "wisdom")
        self.assertTrue(facts["version"].startswith("fftw-3."))
        self.assertIn('"effort":"measure"', facts["meta"])

    def test_each_choice_is_an_entry_of_its_own(self):
        keys = set()
        for choice in ([], ["--float"], ["--threads", "2"], ["--r2c"], ["--r2c", "--c2r"], ["--direction", "forward"],
                       ["--place", "in"], ["--measure"]):
            document = self.document("wisdom", "8", *choice)
            self.assertEqual(document["result"], "made", choice)
            keys.add(document["key"])
        self.assertEqual(len(keys), 8)
        self.assertTrue(any(k.endswith("_float") for k in keys) and any(k.endswith("_r2c+c2r") for k in keys))

    def test_damage_is_told_and_made_anew(self):
        key = self.document("wisdom", "8")["key"]
        version = self.document("inspect", "fftw_wisdom", key)["version"]
        self.put("fftw_wisdom", key, "(fftw-3.3.10 fftw_wisdom #x1", "--kind", "bytes", "--version", version)
        document = self.document("wisdom", "8")
        self.assertEqual(document["result"], "made")
        self.assertIn("no wisdom of FFTW's", document["reason"])
        ran = self.expect(DONE, "wisdom", "8")
        self.assertIn(f"loaded {key}", ran.out)

    def test_progress_is_a_line_for_each_plan_where_no_terminal_is(self):
        ran = self.expect(DONE, "wisdom", "8", "--measure")
        self.assertIn("planned  8: 4 of 4", ran.err)
        self.assertEqual(self.expect(DONE, "--quiet", "wisdom", "8", "--measure").err, "")

    def test_clear_one_or_all(self):
        self.document("wisdom", "8")
        self.document("wisdom", "8", "8")
        document = self.document("wisdom", "8", "--clear")
        self.assertIsNone(fits(shapes()["wisdom-clear"], document))
        self.assertEqual(document, {"ns": "fftw_wisdom", "deleted": 1})
        # The probe's is there too.
        self.assertEqual(self.document("wisdom", "--clear")["deleted"], 2)
        self.assertEqual(self.document("wisdom", "--clear")["deleted"], 0)
        self.assertEqual(self.document("wisdom", "8")["result"], "made")

    def test_mistakes(self):
        self.assertIn("NX is missing", self.expect(USAGE, "wisdom").err)
        self.expect(USAGE, "wisdom", "8", "--measure", "--patient")
        self.expect(USAGE, "wisdom", "8", "--clear", "--force")
        self.expect(USAGE, "wisdom", "--clear", "--float")
        self.expect(USAGE, "wisdom", "x")
        self.expect(USAGE, "wisdom", "8", "8", "8", "8")
        self.assertIn("2^28", self.expect(USAGE, "wisdom", "100000", "100000").err)
        self.expect(USAGE, "wisdom", "8", "--threads", "1000")


if __name__ == "__main__":
    unittest.main(verbosity=2)
