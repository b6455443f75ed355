#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checks of tools/ pass a small tree that keeps the rules, and refuse it with each rule broken once."""
import os
import shutil
import subprocess
import tempfile
import unittest

TOOLS = os.path.join(os.environ["LARDER_SOURCE_DIR"], "tools")
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
PROMISES = "".join(f"## {n}. A promise\nShown by `tests/base/test_bytes.c: test_one`.\n\n" for n in range(1, 10))
TREE = {
    "include/larder/things.h": LICENCE + "#ifndef T_H\n#define T_H\n#include <stddef.h>\nsize_t larder_things(void);\n#endif\n",
    "src/base/bytes.h": LICENCE + "#include <stddef.h>\n",
    "src/base/bytes.c": LICENCE + '#include "bytes.h"\n#include <xxhash.h>\n',
    "src/base/README.md": "# base\n",
    "src/core/get.c": LICENCE + '#include "base/bytes.h"\n#include <larder/things.h>\n',
    "src/core/README.md": "# core\n",
    "src/tier/memory/memory.h": LICENCE + '#include "base/bytes.h"\n',
    "src/tier/memory/README.md": "# memory\n",
    "src/tier/sqlite/sqlite.c": LICENCE + '#include "base/bytes.h"\n#include <sqlite3.h>\n',
    "src/tier/sqlite/README.md": "# sqlite\n",
    "cli/main.c": LICENCE + "#include <larder/things.h>\n",
    "cli/README.md": "# cli\n",
    "tests/base/test_bytes.c": LICENCE + "static void test_one(void **state) {}\n",
    "tests/README.md": "# tests\n",
    "docs/README.md": "# docs\n",
    "docs/promises.md": PROMISES,
}


class Checks(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="larder-checks.")
        self.addCleanup(shutil.rmtree, self.top)
        for path, text in TREE.items():
            self.write(path, text)

    def write(self, path, text):
        whole = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w", encoding="utf-8") as file:
            file.write(text)

    def refused(self, tool, words):
        code, output = self.run_tool(tool)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def run_tool(self, tool):
        interpreter = "bash" if tool == "check-headers" else "/usr/bin/python3"
        done = subprocess.run([interpreter, os.path.join(TOOLS, tool), self.top], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_tree_that_keeps_the_rules_passes(self):
        for tool in ("check-files", "check-floors", "check-headers", "check-promises"):
            code, output = self.run_tool(tool)
            self.assertEqual((tool, code, output), (tool, 0, ""))

    def test_name_used_twice(self):
        self.write("src/core/bytes.c", LICENCE)
        self.refused("check-files", "bytes.c: a name used 2 times")

    def test_name_that_says_nothing(self):
        self.write("src/core/utils.c", LICENCE)
        self.refused("check-files", "a name that does not say what is inside")

    def test_long_file(self):
        self.write("src/core/long.c", LICENCE + "\n" * 1000)
        self.refused("check-files", "src/core/long.c: 1001 lines")

    def test_room_without_readme(self):
        os.remove(os.path.join(self.top, "src/core/README.md"))
        self.refused("check-files", "src/core: a room needs a README.md")

    def test_file_without_licence_line(self):
        self.write("src/core/bare.c", "int bare;\n")
        self.refused("check-files", "src/core/bare.c: the first line must be SPDX")

    def test_lower_room_includes_higher(self):
        self.write("src/base/bytes.c", LICENCE + '#include "tier/memory/memory.h"\n')
        self.refused("check-floors", "base must not include tier/memory")

    def test_rooms_of_one_floor_include_each_other(self):
        self.write("src/tier/sqlite/sqlite.c", LICENCE + '#include "tier/memory/memory.h"\n')
        self.refused("check-floors", "tier/sqlite must not include tier/memory")

    def test_include_upwards_by_a_relative_path(self):
        self.write("src/tier/sqlite/sqlite.c", LICENCE + '#include "../memory/memory.h"\n')
        self.refused("check-floors", "tier/sqlite must not include tier/memory")

    def test_room_without_floor(self):
        self.write("src/attic/attic.c", LICENCE + '#include "base/bytes.h"\n')
        self.refused("check-floors", "src/attic has no floor")

    def test_outside_library_in_another_room(self):
        self.write("src/core/get.c", LICENCE + "#include <sqlite3.h>\n")
        self.refused("check-floors", "<sqlite3.h> is for tier/sqlite")

    def test_command_line_includes_private_header(self):
        self.write("cli/main.c", LICENCE + '#include "base/bytes.h"\n')
        self.refused("check-floors", "only public headers")

    def test_public_header_includes_private_header(self):
        self.write("include/larder/things.h", LICENCE + '#include "base/bytes.h"\n')
        self.refused("check-floors", "public headers include public headers")

    def test_public_header_that_needs_another_first(self):
        self.write("include/larder/things.h", LICENCE + "#ifndef T_H\n#define T_H\nsize_t larder_things(void);\n#endif\n")
        self.refused("check-headers", "does not compile alone")

    def test_public_header_that_is_no_cplusplus(self):
        self.write("include/larder/things.h", LICENCE + "#ifndef T_H\n#define T_H\nint larder_new(int class);\n#endif\n")
        self.refused("check-headers", "c++17")

    def test_promise_without_test(self):
        self.write("docs/promises.md", PROMISES.replace("`tests/base/test_bytes.c: test_one`", "nothing", 1))
        self.refused("check-promises", "promise 1: no test is named")

    def test_promise_with_a_test_that_is_not_there(self):
        self.write("docs/promises.md", PROMISES.replace("test_one", "test_two", 1))
        self.refused("check-promises", "promise 1: tests/base/test_bytes.c has no test test_two")

    def test_promise_that_is_left_out(self):
        self.write("docs/promises.md", PROMISES.replace("## 9. ", "## 8. "))
        self.refused("check-promises", "promises 1 to 9 in order")


class LongForms(unittest.TestCase):
    """What make and CONTRIBUTING offer by hand is there to be run."""

    def test_every_campaign_has_something_to_run(self):
        binary = os.environ["LARDER_BINARY_DIR"]
        with open(os.path.join(os.path.dirname(TOOLS), "Makefile"), encoding="utf-8") as file:
            rule = next(line for line in file if line.startswith("race "))
        named = rule.split(":")[0].split()
        self.assertIn("soak", named)
        listed = subprocess.run(["ctest", "--test-dir", binary, "--print-labels"], capture_output=True, text=True, check=True)
        labels = {line.strip() for line in listed.stdout.splitlines()}
        self.assertEqual(set(named) - labels, {"soak"})
        self.assertTrue(os.access(os.path.join(binary, "tests", "soak"), os.X_OK))


if __name__ == "__main__":
    unittest.main()
