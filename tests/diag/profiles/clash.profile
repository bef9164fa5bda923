include "parts.profile";

limits { depth 5; }
limits { depth 6; }
unknown remove;
unknown refuse;

group written { }

profile clash {
    message chat {
        use written, wirtten;
        element body;
        attribute a text;
        attribute type token;
        element a, b, a { text jid; element c; }
        unknown remove;
    }
    message chat, normal {
        unknown refuse;
        attribute a token;
    }
}
profile clash { }
