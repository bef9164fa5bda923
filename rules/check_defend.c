/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of defend { ... }, for check_settings.c: rates and numbers of connections, whose they
 * are, the kernel's SYN proxy. Values are only looked at here, one function a setting;
 * options_defend.c takes them over, may rely on what passed, and sees how classes fit together. */
#include <ctype.h>
#include <string.h>

#include "rules/check_int.h"
#include "rules/defend.h"

enum {
	RATE_MAX = 1000000,
	CONCURRENT_MAX = 10000000,
	MSS_MIN = 536,
	MSS_MAX = 9000,
	WSCALE_MAX = 14,
	KNOWN_MIN_MS = 60000,
};
#define KNOWN_MAX_MS ((uint64_t)365 * 86400000)
#define REFILL_MAX_S ((uint64_t)7 * 86400)

struct defend_check {
	struct checker *c;
	const struct schema_setting *known;
	const struct ast_setting *s;
};

static void defend_wrong(const struct defend_check *x, const struct ast_value *v, const char *hint)
{
	if (!v)
		diag_error(x->c->diags, x->s->at, hint, "'%s' wants %s", x->known->name,
			x->known->syntax);
	else
		diag_error(x->c->diags, v->at, hint, "'%s' wants %s, not '%s'", x->known->name,
			x->known->syntax, v->kind == VALUE_LIST ? "{ ... }" : v->text);
}

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

static bool is_number(const struct ast_value *v, uint64_t min, uint64_t max)
{
	return v && v->kind == VALUE_NUMBER && v->number >= min && v->number <= max;
}

/* ---- per /V4 /V6 ---- */

/* What stands behind it; *fine is false after a complaint. */
static const struct ast_value *check_per(
	const struct defend_check *x, const struct ast_value *per, bool *fine)
{
	static const char *const hint = "such as per /32 /64, a prefix of IPv4 and one of IPv6; "
					"/0 /0 for all together";
	const struct ast_value *v4 = per->next, *v6 = v4 ? v4->next : NULL;

	*fine = false;
	if (!v4 || v4->kind != VALUE_LENGTH || !v6 || v6->kind != VALUE_LENGTH) {
		diag_error(x->c->diags,
			(v4 && v4->kind == VALUE_LENGTH ? v6 ? v6 : v4
				: v4                    ? v4
							: per)
				->at,
			hint, "behind 'per' stand two prefixes");
		return NULL;
	}
	if (v4->number > 32 || v6->number > 128)
		diag_error(x->c->diags, (v4->number > 32 ? v4 : v6)->at, hint,
			"%s has no prefix '%s'", v4->number > 32 ? "IPv4" : "IPv6",
			(v4->number > 32 ? v4 : v6)->text);
	else if (!v4->number != !v6->number)
		diag_error(x->c->diags, (v4->number ? v6 : v4)->at, hint,
			"'/0' stands for all of both families, or for none");
	else
		*fine = true;
	return v6->next;
}

static void check_rest(const struct defend_check *x, const struct ast_value *v)
{
	bool fine = true;

	if (is_word(v, "per"))
		v = check_per(x, v, &fine);
	if (v && fine)
		diag_error(x->c->diags, v->at, "a setting ends with ';'",
			"'%s' is one value too many for '%s'",
			v->kind == VALUE_LIST ? "{ ... }" : v->text, x->known->name);
}

/* ---- one setting ---- */

/* The kernel counts a second, a minute, an hour, a day or a week. */
bool defend_rate_read(const struct ast_value *v, uint32_t *n, uint32_t *seconds)
{
	static const uint32_t units[] = { 1, 60, 3600, 86400, 604800 };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units) && v->number <= RATE_MAX; i++) {
		uint64_t product = v->number * units[i] * 1000;

		if (v->duration_ms && product && product % v->duration_ms == 0 &&
			product / v->duration_ms <= RATE_MAX) {
			*n = (uint32_t)(product / v->duration_ms);
			*seconds = units[i];
			return true;
		}
	}
	return false;
}

static void check_rate(const struct defend_check *x)
{
	const struct ast_value *v = x->s->values, *burst;
	struct defend_rate rate;

	if (!v || v->kind != VALUE_RATE || v->number == 0) {
		defend_wrong(x, v, "such as 10/second burst 30 per /32 /64");
		return;
	}
	if (!defend_rate_read(v, &rate.n, &rate.seconds)) {
		diag_error(x->c->diags, v->at, "such as 10/second, 600/minute or 5/10m",
			"'%s' is not so many a second, a minute, an hour, a day or a week, up to "
			"%d",
			v->text, RATE_MAX);
		return;
	}
	rate.burst = rate.n;
	burst = is_word(v->next, "burst") ? v->next->next : NULL;
	if (is_word(v->next, "burst") && !is_number(burst, 1, RATE_MAX)) {
		diag_error(x->c->diags, (burst ? burst : v->next)->at, NULL,
			"behind 'burst' stands a number between 1 and %d", RATE_MAX);
		return;
	}
	if (burst)
		rate.burst = (uint32_t)burst->number;
	if (defend_rate_refill_s(&rate) > REFILL_MAX_S)
		diag_error(x->c->diags, (burst ? burst : v)->at, NULL,
			"at this rate it takes more than seven days until a burst is free again: "
			"so long no "
			"address is remembered");
	else
		check_rest(x, burst ? burst->next : v->next);
}

static void check_concurrent(const struct defend_check *x)
{
	const struct ast_value *v = x->s->values;

	if (!is_number(v, 1, CONCURRENT_MAX))
		defend_wrong(x, v, "a number of connections, at least 1");
	else
		check_rest(x, v->next);
}

static void check_from(const struct defend_check *x)
{
	const struct ast_value *v = x->s->values, *time = v ? v->next : NULL;

	if (v && v->kind == VALUE_SET) {
		check_address_set(x->c, x->known, v);
		check_rest(x, v->next);
	} else if (!is_word(v, "authenticated")) {
		defend_wrong(x, v, NULL);
	} else if (!time || time->kind != VALUE_DURATION || time->number < KNOWN_MIN_MS ||
		   time->number > KNOWN_MAX_MS) {
		diag_error(x->c->diags, (time ? time : v)->at, "such as authenticated 1d",
			"behind 'authenticated' stands a time between 1m and 365d");
	} else {
		check_rest(x, time->next);
	}
}

static void check_synproxy(const struct defend_check *x)
{
	const struct ast_value *v = x->s->values;

	if (!v || v->kind != VALUE_WORD || !schema_has_word("off|on", v->text)) {
		defend_wrong(x, v, NULL);
		return;
	}
	for (v = v->next; v; v = v->next->next) {
		bool mss = is_word(v, "mss");

		if (!mss && !is_word(v, "wscale")) {
			defend_wrong(x, v, NULL);
			return;
		}
		if (mss ? is_number(v->next, MSS_MIN, MSS_MAX) : is_number(v->next, 0, WSCALE_MAX))
			continue;
		diag_error(x->c->diags, (v->next ? v->next : v)->at, NULL,
			"behind '%s' stands a number between %d and %d", v->text, mss ? MSS_MIN : 0,
			mss ? MSS_MAX : WSCALE_MAX);
		return;
	}
}

void check_defend_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	static const struct {
		const char *name;
		void (*check)(const struct defend_check *x);
	} table[] = {
		{ "rate", check_rate },
		{ "concurrent", check_concurrent },
		{ "from", check_from },
		{ "synproxy", check_synproxy },
	};
	const struct defend_check x = { c, known, s };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(known->name, table[i].name) == 0)
			table[i].check(&x);
}

/* ---- a class ---- */

static void check_name(struct checker *c, const struct ast_value *v)
{
	bool good = v->kind == VALUE_WORD && strlen(v->text) <= DEFEND_NAME_MAX &&
		    isalpha((unsigned char)*v->text);

	for (const char *at = v->text; *at && good; at++)
		good = isalnum((unsigned char)*at) || *at == '_' || *at == '-';
	if (!good)
		diag_error(c->diags, v->at,
			"a letter, then letters, digits, '_', '-', at most 32: it becomes part of "
			"names in the kernel",
			"'%s' is no name for a class of connections", v->text);
	else if (strcmp(v->text, DEFEND_OTHERS) == 0)
		diag_error(c->diags, v->at, "connections { ... }",
			"'%s' is the class without a name", v->text);
}

void check_defend(struct checker *c, const struct ast_item *defend)
{
	for (const struct ast_setting *s = defend->settings; s; s = s->next)
		if (strcmp(s->name, "connections") == 0 && s->has_block && s->values)
			check_name(c, s->values);
}
