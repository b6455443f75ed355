#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ${VARIABLES} of a configuration hold is in no output, whatever goes wrong with it; hosts and folders are told."""
import unittest

from cli_support import CliCase

LONG = "horse" * 30
NAMESPACES = {
    "callback": "maker: {callback: '${HELD}'}",
    "recipe": "maker: {recipe: '${HELD}'}",
    "command": "maker: {command: ['${HELD}']}",
    "argument": "maker: {command: [ls, '/nowhere/${HELD}']}",
    "folder": "maker: {command: [ls], environment: {A: '${HELD}'}, folder: /nowhere}",
    "url": "maker: {http: '${HELD}'}",
    "path": "maker: {http: 'http://127.0.0.1:1/${HELD}/{key}?q=${HELD}', retries: 0}",
    "proxy": "maker: {http: 'http://h/{key}', proxy: 'http://${HELD}:1', retries: 0}",
    "value": "warm: [{recipe: kernel, alpha: '${HELD}', dt: 0.01, n: 10}]",
    "part": "warm: [{recipe: kernel, alpha: [1.5, 'x${HELD}'], dt: 0.01, n: 10}]",
    "zones": "warm: [{recipe: sources, n: 8x8, zones: 'circle:${HELD}'}]",
    "warmed": "warm: [{recipe: '${HELD}'}]",
    "tier": "tiers: [memory, '${HELD}']",
    "refresh": "maker: {recipe: kernel}, refresh: '${HELD}'",
    "version": "maker: {recipe: kernel}, version: '${HELD}'",
    "seal": "seal: {algorithm: '${HELD}', fields: ['${HELD}']}",
    "nearby": "maker: {recipe: kernel}, nearby: {places: /dev/null, key: '${HELD}', radius: '${HELD}'}",
    "keyless": "import: {key: '${HELD}', value_field: '${HELD}', ttl_field: '${HELD}'}",
    "fields": "import: {key_field: '${HELD}', value_field: '${HELD}', ttl_field: '${HELD}'}",
    "held": "import: {value_field: '${HELD}'}",
    "inner": "import: {key: 'a:{in ${HELD}}', value_row: true}",
    "beside": "import: {key: 'k:{key}', version_field: '${HELD}', tags_field: 'the ${HELD} of it'}",
    "check": "health: {check: {http: 'http://127.0.0.1:1/${HELD}', timeout: 1s}}",
    "tried": "health: {check: {command: ['${HELD}']}}",
}


class Variables(CliCase):
    def commands(self, ns):
        table = self.write("t.csv", b"key,value\na,1\n")
        lines = self.write("t.jsonl", b'{"key":"a","value":1}\n{"key":"b"}\n')
        return [["config", "check"], ["config", "show"], ["put", ns, "k", table], ["get", ns, "k", "--fresh", "--make"],
                ["get", ns, "other", "--make"], ["warm", ns], ["warm", ns, table], ["warm", ns, lines],
                ["refresh", ns], ["health", ns, "--check"],
                ["ls", ns], ["stats"], ["inspect", ns, "k"], ["why", ns, "k"], ["validate", ns]]

    def test_no_output_has_them(self):
        for ns, policy in NAMESPACES.items():
            with open(self.config_file, "w", encoding="utf-8") as out:
                out.write("cache:\n  namespaces:\n    %s: {%s}\n" % (ns, policy))
            for held in ("horsestaple", LONG, "{horse", "horse stable\n"):
                for args in self.commands(ns):
                    for form in ([], ["--json"]) if held == "horsestaple" else ([],):
                        with self.subTest(ns=ns, held=held, args=args):
                            ran = self.larder(*form, *args, HELD=held)
                            self.assertNotIn("horse", ran.out + ran.err, ran)
                            self.assertGreaterEqual(ran.code, 0, ran)


if __name__ == "__main__":
    unittest.main()
