/* SPDX-License-Identifier: BSD-2-Clause */
/* The field table: every noun a rule may use, with its type and the line the manual prints for it.
 * The checker reads types from it, the compiler keeps pointers into it, the matcher calls its
 * getters. Adding a field is a line here and a getter. */
#include "rules/field.h"

#include <string.h>

#include "rules/field_content.h"
#include "rules/field_label.h"
#include "rules/field_session.h"
#include "rules/field_traffic.h"

const struct field field_table[] = {
	{ "peer.address", FIELD_ADDRESS, false, false,
		"address of the far side (the client or remote server)", field_get_peer_address },
	{ "peer.port", FIELD_NUMBER, false, false, "its port", field_get_peer_port },
	{ "peer.country", FIELD_WORD, false, false,
		"country its address is used in, two letters such as DE; needs country-database",
		field_get_peer_country },
	{ "service", FIELD_WORD, false, false, "name of the service that carries the stanza",
		field_get_service },
	{ "direction", FIELD_WORD, false, false,
		"in: from the peer towards what is protected; out: the other way",
		field_get_direction },
	{ "tls.version", FIELD_WORD, false, false,
		"TLS version on the peer's side, such as TLSv1.3", field_get_tls_version },
	{ "tls.cipher", FIELD_WORD, false, false, "TLS cipher suite on the peer's side",
		field_get_tls_cipher },
	{ "tls.sni", FIELD_DOMAIN, false, false, "server name the peer asked for in its TLS hello",
		field_get_tls_sni },
	{ "tls.alpn", FIELD_WORD, false, false, "protocol agreed by ALPN, such as xmpp-client",
		field_get_tls_alpn },
	{ "tls.verified", FIELD_BOOL, false, false, "the peer showed a certificate that verified",
		field_get_tls_verified },
	{ "sasl.mechanism", FIELD_WORD, false, false,
		"SASL mechanism of the login, such as SCRAM-SHA-1", field_get_sasl_mechanism },
	{ "session.jid", FIELD_JID, false, false, "full JID bound to the session",
		field_get_session_jid },
	{ "session.domain", FIELD_DOMAIN, false, false, "domain the stream was opened to",
		field_get_session_domain },
	{ "session.anonymous", FIELD_BOOL, false, false, "the login was SASL ANONYMOUS",
		field_get_session_anonymous },
	{ "session.authenticated", FIELD_BOOL, false, false,
		"the peer has logged in or was verified", field_get_session_authenticated },
	{ "session.announced", FIELD_WORD, false, false,
		"serverless: where multicast DNS knows the peer's name: here (for its address) or "
		"elsewhere",
		field_get_session_announced },
	{ "session.age", FIELD_NUMBER, false, false,
		"seconds since the connection began (compare with 10m and so on)",
		field_get_session_age },
	{ "remote.domain", FIELD_DOMAIN, false, false,
		"between servers: the domain of the remote one that the stanza is from or for",
		field_get_remote_domain },
	{ "remote.verified", FIELD_WORD, false, false,
		"how it proved that domain: pin, dane, pkix, dialback or none", field_get_remote_verified },
	{ "remote.first_seen", FIELD_NUMBER, false, false,
		"seconds since that domain was verified for the first time (compare with 1d and so on); 0 if it never was",
		field_get_remote_first_seen },
	{ "session.stanzas", FIELD_NUMBER, false, false,
		"stanzas judged before this one in this direction", field_get_session_stanzas },
	{ "session.logins", FIELD_NUMBER, false, false,
		"logins begun on the stream, the one under way included", field_get_session_logins },
	{ "account.sessions", FIELD_NUMBER, false, false,
		"sessions that have the same bare JID now, this one (or the one about to bind) included",
		field_get_account_sessions },
	{ "peer.sessions", FIELD_NUMBER, false, false,
		"sessions from the peer's address now, logged in or not, this one included",
		field_get_peer_sessions },
	{ "peer.accounts", FIELD_NUMBER, false, false,
		"bare JIDs that are logged in from the peer's address now", field_get_peer_accounts },
	{ "login.failure", FIELD_WORD, false, false,
		"in a chain that hooks login: why the login failed, such as not-authorized",
		field_get_login_failure },
	{ "login.account", FIELD_JID, false, false,
		"there: the account it was for, where PLAIN or SCRAM named one",
		field_get_login_account },
	{ "login.failures.peer", FIELD_NUMBER, false, false,
		"failed logins from the peer's address lately, this one included; elsewhere as it was "
		"when the session logged in",
		field_get_login_failures_peer },
	{ "login.failures.account", FIELD_NUMBER, false, false,
		"the same of the account, whoever tried", field_get_login_failures_account },
	{ "time", FIELD_TIME, false, false,
		"time of day, in the timezone the daemon block names: 08:30, 22:00-06:00",
		field_get_time },
	{ "weekday", FIELD_WORD, false, false,
		"mon, tue, wed, thu, fri, sat or sun, in the same timezone", field_get_weekday },
	{ "marked", FIELD_WORD, true, false,
		"each mark that rules above gave this stanza", field_get_marked },
	{ "kind", FIELD_WORD, false, false,
		"message, presence, iq or stream (any other first-level element)", field_get_kind },
	{ "type", FIELD_WORD, false, false,
		"the stanza's type attribute, such as chat or groupchat", field_get_type },
	{ "id", FIELD_WORD, false, false, "the stanza's id attribute", field_get_id },
	{ "lang", FIELD_WORD, false, false, "the stanza's xml:lang", field_get_lang },
	{ "from", FIELD_JID, false, false,
		"sender; of what a client sends the session's JID. Without a resource an entry "
		"stands for all resources",
		field_get_from },
	{ "from.bare", FIELD_JID, false, false, "sender without resource", field_get_from_bare },
	{ "from.local", FIELD_WORD, false, false, "the part of the sender before @, prepared",
		field_get_from_local },
	{ "from.domain", FIELD_DOMAIN, false, false, "the sender's domain", field_get_from_domain },
	{ "from.resource", FIELD_WORD, false, false, "the sender's resource",
		field_get_from_resource },
	{ "to", FIELD_JID, false, false,
		"recipient; the session's JID for what goes out to it without one", field_get_to },
	{ "to.bare", FIELD_JID, false, false, "recipient without resource", field_get_to_bare },
	{ "to.local", FIELD_WORD, false, false, "the part of the recipient before @, prepared",
		field_get_to_local },
	{ "to.domain", FIELD_DOMAIN, false, false, "the recipient's domain", field_get_to_domain },
	{ "to.resource", FIELD_WORD, false, false, "the recipient's resource",
		field_get_to_resource },
	{ "recipient", FIELD_JID, true, false,
		"recipient, and each address of a XEP-0033 block that is to be sent to",
		field_get_recipient },
	{ "recipients", FIELD_NUMBER, false, false,
		"how many addresses of a XEP-0033 block are to be sent to; 1 without one",
		field_get_recipients },
	{ "error", FIELD_WORD, false, false,
		"condition of a stanza of type error, such as item-not-found", field_get_error },
	{ "body", FIELD_TEXT, false, false,
		"message bodies in all languages, of forwarded messages too", field_get_body },
	{ "subject", FIELD_TEXT, false, false, "message subjects", field_get_subject },
	{ "status", FIELD_TEXT, false, false, "presence status texts", field_get_status },
	{ "nick", FIELD_TEXT, false, false, "nicknames (XEP-0172, and the one asked for in a room)",
		field_get_nick },
	{ "thread", FIELD_TEXT, false, false, "message thread", field_get_thread },
	{ "text", FIELD_TEXT, false, false,
		"all character data and unknown attributes, through carbons, MAM, pubsub, XHTML "
		"and forms",
		field_get_text },
	{ "url", FIELD_TEXT, true, false, "each URL in the text, as written", field_get_url },
	{ "url.host", FIELD_DOMAIN, true, false, "each URL's host, undisguised",
		field_get_url_host },
	{ "url.scheme", FIELD_WORD, true, false, "each URL's scheme in lower case",
		field_get_url_scheme },
	{ "payload", FIELD_WORD, true, false,
		"each first-level child as {namespace}name, of forwarded stanzas too",
		field_get_payload },
	{ "payload.ns", FIELD_WORD, true, false, "the namespace of each of them",
		field_get_payload_ns },
	{ "file.name", FIELD_TEXT, true, false, "name of each file offered or uploaded",
		field_get_file_name },
	{ "file.size", FIELD_NUMBER, true, false, "its size in bytes as the sender says",
		field_get_file_size },
	{ "file.type", FIELD_WORD, true, false, "its media type as the sender says",
		field_get_file_type },
	{ "ibb.text", FIELD_TEXT, true, false,
		"what an in-band bytestream (XEP-0047) carries, decoded; words cut by its pieces are "
		"whole",
		field_get_ibb_text },
	{ "encrypted", FIELD_BOOL, false, false, "the content is end-to-end encrypted",
		field_get_encrypted },
	{ "encrypted.kind", FIELD_WORD, true, false,
		"omemo, openpgp (and ox, when it is XEP-0373), otr, e2e, or the namespace XEP-0380 "
		"names",
		field_get_encrypted_kind },
	{ "forwarded", FIELD_BOOL, false, false,
		"it carries another stanza (XEP-0297: carbons, archive, forwards)",
		field_get_forwarded },
	{ "chatstate", FIELD_WORD, false, false, "active, composing, paused, inactive or gone",
		field_get_chatstate },
	{ "receipt", FIELD_WORD, false, false, "request or received (XEP-0184)",
		field_get_receipt },
	{ "label", FIELD_TEXT, true, false, "display marking of the security label (XEP-0258)",
		field_get_label },
	{ "label.value", FIELD_TEXT, true, false,
		"the label itself as text, whatever its policy is", field_get_label_value },
	{ "label.display", FIELD_WORD, true, false,
		"display marking of each label, compared exactly; white space at its ends is left out",
		field_get_label_display },
	{ "label.policy", FIELD_WORD, true, false,
		"policy of each label and equivalent label: the OID of an ESS label, the namespace of "
		"another element",
		field_get_label_policy },
	{ "label.class", FIELD_NUMBER, true, false,
		"classification of each ESS label: 0 unmarked, 1 unclassified ... 5 top-secret, or what "
		"its policy says",
		field_get_label_class },
	{ "label.bytes", FIELD_WORD, true, false,
		"what each label holds: an ESS label's base64, another element's canonical XML",
		field_get_label_bytes },
	{ "label.release", FIELD_WORD, false, false,
		"what the clearance of the two domains says of all labels: released, withheld, "
		"unlabelled, unlisted",
		field_get_label_release },
	{ "corrects", FIELD_WORD, true, false,
		"id of the message this one puts right (XEP-0308)", field_get_corrects },
	{ "retracts", FIELD_WORD, true, false, "id of the message this one takes back (XEP-0424)",
		field_get_retracts },
	{ "replies", FIELD_WORD, true, false, "id of the message this one answers (XEP-0461)",
		field_get_replies },
	{ "reaction", FIELD_TEXT, true, false, "each emoji reaction (XEP-0444)",
		field_get_reaction },
	{ "size", FIELD_NUMBER, false, false, "bytes of the stanza as it came", field_get_size },
	{ "depth", FIELD_NUMBER, false, false, "how deep its elements are nested",
		field_get_depth },
	{ "elements", FIELD_NUMBER, false, false, "how many elements it has", field_get_elements },
	{ "stranger", FIELD_BOOL, false, false,
		"the recipient has not yet sent a message to the sender", field_get_stranger },
	{ "xml", FIELD_TEXT, true, true,
		"text or attribute at a path below the stanza: xml \"{ns}name/{*}child@attr\"",
		field_get_xml },
};
const size_t field_count = sizeof(field_table) / sizeof(*field_table);

const struct field *field_find(const char *name)
{
	static const char *const kinds[] = { "message.", "presence.", "iq." };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0) {
			name += strlen(kinds[i]);
			break;
		}
	for (size_t i = 0; i < field_count; i++)
		if (strcmp(field_table[i].name, name) == 0)
			return &field_table[i];
	return NULL;
}

const char *field_type_text(enum field_type type)
{
	static const char *const texts[] = {
		[FIELD_TEXT] = "text",
		[FIELD_WORD] = "word",
		[FIELD_DOMAIN] = "domain",
		[FIELD_JID] = "jid",
		[FIELD_ADDRESS] = "address",
		[FIELD_NUMBER] = "number",
		[FIELD_BOOL] = "boolean",
		[FIELD_TIME] = "time",
	};
	return texts[type];
}

static bool time_read(const char **at, unsigned *minute)
{
	const char *t = *at;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? t[i] != ':' : t[i] < '0' || t[i] > '9')
			return false;
	*minute = (unsigned)((t[0] - '0') * 600 + (t[1] - '0') * 60 + (t[3] - '0') * 10 +
			     (t[4] - '0'));
	*at += 5;
	return t[3] < '6' && *minute <= FIELD_DAY_MINUTES;
}

bool field_parse_times(const char *text, unsigned *first, unsigned *last)
{
	if (!text || !time_read(&text, first) || *first == FIELD_DAY_MINUTES)
		return false;
	*last = *first + 1;
	if (!*text)
		return true;
	return *text++ == '-' && time_read(&text, last) && !*text && *first != *last;
}
