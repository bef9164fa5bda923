# A link beside the text (XEP-0066). Not in gateway.profile: a link leads out of what is looked at.
include "stanza.profile";

profile links {
    message {
        element x in "jabber:x:oob" {
            element url required { text uri { https, http } max 2048; }
            element desc { text max 256; }
        }
    }
}
