# Remote servers: who they are, how they proved it, since when they are known.
:at 2026-11-21T12:00:00Z
:subject service=s2s role=s2s remote=partner.example remote.verified=pkix remote.seen=1794916800000
remote.domain is partner.example ; yes ; <message/> ; remote.domain=partner.example=partner.example
remote.domain is PARTNER.example. ; yes ; <message/>
remote.domain in { a.example, partner.example } ; yes ; <message/>
remote.domain is other.example ; no ; <message/>
remote.domain matches /partner/ ; yes ; <message/>
remote.verified is pkix ; yes ; <message/>
remote.verified in { pin, dane } ; no ; <message/>
remote.verified is not none ; yes ; <message/>
remote.first_seen < 1d ; no ; <message/>
remote.first_seen >= 4d ; yes ; <message/>
remote.first_seen > 4d ; no ; <message/>
remote.first_seen is 345600 ; yes ; <message/>
:with set partners { type domain; flags suffix; elements = { example }; }
remote.domain in @partners ; yes ; <message/>
:with

# In the future: the clock was set back.
:subject service=s2s role=s2s remote=partner.example remote.verified=dane remote.seen=1895003200000
remote.first_seen is 0 ; yes ; <message/>

# Never before: new.
:subject service=s2s role=s2s remote=partner.example remote.verified=dialback
remote.first_seen < 1d ; yes ; <message/>
remote.first_seen exists ; yes ; <message/>
remote.verified is dialback ; yes ; <message/>

# A server of which nothing is known.
:subject service=s2s role=s2s
remote.domain exists ; no ; <message/>
remote.verified is none ; yes ; <message/>
remote.first_seen < 1d ; yes ; <message/>

# A client has no remote server.
:subject service=c2s
remote.domain exists ; no ; <message/>
remote.verified exists ; no ; <message/>
remote.verified is none ; no ; <message/>
remote.verified is not pkix ; yes ; <message/>
remote.first_seen < 1d ; no ; <message/>
remote.first_seen exists ; no ; <message/>

# What a policy makes of it.
:subject service=s2s role=s2s remote=new.example remote.verified=dialback remote.seen=1795190400000
rule weak { remote.verified is dialback and remote.first_seen < 1d quarantine, mark fresh } ; quarantine weak mark fresh ; <message/>
