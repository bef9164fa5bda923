/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before everything. Which packets go to a service: its ports and addresses as
 * the conditions of nft rules, for whoever counts, tracks or answers them (ctl/firewall_defend.c,
 * ctl/firewall_synproxy.c). What becomes of them is the caller's statement. */
#include "ctl/firewall_int.h"

bool firewall_service_proxied(const struct service *s)
{
	return s->mode == MODE_PROXY;
}

bool firewall_service_inspected(const struct service *s)
{
	return s->mode == MODE_INSPECT;
}

bool firewall_service_tproxied(const struct service *s)
{
	return s->mode == MODE_PROXY && s->intercept == INTERCEPT_TPROXY;
}

/* Only what is led in or inspected may be on its way to another host. */
static bool is_local(const struct service *s)
{
	return s->mode == MODE_PROXY && s->intercept != INTERCEPT_TPROXY;
}

static int put_ports(const struct service *s, struct buf *out)
{
	int r = buf_puts(out, "tcp dport { ");

	for (unsigned i = 0; i < s->n_ports && r == 0; i++)
		r = buf_putf(out, "%s%u", i ? ", " : "", s->ports[i]);
	return r == 0 ? buf_puts(out, " } ") : r;
}

static int put_service(const struct service *s, const char *statement, struct buf *out)
{
	unsigned families = s->n_addresses ? FIREWALL_FAMILIES : 1;
	struct buf condition;
	int r = 0;

	buf_init(&condition, 0);
	for (unsigned i = 0; i < families && r == 0; i++) {
		unsigned count = 1;

		buf_clear(&condition);
		if (s->n_addresses)
			r = firewall_format_addresses(
				s, &firewall_families[i], "daddr", &condition, &count);
		if (r < 0 || count == 0)
			continue;
		if ((r = buf_puts(out, is_local(s) ? "\t\tfib daddr type local " : "\t\t")) < 0 ||
			(r = buf_put(out, buf_ptr(&condition), buf_len(&condition))) < 0 ||
			(r = put_ports(s, out)) < 0)
			break;
		r = buf_putf(out, "%s\n", statement);
	}
	buf_fini(&condition);
	return r;
}

int firewall_format_services(const struct service *services, size_t n,
	bool (*wanted)(const struct service *s), const char *statement, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (services[i].n_ports == 0 || (wanted && !wanted(&services[i])))
			continue;
		if ((r = buf_puts(out, "\t\t# service ")) < 0 ||
			(r = firewall_format_name(services[i].name, out)) < 0 ||
			(r = buf_puts(out, "\n")) < 0)
			return r;
		r = put_service(&services[i], statement, out);
	}
	return r;
}
