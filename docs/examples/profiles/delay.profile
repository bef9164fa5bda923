# When it was sent (XEP-0203): messages from before, presence of those who were there already.
include "stanza.profile";

group delayed {
    element delay in "urn:xmpp:delay" max 4 {
        attribute stamp datetime required;
        attribute from jid;
        text max 256;
    }
}

profile delay {
    message { use delayed; }
    presence { use delayed; }
}
