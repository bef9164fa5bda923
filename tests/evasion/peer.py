# SPDX-License-Identifier: BSD-2-Clause
"""One end of a connection for a case: Peer is a TCP of our own on raw frames, Socket the kernel's. Both have send, seen
(what came, in order) and ended (None, "fin" or "rst"); a Peer can besides say anything at any position."""
import asyncio
import contextlib
import errno
import json
import random
import socket
import struct

import packet
from packet import ACK, FIN, PSH, RST, SYN, URG

MSS, BURST, RESEND_SECONDS, WINDOW = 1400, 20 * 1400, 0.3, 0xfff0
ETH_P_ALL = 3


class Wire:
    """All frames of a host's eth0: those to an address of ours go to the peer that has it. The kernel does not know these
    addresses (they are only routed to it), so it answers none of them."""

    def __init__(self, namespace, gateway_namespace, gateway_link):
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
        for option in (getattr(socket, "SO_RCVBUFFORCE", 33), getattr(socket, "SO_SNDBUFFORCE", 32)):
            self.socket.setsockopt(socket.SOL_SOCKET, option, 64 << 20)
        self.socket.bind(("eth0", ETH_P_ALL))
        self.socket.setblocking(False)
        source = self._link(namespace, "eth0")
        target = self._link(gateway_namespace, gateway_link)
        self.head = {4: target + source + b"\x08\x00", 6: target + source + b"\x86\xdd"}
        self.peers = {}
        asyncio.get_running_loop().add_reader(self.socket, self._readable)

    @staticmethod
    def _link(namespace, name):
        return bytes.fromhex(json.loads(namespace.run("ip", "-j", "link", "show", name).stdout)[0]["address"].replace(":", ""))

    def send(self, bytes_):
        """A packet from its IP header on. A full queue loses it, as a network does."""
        with contextlib.suppress(BlockingIOError):
            try:
                self.socket.send(self.head[bytes_[0] >> 4] + bytes_)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _readable(self):
        for _ in range(256):
            try:
                frame, where = self.socket.recvfrom(1 << 17)
            except (BlockingIOError, OSError):
                return
            if where[2] == socket.PACKET_OUTGOING:
                continue
            found = packet.parse(frame)
            peer = found and self.peers.get(found[1])
            if peer:
                peer.take(found)

    def close(self):
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


class End:
    """What both kinds of ends have in common: waiting for what the other side does."""

    def __init__(self):
        self.seen, self.ended, self._stirred = bytearray(), None, asyncio.Event()

    def stir(self):
        self._stirred.set()

    async def until(self, condition, seconds):
        """The condition's value once it holds, or what it is when time is up."""
        end = asyncio.get_running_loop().time() + seconds
        while not (value := condition()):
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return value
            self._stirred.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), min(left, 0.5))
        return value


class Socket(End):
    """The kernel's TCP, from an address of the case's own."""

    async def open(self, namespace, local, remote, port, seconds=8):
        self.socket = namespace.socket(socket.AF_INET6 if ":" in local else socket.AF_INET)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((local, 0))
        self.place = local
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(self.socket, (remote, port)), seconds)
        self.task = asyncio.create_task(self._read())
        return self

    async def _read(self):
        try:
            while chunk := await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16):
                self.seen += chunk
                self.stir()
            self.ended = "fin"
        except OSError:
            self.ended = "rst"
        self.stir()

    async def send(self, data, seconds=15):
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.socket, data), seconds)

    async def finish(self):
        self.task.cancel()
        self.socket.close()


class Peer(End):
    """TCP as the case wants it. out holds what this side stands to; positions count from its first byte."""

    def __init__(self, wire, local, remote, port, *, isn=None, stamps=False, window=WINDOW, options=b"", lport=40000):
        super().__init__()
        self.wire, self.local, self.remote, self.port, self.lport = wire, local, remote, port, lport
        self.isn = random.randrange(1 << 32) if isn is None else isn
        self.out, self.acked, self.said, self.syn_acked, self.reliable = bytearray(), 0, 0, False, True
        self.rcv_nxt, self.early, self.window, self.syn_options = None, {}, window, options
        self.stamps, self.stamp, self.stamp_seen = stamps, 1_000_000, 0
        self.ident, self.task = random.randrange(1 << 16), None
        wire.peers[packet.packed(local)] = self

    # ---- what comes ----

    def take(self, found):
        _, _, sport, dport, seq, ack, flags, options, data = found
        if (sport, dport) != (self.port, self.lport):
            return
        if flags & ACK:
            self._acked(ack)
        if flags & SYN:
            self.rcv_nxt = (seq + 1) & 0xffffffff
            if not flags & ACK:
                self.meet()
        self._stamp_of(options)
        if flags & RST:
            if self.rcv_nxt is None or seq == self.rcv_nxt:  # RFC 5961 3.2: another number ends nothing
                self.ended = "rst"
        elif self.rcv_nxt is not None and not flags & SYN:
            self._data(seq, data, flags)
        if self.reliable:
            self.pump()
        self.stir()

    def meet(self):
        """A SYN instead of an answer to ours: RFC 9293 3.5, both open at once."""
        self.emit(self.isn, SYN | ACK)

    def _acked(self, ack):
        if (ack - self.isn) & 0xffffffff == 1:
            self.syn_acked = True
        position = (ack - self.isn - 1) & 0xffffffff
        if self.acked < position <= len(self.out) + 1:
            self.acked, self.said = position, max(position, self.said)
            self.syn_acked = True

    def _stamp_of(self, options):
        at = options.find(b"\x08\x0a")
        if at >= 0 and len(options) >= at + 6:
            self.stamp_seen = struct.unpack_from("!I", options, at + 2)[0]

    def _data(self, seq, data, flags):
        if not data and not flags & FIN:
            return
        self.early[seq] = (data, bool(flags & FIN))
        moved = True
        while moved:
            moved = False
            for start, (piece, last) in list(self.early.items()):
                skip = (self.rcv_nxt - start) & 0xffffffff
                if skip > 0x7fffffff:
                    continue
                del self.early[start]
                if skip < len(piece) or (skip == len(piece) and last and not self.ended):
                    self.seen += piece[skip:]
                    self.rcv_nxt = (start + len(piece) + last) & 0xffffffff
                    self.ended = "fin" if last else self.ended
                    moved = True
        if self.window:
            self.acknowledge()

    # ---- what goes ----

    def emit(self, seq, flags, data=b"", *, options=b"", ttl=64, ack=None, window=None, ip_options=b"", extensions=(), frags=None,
             old=False, md5=False, **how):
        """One segment at an absolute sequence number, wrong in whichever way it is told."""
        if self.stamps:
            self.stamp += 0 if old else 1
            options += struct.pack("!BBBBII", 1, 1, 8, 10, self.stamp - 500_000 if old else self.stamp, self.stamp_seen)
        if md5:
            options += b"\x01\x01\x13\x12" + bytes(16)
        ack = (self.rcv_nxt or 0) if ack is None else ack
        made = packet.segment(self.local, self.remote, self.lport, self.port, seq, ack if flags & ACK or ack else 0, flags, data, options=options,
                              window=self.window if window is None else window, **how)
        self.ident += 1
        if frags:
            for piece in frags(self.local, self.remote, made, self.ident, ttl):
                self.wire.send(piece)
        elif ":" in self.local:
            made, number = packet.extended6(made, extensions)
            self.wire.send(packet.ip6(self.local, self.remote, made, ttl=ttl, next_header=number))
        else:
            self.wire.send(packet.ip4(self.local, self.remote, made, ttl=ttl, ident=self.ident & 0xffff, options=ip_options))

    def seq(self, position):
        return (self.isn + 1 + position) & 0xffffffff

    def say(self, position, data, flags=ACK | PSH, shift=0, **how):
        """These bytes at this position, once."""
        self.emit(self.seq(position) + shift, flags, data, **how)

    def acknowledge(self):
        self.emit(self.seq(len(self.out)), ACK)

    def pump(self):
        """Says what is to be said, as far as half a usual window allows."""
        while self.said < min(len(self.out), self.acked + BURST):
            self.say(self.said, bytes(self.out[self.said:self.said + MSS]))
            self.said = min(self.said + MSS, len(self.out))

    async def send(self, data):
        """Honest bytes: sent in order and again until they are acknowledged."""
        self.out += data
        self.pump()

    async def _resend(self):
        while not self.ended:
            before = self.acked
            await asyncio.sleep(RESEND_SECONDS)
            if self.reliable and self.syn_acked and before == self.acked < len(self.out):
                self.said = self.acked
                self.pump()

    # ---- how it begins ----

    async def open(self, how="plain", data=b"", seconds=5):
        """The handshake; data goes with it where the way has room for it. False when no answer comes."""
        mss = b"\x02\x04" + struct.pack("!H", MSS)
        if how in ("syn-data", "fast-open"):
            option = b"\x22\x0a" + b"\x5a" * 8 if how == "fast-open" else b""
            self.out += data
            self.said = len(data)
            self.emit(self.isn, SYN, data[:MSS], options=mss + option + self.syn_options)
        else:
            if how == "syn-decoy":
                self.emit(self.isn + 1_000_000, SYN, options=mss, ttl=3)
            if how == "syn-ack-first":
                self.emit(self.isn, SYN | ACK, options=mss, ttl=3, ack=1)
            for _ in range(3):
                self.emit(self.isn, SYN, options=mss + self.syn_options)
                if await self.until(lambda: self.rcv_nxt is not None or self.ended, 1):
                    break
        if not await self.until(lambda: self.rcv_nxt is not None, seconds):
            return False
        self.task = asyncio.create_task(self._resend())
        if how == "with-ack":
            self.syn_acked = True
            await self.send(data)
        elif how == "syn-again":
            self.emit(self.isn, SYN, options=mss)
            self.emit(self.isn + 77_777, SYN, options=mss)
            self.acknowledge()
        elif how == "syn-ack-back":
            self.emit(self.isn, SYN | ACK, options=mss)
            self.acknowledge()
        elif how == "five":
            self.emit(self.isn, ACK)
            self.emit(self.isn, SYN | ACK, options=mss)
            self.emit(self.isn, SYN, options=mss)
            self.acknowledge()
        else:
            self.acknowledge()
        return True

    async def finish(self):
        if self.task:
            self.task.cancel()
        if not self.ended:
            self.emit(self.seq(self.acked), RST | ACK)
        self.wire.peers.pop(packet.packed(self.local), None)


class Host(Peer):
    """The other end, also ours, for handshakes no kernel would do; what it hears goes to heard(seen), which gives the answer."""

    def __init__(self, wire, local, remote, port, kind, heard):
        super().__init__(wire, local, remote, 40000, lport=port)
        self.kind, self.heard, self.met = kind, heard, False
        self.task = asyncio.create_task(self._resend())

    def meet(self):
        if self.met:
            return
        self.met = True
        if self.kind == "split":  # four: the ACK first, then a SYN of our own
            self.emit(self.isn, ACK)
        self.emit(self.isn, SYN)
        if self.kind == "both":
            self.emit(self.isn, SYN | ACK)

    def stir(self):
        if self.ended is None or self.seen:
            answer = self.heard(self.seen, self.ended)
            if answer:
                self.out += answer
                self.pump()
        super().stir()
