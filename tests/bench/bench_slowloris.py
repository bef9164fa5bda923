#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""10,000 connections held open from 1,000 addresses by sending next to nothing, at Prosody behind xmppwall and straight at the same Prosody:
a third with half of a TLS ClientHello, a third with a stream begun and nothing in it, a third with half an element behind a TLS handshake.
Whatever is closed is opened again; a byte every three seconds keeps each alive. Honest clients beside it, and memory. xmppwall once without
its kernel tier, so that its proxy meets all of it, and once with it.

    sudo tests/bench/bench_slowloris.py [--build build] [--rounds 1] [--connections 10000] [--quick] [--write]
"""
import attacked
import bench_flood

ALONE, BARE, FULL = "Prosody alone", "xmppwall without `defend`", "behind xmppwall"
QUIET, HELD = "nothing held", "held"
IDLE_SESSION_KIB = 42.4  # of bench_proxy.py: one that is logged in and silent


def one_party(given, party):
    """(quiet, under attack, numbers)"""
    seconds = 2 if given.quick else given.seconds
    quiet = party.honest(given.pings, given.logins, seconds)
    before = party.memory_kib()
    attack = party.attack("slow", given.sources, attacked.PLAIN_PORT, given.connections, given.opening, 10 if given.quick else 35, "all")
    try:
        held = attacked.heard(attack)
        told = party.honest(given.pings, given.logins, seconds)
        memory = party.memory_kib()
        last = attacked.told_to_end(attack)
    finally:
        attack.kill()
        attack.wait()
    kinds = ("hello", "stream", "stanza")
    return quiet, told, {"held": sum(held[k] for k in kinds), "after": sum(last[k] for k in kinds), "opened": last["opened"],
                         "closed": last["closed"], "memory": memory, "more": memory - before, **{k: last[k] for k in kinds}}


def measure(given):
    given.rounds = 1 if given.quick else given.rounds
    results, numbers = {}, {}
    for title, defend in ((ALONE, None), (BARE, ""), (FULL, bench_flood.DEFEND)):
        for _ in range(given.rounds if defend is not None else 1):
            party = attacked.Party(title, given.build, defend)  # a new one: what is held by the last must not help
            try:
                quiet, told, seen = one_party(given, party)
            finally:
                party.close()
            results.setdefault((title, QUIET), []).append(quiet)
            results.setdefault((title, HELD), []).append(told)
            numbers.setdefault(title, []).append(seen)
    return report(given, results, numbers)


def report(given, results, numbers):
    yield (f"{given.connections:,} connections from {given.sources:,} addresses; {attacked.N_HONEST} honest clients with {given.pings} pings and "
           f"{given.logins} logins a second. Memory is resident, of the proxy (of Prosody where it is alone).")
    yield ""
    yield from attacked.HONEST_HEAD
    sums = {key: attacked.together(rounds) for key, rounds in results.items()}
    for title, what in sums:
        yield attacked.honest_row(title, what, sums[title, what], title != ALONE)
    yield ""
    yield "| | held at first | held at the end | hellos | streams | elements | opened | closed on them | MiB | KiB each |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for title, rounds in numbers.items():
        n = {key: sum(r[key] for r in rounds) / len(rounds) for key in rounds[0]}
        each = f"{n['more'] / n['after']:.1f}" if n["after"] > 100 else ""
        yield (f"| {title} | {n['held']:,.0f} | {n['after']:,.0f} | {n['hello']:,.0f} | {n['stream']:,.0f} | {n['stanza']:,.0f} | "
               f"{n['opened']:,.0f} | {n['closed']:,.0f} | {n['memory'] / 1024:,.1f} | {each} |")
    yield ""
    yield from attacked.outcome(outcomes(given, sums, numbers))


def outcomes(given, sums, numbers):
    for title in (BARE, FULL):
        quiet, r = sums[title, QUIET], sums[title, HELD]
        if r is None or quiet is None:
            yield f"{title}: logins of honest clients", "all", "none", False
            continue
        yield f"{title}: logins of honest clients that failed", "0", str(r["failed"] + r["lost"] + r["absent"]), not r["failed"] + r["lost"] + r["absent"]
        for name, key in (("round trips", "p99_ms"), ("logins", "login_p99_ms")):
            ratio = r[key] / quiet[key] if r[key] and quiet[key] else float("inf")
            yield f"{title}: p99 of {name}, times that without", "at most 2", f"{ratio:.2f}", ratio <= 2
    more = max(r["more"] for r in numbers[BARE]) / 1024
    ceiling = given.connections * IDLE_SESSION_KIB / 1024
    yield (f"{BARE}: memory for all of them, MiB", f"at most {ceiling:,.0f}, as so many idle sessions", f"{more:,.0f}", more <= ceiling)


if __name__ == "__main__":
    attacked.main(__doc__, "bench_slowloris.py", "slowloris", measure, 1, connections=10000, sources=1000, opening=120, seconds=8, pings=200,
                  logins=20)
