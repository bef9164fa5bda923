/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect.c: who is speaking?
 * In: elements of both directions of a stream in clear text. Out: mechanism, whether the login
 * succeeded, the JID that was bound. As in the proxy, the server alone is believed, and a JID only
 * in answer to what this client asked. Payloads of SASL are neither read nor kept: one word,
 * PLAIN's, would be a password. */
#include "nfq-filter/inspect_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "base/map.h"
#include "nfq-filter/inspect_remote.h"
#include "nfq-filter/resumed.h"
#include "xmpp/ns.h"

enum { JID_MAX = 3071 };

static void learn_jid(struct inspection *i, const char *jid)
{
	size_t len = jid ? strlen(jid) : 0;
	char *copy = len > 0 && len <= JID_MAX ? strdup(jid) : NULL;

	if (!copy)
		return;
	free(i->jid);
	i->jid = copy;
}

static void succeeded(struct inspection *i)
{
	i->authenticated = true;
	i->anonymous = strcasecmp(i->mechanism, "ANONYMOUS") == 0;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (i->half[s].in)
			stream_set_authenticated(i->half[s].in, true);
}

static enum login_step sasl_from_client(struct inspection *i, const struct stanza *st)
{
	const char *mechanism = element_attr(st->root, "mechanism");

	if (mechanism && (strcmp(st->root->name, "auth") == 0 ||
				 strcmp(st->root->name, "authenticate") == 0))
		snprintf(i->mechanism, sizeof(i->mechanism), "%s", mechanism);
	i->logins += strcmp(st->root->name, "auth") == 0 ||
		     strcmp(st->root->name, "authenticate") == 0;
	i->half[FLOW_CLIENT].said_sasl = true;
	/* What comes ahead of the answer may belong to the next stream (XEP-0305). */
	i->half[FLOW_CLIENT].waits = i->half[FLOW_SERVER].opened;
	return LOGIN_ON;
}

static enum login_step sasl_from_server(struct inspection *i, const struct stanza *st, bool sasl2)
{
	const struct xml_element *who;

	i->half[FLOW_CLIENT].waits = false;
	if (strcmp(st->root->name, "failure") == 0)
		i->mechanism[0] = '\0';
	if (strcmp(st->root->name, "success") != 0 || i->authenticated)
		return LOGIN_ON;
	succeeded(i);
	i->external = true;
	if (!sasl2)
		return LOGIN_RESTART;
	who = element_child(st->root, NS_SASL2, "authorization-identifier");
	learn_jid(i, who ? element_text(who, st->arena) : NULL);
	return LOGIN_ON;
}

/* XEP-0114 3 and XEP-0220: not logins of users, but from here on stanzas are taken. */
static void handshake(struct inspection *i, enum flow_side side, const struct xml_element *e)
{
	const char *type = element_attr(e, "type");

	if (side != FLOW_SERVER)
		return;
	if (i->role == ROLE_COMPONENT && strcmp(e->name, "handshake") == 0)
		succeeded(i);
	if (strcmp(e->ns, NS_DIALBACK) == 0 && type && strcmp(type, "valid") == 0)
		succeeded(i);
}

/* A stream that goes on elsewhere is the same session: by the server's word, and only for what this
 * client asked for. */
static void take_resumption(struct inspection *i, enum flow_side side, const struct xml_element *e)
{
	struct resumed *table = i->of->resumed;
	const char *id = element_attr(e, "id"), *previd = element_attr(e, "previd");
	char *jid;

	if (!table || i->role != ROLE_C2S)
		return;
	if (side == FLOW_CLIENT) {
		if (previd && strcmp(e->name, "resume") == 0)
			i->resume_key = resumed_key(&i->server, previd);
		return;
	}
	if (strcmp(e->name, "enabled") == 0 && id && i->jid && i->authenticated)
		resumed_add(table, resumed_key(&i->server, id), i->jid);
	if (strcmp(e->name, "resumed") != 0 || !previd || i->resume_key == 0 ||
		i->resume_key != resumed_key(&i->server, previd))
		return;
	jid = resumed_find(table, i->resume_key);
	learn_jid(i, jid);
	free(jid);
}

enum login_step login_element(struct inspection *i, enum flow_side side, const struct stanza *st)
{
	const struct xml_element *e = st->root;
	bool sasl2 = strcmp(e->ns, NS_SASL2) == 0;

	if (sasl2 || strcmp(e->ns, NS_SASL) == 0)
		return side == FLOW_CLIENT ? sasl_from_client(i, st)
					   : sasl_from_server(i, st, sasl2);
	if (side == FLOW_SERVER && element_is(e, NS_TLS, "proceed"))
		return LOGIN_TLS;
	if (side == FLOW_SERVER && element_is(e, NS_COMPRESS, "compressed"))
		return LOGIN_COMPRESS;
	if (strcmp(e->ns, NS_SM) == 0 || strcmp(e->ns, NS_SM2) == 0) {
		take_resumption(i, side, e);
		i->counted = i->counted || strcmp(e->name, "enable") == 0 ||
			     strcmp(e->name, "resume") == 0;
	}
	remote_dialback(i, side, st);
	handshake(i, side, e);
	return LOGIN_ON;
}

static uint64_t id_hash(const char *id)
{
	return map_hash(id, strlen(id)) | 1;
}

void login_stanza(struct inspection *i, enum flow_side side, const struct stanza *st)
{
	const struct xml_element *bind, *jid;
	const char *id, *type;

	if (st->kind != STANZA_IQ || i->role != ROLE_C2S || (i->jid && strchr(i->jid, '/')) ||
		!(id = element_attr(st->root, "id")))
		return;
	type = stanza_type(st);
	bind = element_child(st->root, NS_BIND, "bind");
	if (side == FLOW_CLIENT) {
		if (bind && strcmp(type, "set") == 0)
			i->bind_hash = id_hash(id);
		return;
	}
	if (i->bind_hash == 0 || i->bind_hash != id_hash(id) ||
		(strcmp(type, "result") != 0 && strcmp(type, "error") != 0))
		return;
	i->bind_hash = 0;
	jid = bind ? element_child(bind, NS_BIND, "jid") : NULL;
	learn_jid(i, jid ? element_text(jid, st->arena) : NULL);
}
