#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The policies of docs/examples/policies: each checks without a warning, has tests of its own, prints to the same text twice,
and docs/POLICIES.md leads to it. check_policies.py PROGRAM"""
import json
import pathlib
import re
import subprocess
import sys

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
FOLDER = pathlib.Path("docs/examples/policies")
EXPECTATIONS_MIN = 4


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def faults_of(path, page):
    checked = run("--json", "check", path)
    answer = json.loads(checked.stdout)
    if checked.returncode or answer["warnings"]:
        yield f"{path}: {checked.stderr}"
    elif answer["expectations"] < EXPECTATIONS_MIN:
        yield f"{path}: {answer['expectations']} expectations"
    if run("print", path).returncode:
        yield f"{path}: does not print"
    if f"(examples/policies/{path.name})" not in page:
        yield f"docs/POLICIES.md does not lead to {path}"


def main():
    page = pathlib.Path("docs/POLICIES.md").read_text()
    policies = sorted(FOLDER.glob("*.rules"))
    faults = [f for path in policies for f in faults_of(path, page)]
    faults += [f"docs/POLICIES.md: no {name}" for name in re.findall(r"\(examples/policies/([a-z]+\.rules)\)", page)
               if not (FOLDER / name).exists()]
    used = "".join(p.read_text() for p in policies)
    faults += [f"{path}: no policy reads it" for path in sorted((FOLDER / "lists").glob("*")) if f"lists/{path.name}" not in used]
    faults += [f"{name} does not lead to POLICIES.md" for name in ("README.md", "docs/RULES.md")
               if "POLICIES.md" not in pathlib.Path(name).read_text()]
    for line in faults:
        print(line)
    print(f"{len(policies)} policies, {len(faults)} faults")
    return 1 if faults or not policies else 0


if __name__ == "__main__":
    sys.exit(main())
