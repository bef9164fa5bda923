# What limits on abuse look at: errors that come back, recipients, who else is there.
:subject peer=192.0.2.7 jid=romeo@verona.example/orchard direction=out
error is item-not-found ; yes ; <message type='error' from='x@y' to='romeo@verona.example'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message> ; error=item-not-found=item-not-found
error is item-not-found ; yes ; <iq id='1' type='error'><error><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
error is service-unavailable ; yes ; <presence type='error'><x xmlns='urn:x'/><error><too-many-stanzas xmlns='http://jabber.org/protocol/errors'/><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>
error in { item-not-found, service-unavailable } ; no ; <message type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>
error exists ; no ; <message type='error'><error type='cancel' code='404'/></message>
error exists ; no ; <message type='error'/>
error exists ; no ; <message type='error'><error xmlns='urn:x'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>
error exists ; no ; <message type='error'><error><item-not-found/></error></message>
error exists ; no ; <message type='chat'><error><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>
:subject peer=192.0.2.7 jid=romeo@verona.example/orchard
recipients is 1 ; yes ; <message to='a@b'/>
recipients is 1 ; yes ; <message/>
recipients is 1 ; yes ; <message to='a@b'><addresses xmlns='http://jabber.org/protocol/address'/></message>
recipients is 3 ; yes ; <message to='multicast.b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/><address type='cc' jid='c@b'/><address type='bcc' uri='mailto:c@b'/></addresses></message>
recipients is 1 ; yes ; <message to='multicast.b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/><address type='replyto' jid='c@b'/><address type='noreply'/><address type='ofrom' jid='d@b'/><address jid='e@b'/><address type='to' jid='f@b' delivered='true'/></addresses></message>
recipients > 2 ; no ; <message to='a@b'><x xmlns='urn:x'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/><address type='to' jid='c@b'/><address type='to' jid='d@b'/></addresses></x></message>
recipient is a@b ; yes ; <message to='a@b'/> ; recipient=a@b=a@b
recipient is juliet@capulet.example ; yes ; <message to='multicast.b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/><address type='cc' jid='Juliet@CAPULET.example/x'/></addresses></message>
recipient is multicast.b ; yes ; <message to='multicast.b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/></addresses></message>
recipient in { c@b, d@b } ; yes ; <message><addresses xmlns='http://jabber.org/protocol/address'><address type='to' uri='mailto:c@b'/><address type='to' jid='d@b'/></addresses></message>
recipient in { c@b, d@b } ; no ; <message to='a@b'><addresses xmlns='http://jabber.org/protocol/address'><address type='noreply' jid='c@b'/></addresses></message>
recipient exists ; no ; <presence/>
session.logins exists ; no ; <message/>
account.sessions exists ; no ; <message/>
peer.sessions exists ; no ; <message/>
peer.accounts exists ; no ; <message/>
:subject peer=192.0.2.7 jid=romeo@verona.example/orchard company=3,7,2 logins=4
session.logins is 4 ; yes ; <message/>
account.sessions > 2 ; yes ; <message/> ; account.sessions=2=3
account.sessions > 3 ; no ; <message/>
peer.sessions is 7 ; yes ; <message/>
peer.accounts is 2 ; yes ; <message/>
:subject peer=192.0.2.7 company=0,7,0
account.sessions exists ; no ; <message/>
peer.accounts is 0 ; yes ; <message/>
# Limits by them.
:with limit wide { rate 3/hour; count recipients; key session.jid; } limit many { rate 3/hour; distinct recipient; key session.jid; }
:subject peer=192.0.2.7 jid=romeo@verona.example/orchard
limit wide exceeded ; yes ; <message to='m.b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/><address type='to' jid='c@b'/><address type='to' jid='d@b'/><address type='to' jid='e@b'/></addresses></message>
limit wide exceeded ; yes ; <message to='a@b'/><message to='a@b'/><message to='a@b'/><message to='a@b'/>
limit wide exceeded ; no ; <message to='a@b'/><message to='a@b'/><message to='a@b'/>
limit many exceeded ; no ; <message to='a@b'/><message to='a@b'/><message to='A@b'/><message to='a@b/x'/><message to='a@b'/>
limit many exceeded ; yes ; <message to='a@b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='x@b'/></addresses></message><message to='c@b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='x@b'/></addresses></message><message to='d@b'><addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='x@b'/></addresses></message>
