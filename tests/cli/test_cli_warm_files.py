#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""warm and import of foreign tables: fields by name, templates, rejects, resuming, and what does not go together."""
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest

from cli_support import CONFIG, DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, shapes

F_OFD_SETLK = 37  # fcntl has no name for it
COUNTIES = b"state,fips,name,kind,lasts\n08,013,Boulder,county,7d\n08,,Nowhere,county,\n36,061,\"New \"\"York\"\"\",county,1h\n"


class Files(CliCase):
    def path(self, name):
        return os.path.join(self.folder, name)

    def test_a_file_of_entries_goes_into_one_namespace(self):
        file = self.write("e.jsonl", b'{"key":"a","value":"1","ns":"elsewhere"}\n{"key":"b"}\n{"key":"c","value":[1]}\n')
        ran = self.expect(NOT_FOUND, "--json", "warm", "products", file, "--ttl", "1h", "--tag", "t", "--tag", "u")
        document = ran.document
        self.assertIsNone(fits(shapes()["warm-file"], document))
        self.assertEqual((document["loaded"], document["skipped"], document["failed"]), (2, 0, 1))
        self.assertEqual((document["failures"][0]["line"], document["failures"][0]["message"]), (2, "it has no value"))
        facts = self.document("inspect", "products", "a")
        self.assertEqual(facts["tags"], ["t", "u"])
        self.assertLessEqual(facts["left_ms"], 3600 * 1000)
        again = self.expect(NOT_FOUND, "warm", "products", file, "--ttl", "1h", "--tag", "t", "--tag", "u")
        self.assertIn("line 2: b: it has no value", again.err)
        self.assertIn("loaded 2 entries", again.err)  # their time begins anew

    def test_fields_are_named_and_no_other_says_anything(self):
        file = self.write("c.csv", COUNTIES)
        rejects = self.path("bad.csv")
        ran = self.expect(NOT_FOUND, "warm", "census", file, "--key", "county:{state}:{fips}", "--value-row", "--ttl-field", "lasts",
                          "--rejects", rejects)
        self.assertIn("line 3: its fips is empty, and its key is made of that", ran.err)
        self.assertEqual(json.loads(self.expect(DONE, "get", "census", "county:36:061").raw)["name"], 'New "York"')
        self.assertEqual(self.document("inspect", "census", "county:08:013")["kind"], "json")
        self.assertLessEqual(self.document("inspect", "census", "county:36:061")["left_ms"], 3600 * 1000)
        self.assertEqual(self.read(rejects), COUNTIES.splitlines()[0] + b"\n" + COUNTIES.splitlines()[2] + b"\n")
        self.expect(DONE, "warm", "names", file, "--key-field", "name", "--value-field", "fips")
        self.assertEqual(self.expect(DONE, "get", "names", "Boulder").raw, b"013")
        self.assertEqual(self.expect(DONE, "get", "names", "Nowhere").raw, b"")

    def test_json_and_json_lines_of_records(self):
        records = [{"id": i, "props": {"n": i}, "ttl": "bogus"} for i in range(3)]
        self.expect(DONE, "warm", "a", self.write("r.json", json.dumps(records).encode()), "--key-field", "id", "--value-field", "props")
        self.assertEqual(json.loads(self.expect(DONE, "get", "a", "2").raw), {"n": 2})
        lines = "\n".join(json.dumps(r) for r in records).encode()
        self.expect(DONE, "warm", "b", "-", "--key", "r:{id}", "--value-row", stdin=lines)
        self.assertEqual(json.loads(self.expect(DONE, "get", "b", "r:1").raw), records[1])
        self.expect(DONE, "import", self.path("r.json"), "--ns", "c", "--key-field", "id", "--value-row", "--tag", "x")
        self.assertEqual(self.document("ls", "c", "--tag", "x")["count"], 3)

    def configured(self, text):
        """The configuration of the case with these lines of namespaces."""
        with open(self.config_file, "w", encoding="utf-8") as out:
            out.write("cache:\n  namespaces:\n" + text)

    def test_the_configuration_says_which_fields_hold_what(self):
        self.configured(
            "    rows: {import: {key: 'county:{state}:{fips}', value_row: true, ttl_field: lasts, version_field: rev, tags_field: marks}}\n"
            "    names: {import: {key_field: name, value_field: fips}}\n")
        table = b"state,fips,name,lasts,rev,marks\n08,013,Boulder,1h,r7,a;b\n36,061,New York,,,\n"
        records = [{"state": "08", "fips": "013", "name": "Boulder", "lasts": "1h", "rev": "r7", "marks": ["a", "b"]},
                   {"state": "36", "fips": "061", "name": "New York", "lasts": None, "rev": None}]
        files = {"csv": table, "json": json.dumps(records).encode(), "jsonl": "\n".join(json.dumps(r) for r in records).encode()}
        for ending, text in files.items():
            with self.subTest(ending):
                file = self.write("c." + ending, text)
                shutil.rmtree(self.root, ignore_errors=True)
                self.assertEqual(self.document("warm", "rows", file)["loaded"], 2)
                facts = self.document("inspect", "rows", "county:08:013")
                self.assertEqual((facts["kind"], facts["version"], sorted(facts["tags"])), ("json", "r7", ["a", "b"]))
                self.assertLessEqual(facts["left_ms"], 3600 * 1000)
                self.assertEqual(json.loads(self.expect(DONE, "get", "rows", "county:36:061").raw)["name"], "New York")
                self.assertEqual(self.document("import", file, "--ns", "names")["imported"], 2)
                self.assertEqual(self.expect(DONE, "get", "names", "Boulder").raw, b"013")

    def test_options_stand_before_the_configuration(self):
        self.configured("    n: {import: {key: 'x:{fips}', value_row: true, ttl_field: lasts}}\n")
        file = self.write("c.csv", b"fips,name,lasts,how\n1,A,1h,7d\n")
        self.expect(DONE, "warm", "n", file, "--key-field", "name", "--ttl-field", "how")
        self.assertGreater(self.document("inspect", "n", "A")["left_ms"], 3600 * 1000)
        self.assertEqual(json.loads(self.expect(DONE, "get", "n", "A").raw)["fips"], "1")
        self.expect(DONE, "warm", "n", file, "--value-field", "name")
        self.assertEqual(self.expect(DONE, "get", "n", "x:1").raw, b"A")
        self.expect(DONE, "warm", "n", self.write("e.jsonl", b'{"key":"k","value":"v"}\n'), "--entries")
        self.assertEqual(self.expect(DONE, "get", "n", "k").raw, b"v")
        self.assertIn("not both", self.expect(USAGE, "warm", "n", file, "--entries", "--key-field", "name").err)
        self.assertIn("it has no fips", self.expect(NOT_FOUND, "warm", "n", self.path("e.jsonl")).err)
        self.assertIn("--entries does not go with recipes", self.expect(USAGE, "warm", "n", "--recipe", "kernel", "--entries").err)

    def test_a_field_of_the_version_and_of_the_tags(self):
        file = self.write("c.csv", b"id,v,rev,marks\na,1,r1,\"[\"\"x\"\",\"\"y;z\"\"]\"\nb,2,,;\n")
        ran = self.expect(NOT_FOUND, "warm", "n", file, "--key-field", "id", "--value-field", "v", "--version-field", "rev",
                          "--tags-field", "marks", "--tag", "all")
        self.assertIn("line 3: b: a tag has 1 to", ran.err)
        facts = self.document("inspect", "n", "a")
        self.assertEqual((facts["version"], sorted(facts["tags"])), ("r1", ["all", "x", "y;z"]))

    def test_what_is_wrong_with_the_fields_is_told_with_its_line(self):
        for text, says in [("{key_fiel: a}", "3:18: cache.namespaces.n.import: found the unknown key \"key_fiel\"; expected one of its keys; the nearest is key_field"),
                           ("{key: 'a{', value_row: true}", "a { without its }"),
                           ("{key: all}", "expected the {name} of a field in it"),
                           ("{key: '{a}', key_field: a}", "found key_field beside key; expected one of them"),
                           ("{value_row: true, value_field: a}", "found value_row beside value_field; expected one of them"),
                           ("{ttl_field: ''}", "found an empty text; expected the name of a field"),
                           ("[a]", "found a list; expected a mapping")]:
            self.configured("    n: {import: %s}\n" % text)
            self.assertIn(says, self.expect(CONFIG, "config", "check").out)

    def test_mistakes_say_what_to_do(self):
        file = self.write("c.csv", COUNTIES)
        for args, code, says in [
                (["warm", "n", file, "--key-field", "fipz"], NOT_FOUND, "has no fipz; is fips meant?"),
                (["warm", "n", file], NOT_FOUND, "key and value among them"),
                (["warm", "n", file, "--key-field", "a", "--key", "{a}"], USAGE, "not both"),
                (["warm", "n", file, "--value-field", "a", "--value-row"], USAGE, "not both"),
                (["warm", "n", file, "--key", "a{b"], USAGE, "a { without its }"),
                (["warm", "n", file, "--recipe", "kernel"], USAGE, "--recipe does not go with a file of entries"),
                (["warm", "n", file, "--rate", "5/s"], USAGE, "--rate does not go with a file of entries"),
                (["warm", "n", file, "--alpha", "1"], USAGE, "parameters of a recipe do not go with a file of entries"),
                (["warm", "n", "--recipe", "kernel", "--tag", "t"], USAGE, "--tag does not go with recipes"),
                (["warm", "n", "--resume"], USAGE, "--resume does not go with recipes"),
                (["warm", "n", "/nowhere/x.csv"], NOT_FOUND, "can't be read"),
                (["import", file, "--key-field", "fips"], USAGE, "the namespace is named too"),
                (["warm", "n", file, "--key-field", "name", "--value-row", "--checkpoint", file], USAGE, "is no checkpoint"),
        ]:
            self.assertIn(says, self.expect(code, *args).err)
        self.assertEqual(self.read(file), COUNTIES)

    def test_a_killed_load_is_resumed_from_a_checkpoint_of_ones_own(self):
        lines = b"id,v\n" + b"".join(b"%d,%s\n" % (i, b"x" * 200) for i in range(60000))
        file, mark = self.write("big.csv", lines), self.path("mark.json")
        args = ["warm", "big", file, "--key", "k{id}", "--value-field", "v", "--checkpoint", mark]
        with subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment()) as running:
            until = time.monotonic() + 120
            while not os.path.exists(mark) and running.poll() is None and time.monotonic() < until:
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
            running.communicate(timeout=60)
        document = self.document(*args, "--resume")
        if running.returncode == -signal.SIGKILL:
            self.assertGreater(document["resumed"], 0)
        self.assertEqual(document["loaded"] + document["skipped"], 60000)
        self.assertFalse(os.path.exists(mark))
        self.assertEqual(self.document("ls", "big", "--limit", "0")["count"] or 60000, 60000)
        self.expect(DONE, "exists", "big", "k59999")

    def test_another_mapping_is_no_resumption(self):
        file = self.write("c.csv", COUNTIES)
        mark = self.write("mark.json", b"")
        self.expect(NOT_FOUND, "warm", "n", file, "--key", "{fips}", "--value-row", "--checkpoint", mark, "--resume")
        self.assertFalse(os.path.exists(mark))

    def test_rejects_are_one_import_s_and_what_was_mended_in_them_stays(self):
        file = self.write("r.jsonl", b'{"key":7}\n{"key":"a","value":"1"}\n')
        rejects = self.write("bad.jsonl", b"half a li")
        with open(rejects, "rb+") as other:
            fcntl.fcntl(other, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
            ran = self.expect(FAILED, "warm", "n", file, "--rejects", rejects)
        self.assertEqual(ran.err, "larder: cannot import: another import writes its rejects to %s: wait for its end, or name another "
                         "file\n" % rejects)
        os.unlink(rejects)
        self.expect(NOT_FOUND, "import", file, "--ns", "n", "--rejects", self.path("new.jsonl"), "--dry-run")
        self.assertFalse(os.path.exists(self.path("new.jsonl")))
        self.expect(NOT_FOUND, "warm", "n", file, "--rejects", rejects)
        self.assertEqual(self.read(rejects), b'{"key":7}\n')
        self.write("bad.jsonl", b'{"key":"7","value":1}\n')
        for more in ([], ["--resume"]):
            self.assertIn("import what was mended in it", self.expect(USAGE, "warm", "n", file, "--rejects", rejects, *more).err)
        self.assertEqual(self.read(rejects), b'{"key":"7","value":1}\n')

    def test_rates_have_units(self):
        keys = self.write("k", b"a\n")
        for rate in ("0", "-1", "x", "5/y", "5/", "/s"):
            self.assertIn("such as 5/s, 300/min or 1000/h", self.expect(USAGE, "warm", "n", "--keys", keys, "--rate=" + rate).err)
        for rate in ("5", "5/s", "0.5/min", "300/min", "1000/h", "10/d"):
            self.assertIn("nobody makes the keys of namespace n", self.expect(FAILED, "warm", "n", "--keys", keys, "--rate", rate).err)


if __name__ == "__main__":
    unittest.main()
