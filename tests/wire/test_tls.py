# SPDX-License-Identifier: BSD-2-Clause
"""TLS as clients meet it: versions, certificates by name, ALPN, resumption, what is refused; and SASL's view of it."""
import subprocess

import pytest

pytestmark = pytest.mark.usefixtures("wall")


def s_client(lab, server, *options, port=5222, text=""):
    """What openssl's own client says; it speaks XEP-0035 STARTTLS by itself."""
    how = ["-starttls", "xmpp", "-xmpphost", server.domain] if port == 5222 else []
    done = subprocess.run(lab.client.command("openssl", "s_client", "-connect", f"{server.addresses[4]}:{port}", "-CAfile",
                                             lab.authority.file, *how, *options),
                          input=text, capture_output=True, text=True, timeout=30, errors="replace")
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN", None])
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_scram_over_both_versions(server, user, version, mechanism, direct):
    """slixmpp says "y" or "p=tls-unique" in SCRAM as its TLS lets it; neither may meet a server that takes offence."""
    if (server.name, mechanism) == ("ejabberd", "PLAIN"):
        mechanism = "SCRAM-SHA-512"
    juliet = user("juliet", server, 11, tls=version, mechanism=mechanism, direct=direct)
    assert juliet.ask("tls")["version"] == version.replace("_", ".")
    assert juliet.ask("mechanism") == mechanism or mechanism is None


@pytest.mark.parametrize("port", [5222, 5223], ids=["starttls", "direct"])
def test_certificate_by_name(lab, prosody, ejabberd, port):
    """By the stream's "to" or by SNI, whatever address was dialled."""
    for server in (prosody, ejabberd):
        said = s_client(lab, server, "-servername", server.domain, "-verify_hostname", server.domain, port=port)
        assert "Verify return code: 0 (ok)" in said and f"CN = {server.domain}" in said, said


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(lab, prosody, option):
    said = s_client(lab, prosody, option, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said or "Cipher    : 0000" in said, said


def test_weak_ciphers_are_refused(lab, prosody):
    for cipher in ("AES128-SHA", "NULL-SHA256", "AECDH-AES128-SHA"):
        said = s_client(lab, prosody, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        assert "Cipher is (NONE)" in said or "Cipher    : 0000" in said, said


def test_no_renegotiation_and_no_compression(lab, prosody):
    said = s_client(lab, prosody, "-tls1_2", text="R\n")
    assert "Compression: NONE" in said
    assert "no renegotiation" in said or "RENEGOTIATING" not in said or "error" in said, said


def test_alpn(lab, prosody):
    """XEP-0368 2: xmpp-client is chosen when offered; a peer that offers only others is told."""
    assert "ALPN protocol: xmpp-client" in s_client(lab, prosody, "-alpn", "xmpp-client", "-servername", prosody.domain, port=5223)
    assert "no application protocol" in s_client(lab, prosody, "-alpn", "http/1.1", "-servername", prosody.domain, port=5223)
    assert "No ALPN negotiated" in s_client(lab, prosody, "-servername", prosody.domain, port=5223)


def test_resumption(lab, prosody):
    said = s_client(lab, prosody, "-tls1_2", "-servername", prosody.domain, "-reconnect", port=5223)
    assert "Reused, TLSv1.2" in said, said


def test_early_data_is_not_offered(lab, prosody):
    said = s_client(lab, prosody, "-tls1_3", "-servername", prosody.domain, port=5223)
    assert "Max Early Data: 0" in said or "Early data was not sent" in said
