#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fields that the configuration names: exports among files of records, and fields that no record has or that hold the wrong thing."""
import json
import os
import shutil
import unittest

from cli_support import DONE, NOT_FOUND, CliCase, fits, shapes

ROWS = "    rows: {import: {key_field: key, value_row: true}}\n"


class Fields(CliCase):
    def path(self, name):
        return os.path.join(self.folder, name)

    def configured(self, text):
        with open(self.config_file, "w", encoding="utf-8") as out:
            out.write("cache:\n  namespaces:\n" + text)

    def test_an_export_is_read_as_one_whatever_the_configuration_says(self):
        self.configured(ROWS)
        self.larder("put", "rows", "k", "-", "--tag", "t", stdin=b"the value")
        for ending in ("jsonl", "json", "csv"):
            file = self.path("ex." + ending)
            self.expect(DONE, "export", "rows", "--output", file)
            with open(file, "rb") as piped:
                stream = piped.read()
            for args, stdin in ([file], b""), (["-", "--format", ending], stream), (["-"], stream):
                for command in (["import", *args, "--ns", "rows"], ["warm", "rows", *args]):
                    with self.subTest(ending=ending, command=command):
                        self.expect(DONE, "del", "rows", "k")
                        self.expect(DONE, *command, stdin=stdin)
                        self.assertEqual(self.expect(DONE, "get", "rows", "k").raw, b"the value")
                        self.assertEqual(self.document("inspect", "rows", "k")["tags"], ["t"])
            # What is said by an option is meant.
            self.expect(DONE, "import", file, "--ns", "rows", "--key-field", "key")
            self.assertEqual(json.loads(self.expect(DONE, "get", "rows", "k").raw)["ns"], "rows")
            self.expect(DONE, "put", "rows", "k", "-", "--tag", "t", stdin=b"the value")

    def test_what_is_left_of_an_export_is_refused_as_one(self):
        self.configured(ROWS)
        for key in ("a", "b"):
            self.larder("put", "rows", key, "-", stdin=b"1")
        file = self.path("ex.jsonl")
        self.expect(DONE, "export", "rows", "--output", file)
        lines = self.read(file).splitlines(keepends=True)
        cut = self.write("cut.jsonl", b"".join(lines[:-1]))
        ran = self.expect(NOT_FOUND, "import", cut, "--ns", "rows")
        self.assertIn("cut short", ran.err)
        self.expect(DONE, "import", cut, "--ns", "rows", "--force")
        self.assertEqual(self.expect(DONE, "get", "rows", "a").raw, b"1")
        # Nothing was in it.
        empty = self.path("none.csv")
        self.expect(DONE, "export", "rows", "--prefix", "nowhere", "--output", empty)
        self.configured("    rows: {import: {key_field: sku, value_row: true}}\n")
        self.expect(DONE, "import", empty, "--ns", "rows")

    def test_records_with_such_names_are_records(self):
        self.configured(ROWS)
        for record in ({"key": "k", "value": 1, "ns": "x"}, {"key": "k", "value": 1, "stamp": 7}, {"key": "k"}):
            self.expect(DONE, "import", self.write("r.jsonl", json.dumps(record).encode() + b"\n"), "--ns", "rows")
            self.assertEqual(json.loads(self.expect(DONE, "get", "rows", "k").raw), record)
            shutil.rmtree(self.root, ignore_errors=True)

    def test_a_field_that_no_record_has_is_told_once(self):
        records = [{"id": str(i), "v": 1, "lasts": None} for i in range(300)]
        file = self.write("r.jsonl", b"".join(json.dumps(r).encode() + b"\n" for r in records))
        args = ["warm", "n", file, "--key-field", "id", "--value-field", "v", "--ttl-field", "lasts", "--version-field", "nope",
                "--tags-field", "nope"]
        ran = self.expect(DONE, *args)
        self.assertEqual(ran.err.count("no record had a field nope"), 1)
        self.assertNotIn("lasts", ran.err)
        shutil.rmtree(self.root)
        ran = self.expect(DONE, "--json", *args)
        self.assertEqual(ran.document["missing_fields"], ["nope"])
        self.assertIsNone(fits(shapes()["warm-file"], ran.document))
        # Of records that can't be read nothing is known.
        file = self.write("broken.jsonl", b"{half\n" * 3)
        ran = self.expect(NOT_FOUND, "warm", "n", file, "--key-field", "id", "--value-field", "v", "--ttl-field", "nope")
        self.assertNotIn("no record had", ran.err)
        file = self.write("r.json", json.dumps(records).encode())
        ran = self.expect(DONE, "--json", "import", file, "--ns", "n", "--key-field", "id", "--value-field", "v", "--ttl-field", "until")
        self.assertEqual(ran.document["missing_fields"], ["until"])
        self.assertIsNone(fits(shapes()["import"], ran.document))

    def test_versions_and_tags_are_texts(self):
        records = [{"id": "a", "rev": [1], "marks": None}, {"id": "b", "rev": {"x": 1}}, {"id": "c", "rev": 7, "marks": "x;y"},
                   {"id": "d", "marks": {"x": 1}}, {"id": "e", "marks": True}, {"id": "f", "marks": ["x", 1]}, {"id": "g", "marks": 5},
                   {"id": "h", "marks": ["x;y"]}, {"id": "i", "rev": True}, {"id": "j", "rev": False}]
        lines = self.write("r.jsonl", b"".join(json.dumps(r).encode() + b"\n" for r in records))
        fields = ["--key-field", "id", "--value-row", "--version-field", "rev", "--tags-field", "marks"]
        ran = self.expect(NOT_FOUND, "warm", "n", lines, *fields)
        for line, key in ((1, "a"), (2, "b"), (9, "i"), (10, "j")):
            self.assertIn("line %d: %s: its rev is no version: a version is a text or a number\n" % (line, key), ran.err)
        for line, key in ((4, "d"), (5, "e"), (7, "g")):
            self.assertIn("line %d: %s: its marks is neither a list of texts nor a text" % (line, key), ran.err)
        self.assertIn("line 6: f: tags is a list of texts", ran.err)
        self.assertEqual(self.document("inspect", "n", "c")["version"], "7")
        self.assertEqual(sorted(self.document("inspect", "n", "c")["tags"]), ["x", "y"])
        self.assertEqual(self.document("inspect", "n", "h")["tags"], ["x;y"])
        table = self.write("t.csv", b'id,rev,marks\na,1,"[""x"",""y"\nb,1,x;[y]\n')
        ran = self.expect(NOT_FOUND, "warm", "n", table, *fields)
        self.assertIn("line 2: a: tags begins as a list, and is no JSON", ran.err)
        self.assertEqual(sorted(self.document("inspect", "n", "b")["tags"]), ["[y]", "x"])

    def test_a_column_that_the_configuration_names_is_told_as_that(self):
        self.configured("    n: {import: {key_field: sku, value_row: true, ttl_field: t}}\n")
        told = "(so the configuration says; options or --entries say otherwise)"
        file = self.write("t.csv", b"sku,u\na,1\n")
        self.assertIn("has no t " + told, self.expect(NOT_FOUND, "warm", "n", file).err)
        self.assertIn("has no t " + told, self.expect(NOT_FOUND, "warm", "n", file, "--key-field", "u").err)
        ran = self.expect(NOT_FOUND, "warm", "n", file, "--ttl-field", "q")
        self.assertIn("has no q", ran.err)
        self.assertNotIn("configuration", ran.err)


if __name__ == "__main__":
    unittest.main()
