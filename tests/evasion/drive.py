#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""drive.py [--door proxy|inspect|none]… [--only WORD] [--json FILE] [--write PAGE] (root): sends the catalogue for real.

Each case goes from an address of its own through the wall of that door to a server that keeps what its application reads.
What came of it is compared with what must come of it; then a line for each case that differs, and the sums."""
import argparse
import asyncio
import dataclasses
import json
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
from doors import PORTS, SERVER, Ground, address  # noqa: E402
from peer import Host, Peer, Socket  # noqa: E402
from recorder import fold, understood  # noqa: E402
from secure import Tls, send_hello  # noqa: E402
from segments import Play  # noqa: E402
from web import Web  # noqa: E402

AT_ONCE = 48
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AG1lcmN1dGlvAHF1ZWVuLW1hYg==</auth>"
BIND = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
HEADERS = {
    "c2s": "<?xml version='1.0'?><stream:stream to='verona.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
    "component": "<?xml version='1.0'?><stream:stream to='firewall.verona.example' xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
    "s2s": "<?xml version='1.0'?><stream:stream from='mantua.example' to='verona.example' version='1.0' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>",
}
DIALBACK = "<db:result from='mantua.example' to='verona.example'>37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643</db:result>"
HANDSHAKE = "<handshake>5e8a1f8c0f4f3f7f4d1f6a4b6a3d1f0f00000000</handshake>"


@dataclasses.dataclass
class Result:
    case: cases.Case
    door: str
    through: bool = False    # a forbidden stanza reached the application
    alive: bool = False      # an honest one did afterwards, and was answered
    ended: str = ""          # how the client's end came
    server: str = ""         # and the server's
    good: bool = False       # what should pass did, unharmed
    up: bool = False         # the connection came up at all
    told: bool = True        # the client heard what it must
    logged: bool = False
    failure: str = ""
    place: str = ""          # the address it came from
    first: str = ""          # what came of it at the first try
    host: object = None      # the other end, where it is ours
    seconds: float = 0

    @property
    def verdict(self):
        if self.failure:
            return "ERROR"
        if self.through:
            return "THROUGH"
        if self.alive:
            return "PASS" if self.good else "BLOCK"
        if not self.up:
            return "NEVER"
        if self.ended and self.server != "open":
            return "KILL"
        return "STUCK"

    @property
    def is_wanted(self):
        wanted, said = self.case.expect.get(self.door, ()), self.verdict
        return self.told and (said in wanted or (said in ("BLOCK", "PASS") and "NORM" in wanted))

    @property
    def right(self):
        must = self.verdict == "BLOCK" and "BLOCK" in self.case.expect.get(self.door, ()) and self.case.event
        return self.is_wanted and (self.logged or not must)

    def line(self):
        wanted = " or ".join(self.case.expect.get(self.door, ()))
        parts = [f"{self.case.id}: {self.verdict}, not {wanted}" if self.verdict not in wanted else f"{self.case.id}: {self.verdict}"]
        parts += [f"client {self.ended or 'open'}", f"server {self.server or 'never'}"]
        parts += [f"at first {self.first}"] if self.first else []
        parts += [] if self.logged else ["not logged"]
        parts += [] if self.told else ["client not told"]
        return ", ".join(parts + ([self.failure] if self.failure else []))


class Run:
    """One door, all its cases at once."""

    def __init__(self, ground):
        self.ground, self.gate, self.standing, self.restarted = ground, asyncio.Semaphore(AT_ONCE), 0, asyncio.Event()

    async def all(self, wanted):
        """All at once; then those that need another child."""
        numbered = sorted(enumerate(wanted, 1), key=lambda pair: -pair[1].seconds)
        results = await asyncio.gather(*(self._one(n, case) for n, case in numbered if not case.restart))
        last = [self._one(n, case) for n, case in numbered if case.restart]
        if last:
            results += await asyncio.gather(self._restart(len(last)), *last)
        return [await self._again(r, len(wanted) + n) for n, r in enumerate((r for r in results if r), 1)]

    async def _again(self, result, number):
        """What came out wrong on a busy machine is tried once more, alone. What was let through is not."""
        if result.through or result.case.restart or result.is_wanted or self.ground.door == "none":
            return result
        again = await self._one(number, result.case)
        again.first = result.verdict
        return again

    async def _restart(self, many):
        end = time.monotonic() + 10
        while self.standing < many and time.monotonic() < end:
            await asyncio.sleep(0.02)
        await asyncio.get_running_loop().run_in_executor(None, self.ground.restart)
        self.restarted.set()

    async def _one(self, number, case):
        async with self.gate:
            result, start = Result(case, self.ground.door), time.monotonic()
            result.place = place = address(case, number)
            server = SERVER[case.version]
            behave = self.ground.recorder.behave.setdefault(place, {})
            behave.update({k: getattr(case, k) for k in ("features", "starttls", "deaf") if getattr(case, k)})
            end = None
            try:
                end = await self._play(case, number, place, server, result)
            except (asyncio.TimeoutError, OSError, ValueError) as error:
                result.failure = f"{type(error).__name__} {error}" if result.up else ""
            if end:
                self._judge(case, place, end, result)
                await end.finish()
            if result.host:
                await result.host.finish()
            result.seconds = time.monotonic() - start
            return result

    async def _play(self, case, number, place, server, result):
        port = PORTS[case.service]
        begin = self._pipeline(case) if case.pipelined else b""
        if case.far:
            server = f"198.51.101.{number % 250 + 1}"
            result.host = Host(self.ground.far_wire, server, place, port, case.far, self.ground.recorder.play(place))
        if case.own_tcp:
            end = Peer(self.ground.wire, place, server, port, isn=None if case.isn < 0 else case.isn, stamps=case.stamps, lport=case.lport,
                       options=bytes.fromhex(case.options))
            result.up = await end.open(case.open, begin)
            if result.up and begin and case.open in ("plain", "syn-again", "syn-ack-back", "five"):
                await end.send(begin)
        else:
            end = Socket()
            try:
                await end.open(self.ground.lab.client, place, server, port)
                result.up = True
            except (OSError, asyncio.TimeoutError):
                end.task = asyncio.create_task(asyncio.sleep(0))
        if not result.up:
            return end
        result.up = await self._honest(case, end)
        if case.restart:
            if case.before:
                await end.send(cases.expand(case.before))
            self.standing += 1
            await self.restarted.wait()
        if result.up:
            end = await self._attempt(case, end)
            await self._probe(case, number, end, result)
        return end

    @staticmethod
    def _pipeline(case):
        parts = [HEADERS["c2s"], AUTH, HEADERS["c2s"], BIND] if case.service != "component" else [HEADERS["component"], HANDSHAKE]
        return "".join(parts).encode()

    async def _heard(self, end, pattern, seconds=6):
        """True once the pattern came; false at the end, or when it does not come."""
        await end.until(lambda: re.search(pattern, end.seen) or end.ended, seconds)
        return bool(re.search(pattern, end.seen))

    async def _honest(self, case, end, again=False):
        """How far the honest beginning goes: false when even that is not let in."""
        end.web = Web()
        if (case.stage == "connect" or case.pipelined) and not again:
            return True
        if case.service == "web":
            return await self._web_login(end)
        if case.service == "component":
            await end.send(HEADERS["component"].encode())
            if not await self._heard(end, rb"<stream:stream[^>]*>"):
                return False
            await end.send(HANDSHAKE.encode())
            return await self._heard(end, rb"<handshake/>")
        if case.service == "s2s":
            await end.send(HEADERS["s2s"].encode())
            if not await self._heard(end, rb"</stream:features>"):
                return False
            await end.send(DIALBACK.encode())
            return await self._heard(end, rb"<db:result[^>]*valid")
        await end.send(HEADERS["c2s"].encode())
        if not await self._heard(end, rb"</stream:features>"):
            return False
        if case.stage == "open" and not again:
            return True
        await end.send(AUTH.encode())
        if not await self._heard(end, rb"<success"):
            return False
        mark = len(end.seen)
        await end.send(HEADERS["c2s"].encode())
        if not await end.until(lambda: end.seen.find(b"</stream:features>", mark) > 0 or end.ended, 6):
            return False
        await end.send(BIND.encode())
        return await self._heard(end, rb"</bind>")

    async def _web_login(self, end):
        """The same over BOSH."""
        end.web = web = Web()
        for request, answer in ((lambda: web.begin(), rb"</stream:features>"), (lambda: web.post(AUTH), rb"<success"),
                                (lambda: web.post("", " xmpp:restart='true'"), rb"</stream:features>.*</stream:features>"),
                                (lambda: web.post(BIND.replace("<iq", "<iq xmlns='jabber:client'")), rb"</bind>")):
            await end.send(request())
            if not await self._heard(end, b"(?s)" + answer):
                return False
        return True

    async def _web(self, end, verb, rest):
        """The steps of http.toml; gives the end that goes on."""
        web, text = end.web, rest.replace("{word}", cases.WORD)
        if verb == "@post":
            await end.send(web.post(text))
        elif verb == "@pipeline":
            await end.send(b"".join(web.post(part) for part in text.split(" || ")))
        elif verb == "@chunks":
            size, _, text = text.partition(" ")
            await end.send(web.chunked(int(size), text))
        elif verb == "@http":
            await end.send(web.request(text))
        elif verb == "@drip":
            for byte in web.post(text):
                await end.send(bytes([byte]))
                await asyncio.sleep(0.0005)
        elif verb == "@back":
            web.rid -= 1
        elif verb == "@ahead":
            web.rid += int(text)
        elif verb == "@connect":
            port = end.socket.getpeername()
            end = await Socket().open(self.ground.lab.client, end.place, port[0], port[1])
            end.web = web
        else:
            raise ValueError(verb)
        return end

    async def _attempt(self, case, end):
        """Does what the case says; gives the end, or TLS on it once it has begun."""
        if case.tcp:
            await Play(end, case).run(case.tcp)
        for text in case.send:
            verb, _, rest = text.partition(" ")
            if verb == "@wait":
                await asyncio.sleep(float(rest))
            elif verb == "@hear":
                await self._heard(end, rest.encode())
            elif verb == "@never":
                if re.search(rest.encode(), end.seen):
                    raise ValueError(f"heard {rest}")
            elif verb == "@cut":
                await self._cut(end, rest)
            elif verb == "@tls":
                end = Tls(end, rest.split())
                if not await end.handshake():
                    break
            elif verb == "@hello":
                await send_hello(end, rest.split())
            elif verb == "@login":
                await self._honest(case, end, again=True)
            elif verb.startswith("@"):
                end = await self._web(end, verb, rest)
            elif not end.ended:
                await end.send(cases.expand(text, case.encoding))
        return end

    @staticmethod
    async def _cut(end, text):
        """@cut STANZA: sent once for every place where it can be cut in two."""
        data = cases.expand(text)
        for at in range(1, len(data)):
            await end.send(data[:at])
            await end.send(data[at:])
            await asyncio.sleep(0.001)

    async def _probe(self, case, number, end, result):
        """Does the stream live? An honest stanza more, and its echo; or the end, seen by both."""
        if not end.ended and not case.ending:
            live = cases.LIVE.replace("{n}", str(number))
            await end.send(end.web.post(live.replace("<message", "<message xmlns='jabber:client'")) if case.service == "web" else live.encode(case.encoding))
        echo = b"echo-live-%d" % number
        await end.until(lambda: echo in end.seen or end.ended, case.seconds)
        result.alive = echo in end.seen
        if end.ended:
            await end.until(lambda: self._server(end_place(end)) != "open", 3)

    def _server(self, place):
        visits = self.ground.recorder.of(place)
        if not visits:
            return ""
        return "open" if any(v.ended is None for v in visits) else visits[-1].ended

    def _judge(self, case, place, end, result):
        visits = self.ground.recorder.of(place)
        stanzas = [s for visit in visits for s in understood(bytes(visit.data), case.service == "web")]
        result.through = any(is_forbidden(s) for s in stanzas)
        if case.service == "web" and case.expect.get(self.ground.door) == ("KILL",):  # two readers of HTTP may differ: not even its bytes
            result.through |= any(cases.WORD.encode() in visit.data for visit in visits)
        arrived = case.arrives or f"come to the {cases.GARDEN} now"
        result.good = any(s.id in ("good", "case") and (s.id == "good" and not case.arrives or s.body() == arrived) for s in stanzas)
        result.ended, result.server = end.ended or "", self._server(place)
        result.told = not case.answer or self.ground.door == "inspect" and "KILL" in case.expect["inspect"] or bool(re.search(case.answer.encode(), end.seen))


def end_place(end):
    end = getattr(end, "below", end)
    return end.local if isinstance(end, Peer) else end.place


def is_forbidden(stanza):
    """Does a reader behind the server see what the rules forbid?"""
    if stanza.id.startswith("bad") and stanza.name.split(" ")[-1] in ("message", "presence") and (stanza.children or stanza.body().strip()):
        return True
    if stanza.id == "good":
        return False
    return cases.WORD in re.split(r"[^\w]+", fold(stanza.everything()))


async def run_door(ground, wanted):
    ground.begin()
    try:
        results = await Run(ground).all(wanted)
    finally:
        await ground.end()
    return results


def attach_events(ground, results):
    events = ground.events()
    for result in results:
        result.logged = result.place in events


def run(door, only="", more=()):
    """Results of a door by case id, in the catalogue's order; more goes behind it."""
    wanted = [c for c in cases.all_cases() + list(more) if (door == "none" or door in c.expect) and only in c.id]
    ground = Ground(door)
    try:
        results = asyncio.run(run_door(ground, wanted))
        attach_events(ground, results)
    finally:
        ground.close()
    order = {case.id: n for n, case in enumerate(wanted)}
    return {r.case.id: r for r in sorted(results, key=lambda r: order[r.case.id])}


def made_up(count, seed):
    """Half as many honest ones as others."""
    return cases.random_cases(count, seed) + cases.honest_cases(count // 2, seed)


def compared(results):
    """The line about the 29."""
    disguised = [r for r in results if r.case.compare == "disguised"]
    honest = [r for r in results if r.case.compare == "honest"]
    stopped = sum(not r.through and r.verdict in ("BLOCK", "PASS", "KILL") for r in disguised)
    harmed = sum(not r.good for r in honest)
    return (f"stopped {stopped} of {len(disguised)}, harmed {harmed} of {len(honest)}, "
            f"streams alive {sum(r.alive for r in disguised + honest)} of {len(disguised + honest)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--door", action="append", choices=[*cases.DOORS, "none"])
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--all", action="store_true", help="a line for every case")
    parser.add_argument("--random", type=int, default=0, help="as many made up, besides")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, help="the page with the table")
    arguments = parser.parse_args()
    wrong, told, lines = 0, {}, []
    for door in arguments.door or cases.DOORS:
        start = time.monotonic()
        results = list(run(door, arguments.only, made_up(arguments.random, arguments.seed)).values())
        for result in results:
            if arguments.all or result.first or (door != "none" and not result.right):
                print(f"{door}: {result.line()}, {result.seconds:.1f} s")
        bad = sum(not r.right for r in results) if door != "none" else 0
        wrong += bad
        print(f"{door}: {len(results)} cases, {bad} wrong, {time.monotonic() - start:.0f} s")
        lines.append((door, compared(results)))
        print(f"{door}: {lines[-1][1]}")
        told[door] = {r.case.id: {"verdict": r.verdict, "right": r.right} for r in results}
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))
    if arguments.write:
        import page
        arguments.write.write_text(page.text(told, lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
