# SPDX-License-Identifier: BSD-2-Clause
"""The firewall on the server's own host: what arrives for it and what it dials are both led into the proxy."""
import pytest

from federation import NAME_SERVER, Federation

CONFIGURATION = """
set ours {{ type address; elements = {{ {addresses} }}; }}
service from_others {{
    role s2s; listen tcp {{ 5269, 5270 }}; intercept redirect; tls required; certificates "certs"; upstream original starttls;
}}
service to_others {{
    role s2s; direction out; from @ours; listen tcp {{ 5269, 5270 }};
    intercept redirect; tls required; certificates "certs"; upstream original starttls;
}}
federation {{ trust file "trust.pem"; resolver {resolver}; }}
"""


@pytest.fixture(scope="module")
def federation():
    with Federation("PE") as both:
        for side in both.sides:
            side.make_wall(own_host=True, configuration=CONFIGURATION.format(addresses=", ".join(side.addresses), resolver=NAME_SERVER[0])).start()
        both.hang_up()
        yield both


@pytest.mark.parametrize("kind,how", [("", "external"), ("dial", "dialback"), ("six", "external"), ("direct", "external")])
def test_both_ways(federation, kind, how):
    federation.exchange(kind, how={how})
    for side in federation.sides:
        status = side.wall.ctl("sessions")
        assert {row["service"] for row in status["sessions"]} >= {"from_others", "to_others"}, status
