/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the ledger and the kernel. In: the policy (its table as text, its address sets), bans,
 * and the kernel's word that somebody touched our table. Out: the table loaded in one transaction,
 * elements in batches, routes; all of it brought back within a second when another tool flushed or
 * edited it, for what the kernel holds is a copy and never the truth. It decides no ban
 * (ctl/bans.c) and writes no rule text (ctl/firewall.c). */
#include "ctl/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/defend.h"
#include "ctl/nft_bridges.h"
#include "ctl/firewall.h"
#include "ctl/firewall_defend.h"
#include "ctl/kernel_sets.h"
#include "ctl/route.h"
#include "ctl/serverless.h"
#include "rules/rules.h"

enum {
	KERNEL_SETTLE_MS = 100, /* a foreign transaction is often one of several */
	KERNEL_RETRY_MS = 1000,
	KERNEL_COUNT_LONG_MS = 20,
	KERNEL_WATCH_MS = 1000, /* routes send us no word */
	KERNEL_LOOK_TURNS = 30, /* the table does; looking all the same, now and then */
};

struct kernel {
	uv_loop_t *loop;
	struct kernel_spec spec;
	struct nft *nft;
	struct firewall_host host;
	uv_poll_t poll;
	uv_timer_t timer;
	struct policy *policy; /* NULL: unloaded */
	bool loaded, touched;
	unsigned closing, turns;
	int error; /* of the last attempt; 0: all is as it should be */
	char error_text[200];
	int bridges_error;
	struct serverless serverless;
	struct kernel_sets sets;
	bool held;      /* the set loading holds tcp */
	size_t changes; /* elements that a sync had to add or remove */
	uint64_t restored;
	struct defend_watch defend;
	json_t *counts; /* for status */
	uint64_t counted_ms, count_took_ms;
};

static void on_timer(uv_timer_t *timer);

/* ---- what should be there ---- */

/* A row a pair of sets. */
static int describe_sets(struct kernel *k, const struct policy *p, struct kernel_sets *sets)
{
	const struct daemon_options *d = policy_daemon(p);
	const struct kernel_set rows[] = {
		{ "block", d->block_set, k->spec.bans, k->spec.is_banned, k->spec.arg },
		{ "allow", d->allow_set, NULL, NULL, NULL },
	};
	int r = 0;

	sets->n = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows && r == 0; i++)
		r = kernel_sets_add(sets, &rows[i]);
	for (unsigned i = 0; i < d->defend.n_classes && r == 0; i++) {
		struct kernel_set row = { .list = d->defend.classes[i].set };

		firewall_defend_base(&d->defend.classes[i], row.base);
		if (d->defend.classes[i].known_ms)
			row = (struct kernel_set){ FIREWALL_KNOWN, NULL, k->spec.known, k->spec.is_known,
				k->spec.known_arg };
		if (row.list || row.elements)
			r = kernel_sets_add(sets, &row);
	}
	return r;
}

static const struct kernel_set *block_of(const struct kernel *k)
{
	return kernel_sets_find(&k->sets, "block");
}

static int sync_block(struct kernel *k)
{
	return kernel_set_sync(block_of(k), k->nft, k->policy, &k->changes);
}

/* ---- bringing it there ---- */

static void kernel_note(struct kernel *k, const char *what, int code, const char *text)
{
	k->error = code;
	snprintf(k->error_text, sizeof k->error_text, "%s: %s", what, text ? text : err_text(code));
	if (code < 0)
		log_error("event=kernel error=\"%s\"", k->error_text);
}

static bool is_inspecting(const struct policy *p)
{
	const struct service *services;
	size_t n;

	services = policy_services(p, &n);
	return firewall_inspects(services, n);
}

static bool judges_bridges(const struct policy *p)
{
	return policy_daemon(p)->inspect.bridge && is_inspecting(p);
}

static int load_table(struct kernel *k, const struct policy *p)
{
	const struct daemon_options *d = policy_daemon(p);
	const struct service *services;
	cleanup_free char *error = NULL;
	bool held = false;
	struct buf text;
	size_t n;
	int r;

	services = policy_services(p, &n);
	k->host.synproxy = d->defend.synproxy && route_tracks_strictly();
	buf_init(&text, 0);
	r = firewall_format(services, n, d, &k->host, &text);
	if (r == 0 && !judges_bridges(p))
		bridges_off(k->nft);
	if (r == 0)
		r = buf_string(&text) ? nft_load_held(k->nft, buf_string(&text), &held, &error)
				      : -ENOMEM;
	buf_fini(&text);
	k->held = k->held || (r == 0 && held);
	if (r < 0)
		kernel_note(k, "the nftables table cannot be loaded", r, error);
	else if (k->host.form == FIREWALL_QUEUE_TARGET &&
		 (r = nft_target_fill(k->nft, d->inspect.queue,
			  service_queues(&d->inspect, k->host.cores))) < 0)
		kernel_note(k, "packets cannot be queued", r, NULL);
	return r;
}

/* What it cannot do is no reason to go without the rest. */
static void load_bridges(struct kernel *k)
{
	int r = judges_bridges(k->policy) ? bridges_on(k->nft) : 0;

	if (r != k->bridges_error && r < 0)
		log_warn("event=bridges error=\"%s\"", err_text(r));
	k->bridges_error = r;
}

static int load_routes(struct kernel *k, const struct policy *p)
{
	const struct daemon_options *d = policy_daemon(p);
	const struct service *services;
	size_t n;
	int r;

	services = policy_services(p, &n);
	r = firewall_needs_route(services, n) ? route_add(firewall_mark_local(d), d->route_table)
					      : 0;
	if (r < 0)
		kernel_note(k, "the routes of interception cannot be made", r, NULL);
	return r;
}

static int fill_sets(struct kernel *k)
{
	int r;

	/* What stood under loading when the last process died is taken out, too. */
	if ((r = kernel_sets_sync(&k->sets, k->nft, k->policy, &k->changes)) < 0 ||
		(r = nft_flag(k->nft, FIREWALL_LOCKDOWN, k->host.locked)) < 0 ||
		(r = nft_flag(k->nft, FIREWALL_LOADING, false)) < 0)
		kernel_note(k, "the sets of the table cannot be filled", r, NULL);
	else
		k->held = false;
	for (size_t i = serverless_refresh(&k->serverless, clock_mono_ms()); i > 0 && r == 0; i--)
		if (nft_pair_add(k->nft, &k->serverless.all[i - 1]) < 0)
			break; /* no service for them: no such set */
	return r;
}

/* Everything as k->policy wants it. */
static int kernel_restore(struct kernel *k)
{
	int r;

	if ((r = describe_sets(k, k->policy, &k->sets)) < 0 || (r = load_table(k, k->policy)) < 0 ||
		(r = fill_sets(k)) < 0 || (r = load_routes(k, k->policy)) < 0)
		return r;
	load_bridges(k);
	k->error = 0;
	k->loaded = true;
	k->count_took_ms = 0;
	return 0;
}

static bool routes_are_lost(struct kernel *k)
{
	const struct daemon_options *d = policy_daemon(k->policy);
	const struct service *services;
	size_t n;

	services = policy_services(k->policy, &n);
	return firewall_needs_route(services, n) &&
	       route_present(firewall_mark_local(d), d->route_table) == 0;
}

/* Somebody switched what it needs. */
static bool synproxy_may_change(const struct kernel *k)
{
	return policy_daemon(k->policy)->defend.synproxy &&
	       k->host.synproxy != route_tracks_strictly();
}

/* ---- watching ---- */

/* Never later than it was to be: bans that fail one after the other must not put off what mends it. */
static void watch_in(struct kernel *k, uint64_t ms)
{
	if (uv_is_active((uv_handle_t *)&k->timer) && uv_timer_get_due_in(&k->timer) <= ms)
		return;
	uv_timer_start(&k->timer, on_timer, ms, 0);
}

/* What was touched is compared whole; only what really differed is worth a word. */
static void kernel_reconcile(struct kernel *k, bool lost)
{
	bool altered = nft_state(k->nft) != NFT_STATE_INTACT;

	k->touched = false;
	k->changes = 0;
	if (kernel_restore(k) == 0 && (lost || altered || k->changes > 0)) {
		k->restored++;
		log_warn("event=kernel-restored note=\"another program changed %s; it is as it "
			 "was\"",
			lost ? "our routes" : "our table");
	}
	/* Our own changes are no news; somebody else's since then are. */
	k->touched = nft_event_read(k->nft) > 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct kernel *k = timer->data;
	bool lost;

	if (!k->policy)
		return;
	lost = routes_are_lost(k);
	if (lost || k->touched || synproxy_may_change(k) || k->error < 0 ||
		(++k->turns % KERNEL_LOOK_TURNS == 0 && nft_state(k->nft) != NFT_STATE_INTACT))
		kernel_reconcile(k, lost);
	else
		load_bridges(k); /* new ones */
	defend_look(&k->defend, k->nft, &policy_daemon(k->policy)->defend, k->spec.metrics, clock_mono_ms());
	watch_in(k, k->error < 0 || k->touched ? KERNEL_RETRY_MS : KERNEL_WATCH_MS);
}

static void on_nft_event(uv_poll_t *poll, int status, int events)
{
	struct kernel *k = poll->data;
	int r = nft_event_read(k->nft);

	(void)status;
	(void)events;
	if (r < 0)
		log_warn("event=nft-events error=\"%s\"", err_text(r));
	if (r == 0 || !k->policy || k->touched)
		return;
	k->touched = true;
	watch_in(k, KERNEL_SETTLE_MS);
}

/* ---- face ---- */

int kernel_open(
	uv_loop_t *loop, const struct kernel_spec *spec, struct kernel **out, struct buf *why)
{
	struct kernel *k = calloc(1, sizeof *k);
	int r;

	if (!k)
		return -ENOMEM;
	k->loop = loop;
	k->spec = *spec;
	if ((r = nft_open(&k->nft)) < 0) {
		buf_putf(why, "cannot speak with nftables: %s%s\n", err_text(r),
			r == -EPERM || r == -EACCES
				? " (it needs CAP_NET_ADMIN: start xmppwalld as root, or use "
				  "--no-firewall)"
				: " (is nf_tables in this kernel? --no-firewall goes without)");
		free(k);
		return r;
	}
	k->host =
		(struct firewall_host){ nft_queue_form(k->nft), uv_available_parallelism(), false,
			false };
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	if ((r = uv_poll_init(loop, &k->poll, nft_event_fd(k->nft))) < 0) {
		buf_putf(why, "cannot watch nftables: %s\n", err_text(r));
		nft_close(k->nft);
		k->closing = 1;
		uv_close((uv_handle_t *)&k->timer, NULL);
		return r;
	}
	k->poll.data = k;
	*out = k;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct kernel *k = handle->data;

	if (--k->closing > 0)
		return;
	nft_close(k->nft);
	policy_unref(k->policy);
	json_decref(k->counts);
	serverless_fini(&k->serverless);
	free(k);
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	k->closing = 2;
	uv_close((uv_handle_t *)&k->poll, on_handle_closed);
	uv_close((uv_handle_t *)&k->timer, on_handle_closed);
}

/* Routes that a former policy needed and this one does not. */
static void drop_old_routes(struct kernel *k, const struct policy *old)
{
	const struct daemon_options *was = policy_daemon(old), *is = policy_daemon(k->policy);
	const struct service *services;
	size_t n;

	services = policy_services(old, &n);
	if (!firewall_needs_route(services, n))
		return;
	services = policy_services(k->policy, &n);
	if (!firewall_needs_route(services, n) || was->mark != is->mark ||
		was->route_table != is->route_table)
		(void)route_remove(firewall_mark_local(was), was->route_table);
}

int kernel_load(struct kernel *k, struct policy *p, struct buf *why)
{
	struct policy *old = k->policy;
	bool was = k->loaded;
	int r;

	k->policy = policy_ref(p);
	if ((r = kernel_restore(k)) < 0) {
		buf_putf(why, "%s\n", k->error_text);
		policy_unref(k->policy);
		k->policy = old;
		if (old)
			(void)describe_sets(k, old, &k->sets);
		if (was)
			watch_in(k, 0); /* back to what was in force */
		return r;
	}
	if (old)
		drop_old_routes(k, old);
	policy_unref(old);
	(void)nft_event_read(k->nft); /* ours */
	uv_poll_start(&k->poll, UV_READABLE, on_nft_event);
	watch_in(k, KERNEL_WATCH_MS);
	return 0;
}

int kernel_unload(struct kernel *k, const struct policy *p, struct buf *why)
{
	const struct daemon_options *d = policy_daemon(k->policy ? k->policy : p);
	cleanup_free char *error = NULL;
	int r;

	uv_poll_stop(&k->poll);
	uv_timer_stop(&k->timer);
	bridges_off(k->nft);
	if ((r = nft_unload(k->nft, &error)) < 0)
		buf_putf(why, "%s\n", error ? error : err_text(r));
	else if ((r = route_remove(firewall_mark_local(d), d->route_table)) < 0)
		buf_putf(why, "the routes cannot be removed: %s\n", err_text(r));
	if (r < 0)
		return r;
	k->loaded = false;
	k->count_took_ms = 0;
	k->error = 0;
	policy_unref(k->policy);
	k->policy = NULL;
	return 0;
}

int kernel_lock(struct kernel *k, bool on)
{
	int r = 0;

	k->host.locked = on; /* in the table's text from now on */
	if (k->policy && (r = nft_flag(k->nft, FIREWALL_LOCKDOWN, on)) < 0) {
		kernel_note(k, "the set of the lockdown cannot be changed", r, NULL);
		watch_in(k, KERNEL_SETTLE_MS);
	}
	return r;
}

const struct firewall_host *kernel_host(const struct kernel *k)
{
	return &k->host;
}

bool kernel_is_loaded(const struct kernel *k)
{
	return k && k->loaded;
}

/* What did not go through is no loss: reconciling makes the sets anew from the ledger. */
static void edit_failed(struct kernel *k, int code)
{
	kernel_note(k, "the block set cannot be changed", code, NULL);
	watch_in(k, KERNEL_SETTLE_MS);
}

/* An address that the policy's own set holds, too, stays in when the ban ends. */
static bool is_listed(const struct kernel *k, const struct nft_element *ban)
{
	return kernel_set_lists(block_of(k), k->policy, ban);
}

void kernel_block(struct kernel *k, const struct nft_element *ban)
{
	int r = ERR_EXISTS;

	if (!k->policy)
		return;
	if (!is_listed(k, ban))
		r = nft_edit(k->nft, "block", ban, 1, NULL, 0, NULL);
	if (r == ERR_EXISTS)
		r = sync_block(k);
	if (r < 0)
		edit_failed(k, r);
}

void kernel_unblock(struct kernel *k, const struct nft_element *ban, bool overlaps)
{
	struct nft_edit result = { 0 };
	int r = 0;

	if (!k->policy)
		return;
	overlaps = overlaps || is_listed(k, ban);
	if (!overlaps)
		r = nft_edit(k->nft, "block", NULL, 0, ban, 1, &result);
	if (r == 0 && (overlaps || result.removed == 0))
		r = sync_block(k);
	if (r < 0)
		edit_failed(k, r);
}

void kernel_list_edited(struct kernel *k, const char *set, const json_t *add, const json_t *del)
{
	int r = 0;

	if (k->policy)
		r = kernel_sets_list_edited(
			&k->sets, k->nft, k->policy, set, add, del, &k->changes);
	if (r < 0)
		edit_failed(k, r);
}

void kernel_known(struct kernel *k, const struct nft_element *elements, size_t n)
{
	const struct kernel_set *row = k->policy ? kernel_sets_find(&k->sets, FIREWALL_KNOWN) : NULL;
	int r = row ? nft_edit(k->nft, FIREWALL_KNOWN, elements, n, NULL, 0, NULL) : 0;

	if (r == ERR_EXISTS)
		kernel_known_all(k);
	else if (r < 0)
		edit_failed(k, r);
}

void kernel_known_all(struct kernel *k)
{
	const struct kernel_set *row = k->policy ? kernel_sets_find(&k->sets, FIREWALL_KNOWN) : NULL;
	int r = row ? kernel_set_sync(row, k->nft, k->policy, &k->changes) : 0;

	if (r < 0)
		edit_failed(k, r);
}

static void on_serverless(
	void *arg, const struct peer_address *address, uint16_t port, uint64_t ttl_ms)
{
	struct kernel *k = arg;
	struct nft_pair pair = { *address, port, ttl_ms };
	int r = serverless_note(&k->serverless, &pair, ttl_ms, clock_mono_ms());

	if (r == 0 && k->policy)
		r = ttl_ms ? nft_pair_add(k->nft, &pair) : nft_pair_remove(k->nft, &pair);
	/* Without the set nobody asks for them; what failed else comes with the next restoring. */
	if (r < 0 && r != ERR_NOTFOUND)
		log_warn("event=serverless error=\"%s\"", err_text(r));
}

int kernel_serverless(struct kernel *k, const json_t *message)
{
	return serverless_take(message, on_serverless, k);
}

size_t kernel_listed(const struct kernel *k)
{
	return k->policy ? kernel_sets_listed(&k->sets, k->policy) : 0;
}

void kernel_lists_shrank(struct kernel *k)
{
	int r;

	if (k->policy && (r = kernel_sets_sync(&k->sets, k->nft, k->policy, &k->changes)) < 0)
		edit_failed(k, r);
}

/* How many runs each set holds. Counting goes through all of them, so a long count is good for a
 * hundred times as long. */
static json_t *sets_json(struct kernel *k)
{
	uint64_t start = clock_mono_ms();

	if (k->counts && k->count_took_ms > KERNEL_COUNT_LONG_MS &&
		start - k->counted_ms < 100 * k->count_took_ms)
		return json_incref(k->counts);
	json_decref(k->counts);
	k->counts = k->loaded ? kernel_sets_counts(&k->sets, k->nft) : json_object();
	k->counted_ms = clock_mono_ms();
	k->count_took_ms = k->counted_ms - start;
	return json_incref(k->counts);
}

json_t *kernel_status(struct kernel *k)
{
	return json_pack("{s:b,s:i,s:o,s:I}", "loaded", kernel_is_loaded(k), "tables",
		kernel_is_loaded(k) ? 1 : 0, "sets", k ? sets_json(k) : json_object(), "restored",
		k ? (json_int_t)k->restored : 0);
}

json_t *kernel_defend(struct kernel *k)
{
	uint64_t now = clock_mono_ms();

	if (!k || !k->policy)
		return json_object();
	defend_look(&k->defend, k->nft, &policy_daemon(k->policy)->defend, k->spec.metrics, now);
	return defend_status(&k->defend, k->nft, &policy_daemon(k->policy)->defend, now);
}

void kernel_attention(const struct kernel *k, json_t *lines)
{
	if (k->policy && policy_daemon(k->policy)->defend.synproxy && !k->host.synproxy)
		json_array_append_new(lines,
			json_string("synproxy goes without: set net.netfilter.nf_conntrack_tcp_loose "
				    "to 0 (xmppwallctl firewall check)"));
	defend_attention(&k->defend, lines);
	if (k->error < 0)
		json_array_append_new(lines, json_sprintf("firewall: %s", k->error_text));
	if (k->policy && k->host.form == FIREWALL_QUEUE_NONE && is_inspecting(k->policy))
		json_array_append_new(lines,
			json_string("this kernel cannot queue packets: services of mode inspect "
				    "are dropped, or pass by where they fail open (xmppwallctl "
				    "firewall check)"));
	if (k->policy && k->bridges_error < 0)
		json_array_append_new(lines,
			json_sprintf("bridged packets are not judged: %s%s",
				err_text(k->bridges_error),
				k->bridges_error == -EOPNOTSUPP ? " (modprobe br_netfilter)" : ""));
	if (!k->policy)
		json_array_append_new(lines,
			json_string(
				"the nftables table is unloaded: bans are kept but not enforced, "
				"nothing is intercepted (xmppwallctl firewall load)"));
}
