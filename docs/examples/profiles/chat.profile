# One to one: messages of type chat and normal, text only. Of a message that held nothing else nothing is left, so it is refused.
include "stanza.profile";

profile chat {
    message chat, normal {
        use written;
        children 1 to 64;
    }
}
