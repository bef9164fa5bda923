# Errors (RFC 6120 8.3), those that xmppwall itself writes included; what was sent is not in them.
include "stanza.profile";

group stanza_error {
    element error required {
        attribute type words { auth, cancel, continue, modify, wait } required;
        attribute by jid;
        attribute code number 300 to 599;
        element bad-request, conflict, feature-not-implemented, forbidden, internal-server-error, item-not-found,
                jid-malformed, not-acceptable, not-allowed, not-authorized, policy-violation, recipient-unavailable,
                registration-required, remote-server-not-found, remote-server-timeout, resource-constraint,
                service-unavailable, subscription-required, undefined-condition, unexpected-request
                in "urn:ietf:params:xml:ns:xmpp-stanzas";
        element gone, redirect in "urn:ietf:params:xml:ns:xmpp-stanzas" { text uri { xmpp } max 1024; }
        element text in "urn:ietf:params:xml:ns:xmpp-stanzas" max 8 {
            attribute xml:lang lang;
            text max 1024;
        }
        # XEP-0182: what there was too much of.
        element resource-limit-exceeded, stanza-too-big, too-many-stanzas in "urn:xmpp:errors";
        children 1 to 16;
    }
}

profile errors {
    message error { use stanza_error; }
    presence error {
        use stanza_error;
        element x in "http://jabber.org/protocol/muc";
    }
    iq error { use stanza_error; }
}
