# Who is typing (XEP-0085).
include "stanza.profile";

profile chatstates {
    message { element active, composing, gone, inactive, paused in "http://jabber.org/protocol/chatstates"; }
}
