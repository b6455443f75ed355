#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python's caches as peers: fills one with every key of a trace, says "ready", then replays a stretch of it for each line
"VERB FROM COUNT" (VERB get or put) and answers the nanoseconds an operation.

usage: peer_python.py cachetools|diskcache TRACE KEY_LEN VALUE_LEN FOLDER
"""
import array
import struct
import sys
import time

MASK = (1 << 64) - 1


def scramble(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def key_of(number, length):
    low = scramble(number)
    return struct.pack("<Q", low) if length == 8 else "%016x%016x" % (low, scramble(low))


def load(path):
    with open(path, "rb") as file:
        keys, operations = struct.unpack("<QQ", file.read(16))
        ids = array.array("I")
        ids.frombytes(file.read(4 * operations))
    return keys, ids


def main():
    kind, path, key_len, value_len, folder = sys.argv[1:6]
    count, ids = load(path)
    keys = [key_of(number, int(key_len)) for number in range(count)]
    asked = [keys[number] for number in ids]
    value = bytes(int(value_len))
    if kind == "cachetools":
        import cachetools

        cache = cachetools.LRUCache(count + count // 8)
        for number, key in enumerate(keys):
            cache[key] = struct.pack("<Q", number) + value[8:]
    else:
        import diskcache

        cache = diskcache.Cache(folder, size_limit=1 << 40)
        with cache.transact():
            for number, key in enumerate(keys):
                cache.set(key, struct.pack("<Q", number) + value[8:])
    print("ready", flush=True)
    for line in sys.stdin:
        verb, first, number = line.split()
        some = asked[int(first) : int(first) + int(number)]
        clock = time.thread_time_ns if kind == "cachetools" else time.perf_counter_ns  # the other one waits for a disk
        get, put, lost = cache.get, getattr(cache, "set", None), 0
        begin = clock()
        if verb == "get":
            for key in some:
                if get(key) is None:
                    lost += 1
        else:
            for key in some:
                put(key, value)
        took = clock() - begin
        if lost:
            sys.exit("keys are missing")
        print(took / len(some), flush=True)


main()
