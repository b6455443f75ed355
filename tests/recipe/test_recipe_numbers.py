#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every recipe against a computation of its own in numpy and scipy, to double precision, from the formulas alone."""
import io
import itertools
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.special

LARDER = os.environ["LARDER_CLI"]
MASK = (1 << 64) - 1


class RecipeCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="larder-test-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root, ignore_errors=True)

    def larder(self, *args):
        env = {"PATH": os.environ["PATH"], "HOME": "/dev/null", "LC_ALL": "C.UTF-8", "LARDER_CONFIG": "/dev/null"}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                env[name] = os.environ[name]
        done = subprocess.run([LARDER, "--root", self.root, "--quiet", *args], capture_output=True, env=env, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, (args, done.stderr))
        return done.stdout

    def make(self, key, recipe, **params):
        """Warms one value and gives back what numpy reads of it."""
        options = [f"--{name}={value}" for name, value in params.items()]
        self.larder("warm", "r", "--recipe", recipe, *options)
        path = os.path.join(self.root, "out")
        self.larder("get", "r", key, "--output", path)
        with open(path, "rb") as file:
            data = file.read()
        return np.load(io.BytesIO(data), allow_pickle=False), data

    def close(self, ours, theirs, rtol=1e-12, atol=0.0):
        self.assertEqual(ours.shape, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


class Kernel(RecipeCase):
    def test_weights_are_signed_binomials_by_the_gamma_function(self):
        for alpha in (0.3, 0.5, 1.5, 1.8, -0.7):
            ours, _ = self.make(f"kernel_alpha{alpha}_dt0.01_n150_scalenone", "kernel", alpha=alpha, dt=0.01, n=150, scale="none")
            k = np.arange(150)
            self.close(ours, (-1.0) ** k * scipy.special.binom(alpha, k), rtol=1e-11)

    def test_a_long_kernel_agrees_with_its_asymptotic_form(self):
        ours, _ = self.make("kernel_alpha0.5_dt1_n100000", "kernel", alpha=0.5, dt=1, n=100000)
        k = np.arange(50000, 100000)
        # w_k = Γ(k - α) / (Γ(-α) Γ(k + 1))
        theirs = np.exp(scipy.special.gammaln(k - 0.5) - scipy.special.gammaln(k + 1)) / scipy.special.gamma(-0.5)
        self.close(ours[50000:], theirs, rtol=1e-8)

    def test_the_three_scales(self):
        plain, _ = self.make("kernel_alpha1.5_dt0.01_n64_scalenone", "kernel", alpha=1.5, dt=0.01, n=64, scale="none")
        sim, _ = self.make("kernel_alpha1.5_dt0.01_n64", "kernel", alpha=1.5, dt=0.01, n=64)
        said, _ = self.make("kernel_alpha1.5_dt0.01_n64", "kernel", alpha=1.5, dt=0.01, n=64, scale="simulation")
        der, _ = self.make("kernel_alpha1.5_dt0.01_n64_scalederivative", "kernel", alpha=1.5, dt=0.01, n=64, scale="derivative")
        self.close(sim, plain * 0.01 ** 1.5, rtol=1e-15)
        self.close(said, sim, rtol=0)
        self.close(der, plain * 0.01 ** -1.5, rtol=1e-15)

    def test_a_fractional_derivative_comes_out(self):
        # Grünwald's sum of D^0.5 of t at t = 1 is 2 sqrt(t / pi), to first order in dt.
        dt = 1e-4
        ours, _ = self.make("kernel_alpha0.5_dt0.0001_n10001_scalederivative", "kernel", alpha=0.5, dt=dt, n=10001,
                            scale="derivative")
        t = 1 - dt * np.arange(10001)
        self.assertAlmostEqual(float(ours @ t), 2 / np.sqrt(np.pi), places=4)


class Laplacian(RecipeCase):
    MODES = {"periodic": "wrap", "neumann": "reflect", "dirichlet": "constant"}

    def one_axis(self, n, boundary):
        """The second difference along one axis, from the definition."""
        d = np.zeros((n, n))
        for i in range(n):
            for j in (i - 1, i + 1):
                d[i, i] -= 1
                if 0 <= j < n:
                    d[i, j] += 1
                elif boundary == "periodic":
                    d[i, j % n] += 1
                elif boundary == "neumann":
                    d[i, i] += 1
        return d

    def test_matrices_are_sums_of_kronecker_products(self):
        for boundary, sizes in itertools.product(self.MODES, [(5, 4), (2, 3), (1, 6), (3, 4, 5), (2, 1, 3)]):
            n = "x".join(map(str, sizes))
            bound = "" if boundary == "periodic" else f"_boundary{boundary}"
            key = f"laplacian_dim{len(sizes)}_spacing0.1{bound}_formmatrix_n{n}"
            npz, data = self.make(key, "laplacian", dim=len(sizes), spacing=0.1, boundary=boundary, form="matrix", n=n)
            total = np.zeros((np.prod(sizes),) * 2)
            for axis, size in enumerate(sizes):
                parts = [np.eye(s) for s in sizes]
                parts[axis] = self.one_axis(size, boundary)
                whole = parts[0]
                for part in parts[1:]:
                    whole = np.kron(whole, part)
                total += whole
            matrix = scipy.sparse.load_npz(io.BytesIO(data))
            self.assertEqual(matrix.format, "csr")
            self.assertTrue(matrix.has_sorted_indices)
            self.assertEqual(npz["indices"].dtype, np.int32)
            self.close(matrix.toarray(), total / 0.1**2, rtol=1e-13, atol=1e-9)

    def test_the_stencil_gives_what_the_matrix_gives(self):
        random = np.random.default_rng(7)
        for boundary, dim in itertools.product(self.MODES, (2, 3)):
            bound = "" if boundary == "periodic" else f"_boundary{boundary}"
            npz, _ = self.make(f"laplacian_dim{dim}_spacing0.5{bound}", "laplacian", dim=dim, spacing=0.5, boundary=boundary)
            self.assertEqual(str(npz["mode"]), self.MODES[boundary])
            self.assertEqual(npz["stencil"].shape, (3,) * dim)
            self.assertEqual(np.count_nonzero(npz["stencil"]), 2 * dim + 1)
            u = random.normal(size=(6, 5, 4)[:dim])
            n = "x".join(map(str, u.shape))
            _, data = self.make(f"laplacian_dim{dim}_spacing0.5{bound}_formmatrix_n{n}", "laplacian", dim=dim, spacing=0.5,
                                boundary=boundary, form="matrix", n=n)
            by_matrix = (scipy.sparse.load_npz(io.BytesIO(data)) @ u.ravel()).reshape(u.shape)
            self.close(scipy.ndimage.convolve(u, npz["stencil"], mode=str(npz["mode"])), by_matrix, rtol=1e-10, atol=1e-10)

    def test_a_single_number_is_a_square(self):
        _, data = self.make("laplacian_dim2_formmatrix_n4", "laplacian", dim=2, form="matrix", n=4)
        self.assertEqual(scipy.sparse.load_npz(io.BytesIO(data)).shape, (16, 16))


class Echo(RecipeCase):
    @staticmethod
    def primes(count):
        found, at = [], 2
        while len(found) < count:
            if all(at % p for p in itertools.takewhile(lambda p: p * p <= at, found)):
                found.append(at)
            at += 1
        return np.array(found)

    def test_all_scalings_and_decays(self):
        gaps = np.diff(self.primes(501))
        k = np.arange(1, 501)
        scalings = {"linear": gaps.astype(float), "logarithmic": np.log(1.0 + gaps), "power": gaps ** 0.7}
        decays = {"exponential": np.exp(-0.7 * (k - 1)), "power": k ** -0.7, "none": np.ones(500)}
        for scaling, decay in itertools.product(scalings, decays):
            key = "echo_alpha0.7_tau00.25_count500"
            key += "" if scaling == "linear" else f"_scaling{scaling}"
            key += "" if decay == "exponential" else f"_decay{decay}"
            npz, _ = self.make(key, "echo", alpha=0.7, tau0=0.25, count=500, scaling=scaling, decay=decay)
            self.assertEqual(npz["gaps"].dtype, np.int64)
            np.testing.assert_array_equal(npz["gaps"], gaps)
            self.close(npz["delays"], 0.25 * scalings[scaling], rtol=1e-14)
            self.close(npz["times"], np.cumsum(0.25 * scalings[scaling]), rtol=1e-13)
            self.close(npz["weights"], decays[decay], rtol=1e-13)

    def test_counts_from_one_to_a_million(self):
        for count in (1, 2, 3, 4, 5, 6, 7, 100):
            npz, _ = self.make(f"echo_alpha1_tau01_count{count}", "echo", alpha=1, tau0=1, count=count)
            np.testing.assert_array_equal(npz["gaps"], np.diff(self.primes(count + 1)))
        npz, _ = self.make("echo_alpha1_tau01_count1000000", "echo", alpha=1, tau0=1, count=1000000)
        self.assertEqual(int(npz["gaps"].sum()) + 2, 15485867)  # the 1,000,001st prime


class Profile(RecipeCase):
    @staticmethod
    def radius2(sizes, spacing):
        axes = [(np.arange(n) - (n - 1) / 2) * spacing for n in sizes]
        return sum(a * a for a in np.meshgrid(*axes, indexing="ij"))

    def test_shapes_in_one_to_three_dimensions(self):
        w, a, h = 1.3, 2.5, 0.25
        for sizes in [(33,), (16, 9), (8, 7, 6), (1,)]:
            r2 = self.radius2(sizes, h)
            with np.errstate(divide="ignore", over="ignore"):
                compact = np.where(r2 < w * w, np.exp(1 - 1 / np.where(r2 < w * w, 1 - r2 / (w * w), 1)), 0)
            shapes = {"gaussian": np.exp(-r2 / (2 * w * w)), "soliton": 1 / np.cosh(np.sqrt(r2) / w),
                      "spherical": (r2 <= w * w).astype(float), "compact": compact}
            n = "x".join(map(str, sizes))
            for shape, theirs in shapes.items():
                ours, _ = self.make(f"profile_shape{shape}_n{n}_width1.3_amplitude2.5_spacing0.25", "profile", shape=shape, n=n,
                                    width=w, amplitude=a, spacing=h)
                self.close(ours, a * theirs, rtol=1e-12, atol=1e-300)

    @staticmethod
    def noise(count, seed):
        """SplitMix64, then Box and Muller, in Python's own whole numbers."""
        def uniform(q):
            x = (seed + (q + 1) * 0x9E3779B97F4A7C15) & MASK
            x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
            x ^= x >> 31
            return ((x >> 11) + 0.5) / 2**53
        u = np.array([uniform(q) for q in range(2 * count)])
        return np.sqrt(-2 * np.log(u[0::2])) * np.cos(2 * np.pi * u[1::2])

    def test_white_noise_follows_from_the_seed(self):
        for seed in (0, 1, 899999999999999):
            ours, _ = self.make("profile_shaperandom_n10x6_width0_amplitude3" + (f"_seed{seed}" if seed else ""), "profile",
                                shape="random", n="10x6", width=0, amplitude=3, seed=seed)
            self.close(ours, 3 * self.noise(60, seed).reshape(10, 6), rtol=1e-12, atol=1e-14)

    def test_smooth_noise_is_a_periodic_gaussian_filter_of_it(self):
        for sizes, width, spacing in [((64,), 2.0, 1.0), ((20, 12), 1.0, 0.5), ((8, 7, 5), 1.5, 1.0), ((9, 1, 4), 1.0, 1.0)]:
            n = "x".join(map(str, sizes))
            sigma = width / spacing
            z = self.noise(int(np.prod(sizes)), 42).reshape(sizes)
            j = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
            g = np.exp(-0.5 * j**2 / sigma**2)
            g /= g.sum()
            for axis, size in enumerate(sizes):
                if size > 1:
                    z = scipy.ndimage.gaussian_filter1d(z, sigma, axis=axis, mode="wrap", truncate=4.0) / np.sqrt((g**2).sum())
            key = f"profile_shaperandom_n{n}_width{width:g}" + ("" if spacing == 1 else f"_spacing{spacing}") + "_seed42"
            ours, _ = self.make(key, "profile", shape="random", n=n, width=width, spacing=spacing, seed=42)
            self.close(ours, z, rtol=1e-10, atol=1e-12)

    def test_the_noise_is_standard_normal(self):
        ours, _ = self.make("profile_shaperandom_n200000_width0_seed5", "profile", shape="random", n=200000, width=0, seed=5)
        self.assertLess(abs(ours.mean()), 0.01)
        self.assertLess(abs(ours.std() - 1), 0.01)
        self.assertLess(abs((ours**4).mean() - 3), 0.1)


class Sources(RecipeCase):
    ZONES = [("circle", 10, 12, 5, 2.0), ("circle", 14, 12, 4.5, 3.0), ("box", 8, 10, 12, 20, -0.5), ("box", 0, 0, 3, 2, 1e3)]

    def theirs(self, shape, combine):
        i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
        covers, amplitudes = [], []
        for zone in self.ZONES:
            if zone[0] == "circle":
                covers.append((i - zone[1]) ** 2 + (j - zone[2]) ** 2 <= zone[3] ** 2)
            else:
                covers.append((i >= zone[1]) & (i <= zone[3]) & (j >= zone[2]) & (j <= zone[4]))
            amplitudes.append(zone[-1])
        covers = np.array(covers)
        a = np.array(amplitudes)[:, None, None]
        if combine == "add":
            source = np.where(covers, a, 0).sum(axis=0)
        elif combine == "max":
            source = np.where(covers, a, -np.inf).max(axis=0)
        else:
            source = np.where(covers, a, 1).prod(axis=0)
        mask = covers.any(axis=0)
        return np.where(mask, source, 0), mask

    def test_combinations_smoothing_and_coupling(self):
        zones = "+".join(":".join(f"{x:g}" if not isinstance(x, str) else x for x in zone) for zone in self.ZONES)
        for combine, smoothing in itertools.product(("add", "max", "multiply"), (0, 1.5, 9)):
            source, mask = self.theirs((24, 30), combine)
            if smoothing:
                source = scipy.ndimage.gaussian_filter(source, smoothing, mode="reflect", truncate=4.0)
            key = f"sources_n24x30_zones{zones}" + ("" if combine == "add" else f"_combine{combine}")
            key += (f"_smoothing{smoothing}" if smoothing else "") + "_base0.5_gain2"
            npz, _ = self.make(key, "sources", n="24x30", zones=zones, combine=combine, smoothing=smoothing, base=0.5, gain=2)
            self.assertEqual(npz["mask"].dtype, np.bool_)
            np.testing.assert_array_equal(npz["mask"], mask)
            self.close(npz["source"], source, rtol=1e-10, atol=1e-10)
            self.close(npz["coupling"], 0.5 + 2 * source, rtol=1e-10, atol=1e-10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
