/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose stanza it is, as both doors tell it: to events, the quarantine and traces. */
#pragma once

#include "rules/rules.h"

struct scene {
	struct endpoint peer, dest;
	const char *service;
	uint64_t session; /* its number */
	const char *jid;  /* NULL: none yet */
	const char *domain, *mechanism;
	const char *peer_domain; /* of a peer that is a server, once it was verified; NULL: none */
	enum remote_verified remote_verified; /* how it was */
	const char *answer; /* of a rejection between servers, where it went: "stream", "crossed", "emptied", "none"; NULL */
	bool authenticated;
	const struct subject_login *login; /* NULL: none was seen to fail */
	const struct policy *policy;
	const char *act; /* what became of the stanza, where the verdict does not say it; NULL */
};
