/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * Datagrams of multicast DNS from a few sources that lie, over hours: each input is datagrams one
 * behind the other, a byte who says it, two how many bytes, one how long before. What is told of a
 * pair must be true when it is told and no longer than was told; ceilings hold; texts are judged by
 * a policy, and a stanza comes of each that is announced. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "nfq-filter/announce.h"
#include "nfq-filter/dns.h"
#include "nfq-filter/mdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4 };

static struct policy *policy;
static struct judge *judge;
static struct announcer *announcer;

static void load(void)
{
	static const char rules[] = "chain lan { hook serverless; policy accept;\n"
				    " rule words { text contains \"casino\" drop }\n"
				    " rule names { from.bare matches /^eve@/ drop } }\n";
	struct source_set sources;
	struct diag_list diags;
	static struct metrics *metrics;
	int fd;

	source_init(&sources, false);
	diag_init(&diags);
	if (metrics_new(&metrics, &fd) < 0 ||
		source_add(&sources, "f.rules", rules, sizeof(rules) - 1) < 0 ||
		policy_load(&sources, "f.rules", NULL, metrics, &diags, &policy) < 0)
		abort();
	diag_fini(&diags);
	source_fini(&sources);
	judge = judge_new();
	announcer = announcer_new();
}

/* Whatever it is, it is read the same way twice, and every name ends. */
static void read_records(const uint8_t *bytes, size_t len)
{
	struct dns_reader r;
	struct dns_record d;
	unsigned n = 0;

	if (!dns_begin(&r, bytes, len))
		return;
	while (dns_next(&r, &d) == DNS_RECORD) {
		assert(++n <= DNS_RECORDS_MAX);
		assert(d.name.len > 0 && d.name.len <= DNS_NAME_MAX);
		assert(d.name.bytes[d.name.len - 1] == 0);
		assert(d.data >= bytes && d.data + d.len <= bytes + len);
	}
}

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	assert(v->subject->stanza->kind == STANZA_PRESENCE);
	assert(i->role == ROLE_SERVERLESS);
	++*(unsigned *)arg;
}

static void take_changes(struct mdns *m, uint64_t now_ns)
{
	struct mdns_change changes[16];
	size_t n;

	while ((n = mdns_changes(m, now_ns, changes, 16)) > 0)
		for (size_t i = 0; i < n; i++) {
			assert(changes[i].ttl_ms <= MDNS_TTL_MAX_S * 1000 + 1);
			assert(mdns_serves(m, &changes[i].where, now_ns) ==
				(changes[i].ttl_ms != 0));
		}
	assert(mdns_count(m) <= MDNS_PAIRS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct counts counts = { 0 };
	struct mdns *m = mdns_new();
	uint64_t now_ns = 1000000000;
	struct inspector of;

	if (!policy)
		load();
	of = (struct inspector){ .policy = policy, .judge = judge, .counts = &counts };
	while (size >= HEAD) {
		size_t len = (size_t)data[1] << 8 | data[2];
		struct packet p = { .src = { { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, data[0] } },
					    5353 },
			.dst = { .port = 5353 } };
		unsigned judged = 0;

		now_ns += (uint64_t)data[3] * data[3] * 10000000;
		data += HEAD;
		size -= HEAD;
		p.len = len < size ? len : size;
		p.payload = data;
		of.now_ns = now_ns;
		read_records(p.payload, p.len);
		mdns_learn(m, &p, now_ns, &counts);
		assert(announcer_judge(announcer, &of, &p, on_judged, &judged) >= 0);
		assert(judged <= 2 * DNS_RECORDS_MAX);
		mdns_who(m, "ann@desk", &p.src.address, now_ns);
		take_changes(m, now_ns);
		data += p.len;
		size -= p.len;
	}
	take_changes(m, now_ns + (uint64_t)(MDNS_TTL_MAX_S + 1) * 1000000000u);
	assert(mdns_count(m) == 0);
	mdns_free(m);
	return 0;
}
