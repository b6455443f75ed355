# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: the real program on a fresh root, and shapes of its documents."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

LARDER = os.environ.get("LARDER_BIN") or os.environ["LARDER_CLI"]
DONE, NOT_FOUND, USAGE, CONFIG, FAILED = range(5)
TIMEOUT = 600


class Ran:
    """One finished run."""

    def __init__(self, args, done):
        self.args = args
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode("utf-8", "surrogateescape")
        self.err = done.stderr.decode("utf-8", "surrogateescape")

    @property
    def document(self):
        return json.loads(self.raw.decode("utf-8"))

    @property
    def error(self):
        return json.loads(self.err)["error"]

    def __repr__(self):
        return f"larder {self.args} -> {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


def environment(**more):
    """Nothing of the person who runs the tests: no configuration, no home, no colours asked for."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS")}
    return {**keep, "HOME": "/dev/null", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", **more}


def larder_bare(*args, stdin=b"", cwd=None, **env):
    args = [a if isinstance(a, bytes) else str(a) for a in args]
    done = subprocess.run([LARDER, *args], input=stdin, capture_output=True, timeout=TIMEOUT, check=False,
                          env=environment(**env), cwd=cwd)
    return Ran(args, done)


class CliCase(unittest.TestCase):
    """A test with a folder of its own; `self.larder` runs on the root in it."""

    config = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="larder-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.root = os.path.join(self.folder, "root")
        self.config_file = os.path.join(self.folder, "larder.yaml")
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(self.config or "cache: {}\n")

    def larder(self, *args, **how):
        return larder_bare("--root", self.root, "--config", self.config_file, *args, **how)

    def put(self, ns, key, value, *options):
        if isinstance(value, str):
            value = value.encode()
        return self.expect(DONE, "put", *options, "--", ns, key, stdin=value)

    def expect(self, code, *args, **how):
        ran = self.larder(*args, **how)
        self.assertEqual(ran.code, code, ran)
        return ran

    def document(self, *args, code=DONE, **how):
        return self.expect(code, "--json", *args, **how).document

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def fits(shape, value, where="$"):
    """Whether a value has a shape; None, or a sentence on where it does not.

    A shape is a type name, several of them with |, a list of one shape, an object of shapes, or {"*": shape} for an object
    with names of its own. An object has exactly the members of its shape.
    """
    types = {"text": str, "bool": bool, "null": type(None), "list": list, "object": dict}
    if isinstance(shape, str):
        for name in shape.split("|"):
            if name == "int" and isinstance(value, int) and not isinstance(value, bool):
                return None
            if name == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
                return None
            if name in types and isinstance(value, types[name]):
                return None
        return f"{where}: {value!r} is no {shape}"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where}: {value!r} is no list"
        found = (fits(shape[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        return next((f for f in found if f), None)
    if not isinstance(value, dict):
        return f"{where}: {value!r} is no object"
    if "*" in shape:
        found = (fits(shape["*"], item, f"{where}.{name}") for name, item in value.items())
        return next((f for f in found if f), None)
    if set(shape) != set(value):
        return f"{where}: members differ: {sorted(set(shape) ^ set(value))}"
    found = (fits(shape[name], value[name], f"{where}.{name}") for name in shape)
    return next((f for f in found if f), None)


def shapes():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "shapes.json"), encoding="utf-8") as file:
        return json.load(file)
