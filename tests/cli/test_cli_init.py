#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""larder init, and what others see of the folder that it makes: numpy reads our files and we read numpy's."""
import hashlib
import json
import os
import tempfile
import unittest

import numpy

from cli_support import DONE, FAILED, NOT_FOUND, USAGE, CliCase, fits, larder_bare, shapes

NAMESPACES = ["fractional_kernels", "stencils", "fftw_wisdom", "echo_templates", "state_profiles", "source_maps",
              "mission_graph", "surrogates"]
ENTRY = {"key": "text", "created_at": "text", "size_bytes": "int", "access_count": "int", "last_accessed": "text",
         "checksum": "text"}
INDEX = {"version": "text", "created_at": "text", "total_entries": "int", "total_size_mb": "number", "entries": {"*": ENTRY}}


class Init(CliCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.folder, "cache")
        self.made = larder_bare("--json", "init", self.root)
        self.assertEqual(self.made.code, DONE, self.made)

    def run_in(self, *args, code=DONE, **how):
        ran = larder_bare("--config", os.path.join(self.root, "larder.yaml"), *args, **how)
        self.assertEqual(ran.code, code, ran)
        return ran

    def index(self, namespace):
        with open(os.path.join(self.root, namespace, "index.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_the_folder_is_ready(self):
        document = self.made.document
        self.assertIsNone(fits(shapes()["init"], document))
        self.assertEqual(document["made"], ["larder.yaml", "README.md", ".gitignore"])
        self.assertEqual(document["namespaces"], NAMESPACES)
        for namespace in NAMESPACES:
            self.assertIsNone(fits(INDEX, self.index(namespace)))
            self.assertEqual(list(self.index(namespace)), list(INDEX))
        for folder in ("models", "metadata"):
            self.assertTrue(os.path.isdir(os.path.join(self.root, "surrogates", folder)))
        with open(os.path.join(self.root, "index.json"), encoding="utf-8") as file:
            self.assertEqual(sorted(json.load(file)["namespaces"]), sorted(NAMESPACES))
        self.assertEqual(self.run_in("config", "check").code, DONE)

    def test_nothing_that_is_there_is_touched(self):
        path = os.path.join(self.root, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("mine")
        self.run_in("put", "mission_graph", "k", "-", stdin=b"{}")
        again = larder_bare("--json", "init", self.root)
        self.assertEqual(again.code, DONE, again)
        self.assertEqual((again.document["made"], len(again.document["kept"])), ([], 3))
        self.assertEqual(self.read(path), b"mine")
        self.assertEqual(self.run_in("get", "mission_graph", "k").out, "{}")

    def test_a_kind_that_is_named_counts_in_a_namespace_of_another(self):
        self.run_in("put", "surrogates", "notes", "-", stdin=b"no model", code=FAILED)
        self.run_in("put", "surrogates", "notes", "-", "--kind", "bytes", stdin=b"no model")
        self.assertEqual(self.run_in("get", "surrogates", "notes").out, "no model")

    def test_results_of_any_kind_are_kept_where_json_is_the_rule(self):
        config = os.path.join(self.root, "larder.yaml")
        with open(config, "a", encoding="utf-8") as file:
            file.write("    json_only: {kind: json}\n")
        mission = os.path.join(self.folder, "mission.json")
        with open(mission, "w", encoding="utf-8") as file:
            file.write('{"steps": [{"id": "a", "run": ["sh", "-c", "echo no json; printf x > a.out"], "outputs": ["a.out"]}]}')
        for state in ("made", "hit"):
            ran = self.run_in("mission", "--ns", "json_only", mission)
            self.assertIn(state, ran.out)
        self.run_in("put", "json_only", "k", "-", stdin=b"no json", code=FAILED)

    def test_a_plain_one_has_no_namespaces(self):
        with tempfile.TemporaryDirectory() as folder:
            made = larder_bare("--json", "init", "--layout", "plain", os.path.join(folder, "a", "b"))
            self.assertEqual(made.code, DONE, made)
            self.assertEqual(made.document["namespaces"], [])

    def test_a_configuration_does_not_go_with_it(self):
        self.assertEqual(larder_bare("--root", self.root, "init", self.root).code, USAGE)

    def test_numpy_reads_our_files_and_we_read_its(self):
        values = numpy.arange(24.0).reshape(2, 3, 4)
        plain, packed = os.path.join(self.folder, "a.npy"), os.path.join(self.folder, "a.npz")
        numpy.save(plain, values)
        numpy.savez_compressed(packed, data=values)
        self.run_in("put", "fractional_kernels", "alpha=1.5", plain)
        self.run_in("put", "stencils", "lap/3d", packed)
        ours = os.path.join(self.root, "fractional_kernels", "alpha=1.5.npy")
        self.assertTrue(numpy.array_equal(numpy.load(ours), values))
        self.assertTrue(numpy.array_equal(numpy.load(os.path.join(self.root, "stencils", "lap%2F3d.npz"))["data"], values))
        entry = self.index("fractional_kernels")["entries"]["alpha=1.5"]
        self.assertIsNone(fits(ENTRY, entry))
        self.assertEqual(list(entry), list(ENTRY))
        self.assertEqual(entry["checksum"], "sha256:" + hashlib.sha256(self.read(ours)).hexdigest())
        self.assertEqual(entry["size_bytes"], os.path.getsize(ours))
        numpy.save(os.path.join(self.root, "stencils", "dropped.npy"), values + 1)
        self.run_in("get", "stencils", "dropped", code=NOT_FOUND)
        self.run_in("validate", "--repair")
        out = os.path.join(self.folder, "out.npy")
        self.run_in("get", "stencils", "dropped", "--output", out)
        self.assertTrue(numpy.array_equal(numpy.load(out), values + 1))


if __name__ == "__main__":
    unittest.main()
