# SPDX-License-Identifier: BSD-2-Clause
"""The policies the wire tests run under, as an operator would write them."""

SERVICE = """
service c2s {{
    listen tcp {{ 5222, 5223 }};
    mode proxy;
    intercept {intercept};
    tls required;
    certificates "certs";
    {upstream}
    {more}
}}
"""

RULES = """
set spam_words { type keyword; flags fold; file "lists/spam-words.txt"; }
set bad_hosts { type domain; flags suffix; file "lists/bad-hosts.txt"; }
limit chatter { rate 5/second; burst 30; key from.bare; entries 10000; }

chain inbound {
    hook c2s direction in; policy accept;

    rule phishing { message url.host in @bad_hosts    reject policy-violation "link blocked", log }
    rule spam     { message text contains @spam_words drop, log }
    rule flood    { message limit chatter exceeded    reject resource-constraint "slow down", strike 1 }
}

punish peer { 10 strikes within 1m; ban 10m; escalate x2 to 1d; spare shared; }
"""

LISTS = {"lists/spam-words.txt": "# words\ncasino bonus\nfree crypto\n", "lists/bad-hosts.txt": "bad.example\n"}


def service(intercept="tproxy", upstream="upstream original starttls; source client;", more=""):
    return SERVICE.format(intercept=intercept, upstream=upstream, more=more)


STANDARD = service() + RULES
