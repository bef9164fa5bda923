/* SPDX-License-Identifier: BSD-2-Clause */
/* A ban's day. In: "act" of a worker's event (strikes, a ban), or an operator's word. Then, in this
 * order: the ladder (rules/punish.c), the ledger (what it has answered survives kill -9), the
 * kernel's block set, the sessions that stand, an event. Out again: by time or by "unban". A worker
 * sees network bytes, so its word can never ban more than one address, nor this host, nor what the
 * policy's allow set names. Only this file decides who is banned; it never speaks nftables itself.
 */
#include "ctl/bans.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/kernel.h"
#include "ctl/ledger.h"
#include "rules/punish.h"
#include "rules/rules.h"

enum {
	BANS_STRIKES_MAX = 1000, /* of one verdict */
	BANS_PREFIX6 = 64,       /* what one host on IPv6 is given, as limits see it */
	BANS_WAKE_MAX_MS = 3600 * 1000,
	PREFIX_TEXT = INET6_ADDRSTRLEN + 8,
};
#define BANS_MS_MAX ((uint64_t)10 * 365 * 24 * 3600 * 1000)

struct bans {
	struct bans_spec spec;
	struct ledger *ledger;
	struct punish_table *ladder;
	struct kernel *kernel;
	struct policy *policy;
	uv_timer_t timer;
	bool damaged;
	int error; /* of the last write to the ledger */
};

static void bans_wake(struct bans *b);

/* ---- prefixes ---- */

static void prefix_format(const struct peer_address *a, unsigned prefix_len, char text[PREFIX_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	address_format(a, address, sizeof address);
	snprintf(text, PREFIX_TEXT, "%s/%u", address,
		address_is_v4(a) ? prefix_len - 96 : prefix_len);
}

/* A single address is shown as one. */
static void prefix_show(const struct peer_address *a, unsigned prefix_len, char text[PREFIX_TEXT])
{
	if (prefix_len == 128)
		address_format(a, text, PREFIX_TEXT);
	else
		prefix_format(a, prefix_len, text);
}

static void prefix_mask(struct peer_address *a, unsigned prefix_len)
{
	for (unsigned bit = prefix_len; bit < 128; bit++)
		a->bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static bool prefix_covers(
	const struct peer_address *net, unsigned len, const struct peer_address *a)
{
	struct peer_address x = *net, y = *a;

	prefix_mask(&x, len);
	prefix_mask(&y, len);
	return memcmp(&x, &y, sizeof x) == 0;
}

/* What is punished for what an address did: the address, or the network that one IPv6 host has. */
static void peer_of(const struct peer_address *a, struct peer_address *peer, unsigned *prefix_len)
{
	*peer = *a;
	*prefix_len = address_is_v4(a) ? 128 : BANS_PREFIX6;
	prefix_mask(peer, *prefix_len);
}

/* ---- who is never banned by a worker's word ---- */

static bool is_own(const struct peer_address *a)
{
	static const struct {
		const char *text;
	} never[] = { { "127.0.0.0/8" }, { "0.0.0.0/8" }, { "::/127" } };
	struct peer_address net;
	unsigned len;

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (address_parse_prefix(span_of(never[i].text), &net, &len) == 0 &&
			prefix_covers(&net, len, a))
			return true;
	return false;
}

struct covered {
	const struct peer_address *address;
	bool yes;
};

static bool visit_allowed(void *arg, const struct peer_address *net, unsigned prefix_len)
{
	struct covered *c = arg;

	c->yes = prefix_covers(net, prefix_len, c->address);
	return !c->yes;
}

static bool is_allowed(const struct bans *b, const struct peer_address *a)
{
	struct covered c = { a, false };
	const char *set = b->policy ? policy_daemon(b->policy)->allow_set : NULL;

	if (set)
		(void)policy_addresses(b->policy, set, visit_allowed, &c);
	return c.yes;
}

/* ---- events ---- */

static void ban_event(
	struct bans *b, const char *type, const struct ledger_ban *ban, const char *who)
{
	char stamp[40], address[INET6_ADDRSTRLEN], prefix[PREFIX_TEXT];
	json_t *event;

	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	address_format(&ban->address, address, sizeof address);
	prefix_show(&ban->address, ban->prefix_len, prefix);
	event = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i,s:s}}",
		"timestamp", stamp, "event_type", type, "src_ip", address, "proto", "TCP",
		"app_proto", "xmpp", "xmppwall", "address", prefix, "since",
		(json_int_t)ban->since_ms, "until", (json_int_t)ban->until_ms, "why", ban->why,
		"rule", ban->rule, "id", ban->id, "count", (int)ban->count, "strikes",
		(int)ban->strikes, "who", who);
	if (event)
		b->spec.on_event(b->spec.arg, event);
	json_decref(event);
}

/* ---- banning ---- */

/* Ledger, kernel, sessions, event. */
static int ban_enter(struct bans *b, struct ledger_ban *ban, enum ledger_how how, const char *who)
{
	char prefix[PREFIX_TEXT];
	int64_t now = clock_wall_ms();
	struct nft_element element;
	int r = ledger_ban_add(b->ledger, ban, how);

	b->error = r;
	if (r < 0) {
		log_error("event=ban-ledger error=\"%s\"", err_text(r));
		return r;
	}
	element = (struct nft_element){ ban->address, ban->prefix_len,
		ban->until_ms ? (uint64_t)(ban->until_ms > now ? ban->until_ms - now : 1) : 0 };
	if (b->kernel)
		kernel_block(b->kernel, &element);
	prefix_format(&ban->address, ban->prefix_len, prefix);
	b->spec.on_kill(b->spec.arg, prefix, NULL, "banned");
	ban_event(b, "ban", ban, who);
	log_info("event=ban address=%s until_ms=%lld count=%u rule=%s id=%s", prefix,
		(long long)ban->until_ms, ban->count, *ban->rule ? ban->rule : "-",
		*ban->id ? ban->id : "-");
	bans_wake(b);
	return 0;
}

/* As much of it as fits, no character cut in half: half a character is no JSON. */
static void text_cut(const char *value, char *text, size_t size)
{
	size_t n = span_cut(span_of(value), size - 1);

	memcpy(text, value, n);
	text[n] = '\0';
}

static void act_text(json_t *act, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(act, key));

	text_cut(value ? value : "", text, size);
}

static void act_fill(json_t *act, const struct peer_address *a, struct ledger_ban *ban)
{
	char chain[LEDGER_RULE_SIZE], rule[LEDGER_RULE_SIZE];

	*ban = (struct ledger_ban){ .since_ms = clock_wall_ms() };
	peer_of(a, &ban->address, &ban->prefix_len);
	act_text(act, "chain", chain, sizeof chain);
	act_text(act, "rule", rule, sizeof rule);
	if (strlen(chain) + strlen(rule) + 2 <= sizeof ban->rule) {
		strcpy(ban->rule, chain);
		strcat(strcat(ban->rule, "/"), rule);
	} else {
		memcpy(ban->rule, rule, sizeof rule);
	}
	act_text(act, "id", ban->id, sizeof ban->id);
}

/* The rule itself says "ban TIME". */
static void act_ban(
	struct bans *b, json_t *act, const struct peer_address *a, uint64_t ms, unsigned strikes)
{
	struct ledger_ban ban;

	act_fill(act, a, &ban);
	ban.until_ms = ban.since_ms + (int64_t)ms;
	ban.strikes = strikes;
	snprintf(ban.why, sizeof ban.why, "ordered by rule %s", ban.rule);
	(void)ban_enter(b, &ban, LEDGER_EXTEND, "policy");
}

static void act_spared(struct bans *b, json_t *act, const struct peer_address *a,
	const struct punish_result *result)
{
	char jid[3200];
	struct ledger_ban ban;

	act_fill(act, a, &ban);
	ban.strikes = result->strikes;
	snprintf(
		ban.why, sizeof ban.why, "%u strikes, but others use the address", result->strikes);
	act_text(act, "jid", jid, sizeof jid);
	if (*jid)
		b->spec.on_kill(b->spec.arg, NULL, jid, "too many strikes");
	ban_event(b, "spared", &ban, "policy");
}

static void act_strikes(struct bans *b, json_t *act, const struct peer_address *a, unsigned strikes)
{
	bool shared = json_is_true(json_object_get(act, "shared"));
	struct punish_result result;
	struct ledger_ban ban, standing;
	char for_text[32];
	uint64_t ms;

	act_fill(act, a, &ban);
	/* What was on its way when the ban fell is paid for by it: one flood is one ban. */
	if (ledger_ban_covering(b->ledger, &ban.address, ban.since_ms, &standing) == 0)
		return;
	if (punish_strike(b->ladder, &ban.address, strikes, shared, clock_mono_ms(), &result) < 0)
		return;
	if (result.spared)
		act_spared(b, act, a, &result);
	if (!result.ban)
		return;
	ms = punish_ban_ms(
		&result.ladder, ledger_previous(b->ledger, &ban.address, ban.prefix_len));
	ban.until_ms = ban.since_ms + (int64_t)(ms < BANS_MS_MAX ? ms : BANS_MS_MAX);
	ban.strikes = result.strikes;
	clock_format_duration(result.ladder.within_ms, for_text, sizeof for_text);
	snprintf(ban.why, sizeof ban.why, "%u strikes within %s (punish %s)", result.strikes,
		for_text, result.ladder.name);
	(void)ban_enter(b, &ban, LEDGER_EXTEND, "policy");
}

void bans_act(struct bans *b, json_t *act)
{
	const char *text = json_string_value(json_object_get(act, "address"));
	json_int_t strikes = json_integer_value(json_object_get(act, "strikes"));
	json_int_t ms = json_integer_value(json_object_get(act, "ban"));
	struct peer_address a;

	if (!text || address_parse(span_of(text), &a) < 0)
		return;
	if (is_own(&a) || is_allowed(b, &a)) {
		log_info("event=ban-spared address=%s note=\"this host, or allowed by the policy\"",
			text);
		return;
	}
	strikes = strikes < 0 ? 0 : strikes > BANS_STRIKES_MAX ? BANS_STRIKES_MAX : strikes;
	if (ms > 0)
		act_ban(b, act, &a, (uint64_t)ms < BANS_MS_MAX ? (uint64_t)ms : BANS_MS_MAX,
			(unsigned)strikes);
	if (strikes > 0)
		act_strikes(b, act, &a, (unsigned)strikes);
}

/* ---- operators ---- */

static int prefix_parse(
	const char *text, struct peer_address *a, unsigned *prefix_len, struct buf *why)
{
	int r = address_parse_prefix(span_of(text), a, prefix_len);

	if (r < 0 && address_parse(span_of(text), a) == 0) {
		*prefix_len = 128;
		r = 0;
	}
	if (r < 0)
		buf_putf(why,
			"'%s' is no address or prefix (192.0.2.7, 192.0.2.0/24, 2001:db8::/64)",
			text);
	else
		prefix_mask(a, *prefix_len);
	return r;
}

int bans_add(struct bans *b, const char *address, uint64_t for_ms, const char *text,
	const char *who, json_t **result, struct buf *why)
{
	struct ledger_ban ban = { .since_ms = clock_wall_ms() };
	char prefix[PREFIX_TEXT];
	int r = prefix_parse(address, &ban.address, &ban.prefix_len, why);

	if (r < 0)
		return r;
	if (for_ms > BANS_MS_MAX)
		for_ms = BANS_MS_MAX;
	ban.until_ms = for_ms ? ban.since_ms + (int64_t)for_ms : 0;
	text_cut(text, ban.why, sizeof ban.why);
	if ((r = ban_enter(b, &ban, LEDGER_SET, who)) < 0) {
		buf_putf(why, "the ledger did not take the ban: %s", err_text(r));
		return r;
	}
	prefix_show(&ban.address, ban.prefix_len, prefix);
	*result = json_pack("{s:s,s:I}", "address", prefix, "until", (json_int_t)ban.until_ms);
	return 0;
}

static int ban_unknown(
	struct bans *b, const struct peer_address *a, const char *address, struct buf *why)
{
	struct ledger_ban wider;
	char prefix[PREFIX_TEXT];

	if (ledger_ban_covering(b->ledger, a, clock_wall_ms(), &wider) == 0) {
		prefix_show(&wider.address, wider.prefix_len, prefix);
		buf_putf(why, "%s is not banned by itself, but %s is", address, prefix);
	} else {
		buf_putf(why, "%s is not banned", address);
	}
	return ERR_NOTFOUND;
}

int bans_remove(struct bans *b, const char *address, const char *who, struct buf *why)
{
	struct ledger_ban ban, other;
	struct nft_element element;
	struct peer_address a;
	unsigned len;
	bool overlaps;
	int r;

	if ((r = prefix_parse(address, &a, &len, why)) < 0)
		return r;
	if (ledger_ban_find(b->ledger, &a, len, &ban) < 0 ||
		ledger_ban_remove(b->ledger, &a, len) < 0)
		return ban_unknown(b, &a, address, why);
	punish_forget(b->ladder, &a);
	overlaps = len < 128 || ledger_ban_covering(b->ledger, &a, clock_wall_ms(), &other) == 0;
	element = (struct nft_element){ a, len, 0 };
	if (b->kernel)
		kernel_unblock(b->kernel, &element, overlaps);
	ban_event(b, "unban", &ban, who);
	bans_wake(b);
	return 0;
}

/* ---- looking ---- */

static bool visit_json(void *arg, const struct ledger_ban *ban)
{
	char prefix[PREFIX_TEXT];

	prefix_show(&ban->address, ban->prefix_len, prefix);
	json_array_append_new(
		arg, json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i}", "address", prefix, "since",
			     (json_int_t)ban->since_ms, "until", (json_int_t)ban->until_ms, "why",
			     ban->why, "rule", ban->rule, "id", ban->id, "count", (int)ban->count,
			     "strikes", (int)ban->strikes));
	return true;
}

json_t *bans_list(struct bans *b)
{
	json_t *all = json_array();

	(void)ledger_expire(b->ledger, clock_wall_ms());
	(void)ledger_bans_each(b->ledger, visit_json, all);
	return all;
}

long bans_count(struct bans *b)
{
	return ledger_bans_count(b->ledger);
}

struct element_fill {
	struct nft_element *all;
	size_t n, max;
	int64_t now;
};

static bool visit_element(void *arg, const struct ledger_ban *ban)
{
	struct element_fill *fill = arg;

	if (fill->n == fill->max)
		return false;
	if (ban->until_ms && ban->until_ms <= fill->now)
		return true;
	fill->all[fill->n++] = (struct nft_element){ ban->address, ban->prefix_len,
		ban->until_ms ? (uint64_t)(ban->until_ms - fill->now) : 0 };
	return true;
}

int bans_elements(void *bans, struct nft_element **elements, size_t *n)
{
	struct bans *b = bans;
	long count = ledger_bans_count(b->ledger);
	struct element_fill fill = { .now = clock_wall_ms() };

	if (count < 0)
		return (int)count;
	fill.max = (size_t)count;
	if (!(fill.all = calloc(fill.max + 1, sizeof *fill.all)))
		return -ENOMEM;
	(void)ledger_bans_each(b->ledger, visit_element, &fill);
	*elements = fill.all;
	*n = fill.n;
	return 0;
}

bool bans_cover(void *bans, const struct peer_address *a)
{
	struct ledger_ban ban;

	return ledger_ban_covering(((struct bans *)bans)->ledger, a, clock_wall_ms(), &ban) == 0;
}

void bans_attention(const struct bans *b, json_t *lines)
{
	if (b->damaged)
		json_array_append_new(lines, json_sprintf("the ledger was damaged: it was put "
							  "aside in %s and an empty one begun",
						     b->spec.state_dir));
	if (b->error < 0)
		json_array_append_new(lines,
			json_sprintf("the ledger cannot be written: %s", err_text(b->error)));
}

/* ---- time ---- */

static void on_expiry(uv_timer_t *timer)
{
	struct bans *b = timer->data;
	long n = ledger_expire(b->ledger, clock_wall_ms());

	if (n > 0) /* the kernel's elements end by themselves */
		log_info("event=bans-ended n=%ld", n);
	bans_wake(b);
}

/* At the next end, and once an hour in case somebody set the clock. */
static void bans_wake(struct bans *b)
{
	int64_t next = ledger_next_end(b->ledger), left = next - clock_wall_ms() + 1;

	if (next == 0 || left > BANS_WAKE_MAX_MS)
		left = BANS_WAKE_MAX_MS;
	uv_timer_start(&b->timer, on_expiry, left > 10 ? (uint64_t)left : 10, 0);
}

/* ---- face ---- */

int bans_open(uv_loop_t *loop, const struct bans_spec *spec, struct bans **out, struct buf *why)
{
	struct bans *b = calloc(1, sizeof *b);
	char path[4096];
	int r = -ENOMEM;

	if (!b || !(b->ladder = punish_new(0))) {
		free(b);
		return r;
	}
	b->spec = *spec;
	snprintf(path, sizeof path, "%s/ledger.sqlite", spec->state_dir);
	if ((r = ledger_open(path, &b->ledger, &b->damaged)) < 0) {
		buf_putf(why, "cannot open the ledger %s: %s\n", path, err_text(r));
		punish_free(b->ladder);
		free(b);
		return r;
	}
	(void)ledger_expire(b->ledger, clock_wall_ms());
	uv_timer_init(loop, &b->timer);
	b->timer.data = b;
	bans_wake(b);
	*out = b;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void bans_close(struct bans *b)
{
	if (!b)
		return;
	ledger_close(b->ledger);
	punish_free(b->ladder);
	policy_unref(b->policy);
	uv_close((uv_handle_t *)&b->timer, on_timer_closed);
}

struct ledger *bans_ledger(struct bans *b)
{
	return b->ledger;
}

void bans_set_kernel(struct bans *b, struct kernel *kernel)
{
	b->kernel = kernel;
}

void bans_configure(struct bans *b, struct policy *p)
{
	const struct punish *ladders;
	size_t n;

	ladders = policy_punish(p, &n);
	if (punish_configure(b->ladder, ladders, n) < 0)
		log_warn("event=punish note=\"only the first %d ladders count\"", PUNISH_RULES_MAX);
	policy_ref(p);
	policy_unref(b->policy);
	b->policy = p;
}
