/* SPDX-License-Identifier: BSD-2-Clause */
/* A session as door/eve.c tells it: between apply.c and the hub. In: a verdict, or the reason why a
 * peer was refused below the rules. Out: an event. It never decides what is worth one. */
#include "proxy/event.h"

#include "door/eve.h"
#include "proxy/relay_federation.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"

struct scene event_scene(const struct session *s)
{
	bool out = session_dials_out(s);

	return (struct scene){
		.peer = *session_peer(s),
		.dest = out ? s->peer : s->upstream.port ? s->upstream : s->dest,
		.service = s->service->conf.name,
		.session = s->serial,
		.jid = s->jid,
		.domain = s->domain,
		.mechanism = s->mechanism,
		.peer_domain = s->federation ? federation_peer(s) : NULL,
		.authenticated = s->authenticated,
		.login = &s->login,
		.policy = s->worker->gear ? s->worker->gear->policy : NULL,
	};
}

struct scene event_about(const struct session *s, enum direction direction, const struct stanza *st)
{
	struct scene scene = event_scene(s);
	struct subject subject = { 0 };

	if (!s->federation || !st)
		return scene;
	/* Several may speak on one stream: each for itself. */
	federation_subject(s, direction, st, &subject);
	scene.remote_verified = subject.remote_verified;
	scene.answer = s->federation->answer;
	if (subject.remote_verified != REMOTE_VERIFIED_NONE)
		scene.peer_domain = subject.remote_domain;
	return scene;
}

void event_verdict(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v)
{
	struct scene scene = event_about(s, direction, st);

	eve_verdict(s->worker->hub, &scene, direction, st, v);
}

void event_strict(struct session *s, enum direction direction, const struct stanza *st, const struct verdict *v,
	const struct strict_result *result)
{
	struct scene scene = event_about(s, direction, st);

	eve_strict(s->worker->hub, &scene, direction, st, v, s->service->conf.strict[direction], result);
}

void event_report(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v)
{
	struct scene scene = event_about(s, direction, st);

	eve_report(s->worker->hub, &scene, direction, st, v);
}

void event_refused(
	struct session *s, enum direction direction, enum stream_error error, const char *reason)
{
	struct scene scene = event_scene(s);

	eve_refused(s->worker->hub, &scene, direction, error, reason);
}
