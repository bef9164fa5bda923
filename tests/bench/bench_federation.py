#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a message between two servers is delayed by: nothing in between, HAProxy (mode tcp) at the receiver's gate and at both, xmppwall at the
receiver's gate and at both, with and without `forward strict`. The lab is that of tests/wire/federation.py. Two servers of the bench's own
(xmppload s2s-source, s2s-sink: STARTTLS, certificates, SASL EXTERNAL) send and take the time, and so do clients of two
Prosody servers. All streams stand all the time; each round uses one after the other. Whatever stands in between is pinned to one core,
the servers to the other.

    sudo tests/bench/bench_federation.py [--build build] [--rounds 5] [--quick] [--write]
"""
import statistics
import subprocess

import attacked

ENDS_CORE, GATES_CORE = "0", "1"
RATES, QUICK = ((10, 30), (100, 200), (1000, 1500)), ((10, 5), (100, 20), (1000, 100))  # messages a second, and how many of them
FROM, TO = "juliet@a.example/lab", "romeo@b.example/lab"
BYTES = 311  # of a message
RATE = 100  # the one of the aim
AIM_MS = 0.15
HOST_B, GATE_A, GATE_B = "203.0.113.10", "198.51.100.1", "192.0.2.6"
DIRECT, RELAYED, FRONT = 5305, 5306, 5300  # where the sink listens for ways without xmppwall, and where HAProxy does
PORTS = {"one box": 5301, "one box, strict": 5302, "two boxes": 5303, "two boxes, strict": 5304}
WAYS = {"nothing": (HOST_B, DIRECT), "one relay": (GATE_B, FRONT), "two relays": (GATE_A, FRONT),
        **{way: (HOST_B, port) for way, port in PORTS.items()}}
PROSODY = {"nothing": ("", 5400), "one box": ("more", 5401), "two boxes": ("six", 5402)}  # a domain of b, and its port
SERVICE = """
service {name} {{
    role s2s; {direction} listen tcp {{ {ports} }}; intercept tproxy; certificates "certs"; upstream original starttls; source client;
    {forward}
}}
"""
STRICT = 'forward strict "profiles/chat.profile";'
CONFIG = """
daemon {{ threads 1; }}
set ours {{ type address; elements = {{ {address} }}; }}
federation {{ trust file "trust.pem"; }}
chain inbound {{ hook s2s; policy accept; rule words {{ message text contains "casino" drop }} }}
"""
HAPROXY = """
global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend in
    bind {at}:{front}
    default_backend out
backend out
    server next {to}
"""


def make_lab():
    """The lab's class: it can be imported only once main() has said where the build is."""
    import federation

    class Measured(federation.Federation):
        """Every domain of b is at its one IPv4 address; the port says which way it goes."""

        def _build(self):
            super()._build()
            ports = ", ".join(str(port) for _, port in PROSODY.values())
            self.b.host.run("nft", "-f", "-", text=f"table ip ways {{ chain in {{ type nat hook prerouting priority dstnat; policy accept;\n"
                                                   f"tcp dport {{ {ports} }} redirect to :5269;\n}}\n}}\n")

        def records(self, *more):
            at = ["host-record=four.b.example,203.0.113.10", "host-record=four.a.example,198.51.100.10",
                  "srv-host=_xmpp-server._tcp.a.example,four.a.example,5269"]
            return [*at, *(f"srv-host=_xmpp-server._tcp.{federation.domain_of('b', kind)},four.b.example,{port}"
                           for kind, port in PROSODY.values()), *more]

    return Measured("PP", modules=())


def service(name, ports, direction="", forward=""):
    return SERVICE.format(name=name, ports=", ".join(map(str, ports)), direction=direction, forward=forward)


def raise_walls(lab):
    """Each port has its way through them: some pass both."""
    out = "direction out; from @ours;"
    texts = {
        "a": service("out", (PORTS["two boxes"], PROSODY["two boxes"][1]), out) + service("out_strict", (PORTS["two boxes, strict"],), out, STRICT),
        "b": service("in", (PORTS["one box"], PORTS["two boxes"], PROSODY["one box"][1], PROSODY["two boxes"][1]))
        + service("in_strict", (PORTS["one box, strict"], PORTS["two boxes, strict"]), forward=STRICT)}
    for side in lab.sides:
        wall = side.make_wall(configuration=texts[side.name] + CONFIG.format(address=side.addresses[0]))
        folder = wall.folder / "etc/profiles"
        folder.mkdir()
        for file in (attacked.ROOT / "docs/examples/profiles").glob("*.profile"):
            (folder / file.name).write_text(file.read_text())
        wall.start()
        for pid in [wall.process.pid, *wall.proxies()]:
            attacked.pin(pid, GATES_CORE)


def relay(lab, side, at, to):
    """HAProxy's process id."""
    import lab as ground
    file = lab.folder / f"haproxy-{side.name}.cfg"
    file.write_text(HAPROXY.format(at=at, front=FRONT, to=to))
    made = lab.add(ground.Process(side.gate, lab.folder / f"haproxy-{side.name}.log", "taskset", "-c", GATES_CORE, "haproxy", "-db", "-f", file))
    ground.wait_for(lambda: side.gate.listens(at, FRONT), 10, "HAProxy", made.alive)
    return made.pid


class End:
    """xmppload at one end, and clients' connections in its hands."""

    def __init__(self, host, load, users, *what):
        sockets = [user.socket for user in users]
        self.process = host.start("taskset", "-c", ENDS_CORE, load, *what, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  pass_fds=[s.fileno() for s in sockets])
        self.descriptors = [s.fileno() for s in sockets]

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def obey(self, text):
        self.order(text)
        return attacked.heard(self.process)

    def close(self):
        self.process.kill()
        self.process.wait()


class Ways:
    """All streams, standing; send() uses one of them."""

    def __init__(self, lab, build):
        self.gates = {"one relay": [relay(lab, lab.b, GATE_B, f"{HOST_B}:{RELAYED}")]}
        self.gates["two relays"] = [*self.gates["one relay"], relay(lab, lab.a, GATE_A, f"{GATE_B}:{FRONT}")]
        for way in PORTS:
            self.gates[way] = [pid for side in lab.sides[way.startswith("one"):] for pid in side.wall.proxies()]
        sender, receivers = lab.a.user(), {way: lab.b.user(kind) for way, (kind, _) in PROSODY.items()}
        for side in lab.sides:
            attacked.pin(side.server.process.pid, ENDS_CORE)
        papers = {side: (lab.certificates / side.name / f"{side.domain()}.crt", lab.certificates / side.name / f"{side.domain()}.key",
                         lab.folder / f"trust-{side.name}.pem") for side in lab.sides}
        load, (a, b) = build / "bin/xmppload", lab.sides
        self.sink = lab.add(End(b.host, load, receivers.values(), "s2s-sink", b.domain(), *papers[b], HOST_B, DIRECT, RELAYED, *PORTS.values()))
        attacked.heard(self.sink.process)  # it listens
        for number in self.sink.descriptors:
            self.sink.obey(f"take {number}")
        self.source = lab.add(End(a.host, load, [sender], "s2s-source", a.domain(), b.domain(), *papers[a]))
        self.ways = {}
        for address, port in WAYS.values():
            self.source.obey(f"dial {address} {port}")
        self.source.obey(f"take {self.source.descriptors[0]}")
        for n, way in enumerate(WAYS):
            self.ways[way] = f"{n} {{}} {{}} {FROM} {TO}"
        for way, user in receivers.items():
            self.ways[f"Prosody, {way}"] = f"{len(WAYS)} {{}} {{}} {sender.jid} {user.jid}"
            self.send(f"Prosody, {way}", 10, 1)  # opens the servers' stream

        for side, expected in zip(lab.sides, (3, 6)):
            if (found := len(side.wall.sessions())) != expected:
                raise SystemExit(f"{found} streams instead of {expected} stand on the box of {side.domain()}")

    def send(self, way, rate, count):
        """What the sink told, and with it the time the gates' programs ran for each message."""
        before = attacked.cpu_seconds(self.gates.get(way, ()))
        self.source.obey("send " + self.ways[way].format(rate, count))
        told = self.sink.obey(f"count {count} 10")
        if told["messages"] != count:
            raise SystemExit(f"{way}, {rate} messages/s: {told['messages']} of {count} arrived")
        told["cpu_us"] = (attacked.cpu_seconds(self.gates.get(way, ())) - before) * 1e6 / count
        return told


def measure(given):
    rates, rounds = (QUICK, 1) if given.quick else (RATES, given.rounds)
    results = {}
    with make_lab() as lab:
        raise_walls(lab)
        ways = Ways(lab, given.build)
        for _ in range(rounds):
            for rate, count in rates:
                for way in ways.ways:
                    if rate <= RATE or way in WAYS:
                        results.setdefault((way, rate), []).append(ways.send(way, rate, count))
    middle = {key: {what: statistics.median(r[what] for r in rows) for what in rows[0]} for key, rows in results.items()}
    yield from report(middle, rates, rounds)


def cells(middle, way, rates):
    for rate, _ in rates:
        r = middle.get((way, rate))
        yield f"{r['p50_us'] / 1e3:.3f} | {r['p99_us'] / 1e3:.3f}" if r else " | "


def report(middle, rates, rounds):
    sent = ", ".join(f"{count:,} at {rate:,}" for rate, count in rates)
    yield (f"One-way delays, ms, of chat messages of {BYTES} bytes; medians of {rounds} rounds with {sent} messages/s each. Beside it what the programs at "
           f"the gates ran for one message at {rates[-1][0]:,}/s, µs of processor time.")
    yield ""
    yield "| in between | " + " | ".join(f"{rate:,}/s: p50 | p99" for rate, _ in rates) + " | CPU µs |"
    yield "|---|" + "--:|" * (2 * len(rates) + 1)
    for way in WAYS:
        cpu = middle[way, rates[-1][0]]["cpu_us"]
        yield f"| {way} | " + " | ".join(cells(middle, way, rates)) + f" | {cpu:.1f} |"
    slow = [r for r in rates if r[0] <= RATE]
    yield ""
    yield "| client, Prosody, …, Prosody, client | " + " | ".join(f"{rate:,}/s: p50 | p99" for rate, _ in slow) + " |"
    yield "|---|" + "--:|" * (2 * len(slow))
    for way in PROSODY:
        yield f"| {way} | " + " | ".join(cells(middle, f"Prosody, {way}", slow)) + " |"
    yield ""
    yield from attacked.outcome(outcomes(middle))


def outcomes(middle):
    def added(way, over):
        return (middle[way, RATE]["p50_us"] - middle[over, RATE]["p50_us"]) / 1e3

    for way, over in (("one box", "one relay"), ("one box, strict", "one relay"), ("two boxes", "two relays"), ("two boxes, strict", "two relays")):
        ms, aimed = added(way, over), way.startswith("one")
        yield f"{way}: p50 at {RATE}/s, over {over}, ms", f"at most {AIM_MS}" if aimed else "", f"{ms:.3f}", ms <= AIM_MS or not aimed
    for way in ("one box", "two boxes"):
        ms = added(f"Prosody, {way}", "Prosody, nothing")
        yield f"{way} between two Prosody: p50 at {RATE}/s, over nothing, ms", "", f"{ms:.3f}", True


if __name__ == "__main__":
    attacked.main(__doc__, "bench_federation.py", "federation", measure, 5)
