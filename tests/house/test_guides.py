#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the guides show is true: their files and commands, as they stand in the page and in one shell, print what the page says.

A block ```console has commands behind `$ ` (`> ` goes on with one) and what they print; every command ends with code 0, so that
what fails is written with `; echo "exit $?"`. A block with a file's name behind its language, such as ```yaml larder.yaml, is
that file. What the page links to as ../examples/FILE lies in the folder. `…` stands for anything within a line, alone on a line
for any lines; durations, dates, numbers of four digits and more that stand alone (processes, stamps) and the width of gaps may
differ, all else may not; in a block ```console loose every number may. Usage: test_guides.py [--print GUIDE]: the
commands with what they print here, to be pasted into the page."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["LARDER_SOURCE_DIR"]
BUILD = os.environ["LARDER_BINARY_DIR"]
TIMEOUT = 240
DURATION = r"\d+(?:\.\d+)? ?(?:ns|µs|ms|s|min|m|h|d)"
# What may differ, by the name of what stands for it.
LIKE = {"date": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "time": rf"{DURATION}(?: {DURATION})?", "any": ".*", "number": r"\d+",
        "gap": r"\s+", "loose": r"\d[\d.,]*"}
VARIES = re.compile(rf"(?P<date>{LIKE['date']})|(?P<time>(?<![\w.]){LIKE['time']}(?!\w))|(?P<any>…)"
                    r"|(?P<number>(?<!\S)\d{4,}(?=[\s,]|$))|(?P<gap>\s+)")
LOOSE = re.compile(rf"{VARIES.pattern}|(?P<loose>{LIKE['loose']})")


class Guide:
    def __init__(self, name):
        with open(os.path.join(SOURCE, "docs", name), encoding="utf-8") as file:
            self.text = file.read()
        self.examples = sorted(set(re.findall(r"\(\.\./examples/([\w.-]+)\)", self.text)))
        self.steps = []  # ("file", name, text) or ("run", command, lines)
        self.loose = set()  # numbers of steps
        for info, body in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", self.text, re.M):
            words = info.split()
            if words[:1] == ["console"]:
                first = len(self.steps)
                self.console(body.splitlines())
                if words[1:] == ["loose"]:
                    self.loose.update(range(first, len(self.steps)))
            elif len(words) == 2:
                self.steps.append(("file", words[1], body))

    def console(self, lines):
        for line in lines:
            if line.startswith("$ "):
                self.steps.append(("run", line[2:], []))
            elif line.startswith("> ") and not self.steps[-1][2]:
                self.steps[-1] = ("run", self.steps[-1][1] + "\n" + line[2:], [])
            else:
                self.steps[-1][2].append(line)

    def varies(self, number):
        return LOOSE if number in self.loose else VARIES

    def script(self):
        """The whole page as one shell's input; a line with \\x01 goes before each step's output and behind it."""
        parts = []
        for number, (what, name, text) in enumerate(self.steps):
            if what == "file":
                parts.append(f"cat > {name} <<'END OF FILE'\n{text}END OF FILE\n")
            else:
                parts.append(f"printf '\\001{number}\\n'\n{name}\nprintf '\\n\\001= %d\\n' $?\n")
        return "".join(parts)


def stops(folder):
    """Ends what a guide left behind when it broke off."""
    try:
        with open(os.path.join(folder, "api.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass


def prepare(folder, guide):
    os.mkdir(os.path.join(folder, "bin"))
    os.symlink(os.environ["LARDER_CLI"], os.path.join(folder, "bin", "larder"))
    # The library is not installed here.
    flags = f"-I{SOURCE}/include -L{BUILD} -llarder -Wl,-rpath,{BUILD}"
    with open(os.path.join(folder, "bin", "pkg-config"), "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho {flags}\n")
    os.chmod(os.path.join(folder, "bin", "pkg-config"), 0o755)
    os.mkdir(os.path.join(folder, "work"))
    for name in guide.examples:
        shutil.copy(os.path.join(SOURCE, "examples", name), os.path.join(folder, "work"))


def play(folder, guide):
    """What each step printed and its exit code, by number."""
    prepare(folder, guide)
    work = os.path.join(folder, "work")
    environment = {"PATH": folder + "/bin:/usr/bin:/bin", "HOME": folder, "TZ": "UTC", "LC_ALL": "C.UTF-8", "TMPDIR": folder}
    try:
        done = subprocess.run(["bash"], input=guide.script().encode(), cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT, env=environment, check=False)
    finally:
        stops(work)
    said = done.stdout.decode("utf-8", "replace")
    found = re.findall(r"\x01(\d+)\n(.*?)\n\x01= (\d+)\n", said, re.S)
    return {int(number): (text.rstrip("\n"), int(code)) for number, text, code in found}


def like(line, varies):
    """A pattern of what is right where the page says `line`."""
    out, at = [], 0
    for hit in varies.finditer(line):
        out.append(re.escape(line[at:hit.start()]) + LIKE[hit.lastgroup])
        at = hit.end()
    return re.compile("".join(out) + re.escape(line[at:]) + r"\s*$")


def differs(expected, printed, varies=VARIES):
    """None, or where the page is wrong."""
    lines, at, skipping = printed.split("\n") if printed else [], 0, False
    for wanted in expected:
        if wanted == "…":
            skipping = True
            continue
        pattern = like(wanted, varies)
        while skipping and at < len(lines) and not pattern.match(lines[at]):
            at += 1
        if at >= len(lines) or not pattern.match(lines[at]):
            return f"the page says  {wanted}\nprinted was    {lines[at] if at < len(lines) else '(nothing more)'}"
        at, skipping = at + 1, False
    return None if skipping or at >= len(lines) else f"the page does not have  {lines[at]}"


class Guides(unittest.TestCase):
    def check(self, name):
        guide = Guide(name)
        folder = tempfile.mkdtemp(prefix="larder-guide.")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        results = play(folder, guide)
        runs = 0
        for number, (what, command, expected) in enumerate(guide.steps):
            if what == "run":
                runs += 1
                self.assertIn(number, results, f"{name}: it ended before or in\n$ {command}")
                printed, code = results[number]
                told = f"{name}\n$ {command}\n{printed}\n"
                self.assertEqual(code, 0, told)
                wrong = differs(expected, printed, guide.varies(number))
                self.assertIsNone(wrong, f"{told}\n{wrong}")
        self.assertGreater(runs, 10)

    def test_data(self):
        self.check("guide-data.md")

    def test_crawler(self):
        self.check("guide-crawler.md")

    def test_a_difference_is_noticed(self):
        self.assertIsNone(differs(["a  in 3m 59s …", "…", "made 3"], "a in 4m 1s or so\nx\nmade 3"))
        self.assertIsNotNone(differs(["made 3"], "made 4"))
        self.assertIsNone(differs(["made  3 (1.5 KiB)"], "made 41 (7 KiB)", LOOSE))
        self.assertIsNotNone(differs(["made 3"], "there 3", LOOSE))
        self.assertIsNotNone(differs(["made 3"], ""))
        self.assertIsNotNone(differs(["made 3"], "made 3\nand more"))
        self.assertIsNotNone(differs(["…", "made 3"], "made 4\nmade 5"))


def show(name):
    guide = Guide(name)
    with tempfile.TemporaryDirectory(prefix="larder-guide.") as folder:
        results = play(folder, guide)
    for number, (what, command, expected) in enumerate(guide.steps):
        if what == "run":
            printed, code = results.get(number, ("(never)", -1))
            wrong = "" if code == 0 and differs(expected, printed, guide.varies(number)) is None else "   <<<<"
            print("$ " + command.replace("\n", "\n> ") + wrong)
            print("".join((printed + "\n") if printed else "") + (f"[exit {code}]\n" if code else ""), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--print"]:
        show(sys.argv[2])
    else:
        unittest.main()
