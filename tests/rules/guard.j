# Rules that ask the same thing first are asked together (rules/guard.c): order, orders and sides must not show it.
rule a { type is chat log } rule b { type is normal drop } rule c { type is chat mark c } rule d { type is chat drop } ; drop d log mark c ; <message type='chat'/>
rule a { type is chat log } rule b { drop } rule c { type is chat reject } ; drop b log ; <message type='chat'/>
rule a { type is chat log } rule b { drop } ; drop b ; <message type='normal'/>
rule a { type is not chat drop } rule b { type is chat reject } ; reject policy-violation b ; <message type='chat'/>
rule a { type is not chat drop } rule b { type is chat reject } ; drop a ; <message/>
rule a { type in { a, b } log } rule b { type in { b, chat } mark b } rule c { type is a or type is chat drop } ; drop c mark b ; <message type='chat'/>
rule a { message type is chat drop } rule b { presence type is chat reject } rule c { iq type is get accept } ; reject policy-violation b ; <presence type='chat'/>
rule a { (message type is chat) or (presence type is away) drop } ; accept - ; <presence type='chat'/>
rule a { (message type is chat) or (presence type is away) drop } ; drop a ; <presence type='away'/>
rule a { (message or presence) type is chat drop } rule b { kind is iq drop } ; drop a ; <presence type='chat'/>
rule a { kind is iq drop } rule b { kind in { message, presence } reject } ; reject policy-violation b ; <presence/>
rule a { kind is not message drop } rule b { log } ; accept - log ; <message/>
rule a { not (type is chat) drop } rule b { type is chat and not (to.local is x) reject } ; reject policy-violation b ; <message type='chat' to='y@z'/>
# A JID without a resource stands for all of them, one with a resource for itself.
rule a { from is "a@b/x" mark x } rule b { from is "a@b" mark bare } rule c { from is "b" mark host } rule d { from is "a@b/y" drop } ; drop d mark bare ; <message from='a@b/y'/>
rule a { from is "a@b/x" mark x } rule b { from is "a@b" mark bare } rule c { from is "b" mark host } ; accept - mark x mark bare ; <message from='A@B/x'/>
rule a { from is "a@b/x" mark x } rule b { from is "a@b" mark bare } rule c { from is "b" mark host } ; accept - mark host ; <message from='b/x/y'/>
rule a { from is "a@b/x" mark x } rule b { from is "a@b" mark bare } ; accept - ; <message/>
# Several values: any of them.
rule a { url.host is "a.example" mark a } rule b { url.host is "b.example" mark b } rule c { url.host is "c.example" mark c } ; accept - mark a mark c ; <message><body>http://c.example http://a.example/</body></message>
rule a { payload.ns is "urn:a" mark a } rule b { payload.ns is "urn:b" drop } ; drop b mark a ; <message><x xmlns='urn:b'/><y xmlns='urn:a'/></message>
# Numbers and truths.
rule a { size > 1000000 drop } rule b { size < 30 mark b } rule c { size >= 30 mark c } rule d { depth is 2 mark d } ; accept - mark c mark d ; <message><body>some text</body></message>
rule a { forwarded drop } rule b { forwarded is false mark b } rule c { encrypted drop } ; accept - mark b ; <message/>
rule a { session.anonymous and type is chat drop } rule b { session.authenticated type is chat mark b } ; accept - mark b ; <message type='chat'/>
# Patterns.
rule a { text contains "x1" mark a } rule b { text contains "x2" mark b } rule c { text matches /x\d/ mark c } rule d { text contains { "y", "x2" } drop } ; drop d mark b mark c ; <message><body>x2</body></message>
rule a { text contains "x1" mark a } rule b { text matches /X\d/i mark b } rule c { text matches /^x$/ drop } ; accept - mark b ; <message><body>x2</body></message>
rule a { text contains "x1" drop } rule b { not (text contains "x1") mark b } ; accept - mark b ; <message><body>x2</body></message>
rule a { text contains "x" drop } rule b { text contains "y" log } ; accept - log ; <message><body>y</body></message>
# Chains.
rule a { type is chat jump sub } rule b { type is chat drop } } chain sub { rule x { type is normal accept } rule y { type is chat mark y } rule z { type is chat return } rule u { accept } ; drop b mark y ; <message type='chat'/>
rule a { type is chat goto sub } rule b { drop } } chain sub { rule x { type is normal drop } rule y { type is chat reject } ; reject policy-violation y ; <message type='chat'/>
rule a { type is chat jump sub } rule b { type is chat jump sub } rule c { drop } } chain sub { rule x { type is chat log } rule y { type is x drop } ; drop c log ; <message type='chat'/>
rule a dry { type is chat drop } rule b { type is chat reject } ; reject policy-violation b would drop a ; <message type='chat'/>
# What stands before the common test still happens: limits count, and only then.
:with limit l { rate 1/hour; burst 1; }
rule a { limit l exceeded and type is x drop } rule b { type is chat and limit l exceeded drop } ; drop b ; <message type='chat'/> <message type='chat'/>
rule b { type is chat and limit l exceeded drop } ; accept - ; <message type='normal'/> <message type='chat'/>
rule b { limit l exceeded and presence drop } rule c { limit l exceeded and message drop } ; drop c ; <message/> <message/>
rule b { presence and limit l exceeded drop } rule c { message and limit l exceeded drop } ; drop c ; <presence/> <message/>
# Texts of a message share a scanner (rules/scan.c): what is found in one counts in another only where both are the same text.
:with set words { type keyword; elements = { casino, tea }; } set shapes { type regex; elements = { "/x\\d/", "/y\\d/f" }; }
rule a { text contains @words mark text } rule b { body contains @words mark body } rule c { subject contains @words mark subject } ; accept - mark text mark body ; <message><body>tea</body></message>
rule a { text contains @words mark text } rule b { body contains @words mark body } rule c { subject contains @words mark subject } ; accept - mark text mark subject ; <message><body>coffee</body><subject>casino</subject></message>
rule a { text contains @words mark text } rule b { body contains @words mark body } rule c { subject contains @words mark subject } ; accept - mark text mark subject ; <message><subject>casino</subject></message>
rule c { subject contains @words mark subject } rule b { body contains @words mark body } rule a { text contains @words mark text } ; accept - mark body mark text ; <message><body>tea</body></message>
rule a { body contains "tea" drop } rule b { text contains "coffee" reject } ; reject policy-violation b ; <message><body>coffee</body></message>
rule a { body contains "tea" drop } rule b { text contains "coffee" reject } ; accept - ; <message><body>cocoa</body><subject>tea</subject></message>
rule a { body contains "tea" drop } rule b { text contains "tea" reject } ; reject policy-violation b ; <message><body>cocoa</body><subject>tea</subject></message>
rule a { body matches @shapes mark body } rule b { text matches @shapes mark text } rule c { thread matches @shapes mark thread } ; accept - mark body mark text ; <message><body>Y1</body></message>
rule a { body matches @shapes mark body } rule b { text matches @shapes mark text } rule c { thread matches @shapes mark thread } ; accept - mark text mark thread ; <message><body>z1</body><thread>x7</thread></message>
rule a { nick contains @words mark nick } rule b { status contains @words mark status } rule c { text contains @words mark text } ; accept - mark status mark text ; <presence><status>tea</status></presence>
rule a { nick contains @words mark nick } rule b { status contains @words mark status } rule c { text contains @words mark text } ; accept - mark nick mark text ; <presence><nick xmlns='http://jabber.org/protocol/nick'>casino</nick></presence>
rule a { not (body contains @words) mark clean } rule b { text contains @words mark text } ; accept - mark clean mark text ; <message><body>coffee</body><x xmlns='urn:x' y='casino'/></message>
rule a { body contains @words mark first } rule b { body contains @words mark second } ; accept - mark first mark second ; <message><subject>tea</subject></message> <message><body>tea</body></message>
rule a { body contains @words mark first } rule b { text contains @words mark second } ; accept - ; <message><body>tea</body></message> <message><body>coffee</body></message>
:with
# Where the kind has been looked at it is not asked again (rules/guard.c), but only the kind.
rule a { message drop } ; accept - ; <iq/>
rule a { (message or presence) drop } ; drop a ; <presence/>
rule a { (message or presence) and type is chat drop } ; accept - ; <presence/>
rule a { message and presence drop } ; accept - ; <message/>
rule a { message and (type is chat or presence) drop } ; accept - ; <message/>
rule a { message and kind is not message drop } rule b { message and not (type is chat) mark b } ; accept - mark b ; <message/>
rule a { kind is message and type is chat drop } ; drop a ; <message type='chat'/>
