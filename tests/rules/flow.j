# Verdicts, orders, chains and limits.
rule a { drop } ; drop a ; <message/>
rule a { presence drop } rule b { message reject } rule c { accept } ; reject policy-violation b ; <message/>
policy drop; rule a { presence accept } ; drop - ; <message/>
policy reject forbidden "no"; ; reject forbidden - "no" ; <message/>
policy close; ; close policy-violation - ; <message/>
rule a { close host-unknown "gone" } ; close host-unknown a "gone" ; <message/>
rule a { reject "why" } ; reject policy-violation a "why" ; <message/>
rule a { log, strike 2 } rule b { strike 3, mark seen, count } rule c { accept } ; accept c log count mark seen strike 5 ; <message/>
rule a { ban 1h } rule b { ban 10m, log body } ; accept - log body ban 3600000 ; <message/>
rule a { drop, log } ; drop a log ; <message/>
rule a { log, drop, strike } ; drop a log strike 1 ; <message/>
rule a { jump sub } rule b { drop } } chain sub { rule x { log } ; drop b log ; <message/>
rule a { jump sub } rule b { drop } } chain sub { rule x { message accept } ; accept x ; <message/>
rule a { jump sub } rule b { drop } } chain sub { rule x { return } rule y { accept } ; drop b ; <message/>
rule a { goto sub } rule b { drop } } chain sub { rule x { log } ; accept - log ; <message/>
policy drop; rule a { goto sub } rule b { accept } } chain sub { rule x { log } ; drop - log ; <message/>
rule a { jump sub } rule b { drop } } chain sub { rule x { goto sub2 } rule y { accept } } chain sub2 { rule z { log } ; drop b log ; <message/>
rule a { return } rule b { drop } ; accept - ; <message/>
rule a { presence drop } } chain second { hook any; rule b { drop } ; drop b ; <message/>
rule a { accept } } chain second { hook any; rule b { drop } ; accept a ; <message/>
rule a { log } } chain second { hook s2s; rule b { drop } ; accept - log ; <message/>
rule a { log } } chain second { hook any direction out; rule b { drop } ; accept - log ; <message/>
rule a { not message drop } rule b { reject } ; reject policy-violation b ; <message/>
rule a { message or presence drop } ; drop a ; <presence/>
rule a { iq or message body contains "x" drop } ; drop a ; <message><body>x</body></message>
rule a { (iq or message) body contains "x" drop } ; accept - ; <iq type='get' id='1'><q xmlns='q'/></iq>
# Chains by priority: the lower number first, file order where it is equal.
rule a { drop } } chain second { hook any; priority 50; rule b { reject } ; reject policy-violation b ; <message/>
priority 200; rule a { drop } } chain second { hook any; rule b { reject } ; reject policy-violation b ; <message/>
priority 50; rule a { drop } } chain second { hook any; priority 50; rule b { reject } ; drop a ; <message/>
rule a { log } } chain second { hook any; priority 100; rule b { drop } ; drop b log ; <message/>
rule a { accept } } chain second { hook any; priority 0; rule b { mark x } ; accept a mark x ; <message/>
priority 9; rule a { drop } } chain b { hook any; priority 3; rule b { mark b } } chain c { hook any; priority 7; rule c { mark c } } chain d { hook any; priority 3; rule d { mark d } ; drop a mark b mark d mark c ; <message/>
policy drop; } chain second { hook any; priority 50; rule b { accept } ; accept b ; <message/>
policy drop; } chain second { hook any; priority 50; rule b { log } ; drop - log ; <message/>
# What changes the stanza is told only where there is something to change.
rule a { strip "{urn:x}x" } ; accept - ; <message><x xmlns='urn:y'/></message>
rule a { strip "{urn:x}x", accept } ; accept a strip {urn:x}x ; <message><b xmlns='urn:b'><x xmlns='urn:x'/></b></message>
rule a { strip "{urn:x}x" } rule b { strip "{urn:x}x", strip "{*}b" } ; accept - strip {urn:x}x strip {*}b ; <message><b xmlns='urn:b'><x xmlns='urn:x'/></b></message>
rule a { text contains "x" replace } ; accept - replace ; <message><body>x</body></message>
rule a { text contains "x" replace } rule b { drop } ; drop b replace ; <message><body>x</body></message>
rule a { text contains "x" replace } ; accept - ; <message><body>y</body></message>
rule a dry { text contains "x" replace, strip "body" } ; accept - would accept a strip body replace ; <message><body>x</body></message>
# Slowing down, sending elsewhere, reporting.
rule a { tarpit 5s } rule b { tarpit 2s } ; accept - tarpit 5000 ; <message/>
rule a { tarpit 5s, drop } ; drop a tarpit 5000 ; <message/>
rule a { report } ; accept - report spam ; <message/>
rule a { report abuse "look" } rule b { drop } ; drop b report abuse look ; <message/>
rule a { redirect "Abuse@Example.org" } rule b { drop } ; redirect a abuse@example.org ; <message from='x@y' to='a@b'/>
rule a { redirect "abuse@e/box" } ; redirect a abuse@e/box ; <message/>
rule a { redirect "abuse@e" } rule b { drop } ; accept a ; <message to='abuse@e/phone'/>
rule a { redirect "abuse@e" } rule b { drop } ; accept a ; <message from='abuse@e/phone' to='a@b'/>
rule a { redirect "abuse@e" } ; drop a ; <message type='error' to='a@b'/>
rule a { redirect "abuse@e" } ; reject policy-violation a ; <iq type='get' id='1' to='a@b'><q xmlns='q'/></iq>
rule a { redirect "abuse@e" } ; reject policy-violation a ; <presence to='a@b'/>
rule a dry { redirect "abuse@e" } ; accept - would redirect a abuse@e ; <message to='a@b'/>
:subject direction=out
rule a { redirect "abuse@e" } ; reject policy-violation a ; <message to='a@b'/>
:subject
# What may be kept is kept, the rest is turned back.
rule a { quarantine } rule b { drop } ; quarantine a ; <message to='a@b'><body>x</body></message>
rule a { quarantine "later", log } ; quarantine a "later" log ; <message to='a@b'/>
rule a { quarantine } ; drop a ; <message type='error' to='a@b'/>
rule a { quarantine "later" } ; reject policy-violation a "later" ; <iq type='get' id='1' to='a@b'><q xmlns='q'/></iq>
rule a { quarantine } ; reject policy-violation a ; <presence/>
policy quarantine "all"; ; quarantine - "all" ; <message/>
rule a dry { quarantine } ; accept - would quarantine a ; <message/>
# Dry rules: told of, not done; the judging goes on as if they had not held.
rule a dry { drop } ; accept - would drop a ; <message/>
rule a dry { presence drop } ; accept - ; <message/>
rule a dry { reject forbidden "no", strike 3, ban 1h, log body } rule b { drop } ; drop b would reject forbidden a "no" log body strike 3 ban 3600000 ; <message/>
rule a dry { accept } rule b { drop } ; drop b would accept a ; <message/>
rule a dry { close } rule b dry { mark x, count } rule c { log } ; accept - log would close policy-violation a would accept b count mark x ; <message/>
rule a dry { jump sub, strike } rule b { drop } } chain sub { rule x { reject } ; drop b would accept a strike 1 ; <message/>
rule a dry { goto sub } rule b { drop } } chain sub { rule x { reject } ; drop b would accept a ; <message/>
rule a dry { return } rule b { drop } ; drop b would accept a ; <message/>
rule a { jump sub } rule b { drop } } chain sub { rule x dry { reject } rule y { log } ; drop b log would reject policy-violation x ; <message/>
rule a dry { message stranger drop } ; accept - would drop a ; <message from='r@v' to='juliet@c'/>
:with limit three { rate 3/minute; key from.bare; } limit all { rate 2/minute; burst 1; }
:subject jid=a@b/c
rule a { limit three exceeded drop } ; accept - ; <message/><message/><message/>
rule a { limit three exceeded drop } ; drop a ; <message/><message/><message/><message/>
rule a { limit three exceeded drop } ; drop a ; <message from='x@y'/><message from='x@y'/><message from='x@y'/><message/>
rule a { limit three exceeded drop } ; drop a ; <message from='x@y/1'/><message from='x@y/2'/><message from='x@y/3'/><message from='x@y/4'/>
rule a { message limit three exceeded drop } ; accept - ; <presence/><presence/><presence/><message/>
rule a { limit three exceeded log } rule b { limit three exceeded drop } ; drop b log ; <message/><message/><message/><message/>
rule a { limit all exceeded drop } ; drop a ; <message from='x@y'/><message from='y@y'/>
# Strangers: who wrote nothing to them yet.
rule a { message stranger drop } ; drop a ; <message to='juliet@c'/>
