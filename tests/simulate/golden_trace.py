#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The golden trace: how it is made, and what plain policies miss on it, computed here by models that share nothing with the
library. Usage: golden_trace.py --write LARDER: writes golden.ltrc.zst (with zstd) and golden.json, which also pins what the policies
miss that are too intricate for a model of a few lines.

The trace has phases as real ones do: a power law that drifts, a scan that is never asked for again, a loop a little longer than
the smaller sizes. Entries have sizes, one for each key."""
import collections
import json
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TRACE = os.path.join(HERE, "golden.ltrc.zst")
ANSWERS = os.path.join(HERE, "golden.json")
SIZES = [1, 5, 20, 60, 200]
BYTES = [1000, 20000, 200000]


def chance(seed):
    """Numbers in [0, 1), the same everywhere."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 33) / 2**31


def make():
    """Keys and sizes of all requests."""
    random = chance(20261126)
    keys = []
    for step in range(2000):
        if step % 400 < 40:
            keys.append(("scan", step))
        elif 800 <= step < 1000:
            keys.append(("loop", step % 30))
        else:
            keys.append(("law", int(150 ** next(random)) - 1 + step // 500 * 10))
    sizes = {}
    for key in keys:
        sizes.setdefault(key, 1 + int(4000 * next(random) ** 3))
    numbers = {}
    ids = [numbers.setdefault(key, len(numbers)) for key in keys]
    return ids, [sizes[key] for key in keys]


def as_ltrc(ids, sizes):
    return b"LTRC0001" + struct.pack(f"<QI{len(ids)}I{len(sizes)}I", len(ids), 1, *ids, *sizes)


# --- models: misses of a trace with room for so many entries -----------------------------------------------------------------

def fifo(ids, room):
    there, misses = collections.OrderedDict(), 0
    for key in ids:
        if key not in there:
            misses += 1
            if len(there) == room:
                there.popitem(last=False)
            there[key] = True
    return misses


def lru(ids, room):
    there, misses = collections.OrderedDict(), 0
    for key in ids:
        if key in there:
            there.move_to_end(key)
            continue
        misses += 1
        if len(there) == room:
            there.popitem(last=False)
        there[key] = True
    return misses


def lfu(ids, room):
    there, misses = {}, 0  # key: (times, when last)
    for now, key in enumerate(ids):
        if key not in there:
            misses += 1
            if len(there) == room:
                del there[min(there, key=there.get)]
        there[key] = (there.get(key, (0, 0))[0] + 1, now)
    return misses


def sieve(ids, room):
    queue, visited, hand, misses = [], {}, None, 0  # the oldest first
    for key in ids:
        if key in visited:
            visited[key] = True
            continue
        misses += 1
        if len(queue) == room:
            at = queue.index(hand) if hand is not None else 0
            while visited[queue[at]]:
                visited[queue[at]] = False
                at = (at + 1) % room
            del visited[queue.pop(at)]
            hand = queue[at] if at < len(queue) else None
        queue.append(key)
        visited[key] = False
    return misses


def opt(ids, room):
    never, later, next_at = len(ids), {}, [0] * len(ids)
    for now in reversed(range(len(ids))):
        next_at[now] = later.get(ids[now], never)
        later[ids[now]] = now
    there, misses = {}, 0
    for now, key in enumerate(ids):
        if key not in there:
            misses += 1
            if len(there) == room:
                del there[max(there, key=there.get)]
        there[key] = next_at[now]
    return misses


MODELS = {"fifo": fifo, "lru": lru, "lfu": lfu, "sieve": sieve, "opt": opt}


def simulate(larder, sizes, policies="all"):
    """{"policy size": misses}"""
    done = subprocess.run([larder, "--json", "simulate", TRACE, "--policy", policies, "--size", sizes], check=True,
                          stdout=subprocess.PIPE)
    results = json.loads(done.stdout)["results"]
    return {f"{r['policy']} {r['size_objects'] or str(r['size_bytes']) + 'B'}": r["misses"] for r in results}


def all_sizes():
    return ",".join([str(s) for s in SIZES] + [f"{b}B" for b in BYTES])


def write(larder):
    packed = subprocess.run(["zstd", "-19", "-q", "-c"], input=as_ltrc(*make()), check=True, stdout=subprocess.PIPE).stdout
    with open(TRACE, "wb") as file:
        file.write(packed)
    with open(ANSWERS, "w", encoding="utf-8") as file:
        json.dump(simulate(larder, all_sizes()), file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    if sys.argv[1:2] != ["--write"] or len(sys.argv) != 3:
        sys.exit(__doc__)
    write(sys.argv[2])
