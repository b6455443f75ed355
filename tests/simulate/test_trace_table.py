#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Policies against other simulators' miss ratios, where somebody has traces: LARDER_TRACES names a folder of them with a TABLE.md
(tools/compare-policies says what that is). The smaller traces, and policies whose algorithm leaves nothing open."""
import os
import subprocess
import sys

SOURCE = os.environ["LARDER_SOURCE_DIR"]
TRACES = os.environ.get("LARDER_TRACES", "")
TABLE = os.path.join(TRACES, "TABLE.md")


def main():
    if not TRACES or not os.path.isfile(TABLE):
        print("LARDER_TRACES names no folder of traces with a TABLE.md: nothing to compare with")
        return 77
    return subprocess.run([os.path.join(SOURCE, "tools", "compare-policies"), TRACES, TABLE, "--policies", "fifo,lru,lfu,sieve,opt",
                           "--only", "arc-oltp,corda-vault,mail-domains,multi2,multi3,sprite,web07"], check=False).returncode


sys.exit(main())
