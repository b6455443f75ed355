#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the README shows is true: its C program compiles as it stands and finds on its second run what the first one made,
its command lines work in the order in which they are written, and its links lead somewhere."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["LARDER_SOURCE_DIR"]
BUILD = os.environ["LARDER_BINARY_DIR"]
with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
    README = file.read()


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="larder-readme.")
        self.addCleanup(shutil.rmtree, self.folder)

    def run_here(self, argv, **more):
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              timeout=120, **more)
        self.assertEqual(done.returncode, 0, f"{argv}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_program_compiles_and_finds_what_it_kept(self):
        program = re.search(r"^```c\n(.*?)^```$", README, re.M | re.S).group(1)
        with open(os.path.join(self.folder, "hello.c"), "w", encoding="utf-8") as file:
            file.write(program)
        self.run_here(["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "hello.c", "-I" + SOURCE + "/include",
                       "-L" + BUILD, "-llarder", "-Wl,-rpath," + BUILD, "-o", "hello"])
        self.assertEqual(self.run_here(["./hello"]), "")
        self.assertEqual(self.run_here(["./hello"]), "made with great effort (from sqlite)\n")

    def test_command_lines_work(self):
        os.mkdir(os.path.join(self.folder, "bin"))
        os.symlink(os.environ["LARDER_CLI"], os.path.join(self.folder, "bin", "larder"))
        with open(os.path.join(self.folder, "report.txt"), "w", encoding="utf-8") as file:
            file.write("figures\n")
        lines = [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith("    larder ")]
        self.assertGreaterEqual(len(lines), 6)
        environment = {"PATH": self.folder + "/bin:/usr/bin:/bin", "HOME": self.folder}
        said = [self.run_here(["bash", "-c", line], env=environment) for line in lines]
        self.assertIn("figures", said[1])
        self.assertIn("today", said[2])

    def test_targets_of_make_exist(self):
        with open(os.path.join(SOURCE, "Makefile"), encoding="utf-8") as file:
            makefile = file.read()
        targets = set(re.findall(r"^    make ([a-z]+)", README, re.M))
        self.assertGreaterEqual(targets, {"run", "test", "install"})
        for target in targets:
            self.assertRegex(makefile, rf"(?m)^([a-z ]* )?{target}( [a-z ]*)?:")

    def test_links_lead_somewhere(self):
        for page in ("README.md", "CONTRIBUTING.md", "docs/README.md", "docs/architecture.md", "docs/promises.md"):
            with open(os.path.join(SOURCE, page), encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#:]+)\)", file.read())
            for link in links:
                self.assertTrue(os.path.exists(os.path.join(SOURCE, os.path.dirname(page), link)), f"{page}: {link}")


if __name__ == "__main__":
    unittest.main()
