#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`larder simulate TRACE…`: sizes, policies, formats and mistakes as a person types them."""
import gzip
import json
import os
import pty
import signal
import subprocess
import threading
import unittest
import xml.etree.ElementTree as ElementTree

from cli_support import DONE, FAILED, LARDER, NOT_FOUND, USAGE, CliCase, environment, fits, larder_bare, shapes

LETTERS = b"a\nb\nc\na\nd\na\n"
SIZED = b"time,key,size\n1,a,10\n2,b,20\n3,a,10\n4,c,1000\n5,a,10\n"


class Simulate(CliCase):
    def simulate(self, *args, code=DONE, **how):
        ran = larder_bare("simulate", *args, **how)
        self.assertEqual(ran.code, code, ran)
        return ran

    def results(self, *args, **how):
        """[(policy, objects or bytes, misses)] of one trace."""
        document = self.simulate("--json", *args, **how).document
        return [(r["policy"], r["size_objects"] or r["size_bytes"], r["misses"]) for r in document["results"]]

    def test_a_table_says_what_was_missed(self):
        path = self.write("letters", LETTERS)
        ran = self.simulate(path, "--size", "3,50%", "--policy", "lru,fifo,opt")
        lines = ran.out.splitlines()
        self.assertEqual(lines[0], f"{path}: 6 requests for 4 keys; 75.0 % of the keys come once; the largest cache misses 66.67 %")
        self.assertEqual(lines[2].split("  ")[-2:], ["FEWER THAN FIFO", "FEWER THAN LRU"])
        self.assertEqual([line.split() for line in lines[3:]], [
            ["3", "lru", "4", "66.67", "%", "20.00", "%"], ["3", "fifo", "5", "83.33", "%", "-25.00", "%"],
            ["3", "opt", "4", "66.67", "%", "20.00", "%", "0.00", "%"],
            ["50", "%", "=", "2", "lru", "5", "83.33", "%", "0.00", "%"], ["50", "%", "=", "2", "fifo", "5", "83.33", "%", "0.00", "%"],
            ["50", "%", "=", "2", "opt", "4", "66.67", "%", "20.00", "%", "20.00", "%"]])
        self.assertEqual(self.simulate("-q", path, "--size", "3", "--policy", "opt").out.split(), ["3", "opt", "4", "66.67", "%"])

    def test_json_is_a_line_for_each_trace(self):
        path, other = self.write("letters", LETTERS), self.write("t.csv", SIZED)
        lines = self.simulate("--json", path, other, "--size", "1%,2", "--policy", "lru,opt").out.splitlines()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertIsNone(fits(shapes()["simulate"], json.loads(line)))
        self.assertEqual(json.loads(lines[0])["results"][3], {"policy": "opt", "size_objects": 2, "misses": 4, "miss_ratio": 0.666667})
        document = self.simulate("--json", other, "--size", "1KB,30B", "--policy", "lru,opt").document
        self.assertIsNone(fits(shapes()["simulate-bytes"], document))
        self.assertEqual([r["policy"] for r in document["results"]], ["lru", "opt-bound"] * 2)
        self.assertEqual([r["misses"] for r in document["results"]], [4, 3, 3, 3])

    def test_by_bytes_entries_have_their_sizes(self):
        path = self.write("t.csv", SIZED)
        self.assertEqual(self.results(path, "--size", "1030B", "--policy", "lru"), [("lru", 1030, 3)])
        self.assertEqual(self.results(path, "--size", "1009B", "--policy", "lru"), [("lru", 1009, 4)])
        self.assertEqual(self.results(path, "--size", "9B", "--policy", "lru"), [("lru", 9, 5)])
        out = self.simulate(path, "--size", "30B", "--policy", "lru").out
        self.assertIn("3 keys of 1.0 KiB", out)
        self.assertIn("OF THE BYTES", out)
        ran = self.simulate(self.write("letters", LETTERS), "--size", "1KB", code=USAGE)
        self.assertIn("does not say how large entries are", ran.err)

    def test_every_format_says_the_same(self):
        wanted = self.results(self.write("letters", LETTERS), "--size", "2")
        rows = [line for line in LETTERS.decode().split()]
        jsonl = "".join(json.dumps({"key": key}) + "\n" for key in rows).encode()
        session = (json.dumps({"session": "s", "keys": rows}) + "\n").encode()
        ids = [rows.index(key) for key in rows]
        numbers = sorted(set(ids))
        ltrc = b"LTRC0001" + (6).to_bytes(8, "little") + bytes(4) + b"".join(numbers.index(i).to_bytes(4, "little") for i in ids)
        files = {"a.csv": b"key\n" + LETTERS, "b.csv": LETTERS, "c.jsonl": jsonl, "d.jsonl": session, "e.ltrc": ltrc,
                 "f.gz": gzip.compress(LETTERS), "g.csv.gz": gzip.compress(b"size,key\n" + b"".join(b"1," + line + b"\n" for line in LETTERS.split()))}
        for name, content in files.items():
            self.assertEqual(self.results(self.write(name, content), "--size", "2"), wanted, name)
            if "csv" not in name:
                self.assertEqual(self.results("-", "--size", "2", stdin=content), wanted, name)
        self.assertEqual(self.results("-", "--size", "2", "--format", "csv", stdin=files["a.csv"]), wanted)
        self.assertEqual(self.results("-", "--size", "2", "--format", "csv", "--key-field", "2", stdin=b"1,a\n1,b\n1,c\n1,a\n1,d\n1,a\n"), wanted)
        table = self.write("t", b"".join(b"x;" + line + b"\n" for line in LETTERS.split()).replace(b";", b","))
        self.assertEqual(self.results(table, "--size", "2", "--format", "csv", "--key-field", "2"), wanted)

    def test_a_pipe_by_its_name_is_read(self):
        path = os.path.join(self.folder, "pipe")
        os.mkfifo(path)

        def fill():
            with open(path, "wb") as pipe:
                pipe.write(LETTERS)
        writer = threading.Thread(target=fill)
        writer.start()
        self.assertEqual(self.results(path, "--size", "3", "--policy", "lru"), [("lru", 3, 4)])
        writer.join()

    def test_policies_are_the_registrys(self):
        path = self.write("letters", LETTERS)
        every = [policy for policy, _, _ in self.results(path, "--size", "3", "--policy", "all")]
        self.assertEqual(every[-1], "opt")
        self.assertLessEqual({"fifo", "lru", "lfu", "sieve", "s3-fifo", "w-tinylfu"}, set(every))
        usual = [policy for policy, _, _ in self.results(path, "--size", "3")]
        self.assertLessEqual(set(usual), set(every))
        self.assertEqual(self.results(path, "--size", "3", "--policy", "lru,lru")[1:], [])
        self.assertEqual(len(self.results(path, "--size", "3", "--policy", "lru,all")), len(every))

    def test_only_the_first_requests(self):
        path = self.write("letters", LETTERS)
        document = self.simulate("--json", path, "--requests", "4").document
        self.assertEqual((document["requests"], document["unique"]), (4, 3))

    def test_mistakes_of_the_call(self):
        path = self.write("letters", LETTERS)
        for args, says, hint in [((), "TRACE is missing", "--help"),
                                 ((path, "--size", "some"), "--size cannot be 'some'", "64MiB"),
                                 ((path, "--size", "0"), "--size cannot be '0'", "64MiB"),
                                 ((path, "--size", "101%"), "--size cannot be '101%'", "1%"),
                                 ((path, "--size", "1%,,2"), "--size cannot be ''", "1%"),
                                 ((path, "--size", ",".join(["1"] * 65)), "more than 64", "others"),
                                 ((path, "--policy", "s4-fifo"), "no policy 's4-fifo'", "did you mean s3-fifo?"),
                                 ((path, "--policy", "opt-bound"), "no policy 'opt-bound'", "opt"),
                                 ((path, "--seed", "x"), "--seed cannot be 'x'", "7"),
                                 ((path, "--key-field", "url"), "is no table", "--help")]:
            ran = self.simulate(*args, code=USAGE)
            self.assertEqual(ran.out, "")
            self.assertIn(says, ran.err)
            self.assertIn(hint, ran.err)
            self.assertIn(says, larder_bare("--json", "simulate", *args).error["message"])

    def test_mistakes_of_a_file_are_told_with_their_place(self):
        self.assertIn("/nowhere can't be read", self.simulate("/nowhere", code=NOT_FOUND).err)
        path = self.write("bad.csv", b"key,size\na,1\nb,many\n")
        self.assertIn(f'{path}:3: "many" is no size', self.simulate(path, code=NOT_FOUND).err)
        self.assertIn('standard input:2: no JSON: column 1', self.simulate("-", code=NOT_FOUND, stdin=b'{"key": 1}\nx\n').err)
        path = self.write("cut.gz", gzip.compress(LETTERS)[:-3])
        self.assertIn("breaks off", self.simulate(path, code=NOT_FOUND).err)
        # What came before stands.
        good = self.write("letters", LETTERS)
        ran = self.simulate("--json", good, path, code=NOT_FOUND)
        self.assertEqual(ran.document["trace"], good)

    def test_a_plot_is_drawn(self):
        path, other = self.write("letters", LETTERS), self.write("t.csv", SIZED)
        svg = os.path.join(self.folder, "plot.svg")
        self.simulate(other, "--size", "1,2,30B,1KB", "--policy", "lru,opt", "--plot", svg)
        root = ElementTree.parse(svg).getroot()
        space = "{http://www.w3.org/2000/svg}"
        titles = [t.text for t in root.iter(space + "text") if t.get("class") == "title"]
        self.assertEqual(titles, ["t.csv", "t.csv"])  # by entries, and by bytes
        self.assertEqual(len(list(root.iter(space + "circle"))), 8)
        ran = self.simulate(path, "--plot", "/nowhere/plot.svg", code=FAILED)
        self.assertIn("check --plot", ran.err)

    def test_progress_is_shown_on_a_terminal_only(self):
        path = self.write("letters", LETTERS * 20000)
        main, side = pty.openpty()
        done = subprocess.run([LARDER, "simulate", path], stdout=subprocess.PIPE, stderr=side, env=environment(), check=False)
        os.close(side)
        self.assertEqual(done.returncode, DONE)
        self.assertIn(b"MiB of", os.read(main, 65536))
        os.close(main)
        self.assertEqual(self.simulate(path).err, "")

    def test_an_interrupt_ends_it_in_good_order(self):
        process = subprocess.Popen([LARDER, "simulate", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        process.stdin.write(b"a\nb\n" * 100000)
        process.stdin.flush()
        # It has taken more than a pipe holds, so it is reading, and waits for more.
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"stopped", err)


if __name__ == "__main__":
    unittest.main()
