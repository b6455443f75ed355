#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""numpy and joblib as peers: reads an array of doubles, writes it in every format, says "ready", then does what each line
asks for and answers the nanoseconds it took: of processor time for loads, whose files stay in the page cache.

usage: peer_arrays.py ARRAY FOLDER
"""
import os
import sys
import time

import numpy as np

try:
    import joblib
except ImportError:
    joblib = None


def main():
    path, folder = sys.argv[1:3]
    field = np.fromfile(path, dtype="<f8")
    deflated, stored, dumped, spare = (os.path.join(folder, name) for name in ("deflated.npz", "stored.npz", "j", "spare.npz"))
    np.savez_compressed(deflated, field=field)
    np.savez(stored, field=field)
    if joblib:
        joblib.dump(field, dumped)
    verbs = {
        "load_deflated": lambda: np.load(deflated)["field"],
        "load_stored": lambda: np.load(stored)["field"],
        "save_deflated": lambda: np.savez_compressed(spare, field=field),
        "bytes_deflated": None,
    }
    if joblib:
        verbs["load_joblib"] = lambda: joblib.load(dumped)
    print("ready", flush=True)
    for line in sys.stdin:
        verb = line.strip()
        if verb == "bytes_deflated":
            print(os.path.getsize(deflated), flush=True)
            continue
        if verb not in verbs:
            print("absent", flush=True)
            continue
        clock = time.thread_time_ns if verb.startswith("load") else time.perf_counter_ns
        begin = clock()
        got = verbs[verb]()
        took = clock() - begin
        if got is not None and (len(got) != len(field) or got[-1] != field[-1]):
            sys.exit("another array came back")
        print(took, flush=True)


main()
