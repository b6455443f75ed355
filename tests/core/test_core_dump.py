# SPDX-License-Identifier: Apache-2.0
"""A real core dump of a program that seals with a key file, by gcore of gdb, searched for the key in every form."""
import base64
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.environ["LARDER_BINARY_DIR"], "tests", "key_user")
KEY = base64.urlsafe_b64encode(bytes(range(7, 231, 7)))
MARK = b"a value"  # which the program has in its memory tier: what shows that the core holds its memory


class CoreDump(unittest.TestCase):
    def test_no_master_key_is_in_a_core_dump(self):
        if not shutil.which("gcore"):
            self.skipTest("gcore is not installed (package gdb)")
        folder = tempfile.mkdtemp(prefix="larder-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with open(os.open(os.path.join(folder, "key"), os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(KEY + b"\n")
        config = os.path.join(folder, "larder.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write("cache:\n  key_file: key\n  namespaces: {gcm: {tiers: [sqlite], seal: aes-256-gcm}, "
                       "fernet: {tiers: [memory, sqlite], seal: fernet}}\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith("LARDER_KEY")}
        with subprocess.Popen([PROGRAM, os.path.join(folder, "root"), config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=env) as program:
            pid = program.stdout.readline().decode().strip()
            self.assertTrue(pid)
            done = subprocess.run(["gcore", "-o", os.path.join(folder, "core"), pid], capture_output=True, check=False)
            program.stdin.close()
            self.assertEqual(program.wait(), 0)
        path = os.path.join(folder, f"core.{pid}")
        if not os.path.exists(path):
            self.skipTest("gcore may not trace here: " + done.stderr.decode(errors="replace")[-200:])
        with open(path, "rb") as file:
            core = file.read()
        raw = base64.urlsafe_b64decode(KEY)
        self.assertTrue(MARK in core)  # not assertIn, which would write the core out when it fails
        for name, text in (("key", raw), ("first half", raw[:16]), ("second half", raw[16:]), ("text", KEY.strip()),
                           ("first half's text", KEY[:20]), ("hexadecimal", raw.hex().encode())):
            self.assertFalse(text in core, f"the {name} is in the core dump")


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    unittest.main()
