# Messages in messages (XEP-0297), text only, each of them looked at like any other; how deep says "depth" of limits.
# Not in gateway.profile. Nobody proves who wrote them.
include "stanza.profile";
include "delay.profile";

group forwarding {
    element forwarded in "urn:xmpp:forward:0" {
        use delayed;
        element message in "jabber:client" required otherwise refuse {
            attribute from, to jid;
            attribute id token max 256;
            attribute type words { chat, normal, groupchat };
            attribute xml:lang lang;
            use written, forwarding;
        }
    }
}

profile forwarded {
    message { use forwarding; }
}
