#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kinds on the command line: what put refuses and how it says so, what inspect shows."""
import json
import struct
import unittest

from cli_support import DONE, FAILED, NOT_FOUND, USAGE, CliCase, fits, shapes


def npy(numbers, shape=None, more=b""):
    shape = (len(numbers),) if shape is None else shape
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + struct.pack(f"<{len(numbers)}d", *numbers) + more


class Kinds(CliCase):
    config = "cache:\n  namespaces:\n    documents: {kind: json}\n"

    def test_broken_json_is_refused_with_its_place(self):
        ran = self.expect(FAILED, "put", "n", "k", "--kind", "json", stdin=b'{"a": 1,\n "b" 2}')
        self.assertIn("line 2, column", ran.err)
        self.assertIn("no whole json", ran.err)
        self.expect(FAILED, "put", "documents", "k", stdin=b"{")
        self.expect(NOT_FOUND, "get", "documents", "k")
        self.expect(DONE, "put", "documents", "k", stdin=b"{}")
        ran = self.expect(FAILED, "--json", "put", "documents", "k", stdin=b"{")
        self.assertIsNone(fits(shapes()["error"], json.loads(ran.err)))
        self.assertEqual(self.expect(DONE, "get", "documents", "k").raw, b"{}", "the value before is still there")

    def test_broken_arrays_and_models_are_refused(self):
        for kind, value, why in [("array", npy([1.0], more=b"x"), "speaks of 8 bytes of elements, and 9"),
                                 ("array", b"hello", "no whole .npy"), ("array", b"PK\x03\x04" + b"x" * 40, "its end is missing"),
                                 ("model", b"hello", "it is no model"), ("model", b"PK\x03\x04" + b"x" * 40, "its end is missing")]:
            ran = self.expect(FAILED, "put", "n", "k", "--kind", kind, stdin=value)
            self.assertIn(why, ran.err)
        self.expect(NOT_FOUND, "get", "n", "k")
        self.expect(DONE, "put", "n", "k", stdin=b"hello")

    def test_an_array_is_shown_with_its_figures(self):
        self.put("n", "a", npy([1.0, 2.0, float("nan"), 6.0, float("inf"), 3.0], (2, 3)), "--kind", "array")
        ran = self.expect(DONE, "inspect", "n", "a")
        self.assertIn("float64 (2, 3), min 1, max 6, mean 3, 1 NaN, 1 infinite", ran.out)
        shown = self.document("inspect", "n", "a")
        self.assertIsNone(fits(shapes()["inspect-key"], shown))
        self.assertEqual(shown["preview_as"], "array")
        part = shown["parts"][0]
        self.assertEqual((part["dtype"], part["shape"], part["min"], part["max"], part["mean"]), ("<f8", [2, 3], 1, 6, 3))
        listed = self.document("inspect", "n")
        self.assertIsNone(fits(shapes()["inspect"], listed))
        self.assertIn("float64 (2, 3)", listed["entries"][0]["preview"])

    def test_figures_of_large_arrays_are_left_out_of_lists_and_that_is_said(self):
        self.put("n", "a", npy([1.0] * 200000), "--kind", "array")
        ran = self.document("inspect", "n")["entries"][0]
        self.assertIsNone(ran["parts"][0]["mean"])
        self.assertIn("min, max and mean not computed above 1.0 MiB", ran["preview"])
        self.assertEqual(self.document("inspect", "n", "a")["parts"][0]["mean"], 1)

    def test_text_that_is_no_utf_8_is_shown_as_bytes(self):
        self.put("n", "good", "caf\u00e9", "--kind", "text")
        self.put("n", "bad", b"caf\xe9", "--kind", "text")
        self.assertEqual(self.document("inspect", "n", "good")["preview_as"], "text")
        self.assertEqual(self.document("inspect", "n", "bad")["preview_as"], "hex")

    def test_metadata_can_be_checked_as_json(self):
        meta = '{"epoch": 12, "loss": 0.031, "optimizer": "adam"}'
        self.put("n", "k", b"x", "--meta-json", meta)
        self.assertEqual(json.loads(self.document("get", "n", "k")["meta"]), json.loads(meta))
        self.put("n", "k", b"x", "--meta-json", "@" + self.write("meta.json", b'{"epoch": 13}'))
        self.assertEqual(self.document("get", "n", "k")["meta"], '{"epoch": 13}')
        for bad in ["{", "[1]", "12", ""]:
            self.expect(USAGE, "put", "n", "k", "--meta-json", bad, stdin=b"x")
        self.expect(USAGE, "put", "n", "k", "--meta-json", "{}", "--meta", "x", stdin=b"x")


if __name__ == "__main__":
    unittest.main()
