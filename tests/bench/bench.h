/* SPDX-License-Identifier: BSD-2-Clause */
/* What the rule benchmarks share: processor time, medians, a policy from text, a list of words, and
 * a door with one parsed stanza. */
#pragma once

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules/rules.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

enum { RUNS = 5 };

static inline int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static inline void pin(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		perror("not pinned");
}

/* Processor time: what others do on this machine is not what judging costs. */
static inline uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct policy *load(
	struct source_set *sources, const char *text, struct policy *previous)
{
	struct diag_list diags;
	struct policy *p = NULL;

	diag_init(&diags);
	if (source_add(sources, "bench.rules", text, strlen(text)) < 0 ||
		policy_load(sources, "bench.rules", previous, NULL, &diags, &p) < 0) {
		diag_print(&diags, stderr, false);
		exit(1);
	}
	diag_fini(&diags);
	return p;
}

/* Words as long and as alike as words of a language are. */
static inline void word_write(unsigned i, char word[32])
{
	static const char *const parts[] = { "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo",
		"mu", "na", "pe", "ri", "so", "tu", "va" };
	unsigned n = i * 2654435761u;
	size_t at = 0;

	for (unsigned k = 0; k < 3; k++, n >>= 4)
		at += (size_t)sprintf(word + at, "%s", parts[n & 15]);
	sprintf(word + at, "%x", i);
}

static inline void words_add(struct source_set *sources, unsigned n)
{
	struct buf b;
	char word[32];

	buf_init(&b, 0);
	for (unsigned i = 0; i < n; i++) {
		word_write(i, word);
		buf_putf(&b, "%s\n", word);
	}
	if (source_add(sources, "words.txt", buf_ptr(&b), buf_len(&b)) < 0)
		abort();
	buf_fini(&b);
}

struct door {
	struct judge *judge;
	struct stream *stream;
	struct stream_event event;
	struct subject subject;
};

static inline void door_take(struct door *d, const char *xml)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>";

	d->stream = stream_new(&xmpp_limits_default);
	stream_set_authenticated(d->stream, true);
	stream_push(d->stream, header, sizeof(header) - 1);
	stream_next(d->stream, &d->event);
	stream_push(d->stream, xml, strlen(xml));
	stream_next(d->stream, &d->event);
	assert(d->event.kind == STREAM_STANZA);
	d->judge = judge_new();
	d->subject = (struct subject){ .stanza = &d->event.stanza,
		.service = "c2s",
		.session_jid = "romeo@montague.example/orchard",
		.session_domain = "montague.example",
		.session_authenticated = true,
		.tls_version = "TLSv1.3" };
	address_parse(span_of("192.0.2.1"), &d->subject.peer);
}

static inline void door_leave(struct door *d)
{
	judge_free(d->judge);
	stream_free(d->stream);
}
