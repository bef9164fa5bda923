# SPDX-License-Identifier: BSD-2-Clause
"""A queue program of the tests' own: every packet of some kernel queues is shown to a function that says what becomes of
it. Netlink written out by hand, since Debian's Python has no binding."""
import collections
import socket
import struct
import threading

NETLINK_NETFILTER, NFNL_SUBSYS_QUEUE = 12, 3
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 0, 1, 2
CMD_BIND, COPY_PACKET = 1, 2
NFQA_PACKET_HDR, NFQA_VERDICT_HDR, NFQA_MARK, NFQA_PAYLOAD = 1, 2, 3, 10
NFQA_CFG_CMD, NFQA_CFG_PARAMS, NFQA_CFG_QUEUE_MAXLEN = 1, 2, 3
DROP, ACCEPT = 0, 1
FORWARD, INPUT, OUTPUT = 2, 1, 3
PASS, KILL = 0x584d0004, 0x584d0008

Packet = collections.namedtuple("Packet", "queue hook mark bytes")


class Verdict(collections.namedtuple("Verdict", "what mark bytes", defaults=(None, None))):
    """What becomes of a packet; mark and bytes only where they are to change."""


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3fff] = data[4:length]
        data = data[length + 3 & ~3:]
    return found


def transport(packet):
    """(source port, destination port, flags, payload) of a TCP packet; UDP without flags; None else."""
    b = packet.bytes
    start, protocol = ((b[0] & 15) * 4, b[9]) if b[0] >> 4 == 4 else (40, b[6])
    if protocol == 17:
        return (*struct.unpack_from(">HH", b, start), 0, b[start + 8:])
    if protocol != 6:
        return None
    return (*struct.unpack_from(">HH", b, start), b[start + 13], b[start + (b[start + 12] >> 4) * 4:])


class Queue:
    """Owns queues first … first + count - 1 of a namespace until close(). seen: every packet, in order. decide(packet)
    gives a Verdict, or None: the packet is held until release()."""

    def __init__(self, namespace, decide=lambda packet: Verdict(ACCEPT), first=5298, count=1):
        self.socket = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.settimeout(0.1)
        self.decide, self.seen, self.held, self.stopped = decide, [], [], False
        for number in range(first, first + count):
            self._send(MSG_CONFIG, number, attribute(NFQA_CFG_CMD, struct.pack(">BBH", CMD_BIND, 0, 0)), wait=True)
            self._send(MSG_CONFIG, number, attribute(NFQA_CFG_PARAMS, struct.pack(">IB", 0xffff, COPY_PACKET)), wait=True)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _send(self, message, queue, payload, wait=False):
        flags = 5 if wait else 1  # request, acknowledge
        body = struct.pack(">BBH", 0, 0, queue) + payload
        self.socket.sendto(struct.pack("=IHHII", 16 + len(body), NFNL_SUBSYS_QUEUE << 8 | message, flags, 0, 0) + body, (0, 0))
        if wait:
            kind, error = struct.unpack_from("=4xH10xi", self.socket.recv(65536))
            if kind == 2 and error:
                raise OSError(-error, "queue")

    def _run(self):
        while not self.stopped:
            try:
                data = self.socket.recv(1 << 20)
            except (TimeoutError, BlockingIOError):
                continue
            except OSError:
                if self.stopped:
                    return
                continue
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NFNL_SUBSYS_QUEUE << 8 | MSG_PACKET:
                    self._packet(data[16:length])
                data = data[length + 3 & ~3:]

    def _packet(self, message):
        queue, = struct.unpack_from(">2xH", message)
        found = attributes(message[4:])
        identity, hook = struct.unpack_from(">I2xB", found[NFQA_PACKET_HDR])
        mark = struct.unpack(">I", found.get(NFQA_MARK, bytes(4)))[0]
        packet = Packet(queue, hook, mark, found.get(NFQA_PAYLOAD, b""))
        self.seen.append(packet)
        verdict = self.decide(packet)
        if verdict is None:
            self.held.append((queue, identity))
        else:
            self._answer(queue, identity, verdict)

    def _answer(self, queue, identity, verdict):
        answer = attribute(NFQA_VERDICT_HDR, struct.pack(">II", verdict.what, identity))
        if verdict.mark is not None:
            answer += attribute(NFQA_MARK, struct.pack(">I", verdict.mark))
        if verdict.bytes is not None:
            answer += attribute(NFQA_PAYLOAD, verdict.bytes)
        self._send(MSG_VERDICT, queue, answer)

    def release(self):
        for queue, identity in self.held:
            self._answer(queue, identity, Verdict(ACCEPT))
        self.held.clear()

    def payloads(self, text):
        """Packets whose TCP payload holds these bytes."""
        return [p for p in self.seen if (transport(p) or (0, 0, 0, b""))[3].find(text) >= 0]

    def close(self):
        self.stopped = True
        self.thread.join()
        self.socket.close()
