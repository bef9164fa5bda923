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
#include "ctl/kernel_rows.h"
#include "ctl/route.h"
#include "ctl/serverless.h"
#include "rules/rules.h"

enum {
	KERNEL_SETTLE_MS = 100, /* a foreign transaction is often one of several */
	KERNEL_RETRY_MS = 1000,
	KERNEL_FILL_MS = 5,     /* of the loop's time at once, about */
	KERNEL_LOAD_MS = 200,   /* a load waits so long for its sets */
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
	struct kernel_sets sets;
	struct serverless serverless;
	bool held;      /* the set loading holds tcp */
	uv_idle_t idle; /* fills */
	size_t changes; /* elements that a sync had to add or remove */
	uint64_t restored;
	struct defend_watch defend;
};

static void on_timer(uv_timer_t *timer);
static int fill_sets(struct kernel *k, uint64_t ms);

/* Never later than it was to be: bans that fail one after the other must not put off what mends it.
 */
static void watch_in(struct kernel *k, uint64_t ms)
{
	if (uv_is_active((uv_handle_t *)&k->timer) && uv_timer_get_due_in(&k->timer) <= ms)
		return;
	uv_timer_start(&k->timer, on_timer, ms, 0);
}

/* ---- what should be there ---- */

static int describe_sets(struct kernel *k, const struct policy *p)
{
	struct kernel_sets sets;
	int r = kernel_rows(&k->spec, p, &sets);

	if (r == 0)
		kernel_sets_replace(&k->sets, &sets);
	return r;
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
	enum nft_left left = NFT_LEFT_NONE;
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
		r = buf_string(&text) ? nft_load_held(k->nft, buf_string(&text), &left, &error)
				      : -ENOMEM;
	buf_fini(&text);
	if (r == 0 && left != NFT_LEFT_ALL) {
		k->held = true;
		kernel_sets_refresh(&k->sets, NULL, left == NFT_LEFT_NONE);
		if (left == NFT_LEFT_NONE)
			defend_begin_anew(&k->defend);
	} else if (r == 0) {
		kernel_sets_check(&k->sets);
	}
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

static void on_idle(uv_idle_t *idle)
{
	struct kernel *k = idle->data;

	(void)fill_sets(k, KERNEL_FILL_MS);
}

/* Who fails is tried again by on_timer. */
static int fill_sets(struct kernel *k, uint64_t ms)
{
	int r = kernel_sets_run(&k->sets, k->nft, ms, &k->changes);
	bool more = r > 0;

	k->held = kernel_sets_hold(&k->sets) || k->held;
	if (r >= 0 && k->held && !kernel_sets_are_open(&k->sets) &&
		(r = nft_flag(k->nft, FIREWALL_LOADING, false)) == 0)
		k->held = false;
	if (more && r >= 0)
		uv_idle_start(&k->idle, on_idle);
	else
		uv_idle_stop(&k->idle);
	if (r < 0) {
		kernel_note(k, "the sets of the table cannot be filled", r, NULL);
		watch_in(k, r == ERR_NOTFOUND ? 0 : KERNEL_RETRY_MS);
	}
	return r < 0 ? r : 0;
}

static void fill_serverless(struct kernel *k)
{
	for (size_t i = serverless_refresh(&k->serverless, clock_mono_ms()); i > 0; i--)
		if (nft_pair_add(k->nft, &k->serverless.all[i - 1]) < 0)
			break; /* no service for them: no such set */
}

/* Everything as k->policy wants it. */
static int kernel_restore(struct kernel *k)
{
	int r;

	if ((r = describe_sets(k, k->policy)) < 0 || (r = load_table(k, k->policy)) < 0 ||
		(r = fill_sets(k, KERNEL_LOAD_MS)) < 0 || (r = load_routes(k, k->policy)) < 0)
		return r;
	if ((r = nft_flag(k->nft, FIREWALL_LOCKDOWN, k->host.locked)) < 0) {
		kernel_note(k, "lockdown cannot be switched", r, NULL);
		return r;
	}
	fill_serverless(k);
	load_bridges(k);
	k->error = 0;
	k->loaded = true;
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

/* What was touched is compared whole; only what really differed is worth a word. */
static void kernel_reconcile(struct kernel *k, bool lost)
{
	bool altered = nft_state(k->nft) != NFT_STATE_INTACT;
	int r;

	/* Told of before; what comes from now on is news. */
	(void)nft_event_read(k->nft);
	(void)kernel_sets_mend(&k->sets, k->nft, &r);
	if ((nft_event_rest(k->nft) || r < 0) && !altered)
		kernel_sets_refresh(&k->sets, NULL, false);
	k->held = true; /* somebody else may have switched it on */
	k->touched = false;
	k->changes = 0;
	if (kernel_restore(k) == 0 && (lost || altered || k->changes > 0)) {
		k->restored++;
		log_warn("event=kernel-restored note=\"another program changed %s; it is as it "
			 "was\"",
			lost ? "our routes" : "our table");
	}
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
	defend_look(&k->defend, k->nft, &policy_daemon(k->policy)->defend, k->spec.metrics,
		clock_mono_ms());
	watch_in(k, k->error < 0 || k->touched ? KERNEL_RETRY_MS : KERNEL_WATCH_MS);
}

/* What single elements were is put back at once; a set that is not whole lets nobody new in. */
static void kernel_mend(struct kernel *k)
{
	int r = 0;

	if (!kernel_sets_mend(&k->sets, k->nft, &r))
		return;
	k->restored++;
	log_warn("event=kernel-restored note=\"another program changed elements of our sets; they "
		 "are as they were\"");
	if (r == 0 && kernel_sets_are_open(&k->sets) &&
		(r = nft_flag(k->nft, FIREWALL_LOADING, true)) == 0)
		k->held = true;
	if (r == 0)
		r = fill_sets(k, KERNEL_FILL_MS);
	if (r < 0) {
		k->touched = true;
		watch_in(k, r == ERR_NOTFOUND ? 0 : KERNEL_SETTLE_MS);
	}
}

static void on_nft_event(uv_poll_t *poll, int status, int events)
{
	struct kernel *k = poll->data;
	int r = nft_event_read(k->nft);

	(void)status;
	(void)events;
	if (r < 0)
		log_warn("event=nft-events error=\"%s\"", err_text(r));
	if (r == 0 || !k->policy)
		return;
	/* Without a table there is nothing to wait for. */
	if (nft_state(k->nft) == NFT_STATE_ABSENT) {
		kernel_reconcile(k, false);
		watch_in(k, k->error < 0 || k->touched ? KERNEL_RETRY_MS : KERNEL_WATCH_MS);
		return;
	}
	kernel_mend(k);
	if (k->touched || !nft_event_rest(k->nft))
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
	k->host = (struct firewall_host){ nft_queue_form(k->nft), uv_available_parallelism(), false,
		false };
	uv_timer_init(loop, &k->timer);
	uv_idle_init(loop, &k->idle);
	k->timer.data = k->idle.data = k;
	if ((r = uv_poll_init(loop, &k->poll, nft_event_fd(k->nft))) < 0) {
		buf_putf(why, "cannot watch nftables: %s\n", err_text(r));
		nft_close(k->nft);
		uv_close((uv_handle_t *)&k->timer, NULL);
		uv_close((uv_handle_t *)&k->idle, NULL);
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
	nft_fill_free(k->sets.fill);
	nft_close(k->nft);
	policy_unref(k->policy);
	serverless_fini(&k->serverless);
	free(k);
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	k->closing = 3;
	uv_close((uv_handle_t *)&k->idle, on_handle_closed);
	uv_close((uv_handle_t *)&k->poll, on_handle_closed);
	uv_close((uv_handle_t *)&k->timer, on_handle_closed);
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
			(void)describe_sets(k, old);
		if (was)
			watch_in(k, 0); /* back to what was in force */
		return r;
	}
	if (old)
		kernel_drop_routes(old, k->policy);
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
	uv_idle_stop(&k->idle);
	nft_fill_free(k->sets.fill);
	k->sets = (struct kernel_sets){ .n = 0 };
	bridges_off(k->nft);
	if ((r = nft_unload(k->nft, &error)) < 0)
		buf_putf(why, "%s\n", error ? error : err_text(r));
	else if ((r = route_remove(firewall_mark_local(d), d->route_table)) < 0)
		buf_putf(why, "the routes cannot be removed: %s\n", err_text(r));
	if (r < 0)
		return r;
	k->loaded = false;
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
static void edit_failed(struct kernel *k, const char *base, int code)
{
	kernel_note(k, "the sets of the table cannot be changed", code, NULL);
	kernel_sets_refresh(&k->sets, base, false);
	watch_in(k, code == ERR_NOTFOUND ? 0 : KERNEL_SETTLE_MS);
}

void kernel_bans(struct kernel *k, const struct nft_element *add, size_t n_add,
	const struct nft_element *del, size_t n_del)
{
	int r;

	if (!k->policy)
		return;
	r = kernel_set_edit(&k->sets, kernel_sets_find(&k->sets, FIREWALL_BLOCK), k->nft, add,
		n_add, del, n_del);
	if (r < 0)
		edit_failed(k, FIREWALL_BLOCK, r);
}

void kernel_list_edited(struct kernel *k, const char *set, const json_t *add, const json_t *del)
{
	int r;

	if (!k->policy)
		return;
	r = kernel_sets_list_edited(&k->sets, k->nft, set, add, del);
	if (r < 0)
		edit_failed(k, NULL, r);
	else
		(void)fill_sets(k, KERNEL_LOAD_MS);
}

void kernel_known(struct kernel *k, const struct nft_element *elements, size_t n)
{
	struct kernel_set *row = k->policy ? kernel_sets_find(&k->sets, FIREWALL_KNOWN) : NULL;
	int r = row ? kernel_set_edit(&k->sets, row, k->nft, elements, n, NULL, 0) : 0;

	if (r < 0)
		edit_failed(k, FIREWALL_KNOWN, r);
}

void kernel_known_all(struct kernel *k)
{
	if (!k->policy)
		return;
	kernel_sets_refresh(&k->sets, FIREWALL_KNOWN, false);
	(void)fill_sets(k, KERNEL_LOAD_MS);
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
	return k->policy ? kernel_sets_listed(&k->sets) : 0;
}

void kernel_lists_shrank(struct kernel *k)
{
	if (!k->policy)
		return;
	kernel_sets_check(&k->sets);
	(void)fill_sets(k, KERNEL_LOAD_MS);
}

void kernel_refresh(struct kernel *k)
{
	if (!k->policy)
		return;
	kernel_sets_refresh(&k->sets, NULL, false);
	(void)fill_sets(k, KERNEL_LOAD_MS);
}

json_t *kernel_status(struct kernel *k)
{
	return json_pack("{s:b,s:i,s:o,s:I}", "loaded", kernel_is_loaded(k), "tables",
		kernel_is_loaded(k) ? 1 : 0, "sets",
		kernel_is_loaded(k) ? kernel_sets_counts(&k->sets, k->nft) : json_object(),
		"restored", k ? (json_int_t)k->restored : 0);
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
			json_string(
				"synproxy goes without: set net.netfilter.nf_conntrack_tcp_loose "
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
