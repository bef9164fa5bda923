/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to DNS whose answers are checked by DNSSEC here, in this process: the resolver that is
 * asked is not believed. Asked by a worker, answered on its thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/buf.h"
#include "base/span.h"

struct worker;
struct lookup;

enum { LOOKUPS_MAX = 256 }; /* under way, of the whole process */
enum lookup_type { LOOKUP_A = 1, LOOKUP_AAAA = 28, LOOKUP_SRV = 33, LOOKUP_TLSA = 52 };

enum lookup_trust {
	LOOKUP_SECURE,   /* signed, up to an anchor; "there is nothing" can be, too */
	LOOKUP_INSECURE, /* of a zone that is not signed */
	LOOKUP_BOGUS,    /* should be signed, and is not, or wrongly */
	LOOKUP_FAILED,   /* no answer, or none that says anything */
};

/* data: n records as on the wire, names in them whole. Borrowed for the call. */
struct lookup_answer {
	enum lookup_trust trust;
	size_t n;
	const unsigned char *const *data;
	const int *len;
};

/* ---- settings ---- */

/* Whom to ask and what to trust, checked. Shared, never changed. */
struct lookup_settings;

/* Borrowed. */
struct lookup_options {
	const char *resolver; /* an address; NULL: those of resolv.conf */
	uint16_t port;
	struct span anchors; /* lines of DNSKEY or DS records; empty: those of the root that this
				host knows */
};

/* Reads what this host says of both; before the sandbox. */
void lookup_read_system(void);
/* One reference in *out; NULL there where nobody can be asked or nothing is trusted. previous (may
 * be NULL) is given again if it says the same. 0, ERR_SYNTAX with a text in why, -ENOMEM. */
int lookup_settings_new(const struct lookup_options *options, struct lookup_settings *previous,
	struct buf *why, struct lookup_settings **out);
struct lookup_settings *lookup_settings_ref(struct lookup_settings *s);
void lookup_settings_unref(struct lookup_settings *s);

/* ---- the main thread's side ---- */

/* The loop whose thread takes what the library has found. */
void lookup_open(uv_loop_t *loop);
/* From now on these are asked; NULL: nobody. What is under way with others ends as failed. */
void lookup_use(struct lookup_settings *settings);
/* Once no worker runs, and before they are freed. */
void lookup_close(void);

/* ---- a worker's side: on its thread ---- */

/* name in A-labels, without a last dot. done comes on w's thread, after this has returned. 0 with
 * the question in *out, good until done or lookup_forget; ERR_UNSUPPORTED when nobody is to be
 * asked, ERR_LIMIT, ERR_SYNTAX, ERR_LIBRARY, -ENOMEM. */
int lookup_ask(struct worker *w, const char *name, enum lookup_type type,
	void (*done)(void *arg, const struct lookup_answer *answer), void *arg,
	struct lookup **out);
/* done will not be called. */
void lookup_forget(struct lookup *l);
/* Hands out what has been answered to w. */
void lookup_deliver(struct worker *w);
/* Once w's thread has ended: forgets what was answered to it. */
void lookup_drop(struct worker *w);
