#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""validate, purge, clear-expired and config on a real root."""
import glob
import json
import os
import time
import unittest

from cli_support import CONFIG, DONE, FAILED, NOT_FOUND, USAGE, CliCase, fits, shapes


class Purge(CliCase):
    def setUp(self):
        super().setUp()
        self.put("census", "census:acs:2022:cbsa:14500:B01", "a" * 100, "--tag", "old")
        self.put("census", "census:acs:2022:cbsa:145001:B01", "b" * 100)
        self.put("census", "census:acs:2022:cbsa:35620:B01", "c" * 100)
        self.put("bls", "bls:14500", "d" * 100, "--tag", "old")
        self.put("bls", "14500|k=v", "e" * 100)
        self.put("bls", "bls:9", "f" * 100)

    def counts(self):
        return {n["ns"]: n["entries"] for n in self.document("ls")["namespaces"] if n["entries"]}

    def test_without_confirm_nothing_is_touched(self):
        before = self.counts()
        ran = self.expect(USAGE, "purge", "--ns", "bls")
        self.assertIn("would remove 3 entries", ran.out)
        self.assertIn("--confirm", ran.err)
        self.expect(USAGE, "purge", "--all")
        document = self.document("purge", "--all", code=USAGE)
        self.assertIsNone(fits(shapes()["purge"], document))
        self.assertEqual((document["confirmed"], document["entries"]), (False, 6))
        self.assertEqual(self.counts(), before)

    def test_a_dry_run_and_the_real_one_agree(self):
        for selection in (["--market", "14500"], ["--tag", "old"], ["--key", "census:*:35620:*"], ["--source", "bls"]):
            dry = self.document("purge", *selection, code=USAGE)
            real = self.document("purge", *selection, "--confirm")
            self.assertEqual(dry["namespaces"], real["namespaces"], selection)

    def test_by_market(self):
        self.assertIn("removed 3 entries", self.expect(DONE, "purge", "--market", "14500", "--confirm").out)
        self.assertEqual(self.counts(), {"census": 2, "bls": 1})
        self.expect(DONE, "exists", "census", "census:acs:2022:cbsa:145001:B01")

    def test_a_market_is_no_pattern(self):
        self.assertEqual(self.document("purge", "--market", "*", code=USAGE)["entries"], 0)

    def test_by_namespace_tells_what_it_freed(self):
        document = self.document("purge", "--ns", "bls", "--confirm")
        self.assertEqual((document["entries"], document["failed"]), (3, 0))
        self.assertEqual(document["bytes"], 300 + len("bls:14500") + len("14500|k=v") + len("bls:9"))
        self.assertEqual(self.counts(), {"census": 3})

    def test_by_date(self):
        self.assertEqual(self.document("purge", "--all", code=USAGE)["entries"], 6)
        self.assertEqual(self.document("purge", "--before", "1h", "--confirm")["entries"], 0)
        self.assertEqual(self.document("purge", "--before", "2020-01-01", "--confirm")["entries"], 0)
        self.assertEqual(self.document("purge", "--before", "2999-12-31T23:59:59Z", "--confirm")["entries"], 6)

    def test_what_is_unused(self):
        self.assertEqual(self.document("purge", "--unused", "1h", "--confirm")["entries"], 0)
        self.assertEqual(self.document("purge", "--unused", "2999-12-31T23:59:59Z", code=USAGE)["entries"], 6)
        self.assertEqual(self.document("purge", "--ns", "bls", "--unused", "2999-12-31T23:59:59Z", "--confirm")["entries"], 3)

    def test_down_to_a_size(self):
        for i in range(5):
            time.sleep(0.01)  # each is used in a millisecond of its own
            self.put("sized", f"k{i}", "v" * 98)
        self.assertEqual(self.document("purge", "--ns", "sized", "--to", "500", code=USAGE)["entries"], 0)
        self.assertEqual(self.document("purge", "--ns", "sized", "--to", "299B", code=USAGE)["entries"], 3)
        dry = self.document("purge", "--ns", "sized", "--to", "300B", code=USAGE)
        real = self.document("purge", "--ns", "sized", "--to", "300B", "--confirm")
        self.assertEqual((dry["entries"], dry["bytes"]), (2, 200))
        self.assertEqual(dry["namespaces"], real["namespaces"])
        self.assertEqual({e["key"] for e in self.document("ls", "sized")["entries"]}, {"k2", "k3", "k4"})
        self.assertEqual(self.counts(), {"census": 3, "bls": 3, "sized": 3})
        self.assertEqual(self.document("purge", "--all", "--to", "0", "--confirm")["entries"], 9)
        self.assertIn("--to cannot be 'much'", self.expect(USAGE, "purge", "--all", "--to", "much").err)

    def test_everything(self):
        self.assertIn("removed 6 entries, freed", self.expect(DONE, "purge", "--all", "--confirm").out)
        self.assertEqual(self.counts(), {})
        self.assertEqual(self.expect(DONE, "purge", "--all", "--confirm", "--quiet").out, "")

    def test_expire_keeps_it_stale(self):
        self.put("bls", "s", "v", "--stale", "1h")
        self.assertIn("expired 1 entry", self.expect(DONE, "purge", "--key", "s", "--expire", "--confirm").out)
        self.expect(NOT_FOUND, "get", "bls", "s")
        self.expect(DONE, "get", "bls", "s", "--stale")

    def test_an_unknown_namespace_is_told(self):
        self.assertIn("did you mean bls", self.expect(NOT_FOUND, "purge", "--ns", "bsl", "--confirm").err)


class ClearExpired(CliCase):
    def test_only_what_is_past_its_time_goes(self):
        for i in range(3):
            self.put("demo", f"short{i}", "v" * 50, "--ttl", "1ms")
        self.put("demo", "long", "v", "--ttl", "1h")
        deadline = time.monotonic() + 30
        while any(self.larder("exists", "demo", f"short{i}").code == DONE for i in range(3)):
            self.assertLess(time.monotonic(), deadline)
        document = self.document("clear-expired")
        self.assertIsNone(fits(shapes()["clear-expired"], document))
        self.assertEqual(document["entries"], 3)
        self.assertIn("removed 0 entries", self.expect(DONE, "clear-expired").out)
        self.assertEqual(self.document("ls", "demo")["count"], 1)


class Unopened(CliCase):
    """One namespace of several can't be opened: its key is not there."""
    config = "cache: {namespaces: {a: {}, m: {seal: aes-256-gcm}, z: {}}}\n"

    def setUp(self):
        super().setUp()
        for ns in ("a", "z"):
            self.put(ns, "k", "v")

    def told(self, ran):
        self.assertIn("1 namespace could not be opened and was left out: m: ", ran.err)
        self.assertNotEqual(ran.code, DONE)

    def test_purge_goes_on_and_tells_it(self):
        ran = self.larder("purge", "--all")
        self.assertIn("would remove 2 entries", ran.out)
        self.told(ran)
        self.told(self.larder("purge", "--all", "--to", "1MiB", "--confirm"))
        ran = self.larder("--json", "purge", "--all", "--confirm")
        self.assertEqual((ran.code, ran.error["exit"]), (ran.error["exit"], ran.code))
        self.assertEqual([n["ns"] for n in ran.document["namespaces"]], ["a", "z"])
        self.expect(NOT_FOUND, "get", "z", "k")

    def test_export_goes_on_and_tells_it(self):
        path = os.path.join(self.folder, "all.jsonl")
        ran = self.expect(NOT_FOUND, "export", "--output", path)
        self.assertIn("exported 2 entries", ran.err)
        self.assertIn("namespace m", ran.err)
        self.assertEqual(self.read(path).count(b'"key"'), 2)
        document = self.document("export", "--output", path, code=NOT_FOUND)
        self.assertIsNone(fits(shapes()["export"], document))
        self.assertEqual((document["exported"], document["failed"], document["failures"][0]["key"]), (2, 1, None))
        self.assertNotEqual(self.larder("export", "m", "--output", path).code, DONE)

    def test_lists_go_on_and_tell_it(self):
        ran = self.larder("ls")
        self.assertRegex(ran.out, r"(?m)^a .*\n^z ")
        self.told(ran)
        ran = self.larder("inspect")
        self.assertRegex(ran.out, r"(?m)^k ")
        self.told(ran)


class Validate(CliCase):
    def test_a_sound_cache(self):
        self.put("demo", "k", "v")
        self.assertIn("sound", self.expect(DONE, "validate").out)
        document = self.document("validate")
        self.assertIsNone(fits(shapes()["validate"], document))
        self.assertEqual((document["sound"], document["damaged"]), (True, 0))
        self.assertGreaterEqual(document["examined"], 1)
        self.assertEqual(self.expect(DONE, "validate", "--quiet", "demo").out, "")

    def test_only_values_are_counted_as_entries(self):
        self.write("larder.yaml", b"cache: {namespaces: {none: {maker: {command: [/bin/sh, -c, 'exit 3'], absent_exit: 3}, "
                   b"negative_ttl: 1h}}}\n")
        self.put("demo", "k", "v")
        self.put("demo", "gone", "v")
        self.expect(DONE, "del", "demo", "gone")
        self.expect(NOT_FOUND, "get", "none", "nothing", "--make")
        self.expect(DONE, "health", "demo", "k", "ok")
        self.assertRegex(self.expect(DONE, "validate").out, r"^sound: 1 entry and \d+ other records verified, nothing damaged\n$")
        document = self.document("validate")
        self.assertEqual((document["entries"], document["absences"]), (1, 1))
        self.assertGreaterEqual(document["examined"], 4)

    def damage_a_blob(self):
        """Large values lie in files of their own beside the database; one of them gets a wrong byte."""
        self.put("demo", "large", os.urandom(500000))
        self.put("demo", "small", "v")
        blobs = [p for p in glob.glob(os.path.join(self.root, "blobs", "**"), recursive=True) if os.path.isfile(p)]
        self.assertEqual(len(blobs), 1)
        with open(blobs[0], "r+b") as file:
            file.seek(250000)
            byte = file.read(1)
            file.seek(250000)
            file.write(bytes([byte[0] ^ 1]))

    def test_damage_is_found_and_repaired(self):
        self.damage_a_blob()
        ran = self.expect(NOT_FOUND, "validate")
        self.assertIn("damaged", ran.out)
        self.assertIn("--repair", ran.err)
        document = self.document("validate", code=NOT_FOUND)
        self.assertIsNone(fits(shapes()["validate"], document))
        self.assertEqual((document["sound"], document["damaged"]), (False, 1))
        self.assertEqual(document["findings"][0]["key"], "large")
        document = self.document("validate", "--repair")
        self.assertEqual((document["sound"], document["damaged"], document["repaired"]), (True, 1, 1))
        self.expect(DONE, "validate")
        self.expect(NOT_FOUND, "get", "demo", "large")
        self.assertEqual(self.expect(DONE, "get", "demo", "small").raw, b"v")


class Config(CliCase):
    def test_a_valid_file(self):
        path = self.write("good.yaml", b"cache:\n  ttl_policies: {census: 365d}\n")
        self.assertIn("valid", self.expect(DONE, "config", "check", cwd=self.folder).err)
        document = self.document("config", "check")
        self.assertIsNone(fits(shapes()["config-check"], document))
        self.assertEqual((document["valid"], document["file"], document["mistakes"]), (True, self.config_file, []))
        from cli_support import larder_bare
        self.assertEqual(larder_bare("config", "check", path).code, DONE)

    def test_mistakes_are_3_with_line_and_column(self):
        from cli_support import larder_bare
        path = self.write("bad.yaml", b"cache:\n  sqlite:\n    max_mb: lots\n  defualts: {ttl: 30d}\n")
        ran = larder_bare("config", "check", path)
        self.assertEqual(ran.code, CONFIG, ran)
        self.assertRegex(ran.out, r"bad\.yaml:3:\d+: ")
        self.assertRegex(ran.out, r"bad\.yaml:4:\d+: .*defaults")
        document = larder_bare("--json", "config", "check", path)
        self.assertEqual(document.code, CONFIG)
        self.assertIsNone(fits(shapes()["config-check"], document.document))
        self.assertEqual([m["line"] for m in document.document["mistakes"]], [3, 4])

    def test_notices_are_told_and_are_no_mistakes(self):
        from cli_support import larder_bare
        path = self.write("noted.yaml", b"cache:\n  defaults: {tiers: [memory, sqlite]}\n  sqlite: {enable: false}\n")
        ran = larder_bare("config", "check", path)
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"noted\.yaml:2:\d+: notice: ")
        self.assertIn("valid, with 1 notice", ran.err)
        document = larder_bare("--json", "config", "check", path).document
        self.assertIsNone(fits(shapes()["config-check"], document))
        self.assertEqual((document["valid"], document["mistakes"], document["notices"][0]["line"]), (True, [], 2))
        path = self.write("both.yaml", b"cache:\n  defaults: {tiers: [memory, sqlite]}\n  sqlite: {enable: false}\n  nope: 1\n")
        ran = larder_bare("config", "check", path)
        self.assertEqual(ran.code, CONFIG, ran)
        self.assertRegex(ran.out, r"both\.yaml:4:\d+: .*\n.*both\.yaml:2:\d+: notice: ")
        self.assertIn("1 mistake, with 1 notice", ran.err)

    def test_every_command_refuses_a_bad_file_with_3(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write("cache:\n  sqlite: {max_mb: lots}\n")
        ran = self.expect(CONFIG, "put", "a", "b", stdin=b"x")
        self.assertIn("larder.yaml:2:", ran.err)
        self.assertIn("config check", ran.err)
        self.expect(CONFIG, "config", "show")
        self.assertEqual(self.expect(CONFIG, "--json", "put", "a", "b", stdin=b"x").error["exit"], CONFIG)

    def test_a_file_that_is_not_there_is_told(self):
        from cli_support import larder_bare
        ran = larder_bare("config", "check", os.path.join(self.folder, "absent.yaml"))
        self.assertEqual(ran.code, CONFIG, ran)
        self.assertIn("absent.yaml", ran.err + ran.out)

    def test_show_schema_reference(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write("cache:\n  defaults: {ttl: 12h}\n")
        self.assertIn("12h", self.expect(DONE, "config", "show").out)
        self.assertIsInstance(self.document("config", "show"), dict)
        schema = json.loads(self.expect(DONE, "config", "schema").out)
        self.assertIn("2020-12", schema["$schema"])
        self.assertEqual(self.document("config", "schema"), schema)
        self.assertIn("ttl", self.expect(DONE, "config", "reference").out)
        self.assertIn("ttl", self.document("config", "reference")["markdown"])


if __name__ == "__main__":
    unittest.main()
