#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/XEP-0205.md beside the policy and the tests it speaks of: each row's line stands in the policy, which loads and holds its
own expectations; each row's test is there; every rule and limit of the policy is answered for. check_xep0205.py PROGRAM"""
import json
import pathlib
import re
import subprocess
import sys

PAGE, POLICY = pathlib.Path("docs/XEP-0205.md"), pathlib.Path("docs/examples/shield/xmppwall.conf")
SECTIONS = {"3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
            "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "5"}
HELPERS = {"all", "crowded", "down", "slow", "home", "small"}  # what carries the others


def rows():
    table = PAGE.read_text().split("<!-- table:begin -->\n")[1].split("<!-- table:end -->")[0]
    for line in table.splitlines()[2:]:
        cells = [c.strip() for c in line.strip("|").split(" | ")]
        yield [c.strip() for c in cells[0].split(",")], cells[1], re.match(r"`([^`]*)`", cells[2]).group(1), cells[3]


def plain(text):
    return " ".join(text.split())


def test_fault(test):
    path, _, name = test.partition("::")
    file = pathlib.Path(path)
    if not file.exists():
        return f"no {path}"
    wanted = {".py": rf"^def {re.escape(name)}\(", ".c": rf"\b{re.escape(name)}\b.*\(|unit_test\w*\({re.escape(name)}\b",
              ".j": rf"^{re.escape(name)}\b.*; yes", ".conf": rf'^expect "{re.escape(name)}"'}[file.suffix]
    return None if name and re.search(wanted, file.read_text(), re.M) else f"no {name} in {path}"


def faults():
    policy = {plain(re.sub(r"\s+#.*", "", line)) for line in POLICY.read_text().splitlines()}
    seen, named = set(), set()
    for sections, _, line, test in rows():
        seen.update(sections)
        named.update(re.findall(r"^rule (\w+)", line))
        if plain(line) not in policy:
            yield f"{POLICY} has no line: {line}"
        fault = test_fault(test)
        if fault:
            yield fault
    yield from (f"{PAGE}: nothing is said about {s}" for s in sorted(SECTIONS - seen))
    rules = set(re.findall(r"^\s*rule (\w+)", POLICY.read_text(), re.M))
    yield from (f"{PAGE}: nothing is said about the rule {r}" for r in sorted(rules - named - HELPERS))
    limits, asked = (set(re.findall(p, POLICY.read_text(), re.M)) for p in (r"^limit (\w+)", r"limit (\w+) exceeded"))
    yield from (f"{POLICY}: no rule asks about the limit {name}" for name in sorted(limits - asked))
    checked = subprocess.run([sys.argv[1], "--json", "check", POLICY], capture_output=True, text=True, timeout=60, check=False)
    answer = json.loads(checked.stdout)
    if checked.returncode or answer["expectations"] < 7:
        yield f"{POLICY}: {checked.stderr}"
    printed = subprocess.run([sys.argv[1], "print", POLICY], capture_output=True, text=True, timeout=60, check=False)
    if printed.returncode:
        yield f"{POLICY} does not print: {printed.stderr}"


def main():
    found = list(faults())
    for line in found:
        print(line)
    print(f"{len(list(rows()))} rows, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
