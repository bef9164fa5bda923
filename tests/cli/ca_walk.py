#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The local authority: its commands, what it signs and what it refuses. ca_walk.py FOLDER-OF-PROGRAMS"""
import base64
import datetime
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

BIN = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
from authority import DAY, Errand, new_key, public  # noqa: E402
from lab import run  # noqa: E402

NAMES = ["authority.crt", "authority.key"]


def openssl(pem, *options):
    return run("openssl", "x509", "-noout", *options, text=pem).stdout


class Folder(unittest.TestCase):
    """An authority in a state directory of the test's own."""

    def setUp(self):
        self.temp = tempfile.TemporaryDirectory(prefix="xmppwall-ca-")
        self.state = pathlib.Path(self.temp.name, "state")
        self.state.mkdir(mode=0o700)
        self.ca = self.state / "ca"
        self.errand = Errand(BIN, self.state)
        self.key = new_key()
        self.public = public(self.key)

    def tearDown(self):
        self.temp.cleanup()

    def show(self):
        return json.loads(self.errand.ctl("show", "--json").stdout)

    def refused(self, *command):
        done = self.errand.ctl(*command, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def files(self):
        return sorted(p.name for p in self.ca.iterdir())

    def one(self, domain, *more, **keywords):
        return self.errand.ask((domain, self.public, *more), **keywords)["leaves"][0]


class Commands(Folder):
    def test_init(self):
        self.assertEqual(self.files(), NAMES)
        self.assertEqual(stat.S_IMODE((self.ca / "authority.key").stat().st_mode), 0o400)
        self.assertEqual(stat.S_IMODE(self.ca.stat().st_mode), 0o700)
        text = openssl((self.ca / "authority.crt").read_text(), "-text")
        for wanted in ("CA:TRUE, pathlen:0", "Certificate Sign", "CN = xmppwall local authority ", "prime256v1"):
            self.assertIn(wanted, text)
        shown = self.show()
        self.assertEqual(shown["former"], [])
        years = (shown["authority"]["until"] - shown["authority"]["from"]) / DAY / 365.25
        self.assertAlmostEqual(years, 10, delta=0.01)
        self.assertEqual(openssl((self.ca / "authority.crt").read_text(), "-fingerprint", "-sha256").strip().split("=")[1],
                         shown["authority"]["fingerprint"])

    def test_init_overwrites_nothing(self):
        before = {name: (self.ca / name).read_bytes() for name in NAMES}
        self.assertIn("there is an authority", self.refused("init"))
        for gone in NAMES:
            (self.ca / gone).unlink()
            self.assertIn("there is an authority", self.refused("init"))
            (self.ca / gone).write_bytes(before[gone])
            (self.ca / gone).chmod(0o400)
        self.assertEqual({name: (self.ca / name).read_bytes() for name in NAMES}, before)

    def test_init_before_the_daemons_first_start(self):
        fresh = Errand(BIN, self.state / "not-there")
        self.assertEqual(stat.S_IMODE((self.state / "not-there").stat().st_mode), 0o700)
        self.assertEqual(json.loads(fresh.ctl("show", "--json").stdout)["former"], [])

    def test_usage(self):
        for command, word in (("init", "x"), ("show", "--out"), ("rotate", "--nonsense"), ("export", "--forget")):
            self.assertEqual(self.errand.ctl(command, word, check=False).returncode, 2)
        self.assertEqual(run(BIN / "xmppwall-ca", check=False).returncode, 2)
        self.assertEqual(run(BIN / "xmppwallctl", "ca", "nonsense", check=False).returncode, 2)

    def test_rotate_and_forget(self):
        first = self.show()["authority"]
        second = json.loads(self.errand.ctl("rotate", "--json").stdout)
        self.assertEqual(second["former"], [first])
        self.assertNotEqual(second["authority"]["fingerprint"], first["fingerprint"])
        third = json.loads(self.errand.ctl("rotate", "--json").stdout)
        self.assertEqual(third["former"], [second["authority"], first])
        self.assertEqual(self.errand.ctl("export").stdout.count("BEGIN CERTIFICATE"), 3)
        self.assertEqual(self.errand.ask(("a.example", self.public))["authority"], third["authority"]["fingerprint"])
        forgotten = json.loads(self.errand.ctl("rotate", "--forget", "--json").stdout)
        self.assertEqual(forgotten, {"authority": third["authority"], "former": []})
        self.assertEqual(self.files(), NAMES)

    def test_rotate_needs_no_key(self):
        (self.ca / "authority.key").unlink()
        self.errand.ctl("rotate")
        self.assertIn("leaf", self.one("a.example"))

    def test_export(self):
        self.assertEqual(self.errand.ctl("export").stdout, (self.ca / "authority.crt").read_text())
        out = self.state / "bundle.pem"
        out.write_text("old")
        self.assertEqual(self.errand.ctl("export", "--out", out).stdout, "")
        self.assertEqual(out.read_text(), (self.ca / "authority.crt").read_text())
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o644)
        self.assertIn("nowhere", self.refused("export", "--out", self.state / "nowhere/bundle.pem"))
        self.assertEqual(sorted(p.name for p in self.state.iterdir()), ["bundle.pem", "ca"])

    def test_none(self):
        shutil.rmtree(self.ca)
        for command in ("show", "export"):
            self.assertIn("'init' makes one", self.refused(command))
        self.refused("rotate")
        self.ca.mkdir(mode=0o700)
        for command in ("show", "export", "rotate"):
            self.assertIn("no authority", self.refused(command))
        self.assertEqual(self.errand.ask(("a.example", self.public)), {"error": "no authority"})

    def test_a_folder_that_others_write_to(self):
        for folder in (self.ca, self.state):
            before = stat.S_IMODE(folder.stat().st_mode)
            for mode in (0o770, 0o702):
                folder.chmod(mode)
                for command in ("init", "show", "rotate", "export"):
                    self.assertIn("others may write", self.refused(command))
                self.assertIn("others may write", self.errand.ask(("a.example", self.public))["error"])
            folder.chmod(before)
        if os.geteuid() == 0:
            os.chown(self.ca, 65534, 0)
            self.assertIn("others may write", self.refused("show"))

    def test_a_folder_that_is_a_link(self):
        self.ca.rename(self.state / "elsewhere")
        self.ca.symlink_to(self.state / "elsewhere")
        for command in ("init", "show"):
            self.refused(command)

    def test_a_bad_key(self):
        key = self.ca / "authority.key"
        good = key.read_text()
        key.chmod(0o600)
        for text in ("", "garbage", good[:80], "\0" * 300, new_key(), "x" * 40000, public(good), run(
                "openssl", "pkey", "-aes128", "-passout", "pass:x", text=good).stdout):
            key.write_text(text)
            answer = self.errand.ask(("a.example", self.public))
            self.assertEqual(list(answer), ["error"], text)
            self.assertNotIn("PRIVATE", json.dumps(answer))
        key.write_text(good)
        for mode in (0o644, 0o440, 0o602):
            key.chmod(mode)
            self.assertIn("neither read nor write", self.errand.ask(("a.example", self.public))["error"])
        key.unlink()
        key.symlink_to(self.state / "key")
        (self.state / "key").write_text(good)
        (self.state / "key").chmod(0o400)
        self.assertEqual(list(self.errand.ask(("a.example", self.public))), ["error"])
        key.unlink()
        os.mkfifo(key, 0o600)
        self.assertEqual(list(self.errand.ask(("a.example", self.public))), ["error"])

    def test_a_bad_certificate(self):
        file = self.ca / "authority.crt"
        good = file.read_text()
        other = tempfile.mkdtemp(dir=self.state)
        stranger = Errand(BIN, other)
        leaf = self.one("a.example")["leaf"]
        for text in ("", "garbage", good[:200], good + good[:100], leaf, (stranger.state / "ca/authority.crt").read_text()):
            file.write_text(text)
            self.assertEqual(list(self.errand.ask(("a.example", self.public))), ["error"], text)
        file.write_text(good)
        (self.ca / "former.crt").write_text("garbage")
        self.refused("show")
        self.refused("rotate")
        self.assertIn("leaf", self.one("a.example"))

    def test_an_authority_of_the_organisations(self):
        """Signed by a root: leaves are shown with it, and without the root."""
        root, middle = self.state / "root", self.ca / "authority"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{root}.key", "-out",
            f"{root}.crt", "-subj", "/CN=root", "-days", "9", "-addext", "keyUsage=keyCertSign")
        request = run("openssl", "req", "-new", "-key", f"{middle}.key", "-subj", "/CN=middle").stdout
        (self.state / "extensions").write_text("basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n")
        made = run("openssl", "x509", "-req", "-CA", f"{root}.crt", "-CAkey", f"{root}.key", "-extfile", self.state / "extensions",
                   "-days", "8", text=request).stdout
        (self.ca / "authority.crt").write_text(made + (self.state / "root.crt").read_text())
        answer = self.errand.ask(("a.example", self.public), life=30 * DAY)
        self.assertEqual(answer["chain"], [made])
        leaf, chain = self.state / "leaf.pem", self.state / "chain.pem"
        leaf.write_text(answer["leaves"][0]["leaf"])
        chain.write_text(made)
        run("openssl", "verify", "-CAfile", f"{root}.crt", "-untrusted", chain, "-verify_hostname", "a.example", leaf)
        self.assertLess(answer["leaves"][0]["until"], (time.time() + 8.1 * 86400) * 1000)


class CutShort(Folder):
    """What a run that was killed, or a full disk, leaves behind."""

    def test_a_rotation_between_its_two_names(self):
        old = (self.ca / "authority.key").read_bytes()
        self.errand.ctl("rotate")
        fingerprint = self.show()["authority"]["fingerprint"]
        (self.ca / "authority.key").rename(self.ca / "authority.key.new")
        (self.ca / "authority.key").write_bytes(old)
        (self.ca / "authority.key").chmod(0o400)
        self.assertEqual(self.errand.ask(("a.example", self.public))["authority"], fingerprint)
        self.errand.ctl("rotate")
        self.assertIn(fingerprint, [one["fingerprint"] for one in self.show()["former"]])
        self.assertEqual(self.files(), [*NAMES, "former.crt"])

    def test_leavings_are_swept(self):
        (self.ca / "authority.key.new").write_text("half")
        (self.ca / "authority.key.new").chmod(0o400)
        (self.ca / "authority.crt.new").write_text("half")
        self.assertIn("leaf", self.one("a.example"))
        self.errand.ctl("rotate")
        self.assertEqual(self.files(), [*NAMES, "former.crt"])

    def test_killed_at_any_call(self):
        """At each system call that changes something: there is one authority afterwards, the old or the new one, and it signs."""
        if not shutil.which("strace"):
            self.skipTest("no strace")
        known = {self.show()["authority"]["fingerprint"]}
        for call in ("renameat", "fsync", "unlinkat", "fchmod", "write"):
            for number in range(1, 9):
                subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}",
                                BIN / "xmppwall-ca", "rotate", "--state-dir", self.state], capture_output=True, check=False, timeout=30)
                shown = self.show()
                self.assertEqual(self.errand.ask(("a.example", self.public))["authority"], shown["authority"]["fingerprint"])
                known.add(shown["authority"]["fingerprint"])
                self.assertLessEqual({one["fingerprint"] for one in shown["former"]}, known)
        self.errand.ctl("rotate")
        self.assertLessEqual(known, {one["fingerprint"] for one in self.show()["former"]})

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_a_full_disk(self):
        place = self.state / "small"
        place.mkdir(mode=0o700)
        script = f"""
            mount -t tmpfs -o size=64k,mode=700 none {place}
            {BIN}/xmppwallctl --state-dir {place} ca init >/dev/null || exit 1
            {BIN}/xmppwallctl --state-dir {place} ca show > {self.state}/before
            head -c 100000 /dev/zero > {place}/full 2>/dev/null
            {BIN}/xmppwallctl --state-dir {place} ca rotate 2> {self.state}/why && exit 2
            {BIN}/xmppwallctl --state-dir {place} ca show > {self.state}/after || exit 3
            cmp {self.state}/before {self.state}/after || exit 4
            ls {place}/ca
            rm {place}/full
            {BIN}/xmppwallctl --state-dir {place} ca rotate >/dev/null || exit 5
        """
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.split(), NAMES)
        self.assertIn("No space left", (self.state / "why").read_text())


class Leaves(Folder):
    def test_a_leaf(self):
        before = time.time() * 1000
        answer = self.errand.ask(("bücher.example", self.public))
        self.assertEqual(answer["chain"], [])
        one = answer["leaves"][0]
        text = openssl(one["leaf"], "-text")
        for wanted in ("Subject: \n", "CA:FALSE", "Digital Signature\n", "TLS Web Server Authentication, TLS Web Client Authentication\n",
                       "Subject Alternative Name: critical\n",
                       "  DNS:xn--bcher-kva.example, othername: SRVName::_xmpp-server.xn--bcher-kva.example\n"):
            self.assertIn(wanted, text)
        self.assertAlmostEqual(one["until"], before + DAY, delta=20000)
        self.assertEqual(openssl(one["leaf"], "-serial").strip(), f"serial={one['serial']}")
        began = openssl(one["leaf"], "-startdate").strip().split("=")[1]
        began = datetime.datetime.strptime(began, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=datetime.timezone.utc).timestamp()
        self.assertAlmostEqual(began, before / 1000 - 300, delta=20)
        (self.state / "leaf.pem").write_text(one["leaf"])
        for purpose in ("sslserver", "sslclient"):
            run("openssl", "verify", "-CAfile", self.ca / "authority.crt", "-x509_strict", "-purpose", purpose, "-verify_hostname",
                "xn--bcher-kva.example", self.state / "leaf.pem")

    def test_serials_differ(self):
        answer = self.errand.ask(*[("a.example", self.public)] * 256)
        serials = {one["serial"] for one in answer["leaves"]}
        self.assertEqual(len(serials), 256)
        self.assertLessEqual(max(map(len, serials)), 32)
        self.assertGreater(sum(len(s) > 28 for s in serials), 250)

    def test_its_end(self):
        now = int(time.time() * 1000)
        self.assertAlmostEqual(self.one("a.example", now + 90000)["until"], now + 90000, delta=1000)
        self.assertAlmostEqual(self.one("a.example", now + 9 * DAY)["until"], now + DAY, delta=20000)
        self.assertAlmostEqual(self.one("a.example", life=3600000)["until"], now + 3600000, delta=20000)
        for end in (now - 1, 1, now - 10 * DAY):
            self.assertEqual(self.one("a.example", end), {"error": "what it stands for has expired"})
        for end in (-1, "x", None, 1.5):
            self.assertEqual(self.one("a.example", end), {"error": "no end is named"})

    def test_domains_that_are_none(self):
        names = ["", "*", "*.a.example", "a.*.example", "a..example", ".a.example", "a.example.", "A.example", "ß.example", "xn--bcher-kva.example",
                 "192.0.2.1", "::1", "[::1]", "2001:db8::1", "127.1", "1", "a b.example", "a.example\n", "a.example\x01", "a\u200b.example",
                 "a@b.example", "a/b", "ａ.example", "a。example", "-", "a" * 64 + ".example", ".".join(["a" * 60] * 5), "a.example,DNS:b.example",
                 "a.example\x7f", "é" * 60 + ".example", "a.example\u202e", "x" * 2000]
        good = self.errand.ask(*[(name, self.public) for name in [*names, "a.example"]])["leaves"]
        self.assertIn("leaf", good[-1])
        signed = [name for name, one in zip(names, good) if "leaf" in one]
        self.assertLessEqual(set(signed), {"-"})  # a name that DNS has
        # What a name has behind a NUL is no JSON that jansson would take.
        self.assertEqual(list(self.errand.ask(("a.example\0.b.example", self.public))), ["error"])

    def test_keys(self):
        for kind in ("P-256", "2048", "3072"):
            self.assertIn("leaf", self.errand.ask(("a.example", public(new_key(kind))))["leaves"][0])
        ed = public(run("openssl", "genpkey", "-algorithm", "ed25519").stdout)
        explicit = run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit").stdout
        wrong = [public(new_key("P-384")), public(new_key("1024")), ed, self.key, "", "x", self.public[:100],
                 base64.b64encode(b"x" * 90).decode(), (self.ca / "authority.crt").read_text()]
        for one in self.errand.ask(*[("a.example", key) for key in [*wrong, public(explicit)]])["leaves"]:
            self.assertEqual(list(one), ["error"])
            self.assertIn("key", one["error"])

    def test_requests_that_are_none(self):
        leaf = {"domain": "a.example", "key": self.public, "not_after": 0}
        for request in ("", "{", "[]", "null", "{}", {"life": DAY}, {"life": DAY, "leaves": {}}, {"life": 0, "leaves": [leaf]},
                        {"life": -1, "leaves": [leaf]}, {"life": 400 * DAY, "leaves": [leaf]}, {"life": "x", "leaves": [leaf]},
                        {"life": DAY, "leaves": [leaf] * 257}, "[" * 100000, " " * (5 << 20)):
            done = self.errand.send(request)
            self.assertEqual((done.returncode, list(json.loads(done.stdout))), (0, ["error"]), str(request)[:40])
        for leaf in ({}, [], 1, None, "x", {"domain": 1, "key": 2, "not_after": 3}, {"domain": "a.example", "not_after": 0},
                     {"domain": {}, "key": [], "not_after": 0}):
            answer = json.loads(self.errand.send({"life": DAY, "leaves": [leaf]}).stdout)
            self.assertEqual(list(answer["leaves"][0]), ["error"], leaf)

    @unittest.skipIf(b"__asan_init" in (BIN / "xmppwall-ca").read_bytes(), "the sanitizers make calls of their own")
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_what_it_does_with_the_key_in_its_hands(self):
        """No socket, no file and no descriptor but the answer once the sandbox is entered; and no core."""
        log = self.state / "calls"
        self.errand.send({"life": DAY, "leaves": [{"domain": "a.example", "key": self.public, "not_after": 0}]},
                         wrap=["strace", "-f", "-o", log])
        calls = log.read_text().splitlines()
        entered = max(i for i, line in enumerate(calls) if "seccomp(SECCOMP_SET_MODE_FILTER" in line or "PR_SET_SECCOMP" in line)
        after = {line.split(None, 1)[1].split("(")[0] for line in calls[entered + 1:] if "(" in line}
        self.assertLessEqual(after, {"write", "brk", "mmap", "munmap", "mprotect", "madvise", "futex", "getrandom", "getpid", "exit_group",
                                     "newfstatat", "fstat", "clock_gettime", "close", "rt_sigprocmask", "gettid", "read", "lseek", "ioctl",
                                     "readlink", "openat", "open", "prctl", "getuid", "geteuid", "getgid", "getegid"}, after)
        self.assertFalse([line for line in calls[entered + 1:] if "open" in line and " = -1" not in line])
        self.assertFalse([line for line in calls if "socket(AF_INET" in line])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
