# Delivery receipts (XEP-0184) in messages of one to one chat and rooms.
include "stanza.profile";

profile receipts {
    message {
        element request in "urn:xmpp:receipts";
        element received in "urn:xmpp:receipts" { attribute id token max 256 required; }
    }
}
