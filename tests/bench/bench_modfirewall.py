#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prosody's mod_firewall and our judge with the same list and the same message, in one run.

    bench_modfirewall.py BUILD [--prosody /usr/lib/prosody] [--sizes 1000 10000]

Prints a Markdown table: processor time of the filter alone for one message (parsing not counted on
either side), medians of five. mod_firewall is Debian's (prosody-modules or prosody), run by lua5.4 through
modfirewall.lua; ours is judged by BUILD/bin/bench_judge, a release build. Both are pinned to one core.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# name, mod_firewall's script, our policy, how many senders take turns; @LIST@ is the list file, @EACH@ a rule an
# entry
CHECK = (
    "%LIST words: file:@LIST@\n::deliver\nCHECK LIST: words contains $<@from|bare>\nDROP.\n",
    'set words { type jid; file "words.txt"; }\n'
    "chain c { hook any; rule sender { message from.bare in @words drop } }\n",
)
CASES = [
    (
        "words of the body in a list (`SCAN`)",
        "%LIST words: file:@LIST@\n%SEARCH body: body#\n%PATTERN word: [%w]+\n"
        "::deliver\nSCAN: body for word in words\nDROP.\n",
        'set words { type keyword; flags fold; file "words.txt"; }\n'
        "chain c { hook any; rule word { message body contains @words drop } }\n",
        1,
    ),
    ("sender in a list (`CHECK LIST`)", *CHECK, 1),
    ("the same, 20,000 senders in turn", *CHECK, 20000),
    (
        "entries anywhere in the body (a rule an entry, `INSPECT`)",
        "::deliver\n@EACH@",
        'set words { type keyword; flags fold substring; file "words.txt"; }\n'
        "chain c { hook any; rule word { message body contains @words drop } }\n",
        1,
    ),
]


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def pinned(*args):
    return float(run("taskset", "-c", "0", *map(str, args)))


def measure(bench, prosody, size, case, place):
    words = run(bench, "words", str(size))
    (place / "words.txt").write_text(words)
    (place / "stanza.xml").write_text(run(bench, "stanza"))
    each = "".join(f"INSPECT: body#~={word}\nDROP.\n\n" for word in words.split())
    script = case[1].replace("@LIST@", str(place / "words.txt")).replace("@EACH@", each)
    (place / "script.pfw").write_text(script)
    (place / "policy.rules").write_text(case[2])
    theirs = pinned(
        "lua5.4", HERE / "modfirewall.lua", prosody, place / "script.pfw", place / "stanza.xml", case[3]
    )
    return theirs, pinned(bench, "filter", place / "policy.rules", size, case[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--prosody", default="/usr/lib/prosody")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000])
    args = parser.parse_args()
    bench = args.build / "bin" / "bench_judge"
    if not pathlib.Path(args.prosody, "modules/mod_firewall").is_dir():
        sys.exit(f"{args.prosody}: no mod_firewall there")
    print("| ns for one message | entries | mod_firewall | xmppwall | times |")
    print("|---|--:|--:|--:|--:|")
    for case in CASES:
        for size in args.sizes:
            with tempfile.TemporaryDirectory() as place:
                try:
                    theirs, ours = measure(bench, args.prosody, size, case, pathlib.Path(place))
                except subprocess.CalledProcessError as e:
                    lines = (e.stderr or "").strip().splitlines()
                    print(f"| {case[0]} | {size:,} | failed: {lines[0] if lines else e} | | |")
                    continue
            print(f"| {case[0]} | {size:,} | {theirs:,.0f} | {ours:,.0f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
