# SPDX-License-Identifier: BSD-2-Clause
"""IPv4, IPv6 and TCP by hand, right or wrong as a case wants them: fields in, bytes from the IP header on out."""
import array
import socket
import struct
import sys

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
FLAGS = {"null": 0, "fin": FIN | ACK, "syn": SYN, "rst": RST, "rst-ack": RST | ACK, "syn-ack": SYN | ACK, "no-ack": PSH, "xmas": FIN | PSH | URG}
HOP_BY_HOP, FRAGMENT, DESTINATION = 0, 44, 60
NO_OPERATION = b"\x01"


def add(data):
    """The Internet checksum's sum of 16 bit words, folded."""
    if len(data) % 2:
        data += b"\0"
    words = array.array("H", data)
    if sys.byteorder == "little":
        words.byteswap()
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def segment(source, target, sport, dport, seq, ack, flags, data=b"", *, window=0xfff0, options=b"", urgent=0, bad_sum=False):
    """A TCP segment with its checksum over the addresses."""
    options += NO_OPERATION * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, (5 + len(options) // 4) << 4, flags, window, 0, urgent)
    whole = head + options + data
    pseudo = packed(source) + packed(target) + struct.pack("!II", socket.IPPROTO_TCP, len(whole))
    check = ~add(pseudo + whole) & 0xffff
    if bad_sum:
        check ^= 0x5555
    return whole[:16] + struct.pack("!H", check) + whole[18:]


def ip4(source, target, payload, *, ttl=64, ident=0, offset=0, more=False, options=b""):
    options += b"\0" * (-len(options) % 4)
    head = struct.pack("!BBHHHBBH", 0x40 | (5 + len(options) // 4), 0, 20 + len(options) + len(payload), ident,
                       (0x2000 if more else 0) | offset // 8, ttl, socket.IPPROTO_TCP, 0) + packed(source) + packed(target) + options
    check = ~add(head) & 0xffff
    return head[:10] + struct.pack("!H", check) + head[12:] + payload


def ip6(source, target, payload, *, ttl=64, next_header=socket.IPPROTO_TCP):
    return struct.pack("!IHBB", 0x60000000, len(payload), next_header, ttl) + packed(source) + packed(target) + payload


def extended6(payload, kinds):
    """The payload behind these extension headers, each with a PadN of four, and the number of the first."""
    number = socket.IPPROTO_TCP
    for kind in reversed(kinds):
        payload = struct.pack("!BBBB", number, 0, 1, 4) + bytes(4) + payload
        number = kind
    return payload, number


def fragments(source, target, payload, size, ident, ttl=64):
    """The same payload in fragments of this size (a multiple of 8), each (offset, packet)."""
    made = []
    for offset in range(0, len(payload), size):
        made.append((offset, fragment(source, target, payload[offset:offset + size], offset, offset + size < len(payload), ident, ttl)))
    return made


def fragment(source, target, piece, offset, more, ident, ttl=64):
    if ":" not in source:
        return ip4(source, target, piece, ttl=ttl, ident=ident & 0xffff, offset=offset, more=more)
    head = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, offset | (1 if more else 0), ident)
    return ip6(source, target, head + piece, ttl=ttl, next_header=FRAGMENT)


def parse(frame):
    """(source, target, sport, dport, seq, ack, flags, options, data) of an Ethernet frame, or None if it is no whole TCP."""
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    if kind == 0x0800 and len(frame) >= at + 40 and frame[at + 9] == socket.IPPROTO_TCP:
        source, target = frame[at + 12:at + 16], frame[at + 16:at + 20]
        end, at = at + struct.unpack_from("!H", frame, at + 2)[0], at + (frame[at] & 15) * 4
    elif kind == 0x86dd and len(frame) >= at + 60 and frame[at + 6] == socket.IPPROTO_TCP:
        source, target = frame[at + 8:at + 24], frame[at + 24:at + 40]
        end, at = at + 40 + struct.unpack_from("!H", frame, at + 4)[0], at + 40
    else:
        return None
    sport, dport, seq, ack, size, flags = struct.unpack_from("!HHIIBB", frame, at)
    body = at + (size >> 4) * 4
    return source, target, sport, dport, seq, ack, flags, frame[at + 20:body], frame[body:end]
