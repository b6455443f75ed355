#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Arrays between numpy and Larder, both ways and to the last bit: numpy writes, array_copy views and writes anew, numpy
reads. Every type, byte order, element order and class of shape, as .npy and .npz, stored and deflated."""
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
import zipfile

try:
    import numpy as np
    import scipy.sparse
except ImportError:
    sys.exit(77)

COPY = os.path.join(os.environ["LARDER_BINARY_DIR"], "tests", "array_copy")
SHAPES = {"single": (), "empty": (0,), "hollow": (3, 0, 2), "one": (1,), "line": (17,), "plane": (5, 7), "solid": (2, 3, 4),
          "many": (1, 2, 1, 2, 1, 2, 1, 2), "most": (1,) * 31 + (2,)}
PLAIN = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "f16", "c8", "c16", "c32", "S1", "S5", "U1",
         "U7", "M8[ns]", "M8[25s]", "M8[D]", "M8", "m8[us]", "m8[Y]", "m8", "V3"]
FIELDS = {"pair": [("a", "<f8"), ("b", ">i4")], "nested": [("p", [("x", "f4"), ("y", "f4", (2, 3))]), ("name", "S9")],
          "latin": [("é", "f4")], "greek": [("λ", "f4"), ("x", "U3")], "title": [(("A title", "n"), "i2")],
          "quote": [("it's", "i4"), ('say "x"', "i4"), ("back\\slash", "i4")],
          "aligned": np.dtype([("a", "u1"), ("b", "f8")], align=True),
          "holes": np.dtype({"names": ["a", "b"], "formats": ["f8", "i2"], "offsets": [8, 24], "itemsize": 40}),
          "time": [("t", "M8[ms]"), ("v", "c16")], "wide": [(f"field_{i:05}", "f8") for i in range(4000)]}
random = np.random.default_rng(7)


def filled(dtype, shape, order):
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=int))
    if dtype.kind == "U":
        raw = random.integers(32, 0x2FF, count * dtype.itemsize // 4, dtype="u4").astype(dtype.byteorder + "u4").tobytes()
    elif dtype.kind == "b":
        raw = random.integers(0, 2, count, dtype="u1").tobytes()
    else:
        raw = random.bytes(count * dtype.itemsize)
    flat = np.frombuffer(raw, dtype=dtype, count=count) if dtype.itemsize and count else np.zeros(count, dtype=dtype)
    return np.array(flat.reshape(shape), order=order)


def everything():
    """(name, array) of every type, byte order, class of shape and order."""
    for name in PLAIN:
        kinds = ["|"] if np.dtype(name).itemsize == 1 or name[0] in "SV" else ["<", ">"]
        for end in kinds:
            for shape_name, shape in SHAPES.items():
                for order in "CF" if len(shape) > 1 else "C":
                    text = f"{name}-{'big' if end == '>' else 'little'}-{shape_name}-{order}"
                    yield text.replace("[", "_").replace("]", ""), filled(end + name if end != "|" else name, shape, order)
    for name, dtype in FIELDS.items():
        for shape_name in ["single", "empty", "line", "plane"] if name != "wide" else ["line"]:
            yield f"{name}-{shape_name}", filled(dtype, SHAPES[shape_name], "C")


class Numpy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="larder-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.given, self.made = (os.path.join(self.folder, name) for name in ("given", "made"))
        os.mkdir(self.given)
        os.mkdir(self.made)
        warnings.simplefilter("ignore", UserWarning)  # numpy says that format 3.0 needs a numpy of this century

    def copy(self, level):
        done = subprocess.run([COPY, self.given, self.made, str(level)], capture_output=True, text=True, check=True)
        return done.stdout

    def same(self, first, second, name):
        self.assertEqual(first.dtype, second.dtype, name)
        self.assertEqual(first.dtype.descr, second.dtype.descr, name)
        self.assertEqual(first.shape, second.shape, name)
        for field in first.dtype.names or [None]:  # what lies between fields is not numpy's to keep
            mine, theirs = (first, second) if field is None else (first[field], second[field])
            self.assertEqual(mine.tobytes(), theirs.tobytes(), name)
        self.assertEqual(first.flags.fnc, second.flags.fnc, name)

    def test_every_array_comes_back_from_an_npy_to_the_last_bit(self):
        arrays = dict(everything())
        self.assertGreater(len(arrays), 600)
        for name, array in arrays.items():
            np.save(os.path.join(self.given, name + ".npy"), array)
        self.assertEqual(self.copy(0), "")
        for name, array in arrays.items():
            self.same(np.load(os.path.join(self.made, name + ".npy"), max_header_size=1 << 20), array, name)
            with open(os.path.join(self.made, name + ".npy"), "rb") as mine, open(
                    os.path.join(self.given, name + ".npy"), "rb") as theirs:
                self.assertEqual(mine.read(8), theirs.read(8), f"{name}: the oldest version that holds it is written")

    def test_every_array_comes_back_from_an_npz_stored_and_deflated(self):
        arrays = list(everything())
        packs = [dict(arrays[at : at + 50]) for at in range(0, len(arrays), 50)]
        for save, level in ((np.savez, 0), (np.savez_compressed, 0), (np.savez, 1), (np.savez_compressed, 6), (np.savez, 12)):
            for at, pack in enumerate(packs):
                save(os.path.join(self.given, f"{at}.npz"), **pack)
            self.assertEqual(self.copy(level), "")
            for at, pack in enumerate(packs):
                path = os.path.join(self.made, f"{at}.npz")
                with zipfile.ZipFile(path) as archive:
                    self.assertIsNone(archive.testzip())
                    methods = {info.compress_type for info in archive.infolist()}
                    self.assertEqual(methods - {zipfile.ZIP_STORED}, {zipfile.ZIP_DEFLATED} if level else set())
                with np.load(path, max_header_size=1 << 20) as back:
                    self.assertEqual(back.files, list(pack))
                    for name, array in pack.items():
                        self.same(back[name], array, name)

    def test_a_stored_member_can_be_mapped_at_a_multiple_of_64(self):
        np.savez(os.path.join(self.given, "x.npz"), a=np.arange(5.0), longer_name=np.arange(100).reshape(10, 10), b=np.zeros(()))
        self.copy(0)
        path = os.path.join(self.made, "x.npz")
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for info in archive.infolist():
                file.seek(info.header_offset + 26)
                lengths = file.read(4)
                start = info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
                file.seek(start)
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                self.assertEqual(file.tell() % 64, 0, info.filename)
                mapped = np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape)
                self.assertEqual(mapped.tobytes(), np.load(path)[info.filename[:-4]].tobytes())

    def test_an_archive_written_to_a_pipe_has_data_descriptors_and_is_read(self):
        class Pipe(io.RawIOBase):
            def __init__(self):
                super().__init__()
                self.written = b""

            def writable(self):
                return True

            def write(self, data):
                self.written += bytes(data)
                return len(data)

        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            pipe = Pipe()
            with zipfile.ZipFile(pipe, "w", compression) as archive:
                for name in "ab":
                    with archive.open(name + ".npy", "w", force_zip64=name == "b") as member:
                        np.save(member, np.arange(1000.0))
            self.assertIn(b"PK\x07\x08", pipe.written)
            with open(os.path.join(self.given, "x.npz"), "wb") as file:
                file.write(pipe.written)
            self.assertEqual(self.copy(0), "")
            with np.load(os.path.join(self.made, "x.npz")) as back:
                self.same(back["b"], np.arange(1000.0), "b")

    def test_numpy_opens_the_files_of_the_cache(self):
        root, config = os.path.join(self.folder, "root"), os.path.join(self.folder, "larder.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("cache:\n  namespaces:\n    fields: {tiers: [files], kind: array}\n")
        field = random.random((20, 30))
        np.save(os.path.join(self.given, "f.npy"), field)
        np.savez(os.path.join(self.given, "f.npz"), a=field, b=np.arange(3))
        for name in ("f.npy", "f.npz"):
            subprocess.run([os.environ["LARDER_CLI"], "--quiet", "--root", root, "--config", config, "put", "fields", name[2:],
                            os.path.join(self.given, name)], check=True)
        self.same(np.load(os.path.join(root, "fields", "npy.npy"), mmap_mode="r"), field, "npy")
        self.same(np.load(os.path.join(root, "fields", "npz.npz"))["a"], field, "npz")

    def test_sparse_matrices_of_scipy_come_back(self):
        dense = random.random((30, 40)) * (random.random((30, 40)) > 0.8)
        kinds = ["csr", "csc", "coo", "bsr", "dia"]
        for kind in kinds:
            scipy.sparse.save_npz(os.path.join(self.given, kind + ".npz"), scipy.sparse.csr_matrix(dense).asformat(kind))
        for level in (0, 6):
            self.assertEqual(self.copy(level), "")
            for kind in kinds:
                back = scipy.sparse.load_npz(os.path.join(self.made, kind + ".npz"))
                self.assertEqual(back.format, kind)
                self.assertTrue((back.toarray() == dense).all(), kind)

    def test_arrays_of_objects_are_refused_with_a_sentence(self):
        np.save(os.path.join(self.given, "o.npy"), np.array([{}, 1], dtype=object))
        np.save(os.path.join(self.given, "f.npy"), np.zeros(2, dtype=[("a", "f8"), ("b", "O")]))
        np.savez(os.path.join(self.given, "z.npz"), a=np.array([None]))
        told = self.copy(0).splitlines()
        self.assertEqual(len(told), 3, told)
        for line in told:
            self.assertIn("Python objects", line)
        self.assertEqual(os.listdir(self.made), [])

    def test_an_empty_archive_and_an_old_header_are_read(self):
        np.savez(os.path.join(self.given, "none.npz"))
        text = b"{'fortran_order': False, 'descr': '<i8', 'shape': (2L, 3L)}\n"
        with open(os.path.join(self.given, "old.npy"), "wb") as file:
            file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + np.arange(6).tobytes())
        self.assertEqual(self.copy(0), "")
        self.assertEqual(np.load(os.path.join(self.made, "none.npz")).files, [])
        self.same(np.load(os.path.join(self.made, "old.npy")), np.arange(6).reshape(2, 3), "old")


if __name__ == "__main__":
    unittest.main()
