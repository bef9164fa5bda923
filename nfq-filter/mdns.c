/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside flow.c: datagrams of multicast DNS (RFC 6762) in, known pairs and names out.
 * Each source keeps its own word: an SRV meets the addresses that the same source gave for its
 * host, and a goodbye or a flush ends only what that source had said. So a host on two networks is
 * known on both, and nobody takes back what another announced. Records, sources, pairs and names
 * each have a ceiling; beyond it goes what would end first, and is counted. It judges no text
 * (announce.c) and tells the firewall nothing itself: it says what changed to whoever asks. */
#include <stdlib.h>
#include "nfq-filter/mdns_int.h"

enum { ADDRESSES_OF_HOST = 16, FLUSHES_MAX = 64 };

struct mdns *mdns_new(void)
{
	struct mdns *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	map_init(&m->sources);
	map_init(&m->pairs);
	map_init(&m->names);
	return m;
}

static void source_clear(struct mdns *m, struct source *s)
{
	while (s->records) {
		struct record *r = s->records;

		s->records = r->next;
		free(r);
	}
	m->records -= s->n;
	s->n = 0;
}

void mdns_free(struct mdns *m)
{
	if (!m)
		return;
	for (struct source *s = m->newest; s; s = s->older)
		source_clear(m, s);
	map_fini(&m->sources, free);
	map_fini(&m->pairs, free);
	map_fini(&m->names, free);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- sources and records ---- */

static void source_unlink(struct mdns *m, struct source *s)
{
	*(s->newer ? &s->newer->older : &m->newest) = s->older;
	*(s->older ? &s->older->newer : &m->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void source_newest(struct mdns *m, struct source *s)
{
	s->older = m->newest;
	*(m->newest ? &m->newest->newer : &m->oldest) = s;
	m->newest = s;
}

/* What it said stays in the pairs for its time. */
static void source_forget(struct mdns *m, struct source *s)
{
	source_unlink(m, s);
	source_clear(m, s);
	map_take(&m->sources, s->address.bytes, sizeof(s->address.bytes));
	free(s);
}

static struct source *source_get(
	struct mdns *m, const struct peer_address *address, struct counts *counts)
{
	struct source *s = map_find(&m->sources, address->bytes, sizeof(address->bytes));

	if (s) {
		source_unlink(m, s);
		source_newest(m, s);
		return s;
	}
	if (m->sources.count >= MDNS_SOURCES_MAX) {
		source_forget(m, m->oldest);
		counts_add(counts, COUNT_MDNS_EVICTED, 1);
	}
	if (!(s = calloc(1, sizeof(*s))) ||
		map_put(&m->sources, address->bytes, sizeof(address->bytes), s, NULL) < 0) {
		free(s);
		return NULL;
	}
	s->address = *address;
	source_newest(m, s);
	return s;
}

static void source_expire(struct mdns *m, struct source *s, uint64_t now_ns)
{
	for (struct record **at = &s->records; *at;) {
		struct record *r = *at;

		if (r->expires_ns > now_ns) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		free(r);
		s->n--;
		m->records--;
	}
}

static void source_drop_first(struct mdns *m, struct source *s)
{
	struct record **first = &s->records, *gone;

	for (struct record **at = &s->records; *at; at = &(*at)->next)
		if ((*at)->expires_ns < (*first)->expires_ns)
			first = at;
	gone = *first;
	*first = gone->next;
	free(gone);
	s->n--;
	m->records--;
}

/* Room for one more: at a ceiling, of this source what ends first, of all the source that has been
 * silent longest. */
static bool records_room(struct mdns *m, struct source *s, struct counts *counts)
{
	if (s->n >= MDNS_RECORDS_OF_SOURCE) {
		source_drop_first(m, s);
		counts_add(counts, COUNT_MDNS_EVICTED, 1);
	}
	while (m->records >= MDNS_RECORDS_MAX && m->oldest != s) {
		source_forget(m, m->oldest);
		counts_add(counts, COUNT_MDNS_EVICTED, 1);
	}
	return m->records < MDNS_RECORDS_MAX;
}

static bool record_equal(const struct record *a, const struct record *b)
{
	return a->is_service == b->is_service && a->name == b->name && a->target == b->target &&
	       a->port == b->port && address_equal(&a->address, &b->address);
}

static void source_put(
	struct mdns *m, struct source *s, const struct record *wanted, struct counts *counts)
{
	struct record *r;

	for (r = s->records; r && !record_equal(r, wanted); r = r->next)
		;
	if (!r) {
		if (!records_room(m, s, counts) || !(r = calloc(1, sizeof(*r))))
			return;
		*r = *wanted;
		r->next = s->records;
		s->records = r;
		s->n++;
		m->records++;
	}
	r->heard_ns = wanted->heard_ns;
	r->expires_ns = wanted->expires_ns;
	r->fresh = true;
}

/* ---- from datagrams ---- */

/* Nobody can be reached there, or only whoever says so himself. */
static bool is_useless(const struct peer_address *a, const struct peer_address *source)
{
	static const struct peer_address none, loopback = { .bytes = { [15] = 1 } };
	const unsigned char *b = a->bytes;

	if (address_is_v4(a))
		return b[12] == 0 || b[12] >= 224 ||
		       (b[12] == 127 && !(address_is_v4(source) && source->bytes[12] == 127));
	return b[0] == 0xff || address_equal(a, &none) ||
	       (address_equal(a, &loopback) && !address_equal(source, &loopback));
}

static bool address_of(const struct dns_record *d, struct peer_address *out)
{
	if (d->type == DNS_AAAA) {
		memcpy(out->bytes, d->data, 16);
		return !address_is_v4(out);
	}
	memset(out->bytes, 0, 10);
	out->bytes[10] = out->bytes[11] = 0xff;
	memcpy(out->bytes + 12, d->data, 4);
	return true;
}

/* False: nothing we keep. The names are lower case. */
static bool record_of(const struct dns_record *d, const struct peer_address *source,
	uint64_t now_ns, struct record *out)
{
	uint64_t ttl = d->ttl < MDNS_TTL_MAX_S ? d->ttl : MDNS_TTL_MAX_S;
	const unsigned char *label;
	size_t len;

	*out = (struct record){ .name = map_hash(d->name.bytes, d->name.len), .heard_ns = now_ns };
	/* A goodbye holds for another second (RFC 6762 10.1). */
	out->expires_ns = now_ns + (ttl ? ttl : 1) * SECOND_NS;
	if (d->type == DNS_A || d->type == DNS_AAAA)
		return address_of(d, &out->address) && !is_useless(&out->address, source);
	if (d->type != DNS_SRV || d->port == 0 || !dns_name_is_presence(&d->name, &label, &len))
		return false;
	out->is_service = true;
	out->port = d->port;
	out->target = map_hash(d->target.bytes, d->target.len);
	memcpy(out->label, label, len);
	/* A name with a zero byte in it is no text's equal. */
	return !memchr(label, 0, len);
}

/* Of the same name and type, what is older than a second and not said again goes (10.2). */
static void source_flush(struct source *s, const struct record *by, uint64_t now_ns)
{
	for (struct record *r = s->records; r; r = r->next)
		if (!r->fresh && r->is_service == by->is_service && r->name == by->name &&
			(by->is_service ||
				address_is_v4(&r->address) == address_is_v4(&by->address)) &&
			r->heard_ns + SECOND_NS < now_ns && r->expires_ns > now_ns + SECOND_NS) {
			r->expires_ns = now_ns + SECOND_NS;
			r->fresh = true;
		}
}

static bool source_read(struct mdns *m, struct source *s, struct dns_reader *reader,
	uint64_t now_ns, struct counts *counts)
{
	struct record flushes[FLUSHES_MAX], wanted;
	unsigned n = 0;
	struct dns_record d;
	enum dns_result result;

	while ((result = dns_next(reader, &d)) == DNS_RECORD) {
		if (!d.internet)
			continue;
		dns_name_lower(&d.name);
		if (d.type == DNS_SRV)
			dns_name_lower(&d.target);
		if (!record_of(&d, &s->address, now_ns, &wanted))
			continue;
		source_put(m, s, &wanted, counts);
		if (d.flush && n < FLUSHES_MAX)
			flushes[n++] = wanted;
	}
	/* Only when all of it is read is it known what was not said again. */
	for (unsigned i = 0; i < n; i++)
		source_flush(s, &flushes[i], now_ns);
	return result == DNS_END;
}

static void service_join(
	struct mdns *m, struct source *s, const struct record *service, struct counts *counts)
{
	struct endpoint where = { .port = service->port };
	unsigned n = 0;

	for (const struct record *host = s->records; host; host = host->next) {
		uint64_t until = host->expires_ns < service->expires_ns ? host->expires_ns
									: service->expires_ns;

		if (host->is_service || host->name != service->target)
			continue;
		if (++n > ADDRESSES_OF_HOST)
			break;
		where.address = host->address;
		pair_claim(m, &where, &s->address, until, counts);
		name_claim(m, service->label, &host->address, until, counts);
	}
	name_claim(m, service->label, &s->address, service->expires_ns, counts);
	/* Nobody said where the host is: it is who speaks. */
	where.address = s->address;
	if (n == 0)
		pair_claim(m, &where, &s->address, service->expires_ns, counts);
}

/* All of the source's services anew, if anything was said. */
static void source_join(struct mdns *m, struct source *s, struct counts *counts)
{
	bool any = false;

	m->batch++;
	for (struct record *r = s->records; r; r = r->next) {
		any = any || r->fresh;
		r->fresh = false;
	}
	for (struct record *r = s->records; r && any; r = r->next)
		if (r->is_service)
			service_join(m, s, r, counts);
}

/* Reading is cheap, what follows from it less so: a flood ends here. */
static bool source_floods(struct source *s, unsigned records, uint64_t now_ns)
{
	if (now_ns >= s->second_ns + SECOND_NS) {
		s->second_ns = now_ns;
		s->heard = 0;
	}
	s->heard += records;
	return s->heard > MDNS_RECORDS_A_SECOND;
}

bool mdns_is_for(const struct packet *p)
{
	return p->src.port == MDNS_PORT || p->dst.port == MDNS_PORT;
}

/* Under the lock. False: it goes no further. */
static bool take_answer(struct mdns *m, const struct peer_address *from, struct dns_reader *reader,
	uint64_t now_ns, struct counts *counts)
{
	struct source *s;
	bool fine;

	m->now_ns = now_ns;
	if (m->names.count >= MDNS_NAMES_MAX && now_ns >= m->names_swept_ns + SECOND_NS) {
		names_sweep(m, now_ns);
		m->names_swept_ns = now_ns;
	}
	if (!(s = source_get(m, from, counts)))
		return true;
	if (source_floods(s, reader->records, now_ns)) {
		counts_add(counts, COUNT_MDNS_FLOOD, 1);
		return false;
	}
	source_expire(m, s, now_ns);
	fine = source_read(m, s, reader, now_ns, counts);
	source_join(m, s, counts);
	counts_add(counts, COUNT_MDNS_BAD, !fine);
	return fine;
}

bool mdns_learn(struct mdns *m, const struct packet *p, uint64_t now_ns, struct counts *counts)
{
	struct dns_reader reader;
	bool fine;

	counts_add(counts, COUNT_MDNS, 1);
	if (p->missing || p->checksum == CHECKSUM_WRONG) {
		counts_add(counts, p->missing ? COUNT_PACKET_CUT : COUNT_PACKET_CHECKSUM, 1);
		return true;
	}
	if (!dns_begin(&reader, p->payload, p->len)) {
		counts_add(counts, COUNT_MDNS_BAD, 1);
		return false;
	}
	/* What a question says it knows is no news. */
	if (!reader.response)
		return true;
	pthread_mutex_lock(&m->lock);
	fine = take_answer(m, &p->src.address, &reader, now_ns, counts);
	pthread_mutex_unlock(&m->lock);
	return fine;
}
