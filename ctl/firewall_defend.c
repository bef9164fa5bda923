/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before everything, right behind allow and block. How many new connections and
 * how many at once the kernel lets through: defend { ... } comes in, sets, counters and chains of
 * the nft table go out. A meter is a dynamic set with a limit in each element; its name tells the
 * numbers, so that a reload that changes them makes it anew and one that does not leaves it alone.
 * An element that finds no room breaks its rule, and the packet goes on: who fills a meter locks
 * nobody out. It never talks to the kernel; names of classes have passed the checker (letters,
 * digits, '_' and '-'). */
#include "ctl/firewall_defend.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ctl/firewall_int.h"
#include "ctl/firewall_synproxy.h"

#define SYN "tcp flags & (fin|syn|rst|ack) == syn"

const char *const firewall_defend_reasons[FIREWALL_DEFEND_REASONS] = {
	[FIREWALL_DEFEND_RATE] = "rate",
	[FIREWALL_DEFEND_PENALTY] = "penalty",
	[FIREWALL_DEFEND_CONCURRENT] = "concurrent",
	[FIREWALL_DEFEND_FULL] = "full",
};

/* ---- names ---- */

void firewall_defend_counter(const struct defend_class *k, enum firewall_defend_reason reason,
	char name[FIREWALL_DEFEND_NAME])
{
	snprintf(name, FIREWALL_DEFEND_NAME, "defend_%s_%s", k->name,
		firewall_defend_reasons[reason]);
}

void firewall_defend_base(const struct defend_class *k, char name[FIREWALL_DEFEND_NAME])
{
	snprintf(name, FIREWALL_DEFEND_NAME, "class_%s", k->name);
}

static const char *unit_text(uint32_t seconds)
{
	switch (seconds) {
	case 1:
		return "second";
	case 60:
		return "minute";
	case 3600:
		return "hour";
	case 86400:
		return "day";
	}
	return "week";
}

static unsigned bits_of(const struct defend_per *per, bool v4)
{
	return v4 ? per->v4 : per->v6;
}

/* The size is part of a set that cannot be changed, too. */
static void put_entries(const struct defend *d, bool v4, char name[FIREWALL_DEFEND_NAME])
{
	size_t len = strlen(name);

	if (d->entries != DEFEND_ENTRIES)
		len += (size_t)snprintf(name + len, FIREWALL_DEFEND_NAME - len, "_e%u", d->entries);
	snprintf(name + len, FIREWALL_DEFEND_NAME - len, "_%d", v4 ? 4 : 6);
}

/* "rate_tor_24_100s_300_4" */
static void name_rate(const struct defend *d, const struct defend_class *k,
	const struct defend_rate *r, bool v4, char name[FIREWALL_DEFEND_NAME])
{
	snprintf(name, FIREWALL_DEFEND_NAME, "rate_%s_%u_%u%c_%u", k->name, bits_of(&r->per, v4),
		r->n, *unit_text(r->seconds), r->burst);
	put_entries(d, v4, name);
}

/* "conns_tor_32_50_4" */
static void name_conns(const struct defend *d, const struct defend_class *k, bool v4,
	char name[FIREWALL_DEFEND_NAME])
{
	snprintf(name, FIREWALL_DEFEND_NAME, "conns_%s_%u_%u", k->name,
		bits_of(&k->concurrent_per, v4), k->concurrent);
	put_entries(d, v4, name);
}

static void name_penalty(const struct defend *d, const struct defend_class *k, bool v4,
	char name[FIREWALL_DEFEND_NAME])
{
	snprintf(name, FIREWALL_DEFEND_NAME, "penalty_%s", k->name);
	put_entries(d, v4, name);
}

void firewall_defend_meters(const struct defend *d, const struct defend_class *k,
	bool (*visit)(void *arg, const char *name), void *arg)
{
	char name[FIREWALL_DEFEND_NAME];

	for (int v4 = 1; v4 >= 0; v4--) {
		for (unsigned i = 0; i < k->n_rates; i++) {
			name_rate(d, k, &k->rates[i], v4, name);
			if (k->rates[i].per.v4 && !visit(arg, name))
				return;
		}
		name_conns(d, k, v4, name);
		if (k->concurrent && k->concurrent_per.v4 && !visit(arg, name))
			return;
	}
}

/* "ip saddr & 255.255.255.0", or without a mask where all bits count. */
static int put_key(const struct firewall_family *f, unsigned bits, struct buf *out)
{
	uint8_t mask[16] = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (bits == (f->v4 ? 32 : 128))
		return buf_putf(out, "%ssaddr", f->name);
	for (unsigned i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	inet_ntop(f->v4 ? AF_INET : AF_INET6, mask, text, sizeof(text));
	return buf_putf(out, "%ssaddr & %s", f->name, text);
}

/* ---- sets ---- */

static int put_set(const char *name, bool v4, unsigned size, const char *flags, uint64_t timeout_s,
	struct buf *out)
{
	int r = buf_putf(out, "\tset %s {\n\t\ttype %s\n", name, v4 ? "ipv4_addr" : "ipv6_addr");

	if (r == 0 && size)
		r = buf_putf(out, "\t\tsize %u\n", size);
	if (r == 0)
		r = buf_putf(out, "\t\tflags %s\n", flags);
	if (r == 0 && timeout_s)
		r = buf_putf(out, "\t\ttimeout %" PRIu64 "s\n", timeout_s);
	return r == 0 ? buf_puts(out, "\t}\n") : r;
}

/* Whom a class is made of. */
static int put_members(const struct defend_class *k, bool v4, struct buf *out)
{
	char base[FIREWALL_DEFEND_NAME], name[FIREWALL_DEFEND_NAME + 2];

	if (k->known_ms)
		return put_set(
			v4 ? FIREWALL_KNOWN "4" : FIREWALL_KNOWN "6_64", v4, 0, "timeout", 0, out);
	if (!k->set)
		return 0;
	firewall_defend_base(k, base);
	snprintf(name, sizeof(name), "%s%d", base, v4 ? 4 : 6);
	return put_set(name, v4, 0, "interval,timeout", 0, out);
}

static int put_class_sets(
	const struct defend *d, const struct defend_class *k, bool v4, struct buf *out)
{
	char name[FIREWALL_DEFEND_NAME];
	int r = put_members(k, v4, out);

	for (unsigned i = 0; i < k->n_rates && r == 0; i++) {
		name_rate(d, k, &k->rates[i], v4, name);
		if (k->rates[i].per.v4)
			r = put_set(name, v4, d->entries, "dynamic,timeout",
				defend_rate_refill_s(&k->rates[i]) + 1, out);
	}
	name_penalty(d, k, v4, name);
	if (r == 0 && k->penalty_ms)
		r = put_set(name, v4, d->entries, "dynamic,timeout", 0, out);
	name_conns(d, k, v4, name);
	if (r == 0 && k->concurrent && k->concurrent_per.v4)
		r = put_set(name, v4, d->entries, "dynamic", 0, out);
	return r;
}

static int put_counters(const struct defend_class *k, struct buf *out)
{
	char name[FIREWALL_DEFEND_NAME];
	int r = 0;

	for (unsigned reason = 0; reason < FIREWALL_DEFEND_REASONS && r == 0; reason++) {
		firewall_defend_counter(k, reason, name);
		r = buf_putf(out, "\tcounter %s {\n\t}\n", name);
	}
	return r;
}

int firewall_defend_sets(const struct defend *d, struct buf *out)
{
	int r = 0;

	if (d->n_classes)
		r = buf_puts(out,
			"\t# Connections by class: who belongs to it, what was refused, and the "
			"meters.\n");
	for (unsigned i = 0; i < d->n_classes && r == 0; i++) {
		const struct defend_class *k = &d->classes[i];

		if ((r = put_counters(k, out)) == 0 && (r = put_class_sets(d, k, true, out)) == 0)
			r = put_class_sets(d, k, false, out);
	}
	return r;
}

/* ---- which class ---- */

static bool has_rates(const struct defend_class *k)
{
	return k->n_rates > 0;
}

static bool has_concurrent(const struct defend_class *k)
{
	return k->concurrent > 0;
}

static bool any_class(const struct defend *d, bool (*has)(const struct defend_class *k))
{
	for (unsigned i = 0; i < d->n_classes; i++)
		if (has(&d->classes[i]))
			return true;
	return false;
}

static int put_member(
	const struct defend_class *k, const struct firewall_family *f, struct buf *out)
{
	char base[FIREWALL_DEFEND_NAME];

	if (k->known_ms)
		return buf_puts(out, f->v4 ? "ip saddr @" FIREWALL_KNOWN "4 "
					   : "ip6 saddr & ffff:ffff:ffff:ffff:: @" FIREWALL_KNOWN
					     "6_64 ");
	if (!k->set)
		return buf_putf(out, "meta nfproto %s ", f->proto);
	firewall_defend_base(k, base);
	return buf_putf(out, "%ssaddr @%s%d ", f->name, base, f->v4 ? 4 : 6);
}

/* A class that is not counted here must still not fall to the next one. */
static int put_classes(const struct defend *d, const char *chain, const char *prefix,
	bool (*has)(const struct defend_class *k), struct buf *out)
{
	int r = buf_putf(out, "\tchain %s {\n", chain);

	for (unsigned i = 0; i < d->n_classes; i++)
		for (size_t f = 0; f < FIREWALL_FAMILIES && r == 0; f++) {
			const struct defend_class *k = &d->classes[i];

			if ((r = buf_puts(out, "\t\t")) < 0 ||
				(r = put_member(k, &firewall_families[f], out)) < 0)
				return r;
			r = has(k) ? buf_putf(out, "goto %s_%s_%d\n", prefix, k->name,
					     firewall_families[f].v4 ? 4 : 6)
				   : buf_puts(out, "return\n");
		}
	return r == 0 ? buf_puts(out, "\t}\n") : r;
}

/* ---- rates ---- */

static int put_limit(const struct defend_rate *r, struct buf *out)
{
	return buf_putf(out, "limit rate over %u/%s burst %u packets", r->n, unit_text(r->seconds),
		r->burst);
}

static int put_refusal(const struct defend_class *k, enum firewall_defend_reason reason,
	const char *verdict, struct buf *out)
{
	char counter[FIREWALL_DEFEND_NAME];

	firewall_defend_counter(k, reason, counter);
	return buf_putf(out, " counter name \"%s\" %s\n", counter, verdict);
}

/* An element that was not made is the sign of a full meter. */
static int put_full(const struct defend_class *k, const struct firewall_family *f, unsigned bits,
	const char *set, struct buf *out)
{
	char counter[FIREWALL_DEFEND_NAME];
	int r;

	firewall_defend_counter(k, FIREWALL_DEFEND_FULL, counter);
	if ((r = buf_puts(out, "\t\t")) < 0 || (r = put_key(f, bits, out)) < 0)
		return r;
	return buf_putf(out, " != @%s counter name \"%s\"\n", set, counter);
}

static int put_rate(const struct defend *d, const struct defend_class *k,
	const struct defend_rate *rate, const struct firewall_family *f, struct buf *out)
{
	unsigned bits = bits_of(&rate->per, f->v4);
	char set[FIREWALL_DEFEND_NAME];
	int r;

	if (!rate->per.v4)
		return 0; /* all together: one count for both families */
	name_rate(d, k, rate, f->v4, set);
	if ((r = buf_putf(out, "\t\tupdate @%s { ", set)) < 0 || (r = put_key(f, bits, out)) < 0 ||
		(r = buf_puts(out, " ")) < 0 || (r = put_limit(rate, out)) < 0 ||
		(r = buf_puts(out, " }")) < 0)
		return r;
	if (k->penalty_ms && defend_per_address(&rate->per))
		r = buf_putf(out, " goto over_%s_%d\n", k->name, f->v4 ? 4 : 6);
	else
		r = put_refusal(k, FIREWALL_DEFEND_RATE, "drop", out);
	return r == 0 ? put_full(k, f, bits, set, out) : r;
}

static const struct defend_rate *rate_of_all(const struct defend_class *k)
{
	/* Rates go from narrow to wide. */
	return k->n_rates && !k->rates[k->n_rates - 1].per.v4 ? &k->rates[k->n_rates - 1] : NULL;
}

/* Counted from the first attempt too many, not from the last: clients that reconnect by themselves
 * would never get out of it. Without room in the set there is no penalty, but the drop remains. */
static int put_over(const struct defend *d, const struct defend_class *k,
	const struct firewall_family *f, struct buf *out)
{
	char set[FIREWALL_DEFEND_NAME];
	int r;

	name_penalty(d, k, f->v4, set);
	if ((r = buf_putf(out, "\tchain over_%s_%d {\n\t\tadd @%s { ", k->name, f->v4 ? 4 : 6,
		     set)) < 0 ||
		(r = put_key(f, f->v4 ? DEFEND_V4 : DEFEND_V6, out)) < 0 ||
		(r = buf_putf(out, " timeout %" PRIu64 "s }\n\t\t", (k->penalty_ms + 999) / 1000)) <
			0 ||
		(r = put_refusal(k, FIREWALL_DEFEND_RATE, "drop", out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

static int put_penalty(const struct defend *d, const struct defend_class *k,
	const struct firewall_family *f, struct buf *out)
{
	char set[FIREWALL_DEFEND_NAME];
	int r;

	name_penalty(d, k, f->v4, set);
	if ((r = buf_puts(out, "\t\t")) < 0 ||
		(r = put_key(f, f->v4 ? DEFEND_V4 : DEFEND_V6, out)) < 0 ||
		(r = buf_putf(out, " @%s", set)) < 0)
		return r;
	return put_refusal(k, FIREWALL_DEFEND_PENALTY, "drop", out);
}

static int put_rates_family(const struct defend *d, const struct defend_class *k,
	const struct firewall_family *f, struct buf *out)
{
	int r = buf_putf(out, "\tchain rates_%s_%d {\n", k->name, f->v4 ? 4 : 6);

	if (r == 0 && k->penalty_ms)
		r = put_penalty(d, k, f, out);
	for (unsigned i = 0; i < k->n_rates && r == 0; i++)
		r = put_rate(d, k, &k->rates[i], f, out);
	if (r == 0 && rate_of_all(k))
		r = buf_putf(out, "\t\tgoto all_%s\n", k->name);
	if (r == 0)
		r = buf_puts(out, "\t}\n");
	return r == 0 && k->penalty_ms ? put_over(d, k, f, out) : r;
}

static int put_rates(const struct defend *d, const struct defend_class *k, struct buf *out)
{
	const struct defend_rate *all = rate_of_all(k);
	int r = 0;

	if (!has_rates(k))
		return 0;
	if (all && ((r = buf_putf(out, "\tchain all_%s {\n\t\t", k->name)) < 0 ||
			   (r = put_limit(all, out)) < 0 ||
			   (r = put_refusal(k, FIREWALL_DEFEND_RATE, "drop", out)) < 0 ||
			   (r = buf_puts(out, "\t}\n")) < 0))
		return r;
	for (size_t f = 0; f < FIREWALL_FAMILIES && r == 0; f++)
		r = put_rates_family(d, k, &firewall_families[f], out);
	return r;
}

int firewall_defend_early(const struct defend *d, struct buf *out)
{
	if (!any_class(d, has_rates))
		return 0;
	return buf_puts(out, "\t\tiifname != \"lo\" " SYN " jump defend_new\n");
}

/* ---- at once ---- */

/* A reset says that there is no use in trying again at once. */
static int put_concurrent_family(const struct defend *d, const struct defend_class *k,
	const struct firewall_family *f, struct buf *out)
{
	unsigned bits = bits_of(&k->concurrent_per, f->v4);
	char set[FIREWALL_DEFEND_NAME];
	int r = buf_putf(out, "\tchain conns_%s_%d {\n", k->name, f->v4 ? 4 : 6);

	if (r < 0)
		return r;
	name_conns(d, k, f->v4, set);
	if ((r = buf_putf(out, "\t\tadd @%s { ", set)) < 0 || (r = put_key(f, bits, out)) < 0 ||
		(r = buf_putf(out, " ct count over %u } goto many_%s\n", k->concurrent, k->name)) <
			0 ||
		(r = put_full(k, f, bits, set, out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

static int put_concurrent(const struct defend *d, const struct defend_class *k, struct buf *out)
{
	int r;

	if (!has_concurrent(k))
		return 0;
	if ((r = buf_putf(out, "\tchain many_%s {\n\t\tmeta l4proto tcp", k->name)) < 0 ||
		(r = put_refusal(k, FIREWALL_DEFEND_CONCURRENT, "reject with tcp reset", out)) <
			0 ||
		(r = buf_puts(out, "\t}\n")) < 0)
		return r;
	if (!k->concurrent_per.v4) {
		for (size_t f = 0; f < FIREWALL_FAMILIES && r == 0; f++)
			r = buf_putf(out, "\tchain conns_%s_%d {\n\t\tgoto conns_%s\n\t}\n",
				k->name, firewall_families[f].v4 ? 4 : 6, k->name);
		return r < 0 ? r
			     : buf_putf(out,
				       "\tchain conns_%s {\n\t\tct count over %u goto "
				       "many_%s\n\t}\n",
				       k->name, k->concurrent, k->name);
	}
	for (size_t f = 0; f < FIREWALL_FAMILIES && r == 0; f++)
		r = put_concurrent_family(d, k, &firewall_families[f], out);
	return r;
}

/* ---- the whole ---- */

/* What our own servers dial is no stranger's: who else comes there is turned away at once. */
static bool is_counted(const struct service *s)
{
	return s->direction != SERVICE_OUT;
}

static bool is_counted_behind(const struct service *s)
{
	return firewall_service_proxied(s) && is_counted(s);
}

/* A SYN of which nobody knows whence it came is not counted where the kernel finds out. */
static int put_attempts(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	return firewall_format_services(services, n,
		firewall_synproxy_is_on(daemon, host) ? firewall_service_inspected : is_counted,
		"goto defend_rates", out);
}

static int put_new_chains(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	const struct defend *d = &daemon->defend;
	int r;

	if (!any_class(d, has_rates))
		return 0;
	if ((r = buf_puts(out,
		     "\n\t# New connections over a rate are dropped before anything is spent on "
		     "them; honest\n"
		     "\t# peers try again. Meters that are full count in defend_CLASS_full and "
		     "let pass.\n"
		     "\tchain defend_new {\n")) < 0 ||
		(r = put_attempts(services, n, daemon, host, out)) < 0 ||
		(r = buf_puts(out, "\t}\n")) < 0 ||
		(r = put_classes(d, "defend_rates", "rates", has_rates, out)) < 0)
		return r;
	for (unsigned i = 0; i < d->n_classes && r == 0; i++)
		r = put_rates(d, &d->classes[i], out);
	return r;
}

static int put_open_chains(
	const struct service *services, size_t n, const struct defend *d, struct buf *out)
{
	int r;

	if (!any_class(d, has_concurrent))
		return 0;
	if ((r = buf_puts(out,
		     "\n\t# Connections at once, which connection tracking knows.\n"
		     "\tchain defend {\n"
		     "\t\ttype filter hook prerouting priority mangle - 10; policy accept;\n"
		     "\t\tiifname != \"lo\" " SYN " ct state new jump defend_open\n"
		     "\t}\n"
		     "\tchain defend_open {\n")) < 0 ||
		(r = firewall_format_match(FIREWALL_ALLOW, "return", out)) < 0 ||
		(r = firewall_format_services(services, n, is_counted, "goto defend_conns", out)) < 0 ||
		(r = buf_puts(out, "\t}\n")) < 0 ||
		(r = put_classes(d, "defend_conns", "conns", has_concurrent, out)) < 0)
		return r;
	for (unsigned i = 0; i < d->n_classes && r == 0; i++)
		r = put_concurrent(d, &d->classes[i], out);
	return r;
}

int firewall_defend_chains(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	int r = put_new_chains(services, n, daemon, host, out);

	return r == 0 ? put_open_chains(services, n, &daemon->defend, out) : r;
}

int firewall_defend_counts(
	const struct service *services, size_t n, const struct defend *d, struct buf *out)
{
	int r = 0;

	if (any_class(d, has_rates))
		r = firewall_format_services(
			services, n, is_counted_behind, "jump defend_rates", out);
	if (r == 0 && any_class(d, has_concurrent))
		r = firewall_format_services(
			services, n, is_counted_behind, "jump defend_conns", out);
	return r;
}
