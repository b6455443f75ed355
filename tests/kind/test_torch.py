#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Models of PyTorch through the cache: torch.save, our put (which checks them), our get, torch.load; and `.safetensors`
written by hand, since Debian has no package of it."""
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    sys.exit(77)

LARDER = os.environ["LARDER_CLI"]


def checkpoint():
    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2).half())
    adam = torch.optim.Adam(net[0].parameters())
    net[0](torch.ones(1, 4)).sum().backward()
    adam.step()
    return {"model": net.state_dict(), "optimizer": adam.state_dict(), "epoch": 12, "loss": 0.031}


class Torch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="larder-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def larder(self, *args, stdin=b"", code=0):
        done = subprocess.run([LARDER, "--root", os.path.join(self.folder, "root"), *args], input=stdin, capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout, done.stderr.decode()

    def test_a_checkpoint_comes_back_byte_for_byte_and_loads(self):
        saved = io.BytesIO()
        torch.save(checkpoint(), saved)
        meta = {"epoch": 12, "loss": 0.031, "optimizer": "adam"}
        self.larder("put", "models", "net", "--kind", "model", "--meta-json", json.dumps(meta), stdin=saved.getvalue())
        raw, _ = self.larder("get", "models", "net")
        self.assertEqual(raw, saved.getvalue())
        back = torch.load(io.BytesIO(raw))
        wanted = checkpoint()
        self.assertEqual((back["epoch"], back["loss"]), (12, 0.031))
        for name, tensor in wanted["model"].items():
            self.assertTrue(torch.equal(back["model"][name], tensor), name)
        shown = json.loads(self.larder("--json", "inspect", "models", "net")[0])
        self.assertEqual(shown["preview_as"], "model")
        names = [part["name"].split("/", 1)[1] for part in shown["parts"]]
        self.assertIn("data.pkl", names)
        self.assertIn("data/0", names)
        self.assertEqual(json.loads(shown["meta"]), meta)

    def test_a_damaged_checkpoint_is_refused_before_it_is_stored(self):
        saved = io.BytesIO()
        torch.save(checkpoint(), saved)
        whole = saved.getvalue()
        for at in (len(whole) // 2, 70):
            broken = bytearray(whole)
            broken[at] ^= 1
            _, told = self.larder("put", "models", "net", "--kind", "model", stdin=bytes(broken), code=4)
            self.assertIn("no whole model", told)
        self.larder("put", "models", "net", "--kind", "model", stdin=whole[:-30], code=4)
        self.larder("get", "models", "net", code=1)

    def test_a_pickle_of_before_is_kept_with_a_warning(self):
        saved = io.BytesIO()
        torch.save(checkpoint(), saved, _use_new_zipfile_serialization=False)
        _, told = self.larder("put", "models", "old", "--kind", "model", stdin=saved.getvalue())
        self.assertIn("bare pickle", told)
        raw, _ = self.larder("get", "models", "old")
        self.assertEqual(torch.load(io.BytesIO(raw))["epoch"], 12)

    def test_safetensors_are_checked_and_shown(self):
        weights = torch.arange(6, dtype=torch.float32).reshape(2, 3)
        data = weights.numpy().tobytes() + torch.ones(2, dtype=torch.int64).numpy().tobytes()
        header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                             "n": {"dtype": "I64", "shape": [2], "data_offsets": [24, 40]}}).encode()
        header += b" " * (-len(header) % 8)
        whole = struct.pack("<Q", len(header)) + header + data
        self.larder("put", "models", "s", "--kind", "model", stdin=whole)
        self.assertEqual(self.larder("get", "models", "s")[0], whole)
        shown = json.loads(self.larder("--json", "inspect", "models", "s")[0])
        told = [(part["name"], part["dtype"], part["shape"], part["bytes"]) for part in shown["parts"]]
        self.assertEqual(told, [("w", "F32", [2, 3], 24), ("n", "I64", [2], 16)])
        _, why = self.larder("put", "models", "s", "--kind", "model", stdin=whole + b"x", code=4)
        self.assertIn("bytes follow its last tensor", why)


if __name__ == "__main__":
    unittest.main()
