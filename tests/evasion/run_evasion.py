#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""run_evasion.py XMPPWALLCTL: judges every case of cases.txt offline and names those whose verdict is another."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def cases():
    for number, line in enumerate((HERE / "cases.txt").read_text().split("\n"), 1):
        if line and not line.startswith("#"):
            name, stanza, verdict = line.split(" ; ")
            yield number, name, stanza.replace("\\n", "\n"), verdict


def main():
    todo = list(cases())
    run = subprocess.run(
        [sys.argv[1], "judge", "--rules", HERE / "evasion.rules", "--service", "c2s", "--peer", "192.0.2.7", "--json"],
        input="\n".join(stanza for _, _, stanza, _ in todo).encode(), capture_output=True, timeout=60)
    verdicts = [json.loads(line) for line in run.stdout.decode().splitlines()]
    sys.stderr.write(run.stderr.decode())
    failed = 0
    for (number, name, stanza, wanted), got in zip(todo, verdicts):
        said = " ".join(filter(None, [got["verdict"], got.get("condition")]))
        if said != wanted:
            failed += 1
            print(f"cases.txt:{number}: {name}: {said}, not {wanted}: {stanza}")
    print(f"{len(todo)} cases, {len(verdicts)} judged, {failed} failed")
    return run.returncode != 0 or failed or len(verdicts) != len(todo) or not todo


if __name__ == "__main__":
    sys.exit(main())
