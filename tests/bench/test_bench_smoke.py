# SPDX-License-Identifier: Apache-2.0
"""A small run of the benchmarks: every row of this release is made, and bench.json is a list of whole rows. Never a
judgement of time: this machine is busy with other tests."""
import json
import os
import subprocess
import sys
import tempfile

FIELDS = ["id", "what", "unit", "ours", "peer", "peer_name", "ratio", "ratio_min", "ratio_max", "bar", "met"]
BY_KEY_LENGTH = """
memory_get_copied_flat memory_get_copied_lfht memory_get_pinned memory_get_pinned_flat memory_get_caffeine memory_get_slots
memory_get_ttl memory_get_writes memory_get_writes_flat memory_get_cachetools memory_get_many memory_get_many_slots memory_get_many_flat
memory_get_p50 memory_get_p99 memory_get_p999 memory_get_two_threads memory_get_two_threads_slots
memory_get_two_threads_writes memory_get_caffeine_free memory_get_caffeine_two memory_bytes_overhead memory_bytes_resident
memory_bytes_caffeine memory_get_instructions_copied memory_get_instructions_slots memory_get_instructions_pinned
memory_get_instructions_many
""".split()
SINGLE = """
sqlite_get sqlite_get_diskcache sqlite_get_two_threads sqlite_put_commit sqlite_put_commit_two_threads
sqlite_put_commit_four_threads sqlite_put_commit_diskcache sqlite_put_commit_chain sqlite_put_behind sqlite_put_sync
sqlite_put_sync_four_threads sqlite_put_sync_eight_threads files_get_1k files_put_1k
array_load_mapped array_load_verified array_save array_load_mapped_1g array_load_verified_1g array_save_1g
array_load_npz_deflated array_load_npz_stored array_load_joblib array_save_npz_deflated array_npz_deflated_bytes
array_load_zstd array_save_zstd
warm_jsonl_10k warm_jsonl_1m warm_jsonl_read_10k warm_jsonl_read_1m
wisdom_cold_8x8 wisdom_search_8x8 wisdom_run_8x8
make_hit make_stampede make_lease warm_keys
predict_first predict_second predict_context predict_blend predict_room predict_heard predict_heard_get predict_instructions_first
predict_instructions_second predict_instructions_context predict_instructions_blend
memory_adaptive memory_adaptive_get memory_adaptive_entries memory_adaptive_small
memory_adaptive_get_instructions memory_adaptive_small_instructions memory_adaptive_hundred_instructions
memory_adaptive_learning_instructions memory_adaptive_learning_large_instructions
agent_bandit agent_linear_q agent_network_q
learning_heard learning_heard_predict learning_behind
""".split()
CODEC = [f"codec_{method}_{field}{shuffled}{end}" for method in ("zlib", "zstd", "lz4") for field in ("smooth", "random")
         for shuffled in ("", "_shuffled") for end in ("", "_opened", "_ratio")]
SEAL = ["seal_1k", "seal_10m", "seal_fernet_1k"]
LOOPS = ["copied", "slots", "pinned", "many"]
WANTED = (
    [name + length for name in BY_KEY_LENGTH for length in ("_8", "_32")]
    + SINGLE
    + SEAL
    + CODEC
    + [f"memory_get_path_{what}_{loop}" for what in ("allocations", "locks", "syscalls") for loop in LOOPS]
)


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def faults(rows):
    if sorted(row.get("id") for row in rows) != sorted(WANTED):
        made = [row.get("id") for row in rows]
        yield f"missing {sorted(set(WANTED) - set(made))}, unforeseen or repeated {sorted(set(made) - set(WANTED))}"
    for row in rows:
        if list(row) != FIELDS:
            yield f"{row.get('id')}: fields are {list(row)}"
            continue
        if row["met"] not in (True, False, None) or not isinstance(row["peer_name"], str):
            yield f"{row['id']}: met or peer_name is of another type"
        absent = "not here" in row["peer_name"]
        if absent and row["met"] is not None:
            yield f"{row['id']}: judged without its peer"
        if not absent and not number(row["ours"]):
            yield f"{row['id']}: no figure"
        if row["bar"] is not None and row["met"] is None and not absent:
            yield f"{row['id']}: has a bar and is not judged"
        if number(row["ratio"]) and not row["ratio_min"] <= row["ratio"] <= row["ratio_max"]:
            yield f"{row['id']}: the ratio lies outside its spread"
    for row in rows:
        # The one judgement that does not depend on the machine.
        if row["id"].startswith("memory_get_path_") and row["met"] is False:
            yield f"{row['id']}: {row['ours']:g} {row['what']}"


def main():
    source, build = os.environ["LARDER_SOURCE_DIR"], os.environ["LARDER_BINARY_DIR"]
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("LARDER_SANITIZE:") and line.strip().split("=", 1)[1]:
                print("the benchmarks stand before malloc, as the sanitizers do")
                return 77
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.json")
        environment = dict(os.environ, BENCH_QUICK="1", BENCH_BUILD=build, BENCH_JSON=path, TMPDIR=folder)
        environment.pop("ONLY", None)
        done = subprocess.run([os.path.join(source, "bench", "run")], env=environment, check=False)
        if done.returncode != 0:
            return 1
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
    found = list(faults(rows))
    for fault in found:
        print(fault)
    return 1 if found else 0


sys.exit(main())
