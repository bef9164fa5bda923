/* SPDX-License-Identifier: BSD-2-Clause */
/* Testing: one function a kind of node. A test on a field with several values holds if it holds for
 * any of them; "is not" is the opposite of "is". Limits are counted at the first question and
 * answer the same for the rest of the stanza. What held is noted for the verdict, except under
 * "not". In come the node and the view, out goes yes or no. */
#include "rules/condition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/limit_count.h"
#include "rules/similar_count.h"
#include "rules/hash.h"
#include "rules/list_hits.h"

enum { LIMIT_UNKNOWN, LIMIT_FINE, LIMIT_EXCEEDED };
enum { SIMILAR_TEXT = 64 };

static void note(struct judge *j, const char *field, const char *entry, const char *set,
	struct span whole, struct span text, size_t start, size_t end)
{
	if (!j->silent && j->n_pending < VERDICT_MATCHES_MAX)
		j->pending[j->n_pending++] =
			(struct pending_match){ field, entry, set, text, whole, start, end };
}

static void note_value(
	struct judge *j, const struct node *n, const char *entry, const char *set, struct span text)
{
	if (!n->quiet)
		note(j, n->field->name, entry, set, text, text, 0, text.len);
}

static void set_hit(struct judge *j, const struct list *l, const struct list_entry *e, uint32_t at)
{
	if (j->trial)
		return;
	metric_add(l->hits, 1);
	list_hit(l, e, at);
}

/* ---- limits and similar ---- */

static bool test_limit(struct judge *j, const struct node *n)
{
	const struct limit *limit = &j->program->limits[n->limit];
	struct span text;

	if (j->limits[n->limit] == LIMIT_UNKNOWN)
		j->limits[n->limit] =
			limit_is_exceeded(j, limit, n->limit) ? LIMIT_EXCEEDED : LIMIT_FINE;
	if (j->limits[n->limit] != LIMIT_EXCEEDED)
		return false;
	text = limit_text(j, limit);
	note(j, "limit", limit->name, "", text, text, 0, text.len);
	return true;
}

static bool test_similar(struct judge *j, const struct node *n)
{
	const struct similar *similar = &j->program->similars[n->limit];
	struct similar_seen *seen = &j->similars[n->limit];
	struct span text = { "", 0 };
	char *shown;

	if (!seen->asked) {
		seen->asked = true;
		seen->exceeded = similar_is_exceeded(j, similar,
			j->trial ? j->trial->similars[n->limit] : similar->table, &seen->count);
		if (seen->exceeded && !j->trial)
			metric_add(similar->exceeded, 1);
	}
	if (!seen->exceeded)
		return false;
	if ((shown = arena_alloc(&j->arena, SIMILAR_TEXT)))
		text = (struct span){ shown,
			(size_t)snprintf(shown, SIMILAR_TEXT, "%u senders, %u recipients",
				seen->count.senders, seen->count.recipients) };
	note(j, "similar", similar->name, "", text, text, 0, text.len);
	return true;
}

/* ---- scans ---- */

static bool test_scan(struct judge *j, const struct node *n)
{
	for (unsigned i = 0; i < n->n_scans; i++) {
		const struct scan_ref *ref = &n->scans[i];
		const struct list *list = ref->scanner->groups[ref->group].list;
		const struct hit *hit = judge_scan(j, ref);
		const char *entry;
		size_t start, end, size;
		struct span text;
		char *limited;

		if (!hit)
			continue;
		text = hit_text(hit, &start, &end);
		entry = hit->item->text;
		size = strlen(entry) + 32;
		if (hit->limited && (limited = arena_alloc(&j->arena, size))) {
			snprintf(limited, size, "%s (match limit)", entry);
			entry = limited;
		}
		note(j, n->field->name, entry, list ? list->name : "", hit->value->raw, text, start,
			end);
		if (list)
			set_hit(j, list, hit->item->entry, hit->item->at);
		return true;
	}
	return false;
}

/* ---- values compared whole ---- */

static bool find_keyword(
	struct judge *j, const struct list *l, struct span text, int64_t now, struct list_item *out)
{
	struct folded f;
	int r;

	if (list_view(l) == PATTERN_RAW)
		return list_find(l, text, now, out);
	r = l->fold ? text_fold(&j->arena, text, &f) : text_casefold(&j->arena, text, &f);
	if (r < 0) {
		j->error = r;
		return false;
	}
	return list_find(l, (struct span){ f.text, f.len }, now, out);
}

/* The domain in a JID's text, for "from in @domains". */
static struct span domain_of(enum field_type type, struct span text)
{
	const char *mark;

	if (type != FIELD_JID || !text.len)
		return text;
	if ((mark = memchr(text.ptr, '/', text.len)))
		text.len = (size_t)(mark - text.ptr);
	if (text.len && (mark = memchr(text.ptr, '@', text.len)))
		text = (struct span){ mark + 1, text.len - (size_t)(mark + 1 - text.ptr) };
	return text;
}

/* What the set's hashes are of, in this value. */
static bool find_hash(struct judge *j, const struct node *n, const struct field_value *value,
	int64_t now, struct list_item *out)
{
	const struct list *l = n->list;
	struct span text = value->text;
	const char *slash;

	switch (l->of) {
	case LIST_URL:
		text = value->address ? hash_url_text(&j->arena, value->address) : text;
		break;
	case LIST_DOMAIN:
		text = domain_of(n->field->type, text);
		break;
	default: /* of a JID, the bare one */
		if (text.len && (slash = memchr(text.ptr, '/', text.len)))
			text.len = (size_t)(slash - text.ptr);
	}
	if (!text.ptr) {
		j->error = -ENOMEM;
		return false;
	}
	return list_find_hash(l, text, now, out);
}

static bool find_value(struct judge *j, const struct node *n, const struct field_value *value,
	int64_t now, struct list_item *out)
{
	const struct list *l = n->list;

	switch (l->type) {
	case LIST_KEYWORD:
		return find_keyword(j, l, value->text, now, out);
	case LIST_DOMAIN:
		return list_find_domain(l, domain_of(n->field->type, value->text), now, out);
	case LIST_JID:
		return list_find_jid(l, value->text, now, out);
	case LIST_ADDRESS:
		return value->address && list_find_address(l, value->address, now, out);
	case LIST_COUNTRY:
	case LIST_NAMESPACE:
		return list_find(l, value->text, now, out);
	case LIST_HASH:
		return find_hash(j, n, value, now, out);
	case LIST_URL:
	case LIST_REGEX:
		break; /* compiled as a scan */
	}
	return false;
}

/* Nobody looks at the clock before something with an end is found. That an address's text is in no
 * way in a list is remembered until an edit. */
static bool value_find(struct judge *j, const struct node *n, const struct field_value *value,
	struct list_item *out)
{
	uint64_t stamp = j->program->lists_stamp;

	if (value->memo && jid_is_missed(value->memo, n->list, stamp))
		return false;
	if (find_value(j, n, value, INT64_MIN, out))
		return out->expires_ms == 0 || find_value(j, n, value, view_wall_ms(&j->view), out);
	if (value->memo && !j->error)
		jid_miss(value->memo, n->list, stamp);
	return false;
}

static bool value_in_list(struct judge *j, const struct node *n, const struct field_value *value)
{
	const struct list *l = n->list;
	struct list_item item;

	if (!value_find(j, n, value, &item))
		return false;
	j->found = l;
	j->found_mark = item.mark;
	note_value(j, n, item.text, l->name, value->text);
	set_hit(j, l, item.entry, item.at);
	return true;
}

/* A JID written without a resource stands for all of them. */
static bool word_equal(const struct node *n, struct span word, struct span text)
{
	if (span_equal(word, text))
		return true;
	return n->field->type == FIELD_JID && text.len > word.len && text.ptr[word.len] == '/' &&
	       memcmp(text.ptr, word.ptr, word.len) == 0 && !memchr(word.ptr, '/', word.len);
}

static bool value_in_words(struct judge *j, const struct node *n, const struct field_value *value)
{
	for (unsigned i = 0; i < n->n; i++)
		if (word_equal(n, n->words[i].text, value->text)) {
			note_value(j, n, n->words[i].written, "", value->text);
			return true;
		}
	return false;
}

static struct span number_text(struct judge *j, uint64_t number)
{
	char text[24];
	const char *copy;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	if (!(copy = arena_strdup(&j->arena, text)))
		j->error = -ENOMEM;
	return span_of(copy);
}

static bool value_in_numbers(struct judge *j, const struct node *n, const struct field_value *value)
{
	for (unsigned i = 0; i < n->n; i++)
		if (number_holds(n->op, value->number, n->numbers[i])) {
			struct span operand = number_text(j, n->numbers[i]);
			note_value(j, n, operand.ptr ? operand.ptr : "", "",
				number_text(j, value->number));
			return true;
		}
	return false;
}

/* A span whose end is not behind its beginning goes through midnight. */
static bool value_in_spans(struct judge *j, const struct node *n, const struct field_value *value)
{
	for (unsigned i = 0; i < n->n; i++) {
		uint64_t from = n->numbers[2 * i], to = n->numbers[2 * i + 1];
		bool behind = value->number >= from, before = value->number < to;

		if (from < to ? behind && before : behind || before) {
			note_value(j, n, n->words[i].written, "", value->text);
			return true;
		}
	}
	return false;
}

static bool value_in_networks(
	struct judge *j, const struct node *n, const struct field_value *value)
{
	const char *written =
		value->address ? prefix_tree_find(n->networks, value->address, NULL, NULL) : NULL;

	if (!written)
		return false;
	note_value(j, n, written, "", value->text);
	return true;
}

static bool value_exists(const struct node *n, const struct field_value *value)
{
	switch (n->field->type) {
	case FIELD_NUMBER:
	case FIELD_BOOL:
		return true;
	default:
		return value->text.len > 0 || n->param; /* an empty element is there, too */
	}
}

static bool value_holds(struct judge *j, const struct node *n, const struct field_value *value)
{
	switch (n->kind) {
	case NODE_EXISTS:
		return value_exists(n, value);
	case NODE_TRUE:
		if (value->number)
			note_value(j, n, "true", "", span_of("true"));
		return value->number != 0;
	case NODE_LIST:
		return value_in_list(j, n, value);
	case NODE_WORDS:
		return value_in_words(j, n, value);
	case NODE_NUMBERS:
		return value_in_numbers(j, n, value);
	case NODE_SPANS:
		return value_in_spans(j, n, value);
	case NODE_NETWORKS:
		return value_in_networks(j, n, value);
	default:
		return false;
	}
}

static bool test_values(struct judge *j, const struct node *n)
{
	bool text = n->field->type != FIELD_NUMBER && n->field->type != FIELD_BOOL;

	for (unsigned i = 0; !j->error; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!n->field->get(&j->view, n->param, i, &value))
			return false;
		/* A value that is not there (a URL without scheme) equals nothing. */
		if ((!text || value.text.len || n->kind == NODE_EXISTS) &&
			value_holds(j, n, &value))
			return true;
		if (!n->field->many)
			return false;
	}
	return false;
}

bool test_value(struct judge *j, const struct node *n, const struct field_value *value)
{
	return value_holds(j, n, value);
}

/* ---- nodes ---- */

static bool test_opposite(
	struct judge *j, const struct node *n, bool (*test)(struct judge *, const struct node *))
{
	bool held;

	j->silent++;
	held = test(j, n);
	j->silent--;
	return !held && !j->error;
}

static bool test_leaf(struct judge *j, const struct node *n)
{
	switch (n->kind) {
	case NODE_LIMIT:
		return test_limit(j, n);
	case NODE_SIMILAR:
		return test_similar(j, n);
	case NODE_SCAN:
		return n->negate ? test_opposite(j, n, test_scan) : test_scan(j, n);
	default:
		return n->negate ? test_opposite(j, n, test_values) : test_values(j, n);
	}
}

bool test_node(struct judge *j, const struct node *n)
{
	unsigned first = j->n_pending;
	bool held;

	switch (n->kind) {
	case NODE_AND:
		return test_node(j, n->left) && test_node(j, n->right);
	case NODE_OR:
		return test_node(j, n->left) || test_node(j, n->right);
	case NODE_NOT:
		return test_opposite(j, n->left, test_node);
	default:
		held = test_leaf(j, n);
		if (j->n_looked < LOOKED_MAX)
			j->looked[j->n_looked++] = n;
		if (j->trace)
			trace_test(j, n, held, first);
		return held;
	}
}
