# Who is there, and subscriptions.
include "stanza.profile";

profile presence {
    presence available, unavailable {
        element show { text words { away, chat, dnd, xa }; }
        element status max 8 {
            attribute xml:lang lang;
            text max 1024;
        }
        element priority { text number -128 to 127; }
    }
    presence subscribe, subscribed, unsubscribe, unsubscribed, probe {
        element status max 8 {
            attribute xml:lang lang;
            text max 1024;
        }
    }
}
