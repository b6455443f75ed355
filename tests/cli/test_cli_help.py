#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Help, man pages, completion and every way to call it wrong: no cache is opened here."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from cli_support import CONFIG, DONE, USAGE, CliCase, fits, larder_bare, shapes

COMMANDS = ["init", "get", "put", "del", "exists", "ls", "inspect", "versions", "rollback", "health", "why",
            "stats", "validate", "export", "import", "purge",
            "clear-expired", "mission", "memo", "warm", "refresh", "wisdom", "simulate", "predict", "keys", "config", "bench", "tour", "completion", "help",
            "version"]


class Help(unittest.TestCase):
    def test_overview_names_every_command(self):
        ran = larder_bare("--help")
        self.assertEqual(ran.code, DONE)
        listed = re.findall(r"^  ([a-z-]+) {2,}", ran.out, re.M)
        self.assertEqual([name for name in listed if name in COMMANDS], COMMANDS)
        self.assertNotIn("tour-writer", ran.out)

    def test_every_command_has_help_with_examples(self):
        for command in COMMANDS:
            ran = larder_bare(command, "--help")
            self.assertEqual(ran.code, DONE, ran)
            self.assertTrue(ran.out.startswith(f"Usage: larder {command}"), ran)
            self.assertIn(f"  larder ", ran.out.split("Examples", 1)[1], ran)
            self.assertEqual(ran.out, larder_bare("help", command).out)

    def test_help_lines_are_short_enough(self):
        for command in COMMANDS:
            for line in larder_bare(command, "--help").out.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_help_document(self):
        document = larder_bare("--json", "help").document
        self.assertIsNone(fits(shapes()["help"], document))
        self.assertEqual([c["name"] for c in document["commands"]], COMMANDS)

    def test_examples_are_calls_that_parse(self):
        """Each example's options exist: it is asked for help instead of being run."""
        for command in COMMANDS:
            examples = larder_bare(command, "--help").out.split("Examples", 1)[1]
            for line in re.findall(r"^  (?:echo .* \| )?larder (.*)$", examples, re.M):
                words = re.split(r" [|>&]", line)[0].split()
                ran = larder_bare(words[0], "--help", *words[1:])
                self.assertEqual(ran.code, DONE, ran)

    def test_no_command_is_wrong_usage(self):
        ran = larder_bare()
        self.assertEqual((ran.code, ran.out), (USAGE, ""))
        self.assertIn("Usage:", ran.err)

    def test_version(self):
        ran = larder_bare("version")
        self.assertRegex(ran.out, r"^larder \d+\.\d+\.\d+\n")
        self.assertEqual(larder_bare("--version").out, ran.out)
        document = larder_bare("--json", "version").document
        self.assertIsNone(fits(shapes()["version"], document))
        self.assertEqual(ran.out.split()[1], document["version"])

    def test_tiers_of_version_are_those_the_configuration_takes(self):
        for tier in larder_bare("--json", "version").document["tiers"]:
            self.assertEqual(self.tier_check(tier).code, DONE, tier)
        for tier in ("jsonl", "redis"):
            self.assertEqual(self.tier_check(tier).code, CONFIG, tier)

    @staticmethod
    def tier_check(tier):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(f"cache:\n  namespaces:\n    a: {{tiers: [{tier}]}}\n")
            file.flush()
            return larder_bare("config", "check", file.name)


class Mistakes(unittest.TestCase):
    def mistake(self, *args, says, hint):
        ran = larder_bare(*args)
        self.assertEqual((ran.code, ran.out), (USAGE, ""), ran)
        self.assertIn(says, ran.err, ran)
        self.assertIn(hint, ran.err, ran)
        document = larder_bare("--json", *args)
        self.assertEqual((document.code, document.out), (USAGE, ""), document)
        self.assertIsNone(fits(shapes()["error"], {"error": document.error}))
        self.assertEqual(document.error["exit"], USAGE)
        self.assertIn(says, document.error["message"])

    def test_unknown_command(self):
        self.mistake("statz", says="no command 'statz'", hint="larder stats")
        self.mistake("xyzzyxyzzy", says="no command", hint="larder --help")
        self.mistake("help", "gte", says="no command 'gte'", hint="get")
        for wrong, meant in [("benchmark", "bench"), ("val", "validate"), ("va", "validate"), ("memoize", "memo"),
                             ("clear", "clear-expired"), ("delete", "del")]:
            self.mistake(wrong, says="no command", hint=f"did you mean `larder {meant}`")
        for wrong in ("co", "p", "lsblk"):  # of two that begin so neither is meant for sure; ls is too short
            ran = larder_bare(wrong)
            self.assertEqual((ran.code, "did you mean" in ran.err), (USAGE, False), ran)

    def test_unknown_option(self):
        self.mistake("get", "a", "b", "--fersh", says="no option --fersh", hint="--fresh")
        self.mistake("get", "a", "b", "--stael=1", says="no option --stael", hint="--stale")
        self.mistake("get", "a", "b", "--freshness", says="no option --freshness", hint="did you mean --fresh?")
        self.mistake("ls", "--lim=5", says="no option --lim", hint="did you mean --limit?")
        self.mistake("ls", "-z", says="no option -z", hint="larder ls --help")
        self.mistake("--rot", "x", "ls", says="no option --rot", hint="--root")

    def test_values(self):
        self.mistake("put", "a", "b", "--ttl", "90", says="--ttl cannot be '90'", hint="90s")
        self.mistake("put", "a", "b", "--ttl", "0s", says="--ttl cannot be '0s'", hint="90s")
        self.mistake("put", "a", "b", "--ttl", "5 parsecs", says="--ttl", hint="90s")
        self.mistake("put", "a", "b", "--kind", "jsn", says="'jsn'", hint="did you mean json")
        self.mistake("put", "a", "b", "--ttl", says="--ttl needs a value", hint="--ttl TIME")
        self.mistake("ls", "a", "--limit", "many", says="--limit cannot be 'many'", hint="20")
        self.mistake("ls", "a", "--limit=-1", says="--limit", hint="whole number")
        self.mistake("purge", "--ns", "a", "--before", "yesterday", says="--before", hint="2026-11-21")
        self.mistake("purge", "--ns", "a", "--before", "2026-02-30", says="--before", hint="2026-11-21")
        self.mistake("bench", "--value-size", "huge", says="--value-size", hint="64KiB")
        self.mistake("bench", "--entries", "0", says="measured", hint="give 1")
        self.mistake("get", "a", "b", "--fresh=yes", says="takes no value", hint="leave out")
        self.mistake("get", "a", "xyz", "--key-hex", says="no key in hex", hint="hexadecimal")
        self.mistake("config", "chek", says="'chek'", hint="did you mean check")
        self.mistake("put", "a", "", says="0 bytes", hint="1 to 1024")
        self.mistake("put", "a", "k" * 1025, says="1025 bytes", hint="1 to 1024")
        self.mistake("put", "a", "b", "--tag", "t" * 129, says="129", hint="shorten")
        self.mistake("put", "a", "b", "--version", "v" * 256, says="255", hint="shorten")
        self.mistake("put", "a", "b", "--meta", "m" * 4097, says="4096", hint="value")
        self.mistake("put", "a", "b", "/dev/null/file", says="/dev/null/file", hint="piped in: echo VALUE")
        self.mistake("put", "a", "b", *["--tag=x"] * 17, says="too often", hint="16")

    def test_operands(self):
        self.mistake("get", "a", says="KEY is missing", hint="larder get --help")
        self.mistake("del", "a", "b", "c", says="'c' is one argument too many", hint="larder del --help")

    def test_combinations(self):
        self.mistake("purge", says="what is to be purged", hint="--all")
        self.mistake("purge", "--all", "--ns", "a", says="--all", hint="leave --all out")
        self.mistake("purge", "--ns", "a", "--source", "b", says="--source", hint="one of them")
        self.mistake("purge", "--key", "a*", "--market", "b", says="--market", hint="one of them")
        self.mistake("inspect", "a", "--source", "b", says="twice", hint="one of them")
        self.mistake("ls", "--prefix", "a", says="of a namespace", hint="larder ls NS")
        self.mistake("stats", "a", "--prometheus", says="--prometheus", hint="leave it out")
        self.mistake("tour", "--root", "/dev/null/x", says="folder of its own", hint="leave")
        self.mistake("bench", "--root", "/dev/null/x", says="folder of its own", hint="leave")
        self.mistake("completion", "bash", "--json", says="document", hint="leave --json out")


class Pages(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="larder-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_man_pages_are_written_for_all_and_render(self):
        ran = larder_bare("help", "--man-pages", self.folder)
        self.assertEqual(ran.code, DONE, ran)
        expected = sorted(["larder.1"] + [f"larder-{c}.1" for c in COMMANDS])
        self.assertEqual(sorted(os.listdir(self.folder)), expected)
        paths = [os.path.join(self.folder, name) for name in expected]
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *paths], capture_output=True, check=False)
            self.assertEqual((lint.returncode, lint.stdout), (0, b""))
        if shutil.which("man"):
            for path in paths:
                shown = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, check=False,
                                       env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PAGER": "cat"})
                self.assertEqual((shown.returncode, shown.stderr), (0, b""), path)
                self.assertIn(b"EXIT STATUS", shown.stdout)

    def test_man_page_on_its_own(self):
        page = larder_bare("help", "--man", "put").out
        self.assertTrue(page.startswith(".TH"), page[:40])
        for word in ("NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "EXAMPLES", r"\-\-ttl"):
            self.assertIn(word, page)

    def test_completion_is_sound_for_each_shell(self):
        for shell in ("bash", "zsh", "fish"):
            script = larder_bare("completion", shell).out
            path = os.path.join(self.folder, shell)
            with open(path, "w", encoding="utf-8") as file:
                file.write(script)
            if shutil.which(shell):
                checked = subprocess.run([shell, "-n", path], capture_output=True, check=False)
                self.assertEqual((checked.returncode, checked.stderr), (0, b""), shell)
            for command in COMMANDS:
                self.assertIn(command, script, shell)

    def bash_completes(self, *words):
        with open(os.path.join(self.folder, "larder.bash"), "w", encoding="utf-8") as file:
            file.write(larder_bare("completion", "bash").out)
        line = " ".join(f"'{w}'" for w in ("larder",) + words)
        done = subprocess.run(["bash", "-c", f"source {self.folder}/larder.bash; COMP_WORDS=({line}); "
                               f"COMP_CWORD={len(words)}; _larder; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
                              capture_output=True, check=True, text=True, cwd=self.folder)
        return done.stdout.split()

    def test_bash_completion_completes(self):
        self.assertEqual(self.bash_completes("inspe"), ["inspect"])
        self.assertIn("--ttl", self.bash_completes("put", "ns", "key", "--t"))
        self.assertEqual(self.bash_completes("put", "--kind", "js"), ["json"])
        self.assertIn("reference", self.bash_completes("--root", "x", "config", "re"))
        self.assertIn("--make", self.bash_completes("get", "--m"))


class Colour(CliCase):
    def run_on_terminal(self, *args, **env):
        """The program with a terminal as its output."""
        import pty
        from cli_support import LARDER, environment
        main, other = pty.openpty()
        child = subprocess.Popen([LARDER, *args], stdout=other, stderr=other, stdin=subprocess.DEVNULL, env=environment(**env))
        os.close(other)
        out = b""
        while True:
            try:
                chunk = os.read(main, 4096)
            except OSError:
                break
            if not chunk:
                break
            out += chunk
        os.close(main)
        child.wait(timeout=60)
        return out

    def test_only_on_a_terminal(self):
        self.assertIn(b"\x1b[1m", self.run_on_terminal("--help"))
        self.assertNotIn("\x1b", larder_bare("--help").out)

    def test_no_color_and_dumb_terminals(self):
        self.assertNotIn(b"\x1b", self.run_on_terminal("--help", NO_COLOR="1"))
        self.assertNotIn(b"\x1b", self.run_on_terminal("--help", TERM="dumb"))
        self.assertNotIn(b"\x1b", self.run_on_terminal("statz", NO_COLOR="1"))


class Document(unittest.TestCase):
    def test_docs_name_every_command_option_and_member(self):
        path = os.path.join(os.environ["LARDER_SOURCE_DIR"], "docs", "cli.md")
        with open(path, encoding="utf-8") as file:
            page = file.read()
        for command in larder_bare("--json", "help").document["commands"]:
            self.assertIn(f"### {command['name']}", page)
            section = page.split(f"### {command['name']}\n", 1)[1].split("\n### ", 1)[0]
            for option in command["options"]:
                self.assertIn(f"--{option}", section, command["name"])
        for name, shape in shapes().items():
            command = name if name in COMMANDS else name.split("-")[0]
            if command not in COMMANDS:
                continue
            section = page.split(f"### {command}\n", 1)[1].split("\n### ", 1)[0]
            facts = re.search(r"called \*\*facts\*\*:(.*?)\n\n", page, re.S).group(1) if "facts" in section else ""
            for member in self.members(shape):
                self.assertIn(f"`{member}`", section + facts, name)

    def members(self, shape):
        if isinstance(shape, list):
            return self.members(shape[0])
        if isinstance(shape, dict):
            return set(shape) | {m for inner in shape.values() for m in self.members(inner)}
        return set()


if __name__ == "__main__":
    unittest.main()
