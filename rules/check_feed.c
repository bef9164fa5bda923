/* SPDX-License-Identifier: BSD-2-Clause */
/* The feeds of a set: what the table of schema.c cannot say of them. In: a set whose settings have
 * their shapes. Out: diagnostics. One rule a function; nothing is fetched or opened. */
#include <ctype.h>
#include <string.h>

#include "rules/check_int.h"
#include "rules/feed.h"

static const struct ast_setting *setting_of(const struct ast_setting *settings, const char *name)
{
	for (; settings; settings = settings->next)
		if (strcmp(settings->name, name) == 0)
			return settings;
	return NULL;
}

static bool is_feed(const struct ast_setting *s)
{
	return strcmp(s->name, "feed") == 0 && s->has_block && s->values &&
	       s->values->kind == VALUE_WORD;
}

/* It becomes part of a file's name. */
static void check_name(struct checker *c, const struct ast_value *v)
{
	bool good = strlen(v->text) <= FEED_NAME_MAX &&
		    (isalpha((unsigned char)*v->text) || *v->text == '_');

	for (const char *at = v->text; *at && good; at++)
		good = isalnum((unsigned char)*at) || *at == '_' || *at == '-';
	if (!good)
		diag_error(c->diags, v->at,
			"a letter or '_', then letters, digits, '_', '-', at most 63",
			"'%s' is no name for a feed", v->text);
}

static void check_source(struct checker *c, const struct ast_setting *feed)
{
	const struct ast_setting *url = setting_of(feed->block, "url"),
				 *file = setting_of(feed->block, "file");
	const struct ast_value *v = url ? url->values : NULL;

	if (!url == !file)
		diag_error(c->diags, feed->values->at, NULL,
			url ? "feed '%s' has both 'url' and 'file'"
			    : "feed '%s' has neither 'url' nor 'file'",
			feed->values->text);
	if (!v || v->kind != VALUE_STRING)
		return;
	if ((strncmp(v->text, "http://", 7) != 0 || !v->text[7]) &&
		(strncmp(v->text, "https://", 8) != 0 || !v->text[8]))
		diag_error(c->diags, v->at, "for a file on this machine, write file \"PATH\"",
			"'url' wants http:// or https://");
	else if (strlen(v->text) > 2000 || v->text[strcspn(v->text, " \t\r\n\"<>")])
		diag_error(c->diags, v->at, NULL, "'url' is not a URL");
}

static uint64_t weight_of(const struct ast_setting *feed)
{
	const struct ast_setting *weight = setting_of(feed->block, "weight");

	return weight && weight->values ? weight->values->number : 1;
}

static void check_twice(
	struct checker *c, const struct ast_item *set, const struct ast_setting *feed)
{
	for (const struct ast_setting *s = set->settings; s != feed; s = s->next)
		if (is_feed(s) && strcmp(s->values->text, feed->values->text) == 0) {
			diag_error(c->diags, feed->values->at, NULL,
				"feed '%s' is already in set '%s'", s->values->text, set->name);
			return;
		}
}

void check_feeds(struct checker *c, const struct ast_item *set)
{
	const struct ast_setting *votes = setting_of(set->settings, "votes"),
				 *except = setting_of(set->settings, "except");
	uint64_t sum = 0;
	unsigned n = 0;

	if (!except)
		except = setting_of(set->settings, "except-file");
	for (const struct ast_setting *s = set->settings; s; s = s->next) {
		if (!is_feed(s))
			continue;
		check_name(c, s->values);
		check_source(c, s);
		check_twice(c, set, s);
		sum += weight_of(s);
		if (++n == FEEDS_MAX + 1)
			diag_error(c->diags, s->at, NULL, "a set has at most %d feeds", FEEDS_MAX);
	}
	if (n == 0 && (votes || except))
		diag_error(c->diags, (votes ? votes : except)->at, "it concerns feeds alone",
			"set '%s' has '%s', but no feed", set->name,
			(votes ? votes : except)->name);
	else if (votes && votes->values && votes->values->number > sum)
		diag_error(c->diags, votes->values->at, NULL,
			"no entry can ever get %llu votes: the weights of all feeds of '%s' add up "
			"to %llu",
			(unsigned long long)votes->values->number, set->name,
			(unsigned long long)sum);
}
