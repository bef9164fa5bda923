#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A flood of new connections from many addresses at Prosody behind xmppwall, and straight at the same Prosody: what honest clients feel
of it, and what xmppwall's processes spend on it once the kernel's tier has learned. The connections say nothing, or half of a TLS
ClientHello; each is given up after a second.

    sudo tests/bench/bench_flood.py [--build build] [--rounds 3] [--rate 5000] [--sources 1000] [--quick] [--write]
"""
import attacked

DEFEND = """defend { connections {
    rate 2/second burst 10 per /32 /64; rate 100/second burst 300 per /24 /48; concurrent 50; penalty 1m; } }"""
QUIET, KINDS = "no flood", {"none": "flood, nothing said", "hello": "flood, half a hello"}


def one_flood(given, party, kind, numbers):
    """Honest clients while it goes on, from when the kernel has had time to learn."""
    learn, seconds = (1, 2) if given.quick else (4, given.seconds)
    flood = party.attack("flood", given.sources, given.rate, 600, 1000, kind)
    try:
        seen = [attacked.heard(flood) for _ in range(learn + 1)]  # "start", then one a second
        told = party.honest(given.pings, given.logins, seconds)
        while (last := attacked.heard(flood))["phase"] == "second" and len(seen) < learn + 1 + seconds:
            seen.append(last)
    finally:
        flood.kill()
        flood.wait()
    numbers.append({"learning": seen[learn]["stood"], "made": (seen[-1]["made"] - seen[learn]["made"]) / (len(seen) - learn - 1),
                    "stood": (seen[-1]["stood"] - seen[learn]["stood"]) / (len(seen) - learn - 1)})
    return told


def measure(given):
    given.rounds = 1 if given.quick else given.rounds
    parties, results, numbers = [], {}, {}
    try:
        parties.append(attacked.Party("Prosody alone", given.build))
        parties.append(attacked.Party("behind xmppwall", given.build, DEFEND))
        for n in range(given.rounds):
            for p in parties[n > 0:]:  # Prosody alone once: to compare with
                results.setdefault((p.title, QUIET), []).append(p.honest(given.pings, given.logins, 2 if given.quick else given.seconds))
                for kind, what in KINDS.items():
                    results.setdefault((p.title, what), []).append(
                        one_flood(given, p, kind, numbers.setdefault((p.title, what), [])))
        walled = {p.title: p.wall is not None for p in parties}
    finally:
        for p in reversed(parties):
            p.close()
    return report(given, results, numbers, walled)


def report(given, results, numbers, walled):
    yield (f"{given.rate:,} new connections a second from {given.sources:,} addresses, given up after a second; {attacked.N_HONEST} honest "
           f"clients with {given.pings} pings and {given.logins} logins a second; medians of {given.rounds} rounds.")
    yield ""
    yield from attacked.HONEST_HEAD
    sums = {key: attacked.together(rounds) for key, rounds in results.items()}
    for title in walled:
        for what in (QUIET, *KINDS.values()):
            yield attacked.honest_row(title, what, sums[title, what], walled[title])
    yield ""
    yield "| | | tried a second | stood, while the kernel learned | stand a second after that |"
    yield "|---|---|--:|--:|--:|"
    for (title, what), rounds in numbers.items():
        mean = {key: sum(r[key] for r in rounds) / len(rounds) for key in rounds[0]}
        yield f"| {title} | {what} | {mean['made']:,.0f} | {mean['learning']:,.0f} | {mean['stood']:,.0f} |"
    yield ""
    yield from attacked.outcome(outcomes(sums))


def outcomes(sums):
    title = "behind xmppwall"
    quiet = sums[title, QUIET]
    for what in KINDS.values():
        r = sums[title, what]
        if r is None or quiet is None:
            yield what, "honest clients unharmed", "nobody could log in", False
            continue
        for name, key in (("round trips", "p99_ms"), ("logins", "login_p99_ms")):
            ratio = r[key] / quiet[key] if r[key] and quiet[key] else float("inf")
            yield f"{what}: p99 of {name}, times that without", "at most 2", f"{ratio:.2f}", ratio <= 2
        spent = (r["cpu"] - quiet["cpu"]) * 100
        yield f"{what}: spent on it by xmppwall's processes, % of a core", "under 10", f"{max(0, spent):.1f}", spent < 10


if __name__ == "__main__":
    attacked.main(__doc__, "bench_flood.py", "flood", measure, 3, rate=5000, sources=1000, seconds=5, pings=200, logins=20)
