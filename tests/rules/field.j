# Each field: a stanza that has it, one that has not.
:subject peer=192.0.2.7 port=4242 jid=romeo@verona.example/orchard domain=verona.example tls.version=TLSv1.3 tls.cipher=TLS_AES_128_GCM_SHA256 tls.sni=verona.example tls.alpn=xmpp-client verified=1 mechanism=SCRAM-SHA-1 age=95000 stanzas=7
peer.address is 192.0.2.7 ; yes ; <message/> ; peer.address=192.0.2.7=192.0.2.7
peer.address in { 192.0.2.0/24 } ; yes ; <message/> ; peer.address=192.0.2.0/24=192.0.2.7
peer.address in { 192.0.2.8-192.0.2.200 } ; no ; <message/>
peer.address in { 192.0.2.5-192.0.2.9, 2001:db8::/32 } ; yes ; <message/>
peer.address is not 192.0.2.7 ; no ; <message/>
peer.port is 4242 ; yes ; <message/> ; peer.port=4242=4242
peer.port > 4242 ; no ; <message/>
service is c2s ; yes ; <message/>
service is s2s ; no ; <message/>
direction is in ; yes ; <message/>
direction is out ; no ; <message/>
tls.version is TLSv1.3 ; yes ; <message/>
tls.cipher matches /GCM/ ; yes ; <message/>
tls.sni is VERONA.example ; yes ; <message/>
tls.alpn is xmpp-client ; yes ; <message/>
tls.verified ; yes ; <message/>
sasl.mechanism in { SCRAM-SHA-1, PLAIN } ; yes ; <message/>
sasl.mechanism is PLAIN ; no ; <message/>
session.jid is romeo@verona.example ; yes ; <message/>
session.jid is Romeo@Verona.Example/orchard ; yes ; <message/>
session.jid is romeo@verona.example/Orchard ; no ; <message/>
session.domain is verona.example ; yes ; <message/>
session.anonymous ; no ; <message/>
session.authenticated ; yes ; <message/>
session.age > 90s ; yes ; <message/>
session.age > 2m ; no ; <message/>
session.age < 2m ; yes ; <message/>
session.stanzas is 7 ; yes ; <message/>
session.stanzas is 8 ; yes ; <message/><message/>
kind is message ; yes ; <message/>
message ; yes ; <message/>
message ; no ; <presence/>
presence ; yes ; <presence/>
iq ; yes ; <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>
stream ; yes ; <r xmlns='urn:xmpp:sm:3'/>
kind is not message ; yes ; <presence/>
type is chat ; yes ; <message type='chat'/> ; type=chat=chat
type is chat ; no ; <message/>
type exists ; no ; <presence/>
id is x1 ; yes ; <message id='x1'/>
id matches /^x/ ; yes ; <message id='x1'/> ; id=/^x/=x
lang is de ; yes ; <message xml:lang='de'/>
from is romeo@verona.example/orchard ; yes ; <message/>
from is romeo@verona.example/orchard ; yes ; <message from='juliet@capulet.example/balcony'/>
from.bare is romeo@verona.example ; yes ; <message/>
from.local is romeo ; yes ; <message/>
from.domain is verona.example ; yes ; <message/>
from.resource is orchard ; yes ; <message/>
to exists ; no ; <presence/>
to is juliet@capulet.example ; yes ; <message to='Juliet@Capulet.example/x'/>
to is capulet.example ; no ; <message to='juliet@capulet.example'/>
to.bare is juliet@capulet.example ; yes ; <message to='juliet@capulet.example/x'/>
to.local is juliet ; yes ; <message to='juliet@capulet.example'/>
to.domain is capulet.example ; yes ; <message to='juliet@capulet.example'/>
to.resource is x ; yes ; <message to='juliet@capulet.example/x'/>
to.resource exists ; no ; <message to='juliet@capulet.example'/>
body contains "soft" ; yes ; <message><body>But soft, what light</body></message> ; body=soft=soft
body contains "SOFT" ; yes ; <message><body>But soft, what light</body></message> ; body=SOFT=soft
body contains "hard" ; no ; <message><body>But soft, what light</body></message>
body contains { "hard", "light" } ; yes ; <message><body>But soft, what light</body></message> ; body=light=light
body is "But soft" ; yes ; <message><body>But soft</body></message>
body exists ; no ; <message><subject>x</subject></message>
body contains "zwei" ; yes ; <message><body>one</body><body xml:lang='de'>zwei</body></message>
subject contains "x" ; yes ; <message><subject>x</subject></message>
status contains "away" ; yes ; <presence><status>far away</status></presence>
presence.status contains "away" ; no ; <message><status>far away</status></message>
nick contains "Ro" ; yes ; <message><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></message>
thread is "t1" ; yes ; <message><thread>t1</thread></message>
text contains "hidden" ; yes ; <message><x xmlns='urn:unknown'>hidden</x></message>
text contains "hidden" ; yes ; <message><x xmlns='urn:unknown' a='hidden'/></message>
text contains "carried" ; yes ; <message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>carried</body></message></forwarded></received></message>
text contains "xhtml" ; yes ; <message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>some xhtml here</p></body></html></message>
url exists ; yes ; <message><body>see http://a.example/x</body></message>
url exists ; no ; <message><body>nothing here</body></message>
url.host is a.example ; yes ; <message><body>see http://a.example/x</body></message> ; url.host=a.example=a.example
url.host is b.example ; yes ; <message><body>http://a.example/x https://B.Example</body></message>
url.scheme is https ; yes ; <message><body>https://b.example</body></message>
payload is "{urn:xmpp:receipts}request" ; yes ; <message><request xmlns='urn:xmpp:receipts'/></message>
payload.ns is "urn:xmpp:receipts" ; yes ; <message><request xmlns='urn:xmpp:receipts'/></message>
payload.ns is "urn:xmpp:receipts" ; no ; <message><body>x</body></message>
encrypted ; yes ; <message><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted></message>
encrypted ; no ; <message><body>x</body></message>
encrypted.kind is omemo ; yes ; <message><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted></message>
forwarded ; yes ; <message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded></message>
forwarded ; no ; <message/>
chatstate is composing ; yes ; <message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>
receipt is request ; yes ; <message><request xmlns='urn:xmpp:receipts'/></message>
encrypted.kind is ox and encrypted.kind is openpgp ; yes ; <message><openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp></message>
encrypted.kind is ox ; no ; <message><x xmlns='jabber:x:encrypted'>x</x></message>
label.value contains "Xy/=" ; yes ; <message><securitylabel xmlns='urn:xmpp:sec-label:0'><label><esssecuritylabel xmlns='urn:xmpp:sec-label:ess:0'>Xy/=</esssecuritylabel></label></securitylabel></message>
label.value is "UNCLASSIFIED" ; yes ; <message><securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>x</displaymarking><label><p:policy xmlns:p='urn:p'>UNCLASSIFIED</p:policy></label></securitylabel></message>
label.value exists ; no ; <message><securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>x</displaymarking><label/></securitylabel></message>
label is "SECRET" ; yes ; <message><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>SECRET</displaymarking><label/></securitylabel></message></forwarded></sent></message>
corrects is old1 ; yes ; <message><body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='old1'/></message> ; corrects=old1=old1
corrects exists ; no ; <message><body>x</body><replace xmlns='urn:other' id='old1'/></message>
retracts is m1 ; yes ; <message><retract xmlns='urn:xmpp:message-retract:1' id='m1'/></message>
retracts is m1 ; yes ; <message><apply-to xmlns='urn:xmpp:fasten:0' id='m1'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to></message>
retracts exists ; no ; <message><apply-to xmlns='urn:xmpp:fasten:0' id='m1'><other xmlns='urn:x'/></apply-to></message>
replies is m2 ; yes ; <message><reply xmlns='urn:xmpp:reply:0' to='a@b' id='m2'/></message>
replies exists ; no ; <message/>
reaction is "👎" ; yes ; <message><reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>👍</reaction><reaction>👎</reaction></reactions></message>
reaction exists ; no ; <message><reactions xmlns='urn:xmpp:reactions:0' id='x'/></message>
label contains "SECRET" ; yes ; <message><securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>SECRET</displaymarking><label/></securitylabel></message>
size > 10 ; yes ; <message><body>0123456789</body></message>
size > 1k ; no ; <message><body>0123456789</body></message>
depth is 2 ; yes ; <message><body>x</body></message>
depth > 2 ; no ; <message><body>x</body></message>
elements is 3 ; yes ; <message><body>x</body><subject>y</subject></message>
file.name contains "exe" ; yes ; <iq type='get' id='1' to='up.example'><request xmlns='urn:xmpp:http:upload:0' filename='a.exe' size='23456' content-type='application/x-dosexec'/></iq>
file.size > 20k ; yes ; <iq type='get' id='1' to='up.example'><request xmlns='urn:xmpp:http:upload:0' filename='a.exe' size='23456' content-type='application/x-dosexec'/></iq>
file.type is "application/x-dosexec" ; yes ; <iq type='get' id='1' to='up.example'><request xmlns='urn:xmpp:http:upload:0' filename='a.exe' size='23456' content-type='application/x-dosexec'/></iq>
xml "{urn:x}a@b" is "1" ; yes ; <message><a xmlns='urn:x' b='1'/></message>
xml "{urn:x}a@b" is "2" ; no ; <message><a xmlns='urn:x' b='1'/></message>
xml "{*}a/{*}c" contains "deep" ; yes ; <message><a xmlns='urn:x'><c>quite deep</c></a></message>
xml "{urn:y}a" exists ; no ; <message><a xmlns='urn:x'>t</a></message>
xml "{urn:x}a" exists ; yes ; <message><a xmlns='urn:x'/></message>
xml "{urn:x}a@b" exists ; yes ; <message><a xmlns='urn:x' b=''/></message>
xml "{urn:x}a@b" exists ; no ; <message><a xmlns='urn:x'/></message>
stranger ; yes ; <message to='juliet@capulet.example'/>

:subject direction=out jid=romeo@verona.example/orchard
direction is out ; yes ; <message/>
to is romeo@verona.example/orchard ; yes ; <message from='juliet@capulet.example'/>
from is juliet@capulet.example ; yes ; <message from='juliet@capulet.example/x'/>
peer.address exists ; no ; <message/>
tls.version exists ; no ; <message/>
tls.verified ; no ; <message/>
:subject peer=2001:db8::7 anonymous=1 authenticated=0 role=s2s service=s2s
peer.address in { 2001:db8::/32 } ; yes ; <message/>
peer.address in { 0.0.0.0/0 } ; no ; <message/>
session.anonymous ; yes ; <message/>
session.authenticated ; no ; <message/>
service is s2s ; yes ; <message/>
session.jid exists ; no ; <message/>
