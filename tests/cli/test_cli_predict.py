#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`larder predict train|eval|next`: files of sessions, models, figures and mistakes as a person types them."""
import gzip
import json
import os
import unittest
import xml.etree.ElementTree as ElementTree

from cli_support import DONE, FAILED, NOT_FOUND, USAGE, CliCase, fits, larder_bare, shapes

SESSIONS = [{"session": f"s{n}", "user_type": "member" if n % 2 else "guest",
             "requests": [{"endpoint": "/", "at": 1764150000 + n}, {"endpoint": f"/item/{n}", "at": 1764150010 + n},
                          "/cart" if n % 2 else "/search", "/done"]} for n in range(20)]
LINES = "".join(json.dumps(session) + "\n" for session in SESSIONS).encode()


class Predict(CliCase):
    def predict(self, *args, code=DONE, **how):
        ran = larder_bare("predict", *args, **how)
        self.assertEqual(ran.code, code, ran)
        return ran

    def trained(self, *args):
        model = self.path("model.lrd")
        self.predict("train", self.write("s.jsonl", LINES), "--model", model, *args)
        return model

    def path(self, name):
        return os.path.join(os.path.dirname(self.write("marker", b"")), name)

    def test_training_says_what_was_learned(self):
        model, path = self.path("model.lrd"), self.write("s.jsonl", LINES)
        out = self.predict("train", path, "--model", model).out
        self.assertEqual(out, f"80 requests in 20 sessions learned; {model}: 80 events, 5 endpoints, {out.split(', ')[-1]}")
        document = self.predict("--json", "train", path, "--model", model, "--add").document
        self.assertIsNone(fits(shapes()["predict-train"], document))
        self.assertEqual((document["requests"], document["events"], document["user_types"]), (80, 160, 2))
        self.assertEqual(self.predict("-q", "train", "-", "--model", model, stdin=gzip.compress(LINES)).out, "")

    def test_models_are_binary_or_text_and_the_same(self):
        answers = []
        for args in ([], ["--text"]):
            model = self.trained(*args)
            with open(model, "rb") as file:
                self.assertEqual(file.read(1), b"{" if args else b"L")
            answers.append(self.predict("--json", "next", "-m", model, "/item/77").document)
        self.assertEqual(*answers)
        self.assertIsNone(fits(shapes()["predict-next"], answers[0]))

    def test_what_comes_next(self):
        model = self.trained()
        lines = self.predict("next", "--model", model, "/", "/item/3", "--user-type", "member", "--use", "context").out.splitlines()
        self.assertEqual(lines[0].split(), ["PROBABILITY", "ENDPOINT"])
        self.assertEqual(lines[1].split()[-1], "/cart")
        guest = self.predict("-q", "next", "--model", model, "/item/3", "--user-type", "guest", "--at", "2025-11-26", "--top", "1").out
        self.assertEqual(guest.split()[-1], "/search")
        path = self.predict("--json", "next", "--model", model, "/", "--path", "3", "--use", "first").document["path"]
        self.assertEqual([step["endpoint"] for step in path], ["/item/{id}", path[1]["endpoint"], "/done"])
        self.assertTrue(path[0]["probability"] > path[1]["probability"] > 0.4)
        ran = self.predict("next", "--model", model, "/nobody/knows", "--use", "first", code=NOT_FOUND)
        self.assertIn("nothing is known", ran.err)

    def test_the_pattern_is_ones_own(self):
        model = self.trained("--pattern", "")
        endpoints = [guess["endpoint"] for guess in self.predict("--json", "next", "-m", model, "/", "--use", "first").document["next"]]
        self.assertEqual(len(set(endpoints)), 5)
        self.assertTrue(all(endpoint[6:].isdigit() for endpoint in endpoints), endpoints)

    def test_folds_are_judged(self):
        path, plot = self.write("s.jsonl", LINES), self.path("plot.svg")
        document = self.predict("--json", "eval", path, "--folds", "4", "--plot", plot).document
        self.assertIsNone(fits(shapes()["predict-eval"], document))
        chains = {chain["chain"]: chain for chain in document["chains"]}
        self.assertEqual(list(chains), ["blend", "first", "second", "context"])
        first = chains["first"]
        self.assertEqual((document["sessions"], first["steps"], len(first["folds"])), (20, 60, 4))
        # Two of three steps are certain, and of the middle one each half is right half of the time, among two.
        self.assertAlmostEqual(first["top_3"], 1)
        self.assertAlmostEqual(first["coverage"], 1)
        self.assertLess(chains["context"]["perplexity"], first["perplexity"])
        self.assertAlmostEqual(chains["context"]["top_1"], 1)
        self.assertEqual(sum(bin["guesses"] for bin in first["calibration"]), 60)
        self.assertEqual(first["endpoints"][0]["endpoint"], "/")
        self.assertEqual(first["contexts"][0]["steps"], 20)
        self.assertEqual(ElementTree.parse(plot).getroot().tag, "{http://www.w3.org/2000/svg}svg")
        out = self.predict("eval", path, "--rows", "1", "--use", "first").out
        self.assertIn("60 steps in 20 sessions, each guessed by what the other folds teach", out)
        for head in ("CHAIN", "AFTER", "CONTEXT", "CAME TRUE"):
            self.assertIn(head, out)

    def test_a_model_is_judged(self):
        model, other = self.trained(), self.write("t.jsonl", b'{"keys": ["/", "/item/5", "/pay"]}\n')
        chain = self.predict("--json", "eval", other, "--model", model).document["chains"][1]
        self.assertEqual((chain["steps"], chain["top_1"], chain["folds"]), (2, 0.5, []))
        self.assertIn(model, self.predict("eval", other, "--model", model).out)

    def test_mistakes_are_told(self):
        path, model = self.write("s.jsonl", LINES), self.trained()
        for args, says in [(["train", path], "needs the file of a model"), (["next"], "needs the file of a model"),
                           (["train", "--model", model], "needs files"), (["eval"], "needs files"),
                           (["eval", path, "--folds", "1"], "--folds cannot be 1"),
                           (["train", path, "--model", model, "--smoothing", "x"], "--smoothing cannot be 'x'"),
                           (["train", path, "--model", model, "--utc-offset", "1441"], "--utc-offset cannot be"),
                           (["train", path, "--model", model, "--age-at", "3"], "age_at"),
                           (["train", path, "--model", model, "--pattern", "id"], "NAME=FORM"),
                           (["train", path, "--model", model, "--add", "--order", "1"], "can't be changed"),
                           (["next", "-m", model, "--top", "65"], "--top cannot be 65")]:
            self.assertIn(says, self.predict(*args, code=USAGE).err)
        self.assertIn("can't be read", self.predict("eval", "/nowhere", code=NOT_FOUND).err)
        self.assertIn("can't be read", self.predict("next", "-m", "/nowhere", code=NOT_FOUND).err)
        broken = self.write("b.jsonl", b'{"session": "s", "endpoint": "/"}\n{"session": "s"}\n')
        self.assertIn(f"{broken}:2: a request has no endpoint", self.predict("eval", broken, code=NOT_FOUND).err)
        with open(model, "r+b") as file:
            file.seek(20)
            file.write(b"\xff\xff")
        self.assertIn("checksum", self.predict("next", "-m", model, code=NOT_FOUND).err)
        self.assertIn("no predictor", self.predict("next", "-m", self.write("x", b"some text"), code=NOT_FOUND).err)
        self.assertIn("written", self.predict("train", path, "--model", "/nowhere/model", code=FAILED).err)

    def test_what_is_no_model_is_not_overwritten(self):
        path, model = self.write("s.jsonl", LINES), self.trained()
        notes = self.write("notes.txt", b"my notes\n")
        for there in (notes, path):
            with open(there, "rb") as file:
                before = file.read()
            self.assertIn("is no model", self.predict("train", path, "--model", there, code=USAGE).err)
            with open(there, "rb") as file:
                self.assertEqual(file.read(), before)
        self.predict("train", path, "--model", model)  # one that is there is learned anew
        self.predict("train", path, "--model", self.write("empty", b""))


if __name__ == "__main__":
    unittest.main()
