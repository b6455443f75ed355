#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`larder mission` with real commands. Every step appends a line to a log, so that runs are counted, never timed."""
import json
import os
import pty
import shutil
import signal
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from cli_support import CONFIG, DONE, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, larder_bare, shapes

EXAMPLES = os.path.join(os.environ["LARDER_SOURCE_DIR"], "examples", "mission")


def sh(script):
    return ["sh", "-c", script]


class Mission(CliCase):
    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.folder, "log")

    def mission(self, steps, name="m.json"):
        self.write(name, json.dumps({"name": "test", "steps": steps}).encode())
        return os.path.join(self.folder, name)

    def logged(self):
        """What ran since the last look, sorted."""
        if not os.path.exists(self.log):
            return []
        lines = sorted(self.read(self.log).decode().split())
        os.remove(self.log)
        return lines

    def states(self, *args, code=DONE):
        document = self.document("mission", *args, code=code)
        self.assertIsNone(fits(shapes()["mission"], document))
        return {step["id"]: step["state"] for step in document["steps"]}

    def diamond(self, left="", right=""):
        return self.mission([
            {"id": "a", "run": sh("echo a >> log; echo 1 > a.out"), "outputs": ["a.out"]},
            {"id": "left", "after": ["a"], "inputs": ["a.out"], "outputs": ["o/left"],
             "run": sh(f"echo left >> log; mkdir -p o; cat a.out > o/left; {left}")},
            {"id": "right", "after": ["a"], "inputs": ["a.out"], "outputs": ["o/right"],
             "run": sh(f"echo right >> log; mkdir -p o; cat a.out > o/right; {right}")},
            {"id": "end", "after": ["left", "right"], "inputs": ["o/left", "o/right"],
             "run": sh("echo end >> log; cat o/left o/right")},
            {"id": "alone", "run": sh("echo alone >> log; printf 'x\\000\\377'")}])

    def test_what_is_kept_is_not_run_again(self):
        file = self.diamond()
        self.assertEqual(set(self.states(file).values()), {"made"})
        self.assertEqual(self.logged(), ["a", "alone", "end", "left", "right"])
        self.assertEqual(set(self.states(file).values()), {"hit"})
        self.assertEqual(self.logged(), [])
        shutil.rmtree(os.path.join(self.folder, "o"))
        self.assertEqual(set(self.states(file).values()), {"hit"})
        self.assertEqual(self.read(os.path.join(self.folder, "o", "left")), b"1\n")
        self.assertEqual((self.logged(), self.expect(DONE, "mission", file, "--print", "alone", "-q").raw), ([], b"x\0\xff"))

    def test_a_failure_stops_only_what_comes_after_it_and_the_rest_resumes(self):
        file = self.diamond(left="test -e mended")
        self.assertEqual(self.states(file, code=NOT_FOUND),
                         {"a": "made", "left": "failed", "right": "made", "end": "skipped", "alone": "made"})
        self.assertEqual(self.logged(), ["a", "alone", "left", "right"])
        self.write("mended", b"")
        self.assertEqual(self.states(file), {"a": "hit", "left": "made", "right": "hit", "end": "made", "alone": "hit"})
        self.assertEqual(self.logged(), ["end", "left"])

    def test_plan_says_what_would_run_and_why(self):
        file = self.diamond()
        plan = self.document("mission", file, "--plan")
        self.assertEqual((plan["plan"], plan["will_run"], plan["may_run"], self.logged()), (True, 2, 3, []))
        self.expect(DONE, "mission", file)
        self.logged()
        self.diamond(right="true")
        plan = {s["id"]: (s["state"], s["why"]) for s in self.document("mission", file, "--plan")["steps"]}
        self.assertEqual(plan, {"a": ("hit", None), "left": ("hit", None), "right": ("will run", "its command line changed"),
                                "end": ("may run", "known once right has run"), "alone": ("hit", None)})
        self.assertEqual(self.states(file)["end"], "made")
        self.assertEqual(self.logged(), ["end", "right"])

    def test_force_and_forget(self):
        file = self.diamond()
        self.expect(DONE, "mission", file)
        self.logged()
        self.expect(DONE, "mission", file, "--force")
        self.assertEqual(self.logged(), ["a", "alone", "end", "left", "right"])
        forgot = self.document("mission", file, "--forget", "left")
        self.assertIsNone(fits(shapes()["mission-forget"], forgot))
        self.assertEqual((forgot["forgot"], self.logged()), (2, []))
        self.expect(DONE, "mission", file)
        self.assertEqual(self.logged(), ["end", "left"])

    def test_independent_steps_run_at_the_same_time(self):
        # Each ends only when it sees the other's mark.
        wait = "while [ ! -e {0} ]; do sleep 0.01; done"
        file = self.mission([{"id": "a", "run": sh("touch a; " + wait.format("b"))},
                             {"id": "b", "run": sh("touch b; " + wait.format("a"))}])
        self.expect(DONE, "mission", file, "--parallel", "2")

    def test_parallel_bounds_how_many(self):
        script = "echo in >> running; n=$(wc -l < running); [ $n -le 1 ] || echo many >> log; sleep 0.02; : > running"
        file = self.mission([{"id": f"s{i}", "params": {"i": i}, "run": sh(script)} for i in range(6)])
        self.expect(DONE, "mission", file, "--parallel", "1")
        self.assertEqual(self.logged(), [])

    def start(self, *args):
        return subprocess.Popen([LARDER, "--root", self.root, "--config", self.config_file, "mission", *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, env=environment())

    def wait_for(self, name):
        done = subprocess.run(["sh", "-c", f"for i in $(seq 3000); do [ -s {name} ] && exit 0; sleep 0.01; done; exit 1"],
                              cwd=self.folder, check=False)
        self.assertEqual(done.returncode, 0, f"{name} never came")

    def halted(self):
        """A chain whose middle step waits until `go` is there."""
        return self.mission([{"id": "a", "run": sh("echo a >> log; echo 1 > a.out"), "outputs": ["a.out"]},
                             {"id": "b", "after": ["a"], "run": sh("echo b >> log; echo b >> begun; "
                                                                   "while [ ! -e go ]; do sleep 0.01; done")},
                             {"id": "c", "after": ["b"], "run": sh("echo c >> log")}])

    def test_killed_in_the_middle_it_resumes(self):
        file = self.halted()
        runner = self.start(file)
        self.wait_for("begun")
        runner.send_signal(signal.SIGKILL)
        runner.communicate(timeout=60)
        self.logged()
        self.write("go", b"")
        self.assertEqual(self.states(file), {"a": "hit", "b": "made", "c": "made"})
        self.assertEqual(self.logged(), ["b", "c"])

    def test_interrupted_it_ends_what_runs_and_resumes(self):
        file = self.halted()
        runner = self.start(file)
        self.wait_for("begun")
        runner.send_signal(signal.SIGINT)
        out, _ = runner.communicate(timeout=60)
        self.assertEqual(runner.returncode, NOT_FOUND)
        self.assertRegex(out.decode(), r"failed +b +.*stopped")
        self.assertRegex(out.decode(), r"skipped +c +b failed")
        self.logged()
        self.write("go", b"")
        self.assertEqual(self.states(file), {"a": "hit", "b": "made", "c": "made"})

    def test_two_missions_at_once_run_each_step_once(self):
        file = self.halted()
        runners = [self.start(file), self.start(file)]
        self.wait_for("begun")
        self.write("go", b"")
        for runner in runners:
            runner.communicate(timeout=60)
        self.assertEqual([runner.returncode for runner in runners], [DONE, DONE])
        self.assertEqual(self.logged(), ["a", "b", "c"])

    def test_remarks_pass_on_and_failures_keep_their_end(self):
        file = self.mission([{"id": "a", "run": sh("echo remark >&2; exit 3")}])
        ran = self.expect(NOT_FOUND, "mission", file)
        self.assertIn("remark\n", ran.err)
        self.assertRegex(ran.out, r"failed +a +.*exit code 3")
        step = self.document("mission", file, code=NOT_FOUND)["steps"][0]
        self.assertEqual((step["errors"], step["exit_code"], step["why"]), ("remark\n", 3, "exit code 3"))

    def test_progress_is_for_terminals(self):
        file = self.mission([{"id": f"s{i}", "params": {"i": i}, "run": ["true"]} for i in range(3)])
        main, other = pty.openpty()
        done = subprocess.run([LARDER, "--root", self.root, "--config", self.config_file, "mission", file],
                              stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment(), check=False, timeout=60)
        os.close(other)
        shown = os.read(main, 65536)
        os.close(main)
        self.assertEqual(done.returncode, DONE, shown)
        self.assertIn(b"of 3, 1 running", shown)
        self.assertIn(b"\x1b[32mmade", shown)
        ran = self.expect(DONE, "mission", file, "--force")
        self.assertNotIn("running", ran.out + ran.err)
        self.assertNotIn("\x1b", ran.out + ran.err)

    def test_outputs_stay_in_the_folder(self):
        for name in ("../x", "/tmp/x", "a/../../x", "", "..", "a/"):
            file = self.mission([{"id": "a", "run": ["true"], "outputs": [name]}])
            ran = self.expect(CONFIG, "mission", file)
            self.assertRegex(ran.err, r"m.json:1:\d+: found ")
        inside = os.path.join(self.folder, "inside")
        os.mkdir(inside)
        file = self.mission([{"id": "a", "run": sh("echo made > o")  , "outputs": ["o"]}])
        self.expect(DONE, "mission", file, "--folder", inside)
        os.remove(os.path.join(inside, "o"))
        # A link in the way is replaced, not followed.
        target = self.write("target", b"untouched")
        os.symlink(target, os.path.join(inside, "o"))
        self.expect(DONE, "mission", file, "--folder", inside)
        self.assertEqual((self.read(target), self.read(os.path.join(inside, "o"))), (b"untouched", b"made\n"))

    def test_strange_names_are_shown_harmlessly(self):
        file = self.mission([{"id": "<b>\u202e & \"é'", "type": "../../etc", "run": ["true"]}])
        picture = os.path.join(self.folder, "p.svg")
        ran = self.expect(DONE, "mission", file, "--plot", picture)
        self.assertNotIn("\x1b", ran.out)
        text = "".join(ElementTree.parse(picture).getroot().itertext())
        self.assertIn("<b>", text)
        ran = self.expect(CONFIG, "mission", self.mission([{"id": "\x1b[2J", "run": ["true"]}]))
        self.assertNotIn("\x1b", ran.err)

    def test_plot(self):
        file = self.diamond(left="exit 1")
        picture = os.path.join(self.folder, "p.svg")
        self.expect(NOT_FOUND, "mission", file, "--plot", picture)
        root = ElementTree.parse(picture).getroot()
        text = " ".join(root.itertext())
        for words in ("left (failed): exit code 1", "made: 3", "failed: 1", "skipped: 1"):
            self.assertIn(words, text)
        self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}path")), 4)

    def test_mistakes(self):
        self.assertIn("no step 'x'", self.expect(USAGE, "mission", self.diamond(), "--forget", "x").err)
        self.assertIn("no step 'x'", self.expect(USAGE, "mission", self.diamond(), "--print", "x").err)
        self.assertIn("No such file", self.expect(USAGE, "mission", "/nonexistent.yaml").err)
        self.assertIn("--forget", self.expect(USAGE, "mission", self.diamond(), "--forget", "a", "--plan").err)
        self.assertIn("--print", self.expect(USAGE, "--json", "mission", self.diamond(), "--print", "a").err)
        wrong = self.write("w.yaml", b"steps:\n  - id: a\n    rum: [x]\n    after: [b]\n    run: [x]\n")
        ran = self.expect(CONFIG, "mission", wrong)
        self.assertIn("w.yaml:3:5: found \"rum\"; expected a known name: did you mean run?", ran.err)
        self.assertIn("w.yaml:4:12: found after \"b\", which is no step", ran.err)
        error = self.expect(CONFIG, "--json", "mission", wrong).error
        self.assertIn("w.yaml:3:5", error["message"])

    def test_without_a_cache_it_runs_all_the_same(self):
        file = self.diamond()
        done = subprocess.run([LARDER, "--root", "/dev/null/x", "mission", file], capture_output=True, env=environment(),
                              check=False, timeout=60)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(b"going on without the cache", done.stderr)
        self.assertEqual(self.logged(), ["a", "alone", "end", "left", "right"])

    def test_an_output_that_was_not_made_is_a_failure_with_and_without_a_cache(self):
        path = self.mission([{"id": "a", "run": ["true"], "outputs": ["never.txt"]}])
        self.expect(NOT_FOUND, "mission", path, cwd=self.folder)
        bare = larder_bare("--root", "/dev/null/x", "mission", path, cwd=self.folder)
        self.assertEqual((bare.code, "never.txt" in bare.out), (NOT_FOUND, True), bare)

    def test_the_examples_work(self):
        folder = os.path.join(self.folder, "examples")
        shutil.copytree(EXAMPLES, folder)
        study = os.path.join(folder, "study.yaml")
        self.assertEqual(set(self.states(study).values()), {"made"})
        self.assertEqual(set(self.states(study).values()), {"hit"})
        said = self.expect(DONE, "mission", study, "--print", "report", "-q").out
        self.assertRegex(said, r"^energy \d+\.\d+\nlevels( -?\d\.\d+){10}\n$")
        with open(os.path.join(folder, "report.awk"), "a", encoding="utf-8") as file:
            file.write("# seen\n")
        plan = {s["id"]: s["why"] for s in self.document("mission", study, "--plan")["steps"]}
        self.assertEqual(plan["report"], "the input report.awk changed")
        chain = os.path.join(folder, "commands.json")
        self.expect(CONFIG, "mission", chain)
        self.assertEqual(self.states(chain, "--runner", "./run-step"),
                         {"load-1": "made", "evolve-2": "made", "measure-3": "made"})
        said = self.expect(DONE, "mission", chain, "--runner", "./run-step", "--print", "load-1", "-q").out
        self.assertEqual(said, 'load with {"dt":0.01,"grid":[64,64]}\n')


if __name__ == "__main__":
    unittest.main()
