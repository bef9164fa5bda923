# What a client's own stream needs beside the others: binding its resource (RFC 6120 7), the old session, its contacts (RFC 6121 2).
# Only for services of clients; not in gateway.profile. More than 250 contacts need larger "limits" than those of stanza.profile.
include "stanza.profile";

group contacts {
    element query in "jabber:iq:roster" {
        attribute ver text max 256;
        element item max 4096 {
            attribute jid jid bare required;
            attribute name text max 1023;
            attribute subscription words { both, from, none, remove, to };
            attribute ask words { subscribe };
            attribute approved words { true, false, 1, 0 };
            element group max 32 { text max 1023; }
        }
    }
}

profile clients {
    iq set {
        element bind in "urn:ietf:params:xml:ns:xmpp-bind" { element resource { text max 1023; } }
        element session in "urn:ietf:params:xml:ns:xmpp-session";
        use contacts;
    }
    iq get { use contacts; }
    iq result {
        element bind in "urn:ietf:params:xml:ns:xmpp-bind" { element jid { text jid; } }
        use contacts;
    }
}
