/* SPDX-License-Identifier: BSD-2-Clause */
/* The half of the field table that does not look into the stanza: what the door told about the far
 * side, its TLS and its session. In comes the view, out goes one value; unknown is "no value", so
 * that a test on it fails. It computes nothing but the prepared forms of names. */
#include "rules/field_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "rules/view.h"

#define UNUSED(x) (void)(x)

static bool give_text(const char *text, unsigned index, struct field_value *out)
{
	if (index > 0 || !text || !*text)
		return false;
	out->text = span_of(text);
	return true;
}

static bool give_number(uint64_t number, unsigned index, struct field_value *out)
{
	if (index > 0)
		return false;
	out->number = number;
	return true;
}

static bool give_domain(
	struct subject_view *v, const char *text, unsigned index, struct field_value *out)
{
	const char *prepared;
	int r;

	if (index > 0 || !text || !*text)
		return false;
	if ((r = jid_prep_domain(v->arena, span_of(text), &prepared)) == 0)
		return give_text(prepared, index, out);
	if (r == -ENOMEM)
		v->error = r;
	return false;
}

FIELD_GETTER(peer_address)
{
	static const struct peer_address unknown;

	UNUSED(param);
	if (index > 0 || memcmp(&v->s->peer, &unknown, sizeof(unknown)) == 0)
		return false;
	address_format(&v->s->peer, v->address, sizeof(v->address));
	out->text = span_of(v->address);
	out->address = &v->s->peer;
	return true;
}

FIELD_GETTER(peer_port)
{
	UNUSED(param);
	return v->s->peer_port && give_number(v->s->peer_port, index, out);
}

FIELD_GETTER(peer_country)
{
	UNUSED(param);
	return v->countries && country_find(v->countries, &v->s->peer, v->country) &&
	       give_text(v->country, index, out);
}

FIELD_GETTER(service)
{
	UNUSED(param);
	return give_text(v->s->service, index, out);
}

FIELD_GETTER(direction)
{
	UNUSED(param);
	return give_text(v->s->direction == DIRECTION_IN ? "in" : "out", index, out);
}

FIELD_GETTER(tls_version)
{
	UNUSED(param);
	return give_text(v->s->tls_version, index, out);
}

FIELD_GETTER(tls_cipher)
{
	UNUSED(param);
	return give_text(v->s->tls_cipher, index, out);
}

FIELD_GETTER(tls_sni)
{
	UNUSED(param);
	return give_domain(v, v->s->tls_sni, index, out);
}

FIELD_GETTER(tls_alpn)
{
	UNUSED(param);
	return give_text(v->s->tls_alpn, index, out);
}

FIELD_GETTER(tls_verified)
{
	UNUSED(param);
	return give_number(v->s->tls_verified, index, out);
}

FIELD_GETTER(sasl_mechanism)
{
	UNUSED(param);
	return give_text(v->s->sasl_mechanism, index, out);
}

FIELD_GETTER(session_jid)
{
	struct jid_known *a = view_address(v, VIEW_SESSION);

	UNUSED(param);
	out->text = a->valid ? a->full : a->written;
	out->memo = a->valid ? &a->full_memo : NULL;
	return index == 0 && out->text.len > 0;
}

FIELD_GETTER(session_announced)
{
	UNUSED(param);
	return give_text(v->s->session_announced, index, out);
}

FIELD_GETTER(session_domain)
{
	UNUSED(param);
	return give_domain(v, v->s->session_domain, index, out);
}

FIELD_GETTER(session_anonymous)
{
	UNUSED(param);
	return give_number(v->s->session_anonymous, index, out);
}

FIELD_GETTER(session_authenticated)
{
	UNUSED(param);
	return give_number(v->s->session_authenticated, index, out);
}

FIELD_GETTER(session_age)
{
	UNUSED(param);
	return give_number(v->s->session_age_ms / 1000, index, out);
}

/* ---- remote servers ---- */

static const char *const verified_texts[REMOTE_VERIFIED_KINDS] = {
	[REMOTE_VERIFIED_NONE] = "none",
	[REMOTE_VERIFIED_DIALBACK] = "dialback",
	[REMOTE_VERIFIED_PKIX] = "pkix",
	[REMOTE_VERIFIED_DANE] = "dane",
	[REMOTE_VERIFIED_PIN] = "pin",
};

const char *remote_verified_text(enum remote_verified how)
{
	return verified_texts[how];
}

bool remote_verified_find(const char *word, enum remote_verified *out)
{
	for (unsigned i = 0; i < REMOTE_VERIFIED_KINDS; i++)
		if (strcmp(verified_texts[i], word) == 0) {
			*out = (enum remote_verified)i;
			return true;
		}
	return false;
}

/* A stream between servers has a remote one, whether its name is known or not. */
static bool has_remote(const struct subject *s)
{
	return s->role == ROLE_S2S || (s->remote_domain && *s->remote_domain);
}

FIELD_GETTER(remote_domain)
{
	UNUSED(param);
	return give_domain(v, v->s->remote_domain, index, out);
}

FIELD_GETTER(remote_verified)
{
	UNUSED(param);
	return has_remote(v->s) && give_text(verified_texts[v->s->remote_verified], index, out);
}

/* Who was never seen is new: 0. */
FIELD_GETTER(remote_first_seen)
{
	uint64_t now, first = v->s->remote_first_seen_ms;

	UNUSED(param);
	if (index > 0 || !has_remote(v->s))
		return false;
	now = first ? (uint64_t)view_wall_ms(v) : 0;
	return give_number(now > first ? (now - first) / 1000 : 0, index, out);
}

FIELD_GETTER(marked)
{
	UNUSED(param);
	return v->verdict && index < v->verdict->n_marks &&
	       give_text(v->verdict->marks[index], 0, out);
}

FIELD_GETTER(time)
{
	unsigned minute, weekday;

	UNUSED(param);
	if (index > 0)
		return false;
	zone_local(v->zone, view_wall_ms(v), &minute, &weekday);
	snprintf(v->time, sizeof(v->time), "%02u:%02u", minute / 60 % 24, minute % 60);
	out->text = span_of(v->time);
	out->number = minute;
	return true;
}

FIELD_GETTER(weekday)
{
	unsigned minute, weekday;

	UNUSED(param);
	zone_local(v->zone, view_wall_ms(v), &minute, &weekday);
	return give_text(zone_weekday_text(weekday), index, out);
}

FIELD_GETTER(session_stanzas)
{
	UNUSED(param);
	return give_number(v->s->session_stanzas, index, out);
}

/* ---- logins ---- */

FIELD_GETTER(login_failure)
{
	UNUSED(param);
	return v->s->login && give_text(v->s->login->failure, index, out);
}

FIELD_GETTER(login_account)
{
	UNUSED(param);
	return v->s->login && give_text(v->s->login->account, index, out);
}

FIELD_GETTER(login_failures_peer)
{
	UNUSED(param);
	return v->s->login && give_number(v->s->login->of_peer, index, out);
}

FIELD_GETTER(login_failures_account)
{
	UNUSED(param);
	return v->s->login && give_number(v->s->login->of_account, index, out);
}
