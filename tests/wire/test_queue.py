# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel hands to the inspector, and what becomes of its word: the firewall's table (or the script for iptables)
on a router, on the server's own host, over the loopback and on a bridge, with a queue program of the tests' own."""
import contextlib
import os
import re
import shutil
import socket
import struct
import threading

import pytest

import nfqueue
from lab import Lab, Namespace, run, wait_for
from nfqueue import ACCEPT, DROP, FORWARD, INPUT, KILL, OUTPUT, PASS, Queue, Verdict, transport
from wall import BUILD

LOADER = BUILD / "bin/firewall_load"
PORT = 5275
SERVER = {4: "198.51.100.10", 6: "2001:db8:2::10"}
HOOKS = ["table", "iptables-nft", "iptables-legacy"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not LOADER.exists(), reason="needs root and a build")


@pytest.fixture
def ground():
    """Namespaces of this test alone: a table left behind must not meet the next."""
    with Lab() as made:
        yield made


def load(namespace, *options):
    return namespace.run(LOADER, *options, PORT).stdout.strip()


def load_iptables(lab, namespace, kind, *options):
    """The script, with iptables being one of its two kinds."""
    folder = lab.folder / kind
    folder.mkdir(exist_ok=True)
    for family in ("iptables", "ip6tables"):
        for end in ("", "-restore"):
            found = shutil.which(f"{family}-{kind.split('-')[1]}{end}")
            if not found:
                pytest.skip(f"no {family}-{kind.split('-')[1]}{end} here")
            link = folder / f"{family}{end}"
            if not link.exists():
                link.symlink_to(found)
    script = folder / "hook.sh"
    script.write_text(namespace.run(LOADER, "-p", *options, PORT).stdout)
    namespace.run("sh", script, environment={"PATH": f"{folder}:{os.environ['PATH']}"})


@pytest.fixture(params=HOOKS)
def hook(request, ground):
    """hook(namespace, options …): the same hook in each of its forms."""
    if request.param == "table":
        return load
    return lambda namespace, *options: load_iptables(ground, namespace, request.param, *options)


class Echo:
    """Sends back whatever comes, and remembers it."""

    def __init__(self, namespace, address, port=PORT):
        self.listener = namespace.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        self.got, self.errors, self.sockets = b"", [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                self.sockets.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            while data := peer.recv(65536):
                self.got += data
                peer.sendall(data)
        except OSError as error:
            self.errors.append(error)

    def close(self):
        for s in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


@contextlib.contextmanager
def closing(*things):
    try:
        yield things
    finally:
        for thing in reversed(things):
            thing.close()


def talk(s, text):
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        part = s.recv(65536)
        if not part:
            raise ConnectionError("closed")
        got += part
    return got == text


def marks(namespace):
    """Marks of the TCP connections that conntrack knows there."""
    text = namespace.run("cat", "/proc/net/nf_conntrack").stdout
    return [int(m) for m in re.findall(r" tcp .*? mark=(\d+)", text)]


def hooks_of(queue, text):
    return [p.hook for p in queue.payloads(text)]


# ---- where packets pass ----


@pytest.mark.parametrize("version", [4, 6])
def test_router(ground, hook, version):
    hook(ground.firewall)
    queue = Queue(ground.firewall)
    with closing(queue, Echo(ground.server, SERVER[version])):
        with ground.client.connect(SERVER[version], PORT) as s:
            assert talk(s, b"<one/>") and talk(s, b"<two/>")
        assert hooks_of(queue, b"<one/>") == [FORWARD, FORWARD]  # there and back
        assert hooks_of(queue, b"<two/>") == [FORWARD, FORWARD]


@pytest.mark.parametrize("version", [4, 6])
def test_own_host(ground, hook, version):
    hook(ground.server)
    queue = Queue(ground.server)
    with closing(queue, Echo(ground.server, SERVER[version])):
        with ground.client.connect(SERVER[version], PORT) as s:
            assert talk(s, b"<one/>")
        assert hooks_of(queue, b"<one/>") == [INPUT, OUTPUT]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", SERVER[4], SERVER[6]])
def test_loopback_once(ground, hook, address):
    hook(ground.server)
    queue = Queue(ground.server)
    with closing(queue, Echo(ground.server, address)):
        with ground.server.connect(address, PORT) as s:
            assert talk(s, b"<one/>")
        assert hooks_of(queue, b"<one/>") == [INPUT, INPUT]


def test_a_server_that_dials_out(ground, hook):
    hook(ground.server)
    queue = Queue(ground.server)
    with closing(queue, Echo(ground.client, "192.0.2.11")):
        with ground.server.connect("192.0.2.11", PORT) as s:
            assert talk(s, b"<one/>")
        assert hooks_of(queue, b"<one/>") == [OUTPUT, INPUT]


def test_other_ports_and_addresses_are_left_alone(ground, hook):
    hook(ground.firewall, "-a", "198.51.100.20", "-a", "2001:db8:2::20")
    queue = Queue(ground.firewall)
    with closing(queue, Echo(ground.server, SERVER[4]), Echo(ground.server, "198.51.100.20", 5276),
                 Echo(ground.server, "2001:db8:2::20")):
        for address, port in ((SERVER[4], PORT), ("198.51.100.20", 5276)):
            with ground.client.connect(address, port) as s:
                assert talk(s, b"<one/>")
        assert not queue.seen
        with ground.client.connect("2001:db8:2::20", PORT) as s:
            assert talk(s, b"<one/>")
        assert len(queue.payloads(b"<one/>")) == 2


def test_the_proxys_own_connections_are_not_queued(ground, hook):
    hook(ground.server)
    queue = Queue(ground.server)
    for address in ("127.0.0.1", "192.0.2.11"):
        with closing(Echo(ground.server if address.startswith("127") else ground.client, address)):
            s = ground.server.socket()
            s.settimeout(5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x584d0001)
            with s:
                s.connect((address, PORT))
                assert talk(s, b"<one/>")
    queue.close()
    assert not queue.seen


def test_spread_by_address(ground, hook):
    hook(ground.firewall, "-q", 4)
    queue = Queue(ground.firewall, count=4)
    with closing(queue, Echo(ground.server, SERVER[4])):
        for n in range(11, 31):
            with ground.client.connect(SERVER[4], PORT, source=f"192.0.2.{n}") as s:
                assert talk(s, b"<one/>")
        used = {}
        for packet in queue.seen:
            peer = packet.bytes[12:16] if packet.bytes[12:15] == bytes((192, 0, 2)) else packet.bytes[16:20]
            used.setdefault(peer, set()).add(packet.queue)
        assert len(used) == 20 and all(len(queues) == 1 for queues in used.values())
        assert len(set.union(*used.values())) > 1


# ---- nobody listens ----


def test_fail_closed(ground, hook):
    hook(ground.firewall)
    with closing(Echo(ground.server, SERVER[4])) as (echo,):
        with pytest.raises(TimeoutError):
            ground.client.connect(SERVER[4], PORT, timeout=1)
        assert not echo.sockets


def test_fail_open(ground, hook):
    hook(ground.firewall, "-o")
    with closing(Echo(ground.server, SERVER[4])):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            with closing(Queue(ground.firewall)) as (queue,):
                assert talk(s, b"<two/>")
                assert len(queue.payloads(b"<two/>")) == 2
            assert talk(s, b"<three/>")


# ---- what the inspector says ----


def on_payload(text, verdict):
    def decide(packet):
        found = transport(packet)
        return verdict(packet) if found and text in found[3] else Verdict(ACCEPT)
    return decide


def foreign_mark(namespace):
    """Somebody else's use of the connection's mark."""
    namespace.run("nft", "add table inet other; add chain inet other c { type filter hook forward priority -10; }; "
                  "add rule inet other c ct state new ct mark set 0x23")


def test_pass(ground, hook):
    foreign_mark(ground.firewall)
    hook(ground.firewall)
    queue = Queue(ground.firewall, on_payload(b"<go/>", lambda p: Verdict(ACCEPT, p.mark | PASS)))
    with closing(queue, Echo(ground.server, SERVER[4])):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<before/>") and talk(s, b"<go/>")
            assert len(queue.payloads(b"<before/>")) == 2
            assert talk(s, b"<after/>")
            assert not queue.payloads(b"<after/>")
            assert marks(ground.firewall) == [0x584d0027]
        with ground.client.connect(SERVER[4], PORT) as s:  # the next one is judged again
            assert talk(s, b"<other/>")
            assert queue.payloads(b"<other/>")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data)) if len(data) % 2 == 0 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def as_reset(packet):
    """The packet as a reset to its receiver."""
    b = packet.bytes
    start = (b[0] & 15) * 4
    header = bytearray(b[start:start + 20])
    header[12], header[13] = 0x50, 0x14
    header[16:18] = b"\0\0"
    pseudo = b[12:20] + struct.pack(">HH", 6, 20)
    header[16:18] = struct.pack(">H", checksum(pseudo + bytes(header)))
    network = bytearray(b[:20])
    network[0] = 0x45
    network[2:4] = struct.pack(">H", 40)
    network[10:12] = b"\0\0"
    network[10:12] = struct.pack(">H", checksum(bytes(network)))
    return bytes(network) + bytes(header)


def test_kill_resets_the_sender_and_then_the_other(ground, hook):
    foreign_mark(ground.firewall)
    hook(ground.firewall)
    queue = Queue(ground.firewall, on_payload(b"<bad/>", lambda p: Verdict(ACCEPT, p.mark | KILL)))
    with closing(queue, Echo(ground.server, SERVER[4])) as (_, echo):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            with pytest.raises(ConnectionResetError):
                talk(s, b"<bad/>")
            assert 0x584d002b in marks(ground.firewall)
            assert not echo.errors
            echo.sockets[0].sendall(b"anything")
            wait_for(lambda: echo.errors, 5, "the reset at the server")
            assert isinstance(echo.errors[0], ConnectionResetError)
        assert b"<bad/>" not in echo.got
        assert not queue.payloads(b"anything")


@pytest.mark.parametrize("where", ["router", "host"])
def test_kill_with_a_reset_ends_both_at_once(ground, hook, where):
    place = ground.firewall if where == "router" else ground.server
    hook(place)
    queue = Queue(place, on_payload(b"<bad/>", lambda p: Verdict(ACCEPT, KILL, as_reset(p))))
    with closing(queue, Echo(ground.server, SERVER[4])) as (_, echo):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            with pytest.raises(ConnectionResetError):
                talk(s, b"<bad/>")  # sent again, and answered
            wait_for(lambda: echo.errors, 5, "the reset at the server")
        assert b"<bad/>" not in echo.got


def test_kill_of_the_servers_words_over_the_loopback(ground, hook):
    hook(ground.server)

    def decide(packet):
        found = transport(packet)
        return Verdict(ACCEPT, KILL if b"<bad/>" in found[3] and found[0] == PORT else None)

    with closing(Queue(ground.server, decide), Echo(ground.server, "127.0.0.1")) as (queue, echo):
        with ground.server.connect("127.0.0.1", PORT) as s:
            s.sendall(b"<bad/>")
            wait_for(lambda: echo.errors, 5, "the reset at the server")
            with pytest.raises(ConnectionResetError):
                talk(s, b"<more/>")
        assert 0x584d0008 in marks(ground.server)


@pytest.mark.parametrize("said", [PASS, KILL], ids=["pass", "kill"])
def test_what_was_said_of_a_forgotten_connection_is_over(ground, hook, said):
    """Both ends forget without a word that connection tracking could hear; the same port dials again, and is judged."""
    hook(ground.firewall)
    queue = Queue(ground.firewall, on_payload(b"<go/>", lambda p: Verdict(ACCEPT, said)))
    with closing(queue, Echo(ground.server, SERVER[4])) as (_, echo):
        with dial(ground.client, 44444) as s:
            with contextlib.suppress(ConnectionResetError):
                talk(s, b"<go/>")
            for host in (ground.client, ground.server):
                host.run("nft", "add table inet mute; add chain inet mute c { type filter hook output priority 0; }; "
                         "add rule inet mute c tcp flags & (fin | rst) != 0 drop")
            for end in (s, *echo.sockets):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in echo.sockets:
            end.shutdown(socket.SHUT_RDWR)
            end.close()
        wait_for(lambda: ":5275" not in ground.server.run("ss", "-Htn").stdout, 10, "the server to forget")
        for host in (ground.client, ground.server):
            host.run("nft", "delete table inet mute")
        assert len(marks(ground.firewall)) == 1
        before = len(queue.seen)
        with dial(ground.client, 44444) as s:
            assert talk(s, b"<clear/>")
            assert len(queue.payloads(b"<clear/>")) == 2
        assert [transport(p)[2] & 0x12 for p in queue.seen[before:before + 2]] == [2, 0x12]  # handshake and all


def dial(namespace, port):
    s = namespace.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("192.0.2.11", port))
    s.connect((SERVER[4], PORT))
    return s


def test_drop_and_change(ground, hook):
    hook(ground.firewall)
    dropped = []

    def decide(packet):
        if b"<lost/>" in transport(packet)[3] and not dropped:
            dropped.append(packet)
            return Verdict(DROP)
        return Verdict(ACCEPT)

    with closing(Queue(ground.firewall, decide), Echo(ground.server, SERVER[4])) as (queue, _):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<lost/>")  # comes again
        assert len(dropped) == 1 and len(queue.payloads(b"<lost/>")) == 3


# ---- what never gets to the queue ----


def test_connections_begin_with_a_syn(ground, hook):
    with closing(Echo(ground.server, SERVER[4])) as (echo,):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            hook(ground.firewall)
            with closing(Queue(ground.firewall)) as (queue,):
                with pytest.raises(ConnectionResetError):
                    talk(s, b"<two/>")
                assert not queue.seen
        assert b"<two/>" not in echo.got


def test_resets_of_the_operators_own_rules_arrive(ground, hook):
    hook(ground.firewall)
    ground.firewall.run("nft", f"add table inet other; add chain inet other c {{ type filter hook forward priority 5; }}; "
                        f"add rule inet other c tcp dport {PORT} reject with tcp reset")
    with closing(Queue(ground.firewall)):
        with pytest.raises(ConnectionRefusedError):
            ground.client.connect(SERVER[4], PORT)


def test_midstream(ground, hook):
    with closing(Echo(ground.server, SERVER[4])):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            hook(ground.firewall, "-m")
            with closing(Queue(ground.firewall)) as (queue,):
                assert talk(s, b"<two/>")
                assert len(queue.payloads(b"<two/>")) == 2


def test_fragments_are_one_packet(ground, hook):
    """The router cuts for its smaller link; the server's host puts together before the queue."""
    hook(ground.server)
    ground.firewall.run("ip", "link", "set", "servers", "mtu", 576)
    queue = Queue(ground.server)
    with closing(queue, Echo(ground.server, SERVER[4])) as (_, echo):
        s = ground.client.socket()
        s.settimeout(5)
        s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT: routers may cut
        with s:
            s.connect((SERVER[4], PORT))
            text = b"<one>" + b"x" * 1300 + b"</one>"
            s.sendall(text)
            wait_for(lambda: text in echo.got, 5, "the text at the server")
        came = [p for p in queue.seen if p.hook == INPUT]
        assert any(text in transport(p)[3] for p in came)
        assert all(struct.unpack_from(">H", p.bytes, 6)[0] & 0x3fff == 0 for p in came)


# ---- loading ----


def test_reload_without_a_gap(ground):
    """While the table is loaded again and again, nothing passes that was not queued, and nothing stops."""
    load(ground.firewall)
    with closing(Queue(ground.firewall, count=2), Echo(ground.server, SERVER[4])) as (queue, echo):
        with ground.client.connect(SERVER[4], PORT) as s:
            stop = threading.Event()
            sent = []

            def send():
                while not stop.is_set():
                    sent.append(b"<n%06d/>" % len(sent))
                    assert talk(s, sent[-1])

            sender = threading.Thread(target=send)
            sender.start()
            for i in range(15):
                load(ground.firewall, "-q", 1 + i % 2)
            stop.set()
            sender.join()
            queued = b"".join(transport(p)[3] for p in queue.seen)
            assert len(sent) > 15
            assert all(text in queued for text in sent)
            assert echo.got == b"".join(sent)


def test_reload_keeps_what_waits_in_the_queue(ground):
    load(ground.firewall)
    with closing(Queue(ground.firewall, on_payload(b"<held/>", lambda p: None)), Echo(ground.server, SERVER[4])) as (queue, echo):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")
            s.sendall(b"<held/>")
            wait_for(lambda: queue.held, 5, "the packet")
            queue.decide = on_payload(b"<held/>", lambda p: Verdict(DROP))  # copies do not get through
            load(ground.firewall)
            queue.release()
            wait_for(lambda: b"<held/>" in echo.got, 5, "the held packet")


def test_unload(ground):
    load(ground.firewall)
    ground.firewall.run(LOADER, "-u")
    with closing(Echo(ground.server, SERVER[4])):
        with ground.client.connect(SERVER[4], PORT) as s:
            assert talk(s, b"<one/>")


# ---- serverless ----


def test_streams_on_unknown_ports(ground):
    load(ground.firewall, "-l")
    with closing(Queue(ground.firewall), Echo(ground.server, SERVER[4], 40000)) as (queue, _):
        with ground.client.connect(SERVER[4], 40000) as s:
            assert talk(s, b"GET / HTTP/1.1\r\n")
            assert not queue.seen
        for first in (b"<?xml version='1.0'?><stream:stream>", b"<stream:stream xmlns='jabber:client'>"):
            with ground.client.connect(SERVER[4], 40000) as s:
                assert talk(s, first) and talk(s, b"<message/>")
            assert len(queue.payloads(first)) == 2 and len(queue.payloads(b"<message/>")) % 2 == 0
            assert queue.payloads(b"<message/>")


@pytest.mark.parametrize("version", [4, 6])
def test_streams_where_mdns_told(ground, version):
    load(ground.firewall, "-l")
    ground.firewall.run("nft", f"add element inet xmppwall serverless{version} {{ {SERVER[version]} . 40001 timeout 60s }}")
    with closing(Queue(ground.firewall), Echo(ground.server, SERVER[version], 40001)) as (queue, _):
        with ground.client.connect(SERVER[version], 40001) as s:
            assert talk(s, b"<one/>")
        assert len(queue.payloads(b"<one/>")) == 2
        assert transport(queue.seen[0])[2] & 0x3f == 2  # from the SYN on


def test_mdns_is_queued_and_passes_without_a_queue(ground):
    load(ground.server, "-l")
    with ground.server.socket(kind=socket.SOCK_DGRAM) as there, ground.client.socket(kind=socket.SOCK_DGRAM) as here:
        there.bind(("", 5353))
        there.settimeout(5)
        here.bind(("192.0.2.11", 5353))
        here.sendto(b"nobody listens", (SERVER[4], 5353))
        assert there.recv(100) == b"nobody listens"
        with closing(Queue(ground.server)) as (queue,):
            here.sendto(b"somebody does", (SERVER[4], 5353))
            assert there.recv(100) == b"somebody does"
            assert [transport(p)[3] for p in queue.seen] == [b"somebody does"]


# ---- bridges ----


def build_bridge(ground):
    """left — box (a bridge, no address) — right, one network; bridged packets meet no table of family inet by themselves."""
    names = [Namespace(f"{ground.tag}-{end}") for end in ("left", "box", "right")]
    ground.namespaces += names
    left, box, right = names
    box.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
    run("ip", "-n", box.name, "link", "add", "br0", "type", "bridge")
    run("ip", "-n", box.name, "link", "set", "br0", "up")
    for number, (side, name) in enumerate(((left, "pleft"), (right, "pright")), 1):
        run("ip", "-n", box.name, "link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", side.name)
        run("ip", "-n", box.name, "link", "set", name, "master", "br0", "up")
        for address in (f"203.0.113.{number}/24", f"2001:db8:3::{number}/64"):
            run("ip", "-n", side.name, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        run("ip", "-n", side.name, "link", "set", "lo", "up")
        run("ip", "-n", side.name, "link", "set", "eth0", "up")
    return names


@pytest.fixture
def bridge(ground):
    if not os.path.exists("/proc/sys/net/bridge"):
        pytest.skip("no br_netfilter in this kernel")
    return build_bridge(ground)


def is_on(box):
    text = box.run("ip", "-d", "link", "show", "br0").stdout
    return re.findall(r"nf_call_ip6?tables (\d)", text) == ["1", "1"]


@pytest.mark.parametrize("address", ["203.0.113.2", "2001:db8:3::2"])
def test_bridge(bridge, address):
    left, box, right = bridge
    load(box)
    with closing(Echo(right, address)):
        with closing(Queue(box)) as (queue,):
            with left.connect(address, PORT) as s:
                assert talk(s, b"<unseen/>")
            assert not queue.seen
        load(box, "-b")
        assert is_on(box)
        load(box, "-b")  # told once, and remembered
        with closing(Queue(box)) as (queue,):
            with left.connect(address, PORT) as s:
                assert talk(s, b"<one/>")
            assert hooks_of(queue, b"<one/>") == [FORWARD, FORWARD]
        box.run(LOADER, "-u")
        assert not is_on(box)


def test_bridge_kill_and_fail_closed(bridge):
    left, box, right = bridge
    box.run("ip", "route", "add", "default", "dev", "br0")  # the kernel wants a way for a reset, even on a bridge
    load(box, "-b")
    with closing(Echo(right, "203.0.113.2")) as (echo,):
        with pytest.raises(TimeoutError):
            left.connect("203.0.113.2", PORT, timeout=1)
        decide = on_payload(b"<bad/>", lambda p: Verdict(ACCEPT, KILL, as_reset(p)))
        with closing(Queue(box, decide)):
            with left.connect("203.0.113.2", PORT) as s:
                assert talk(s, b"<one/>")
                with pytest.raises(ConnectionResetError):
                    talk(s, b"<bad/>")
                wait_for(lambda: echo.errors, 5, "the reset at the other end")
        assert b"<bad/>" not in echo.got


def test_a_bridge_of_somebody_elses_stays_on(bridge):
    left, box, right = bridge
    box.run("ip", "link", "set", "br0", "type", "bridge", "nf_call_iptables", 1, "nf_call_ip6tables", 1)
    load(box, "-b")
    assert "elements" not in box.run("nft", "list", "set", "inet", "xmppwall", "bridges").stdout
    box.run(LOADER, "-u")
    assert is_on(box)


def test_vlan_over_a_bridge(bridge):
    """Tagged frames are judged where br_netfilter is told to look into them, and pass else."""
    left, box, right = bridge
    for number, side in ((1, left), (2, right)):
        if side.run("ip", "link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", 7, check=False).returncode:
            pytest.skip("no VLANs in this kernel")
        side.run("ip", "addr", "add", f"203.0.114.{number}/24", "dev", "tagged")
        side.run("ip", "link", "set", "tagged", "up")
    load(box, "-b")
    with closing(Queue(box), Echo(right, "203.0.114.2")) as (queue, _):
        for judged in (0, 1):
            box.run("sysctl", "-qw", f"net.bridge.bridge-nf-filter-vlan-tagged={judged}")
            with left.connect("203.0.114.2", PORT) as s:
                assert talk(s, b"<one/>")
            assert hooks_of(queue, b"<one/>") == [FORWARD, FORWARD] * judged
