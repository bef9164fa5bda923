/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists, zones and rates of a script as sets and limits. A script's list has no type, ours do: each
 * list becomes a set for every kind of thing it is asked for, a zone a set of JIDs. In: the
 * definitions as read, and who asks for them; out: their names, and in the end their text. List
 * files are looked for where they stand and stay there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_int.h"
#include "xmpp/jid.h"

static const char *const type_words[] = {
	[FW_SET_JID] = "jid",
	[FW_SET_DOMAIN] = "domain",
	[FW_SET_KEYWORD] = "keyword",
};

/* ---- names ---- */

static bool is_hashed(const char *value)
{
	return strstr(value, "hash:") || strstr(value, "md5") || strstr(value, "sha1") ||
	       strstr(value, "sha256");
}

const char *import_set(struct import *im, struct fw_definition *d, enum fw_set_type type)
{
	bool first = true;

	if (strcmp(d->what, "LIST") == 0 && is_hashed(d->value))
		return NULL;
	for (int i = 0; i < FW_SET_TYPES; i++)
		first = first && !d->sets[i];
	if (!d->sets[type])
		d->sets[type] = import_name(im, &im->set_names,
			first ? d->name : import_format(im, "%s_%s", d->name, type_words[type]));
	return d->sets[type];
}

const char *import_limit(struct import *im, const struct fw_definition *rate, const char *key)
{
	struct fw_limit *l;

	for (l = im->limits; l; l = l->next)
		if (l->rate == rate && l->chain == im->chain && strcmp(l->key, key) == 0)
			return l->name;
	if (++im->things > IMPORT_THINGS_MAX || !(l = arena_zalloc(im->arena, sizeof(*l)))) {
		im->error = im->things > IMPORT_THINGS_MAX ? ERR_LIMIT : -ENOMEM;
		return "";
	}
	*l = (struct fw_limit){
		.rate = rate, .chain = im->chain, .key = import_copy(im, key, strlen(key))
	};
	l->name = import_name(im, &im->limit_names, rate->name);
	if (im->last_limit)
		im->last_limit->next = l;
	else
		im->limits = l;
	im->last_limit = l;
	return l->name;
}

/* ---- sets ---- */

static bool is_jid(struct import *im, const char *text)
{
	struct arena arena;
	struct jid jid;
	int r;

	arena_init(&arena, 0);
	r = jid_parse(&arena, span_of(text), &jid);
	if (r == -ENOMEM)
		im->error = r;
	arena_fini(&arena);
	return r == 0;
}

static void write_zone(struct import *im, const struct fw_definition *d, struct buf *out)
{
	const char *at = d->value;
	bool some = false;

	buf_puts(out, "elements = {");
	while (*(at += strspn(at, ", "))) {
		size_t n = strcspn(at, ", ");
		const char *member = import_copy(im, at, n);

		at += n;
		if (is_jid(im, member)) {
			buf_putf(out, "%s %s", some ? "," : "", import_quote(im, member));
			some = true;
		} else {
			import_left(im, d->line, NULL,
				"'%s' is not an address; the zone is made without it", member);
		}
	}
	buf_puts(out, " }; }\n");
}

/* The words behind "LIST name:" up to its options in parentheses. */
static const char *list_source(struct import *im, const struct fw_definition *d)
{
	const char *at = d->value + strspn(d->value, " \t");

	return import_copy(im, at, strcspn(at, " \t"));
}

static bool file_is_here(struct import *im, const char *path)
{
	const struct source_file *file;
	int r = source_find(im->sources, im->options->base, path, &file);

	if (r == -ENOMEM)
		im->error = r;
	return r == 0;
}

/* What stands behind a word in the options; a copy up to the next comma. */
static const char *list_option(struct import *im, const struct fw_definition *d, const char *word)
{
	const char *options = strstr(d->value, " ("), *at = options ? strstr(options, word) : NULL;

	if (!at)
		return NULL;
	at += strlen(word);
	at += strspn(at, " ");
	return import_copy(im, at, strcspn(at, ",)"));
}

static void write_feed(
	struct import *im, const struct fw_definition *d, const char *url, struct buf *out)
{
	const char *ttl = list_option(im, d, "ttl:");
	unsigned long every = ttl ? strtoul(ttl, NULL, 10) : 3600;

	if (list_option(im, d, "pattern:"))
		import_differs(im, d->line, NULL,
			"the feed is read line by line, not by the list's pattern");
	every = every < 1 ? 3600 : every > 30 * 86400 ? 30 * 86400 : every;
	buf_putf(out, "feed %s { url %s; every %lus; } }\n",
		import_name(im, &im->feed_names, d->name), import_quote(im, url), every);
}

static bool is_url(const char *text)
{
	const char *host = strstr(text, "://");

	if (!host || strlen(text) > 2000 ||
		(strncmp(text, "http:", 5) != 0 && strncmp(text, "https:", 6) != 0))
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"\\<>^`{|}", *c))
			return false;
	return host[3] && host[3] != '/';
}

static void write_list(
	struct import *im, const struct fw_definition *d, enum fw_set_type type, struct buf *out)
{
	const char *source = list_source(im, d), *file = NULL;

	if (type == FW_SET_KEYWORD && strstr(d->value, "lower"))
		buf_puts(out, "flags nocase; ");
	if (strncmp(source, "file:", 5) == 0)
		file = source + 5;
	if (file && *file && file_is_here(im, file)) {
		buf_putf(out, "file %s; }\n", import_quote(im, file));
		return;
	}
	if (is_url(source)) {
		write_feed(im, d, source, out);
		return;
	}
	buf_puts(out, "elements = { }; }");
	if (file)
		import_left(im, d->line,
			"make the file, one entry a line, and name it in the set: file \"PATH\";",
			"the file of list '%s' is not here: %.256s", d->name,
			*file ? file : "it has no name");
	else if (strcmp(source, "memory") == 0)
		import_differs(im, d->line,
			"xmppwallctl list add fills it, once it has a file \"PATH\";",
			"list '%s' is filled by the script while it runs; the set is empty",
			d->name);
	else
		import_left(im, d->line, NULL,
			"list '%s' is kept where ours cannot look; the set is empty", d->name);
	buf_putf(out, " # %s\n", d->line->text);
}

static void write_sets(struct import *im, const struct fw_definition *d, struct buf *out)
{
	bool zone = strcmp(d->what, "ZONE") == 0, some = false;

	for (int type = 0; type < FW_SET_TYPES; type++) {
		if (!d->sets[type])
			continue;
		some = true;
		buf_putf(out, "set %s { type %s; ", d->sets[type], type_words[type]);
		if (zone)
			write_zone(im, d, out);
		else
			write_list(im, d, (enum fw_set_type)type, out);
	}
	if (!some)
		buf_putf(out, "# no rule asks for it: %s\n", d->line->text);
}

/* ---- limits ---- */

/* "0.25" as 1 each 4 seconds. */
static bool rate_parse(const char *text, uint64_t *events, uint64_t *seconds)
{
	uint64_t n = 0, unit = 1;
	unsigned digits = 0;
	bool point = false;

	text += strcspn(text, "0123456789.");
	for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		if (++digits > 9)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		unit *= point ? 10 : 1;
	}
	for (uint64_t p = 2; p <= 5; p += 3)
		while (n && n % p == 0 && unit % p == 0) {
			n /= p;
			unit /= p;
		}
	*events = n;
	*seconds = unit;
	return n > 0 && unit <= 1000000;
}

/* What stands behind a word in parentheses: "(burst 4)"; 0 if nothing does. */
static double rate_option(const char *value, const char *word)
{
	const char *at = strstr(value, word);

	return at && at > value ? strtod(at + strlen(word), NULL) : 0;
}

static void write_limit(struct import *im, const struct fw_limit *l, struct buf *out)
{
	double seconds_of_burst = rate_option(l->rate->value, "burst "),
	       entries = rate_option(l->rate->value, "entries ");
	uint64_t events, seconds;
	double burst;

	if (!rate_parse(l->rate->value, &events, &seconds)) {
		import_left(im, l->rate->line, NULL, "'%s' is no rate; one a second stands for it",
			l->rate->value);
		events = seconds = 1;
	}
	burst = (double)events / (double)seconds * (seconds_of_burst > 0 ? seconds_of_burst : 1);
	if (burst < 1)
		import_differs(im, l->rate->line, NULL,
			"this rate never let anything pass; the limit lets one pass at a time");
	burst = burst < 1 ? 1 : burst > 1e9 ? 1e9 : burst;
	if (seconds == 1)
		buf_putf(out, "limit %s { rate %llu/second; ", l->name, (unsigned long long)events);
	else
		buf_putf(out, "limit %s { rate %llu/%llus; ", l->name, (unsigned long long)events,
			(unsigned long long)seconds);
	buf_putf(out, "burst %llu; ", (unsigned long long)burst);
	if (*l->key)
		buf_putf(out, "key %s; ", l->key);
	if (entries >= 16 && entries <= 16e6)
		buf_putf(out, "entries %llu; ", (unsigned long long)entries);
	buf_puts(out, "}\n");
}

static void write_comments(const struct fw_comment *comments, struct buf *out)
{
	for (const struct fw_comment *c = comments; c; c = c->next)
		buf_putf(out, "#%s\n", c->text);
}

void import_write_definitions(struct import *im, struct buf *out)
{
	bool some = im->local && im->local->sets[FW_SET_JID];

	if (some || im->definitions)
		buf_puts(out, "\n");
	if (some)
		write_sets(im, im->local, out);
	for (const struct fw_definition *d = im->definitions; d && !im->error; d = d->next) {
		write_comments(d->comments, out);
		if (strcmp(d->what, "LIST") == 0 || strcmp(d->what, "ZONE") == 0)
			write_sets(im, d, out);
		for (const struct fw_limit *l = im->limits; l; l = l->next)
			if (l->rate == d)
				write_limit(im, l, out);
	}
}
