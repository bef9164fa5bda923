# SPDX-License-Identifier: BSD-2-Clause
"""The local authority as the daemon uses it: xmppwall-ca on its errand, with the folder on descriptor 3 and a request on 0."""
import json
import pathlib
import subprocess

from lab import run

DAY = 86400000


def new_key(kind="P-256"):
    """A private key in PEM."""
    options = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"] if kind.startswith("P-") else \
        ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind}"]
    return run("openssl", "genpkey", *options).stdout


def public(key):
    return run("openssl", "pkey", "-pubout", text=key).stdout


class Errand:
    """state: the state directory, whose authority is made if there is none."""

    def __init__(self, programs, state):
        self.programs, self.state = pathlib.Path(programs), pathlib.Path(state)
        if not (self.state / "ca/authority.crt").exists():
            self.ctl("init")

    def ctl(self, *command, **keywords):
        return run(self.programs / "xmppwallctl", "--state-dir", self.state, "ca", *command, **keywords)

    def send(self, request, wrap=(), timeout=30):
        """The finished program: request is a text, or what becomes one."""
        text = request if isinstance(request, str) else json.dumps(request)
        return subprocess.run(  # under pytest descriptor 3 is somebody's: a shell opens ours
            ["sh", "-c", 'exec "$@" 3<"$0"', self.state / "ca", *wrap, self.programs / "xmppwall-ca"], input=text,
            capture_output=True, text=True, timeout=timeout, check=False)

    def ask(self, *leaves, life=DAY):
        """Its answer. A leaf wanted is (domain, key in PEM) or (domain, key, end)."""
        wanted = [{"domain": one[0], "key": one[1], "not_after": one[2] if len(one) > 2 else 0} for one in leaves]
        return json.loads(self.send({"life": life, "leaves": wanted}).stdout)

    def leaf(self, domain, where):
        """DOMAIN.crt and DOMAIN.key in a folder: the path of the former."""
        key = new_key()
        file = pathlib.Path(where) / f"{domain}.crt"
        file.write_text(self.ask((domain, public(key)))["leaves"][0]["leaf"])
        file.with_suffix(".key").write_text(key)
        return file
