/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside ctl/kernel.c: which pairs of sets a policy's table has, and of what each is a copy. In:
 * the policy, and where bans and known addresses are kept. Out: rows for ctl/kernel_sets.c; whoever
 * wants another pair kept adds a row here and its text to ctl/firewall.c. And which routes go with
 * a policy. */
#include "ctl/kernel_rows.h"

#include <string.h>

#include "ctl/firewall_defend.h"
#include "ctl/route.h"
#include "rules/rules.h"

int kernel_rows(const struct kernel_spec *spec, const struct policy *p, struct kernel_sets *sets)
{
	const struct daemon_options *d = policy_daemon(p);
	const struct kernel_set rows[] = {
		{ .base = FIREWALL_BLOCK, .source = spec->bans, .guards = true },
		{ .base = FIREWALL_BLOCKLIST, .list = d->block_set, .guards = true },
		{ .base = FIREWALL_ALLOW, .list = d->allow_set },
	};
	int r = 0;

	*sets = (struct kernel_sets){ .n = 0 };
	for (size_t i = 0; i < sizeof rows / sizeof *rows && r == 0; i++)
		if (rows[i].list || strcmp(rows[i].base, FIREWALL_BLOCKLIST) != 0)
			r = kernel_sets_add(sets, &rows[i]);
	for (unsigned i = 0; i < d->defend.n_classes && r == 0; i++) {
		struct kernel_set row = { .list = d->defend.classes[i].set };

		firewall_defend_base(&d->defend.classes[i], row.base);
		if (d->defend.classes[i].known_ms)
			row = (struct kernel_set){ .base = FIREWALL_KNOWN, .source = spec->known };
		if (row.list || row.source.all)
			r = kernel_sets_add(sets, &row);
	}
	kernel_sets_policy(sets, p);
	return r;
}

void kernel_drop_routes(const struct policy *old, const struct policy *now)
{
	const struct daemon_options *was = policy_daemon(old), *is = policy_daemon(now);
	const struct service *services;
	size_t n;

	services = policy_services(old, &n);
	if (!firewall_needs_route(services, n))
		return;
	services = policy_services(now, &n);
	if (!firewall_needs_route(services, n) || was->mark != is->mark ||
		was->route_table != is->route_table)
		(void)route_remove(firewall_mark_local(was), was->route_table);
}
