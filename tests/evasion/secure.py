# SPDX-License-Identifier: BSD-2-Clause
"""TLS over an end of peer.py, with its records and hello as a case wants them: the same face (send, seen, ended)."""
import asyncio
import contextlib
import ssl
import struct
import warnings

HANDSHAKE_SECONDS = 15


def rerecord(data, size):
    """The first record's content in records of this many bytes; what follows stays."""
    kind, version, length = data[0], data[1:3], struct.unpack_from("!H", data, 3)[0]
    body, rest = data[5:5 + length], data[5 + length:]
    return b"".join(bytes([kind]) + version + struct.pack("!H", len(body[n:n + size])) + body[n:n + size]
                    for n in range(0, len(body), size)) + rest


def hello_with(data, extensions):
    """A ClientHello with further extensions (number, bytes) before its own. Nobody can finish such a handshake."""
    body = bytearray(data[5:])
    at = 4 + 2 + 32
    at += 1 + body[at]
    at += 2 + struct.unpack_from("!H", body, at)[0]
    at += 1 + body[at]
    more = b"".join(struct.pack("!HH", number, len(value)) + value for number, value in extensions)
    struct.pack_into("!H", body, at, struct.unpack_from("!H", body, at)[0] + len(more))
    body[at + 2:at + 2] = more
    body[1:4] = (len(body) - 4).to_bytes(3, "big")
    return data[:3] + struct.pack("!H", len(body)) + bytes(body)


async def send_hello(end, words):
    """@hello: a ClientHello alone; NUMBER=HEX are extensions of ours."""
    extra = [(int(number, 16), bytes.fromhex(value)) for number, value in (w.split("=") for w in words) if len(number) == 4]
    tls = Tls(end, [w for w in words if len(w.split("=")[0]) != 4])
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.tls.do_handshake()
    await end.send(hello_with(tls.outgoing.read(), extra))


class Tls:
    """sni=NAME, alpn=NAME, records=N, segments=N, version=1.2|1.3, ciphers=LIST, flood=N (empty records behind the hello)."""

    def __init__(self, end, words):
        self.below, self.seen, self.ended = end, bytearray(), None
        how = dict(word.split("=", 1) for word in words)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "version" in how:
            warnings.simplefilter("ignore", DeprecationWarning)  # that old ones are old is the point
            context.minimum_version = context.maximum_version = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
                                                                 "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[how["version"]]
            if how["version"] < "1.2":
                context.set_ciphers("ALL:@SECLEVEL=0")
        if "alpn" in how:
            context.set_alpn_protocols(how["alpn"].split(","))
        if "ciphers" in how:
            context.set_ciphers(how["ciphers"] + ":@SECLEVEL=0")
        self.records, self.segments = int(how.get("records", 0)), int(how.get("segments", 0))
        self.flood = int(how.get("flood", 0))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=how.get("sni"))
        self.taken, self.up = len(end.seen), False

    def take(self):
        """What came below goes into the machine, what it makes of it is seen."""
        new = bytes(self.below.seen[self.taken:])
        self.taken += len(new)
        if new:
            self.incoming.write(new)
        if self.up:
            with contextlib.suppress(ssl.SSLError):
                while chunk := self.tls.read(65536):
                    self.seen += chunk
        if self.below.ended:
            self.ended = self.below.ended

    async def _flush(self, first=False):
        data = self.outgoing.read()
        if first and self.records:
            data = rerecord(data, self.records)
        if first and self.flood:
            data += b"\x16\x03\x01\x00\x00" * self.flood
        if first and self.segments:
            for at in range(0, len(data), self.segments):
                await self.below.send(data[at:at + self.segments])
                await asyncio.sleep(0.0005)
        elif data:
            await self.below.send(data)

    async def handshake(self):
        """True once it is done."""
        first, end = True, asyncio.get_running_loop().time() + HANDSHAKE_SECONDS
        while asyncio.get_running_loop().time() < end and not self.below.ended:
            try:
                self.tls.do_handshake()
                self.up = True
                await self._flush()
                return True
            except ssl.SSLWantReadError:
                await self._flush(first)
                first = False
            except (ssl.SSLError, OSError):
                await self._flush()
                break
            before = self.taken
            await self.below.until(lambda: len(self.below.seen) > before or self.below.ended, 1)
            self.take()
        await self.below.until(lambda: self.below.ended, 2)
        self.ended = self.below.ended
        return False

    async def send(self, data):
        with contextlib.suppress(ssl.SSLError, OSError):
            self.tls.write(data)
        await self._flush()

    async def until(self, condition, seconds):
        def look():
            self.take()
            return condition()
        return await self.below.until(look, seconds)

    async def finish(self):
        await self.below.finish()
