# Is it there (XEP-0199)? The question and its empty answer, nothing else.
include "stanza.profile";

profile ping {
    iq get { element ping in "urn:xmpp:ping"; }
    iq result { }
}
