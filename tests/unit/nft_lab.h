/* SPDX-License-Identifier: BSD-2-Clause */
/* The table in the real kernel, in a network namespace of the test's own, for test_nft.c and
 * test_nft_table.c. Include cmocka.h first. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "ctl/firewall.h"
#include "ctl/nft.h"

static struct nft *nft;
static const char *reason; /* why these tests cannot run here */

static inline int open_namespace(void **state)
{
	static char text[128];
	int r;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		snprintf(text, sizeof(text), "no network namespace: %s", strerror(errno));
		reason = text;
	} else if ((r = nft_open(&nft)) < 0) {
		snprintf(text, sizeof(text), "no nf_tables: %s", err_text(r));
		reason = text;
	}
	return 0;
}

static inline int close_namespace(void **state)
{
	(void)state;
	nft_close(nft);
	return 0;
}

/* left: as nft_load_held; NULL: nft_load. */
static inline void load_as(enum nft_left *left)
{
	const struct daemon_options options = { .mark = 0x584d0000, .route_table = 22530 };
	const struct firewall_host host = { FIREWALL_QUEUE_NATIVE, 1, false, true };
	const struct service s = { .name = "c2s",
		.mode = MODE_PROXY,
		.intercept = INTERCEPT_TPROXY,
		.ports = { 5222 },
		.n_ports = 1 };
	char *error = NULL;
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(firewall_format(&s, 1, &options, &host, &b), 0);
	if ((left ? nft_load_held(nft, buf_string(&b), left, &error)
		  : nft_load(nft, buf_string(&b), &error)) < 0)
		fail_msg("%s", error);
	buf_fini(&b);
}

static inline void load(void)
{
	load_as(NULL);
}

/* Each test begins with the table just loaded and no events waiting. */
static inline int fresh(void **state)
{
	(void)state;
	if (reason)
		return 0;
	assert_int_equal(nft_unload(nft, NULL), 0);
	load();
	assert_true(nft_event_read(nft) >= 0);
	return 0;
}

static inline void need_kernel(void)
{
	if (reason) {
		print_message("skipped: %s\n", reason);
		skip();
	}
}

/* Another's hand: the nft program. */
static inline void by_hand(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "nft '%s'", command);
	assert_int_equal(system(line), 0);
}

static inline struct nft_element element(const char *prefix, uint64_t left_ms)
{
	struct nft_element e = { .left_ms = left_ms };

	assert_int_equal(address_parse_prefix(span_of(prefix), &e.address, &e.prefix_len), 0);
	return e;
}

struct dump {
	char text[4096];
	size_t n;
	uint64_t left_ms; /* of the last */
};

static inline bool dump_run(void *arg, const struct nft_run *run)
{
	struct dump *d = arg;
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	size_t len = strlen(d->text);

	address_format(&run->first, first, sizeof(first));
	address_format(&run->last, last, sizeof(last));
	if (strcmp(first, last) == 0)
		snprintf(d->text + len, sizeof(d->text) - len, "%s%s", d->n ? " " : "", first);
	else
		snprintf(d->text + len, sizeof(d->text) - len, "%s%s-%s", d->n ? " " : "", first,
			last);
	d->n++;
	d->left_ms = run->left_ms;
	return true;
}

static inline uint64_t assert_set(const char *base, const char *expected)
{
	struct dump d = { "", 0, 0 };

	assert_int_equal(nft_each(nft, base, dump_run, &d), 0);
	assert_string_equal(d.text, expected);
	return d.left_ms;
}

static inline size_t count(const char *base, bool v4)
{
	size_t n[2];

	assert_int_equal(nft_count(nft, base, &n[1], &n[0]), 0);
	return n[v4];
}

static inline int add_one(const char *prefix, uint64_t left_ms)
{
	struct nft_element e = element(prefix, left_ms);

	return nft_edit(nft, "block", &e, 1, NULL, 0, NULL);
}
