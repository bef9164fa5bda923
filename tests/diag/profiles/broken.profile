include "parts.profile";
include "nowhere.profile";

limits { size 99M; }

profile broken {
    message chat, chta { }
    messages chat { }
    message normal {
        atribute id token;
        attribute id tokn max 5;
        attribute v number 5 to 1;
        attribute w words { };
        attribute odd:name text;
        element body max 0 { text; }
        element 9lives;
        element x in "";
        use writen;
        element y required sometimes;
        element z otherwise forget;
        children 3 to 2;
        text token mx 3;
    }
