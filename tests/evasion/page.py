# SPDX-License-Identifier: BSD-2-Clause
"""docs/EVASION.md out of what a run found."""
import cases

HEAD = """# What was tried to get past it

The catalogue of evasions, by line: how many cases `tests/evasion` sends for each through the proxy and through the inspector, and how many came
out right. A case is right when the forbidden text never reached what the server's application read, the honest text did, and the
stream lived, or ended at both ends where ending it is the answer. Made by a run:

    tests/evasion/drive.py --write docs/EVASION.md          (root; namespaces of its own; about a minute a door)

Each run of the tests adds 300 connections made up at random: 200 with segments wrong in any way, where the text must not arrive, and 100 that are
only cut, late, doubled, in fragments or in another order, and must pass unharmed.

"""


def _cell(rows):
    if not rows:
        return ""
    right = sum(row["right"] for row in rows)
    return f"{len(rows)}" if right == len(rows) else f"{right} of {len(rows)}"


def text(told, lines=()):
    """The page; told is {door: {case: {verdict, right}}}."""
    every, out = cases.all_cases(), [HEAD]
    doors = [door for door in cases.DOORS if door in told]
    out.append("| | | " + " | ".join(doors) + " |\n|---|---|" + "---|" * len(doors) + "\n")
    for number, (what, elsewhere) in cases.catalogue().items():
        cells = [_cell([told[door][c.id] for c in every if c.line == number and c.id in told[door]]) for door in doors]
        if elsewhere and not any(cells):
            what += f" (`{elsewhere.split('::')[0]}`)" if "::" in elsewhere else f" ({elsewhere})"
        out.append(f"| {number} | {what.replace('<', '&lt;')} | " + " | ".join(cells) + " |\n")
    counted = {door: [told[door][c.id] for c in every if c.id in told[door]] for door in doors}
    sums = [f"{sum(row['right'] for row in counted[door])} of {len(counted[door])}" for door in doors]
    out.append("| | **right** | " + " | ".join(sums) + " |\n")
    if lines:
        out.append("\nOf the 26 disguised or re-segmented attempts and 3 honest messages that Suricata 4.1 inline was measured on (14 of 26 stopped, 2 of 3\n"
                   "harmed, every stream it stopped hung):\n\n" + "".join(f"- {door}: {line}\n" for door, line in lines))
    return "".join(out)
