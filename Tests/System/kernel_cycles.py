#!/usr/bin/env python3
"""kernel_cycles.py SYSROOT: cycles of the AArch64 kernels' inner loops by the scheduling models of llvm-mca (package
llvm). The code is what `make test-aarch64` links; SYSROOT is its .cache/aarch64/root. A model knows no cache misses."""
import re
import subprocess
import sys

CASES = [  # file, processor, GHz, instruction that counts, how many of them a line of weights needs for each row
    ("neon", "cortex-a72", 1.5, r"\tsm(ull|lal)2?\t", 8),
    ("neon_dot", "cortex-a76", 2.4, r"\tsdot\t", 4),
]


def inner_loops(assembly):
    """The instructions between each label and the first branch back to it, if no other label lies between."""
    label, body = None, []
    for line in assembly.splitlines():
        if match := re.match(r"(\.L\w+):", line):
            label, body = match[1], []
        elif line.startswith("\t") and not line.startswith("\t."):
            body.append(line)
            if label and re.search(rf"\tb\S*\t(\S+, )?{re.escape(label)}$", line):
                yield body


def main():
    sysroot = sys.argv[1]
    for name, processor, gigahertz, multiplication, for_each_row in CASES:
        assembly = subprocess.run(
            ["aarch64-linux-gnu-gcc", f"--sysroot={sysroot}", "-O3", "-ffp-contract=off", "-S", "-o", "-",
             "-ISources/CKernels/include", f"Sources/CKernels/{name}.c"],
            check=True, capture_output=True, text=True).stdout
        codes = assembly[assembly.index("\nconvolve_codes:"):]
        codes = codes[:codes.index("\t.size\tconvolve_codes")]
        largest = max(inner_loops(codes), key=lambda body: sum(bool(re.search(multiplication, i)) for i in body))
        count = sum(bool(re.search(multiplication, i)) for i in largest)
        report = subprocess.run(
            ["llvm-mca", "-mtriple=aarch64", f"-mcpu={processor}", "-mattr=+dotprod", "-iterations=1000"],
            input="\n".join(largest), check=True, capture_output=True, text=True).stdout
        cycles = int(re.search(r"Total Cycles:\s+(\d+)", report)[1]) / 1000
        lines = count / for_each_row  # row by row
        print(f"{name} on {processor}: {len(largest)} instructions, {count} multiplications, {cycles:.1f} cycles; "
              f"{cycles / lines:.2f} cycles for a line of one row, "
              f"{64 * lines / cycles * gigahertz:.1f} GMAC/s at {gigahertz} GHz")


main()
