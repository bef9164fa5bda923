/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a list file of every type of set: reading must end; a file that is refused says why
 * and changes nothing; what it would add can be added, and makes the file no different from the
 * set. The first byte chooses the set. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/list_look.h"
#include "rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *name, *type;
	bool cheap; /* an edit compiles no patterns */
} sets[] = {
	{ "words", "keyword; flags fold", false },
	{ "parts", "keyword; flags substring", false },
	{ "exprs", "regex", false },
	{ "hosts", "domain; flags suffix", true },
	{ "people", "jid", true },
	{ "nets", "address", true },
	{ "spaces", "namespace", true },
	{ "digests", "hash; of jid; salt \"s\"", true },
};
enum { SETS = sizeof(sets) / sizeof(sets[0]), ENTRIES_MAX = 256 };

static struct policy *policy;

static void policy_make(void)
{
	struct source_set sources;
	struct diag_list diags;
	char text[2048], path[64];
	size_t n = 0;

	source_init(&sources, false);
	diag_init(&diags);
	for (size_t i = 0; i < SETS; i++) {
		snprintf(path, sizeof(path), "%s.txt", sets[i].name);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"set %s { type %s; file \"%s\"; }\n", sets[i].name, sets[i].type, path);
		if (source_add(&sources, path, "", 0) < 0)
			abort();
	}
	if (source_add(&sources, "fuzz.rules", text, n) < 0 ||
		policy_load(&sources, "fuzz.rules", NULL, NULL, &diags, &policy) < 0) {
		diag_print(&diags, stderr, false);
		abort();
	}
	diag_fini(&diags);
	source_fini(&sources);
}

struct change {
	char *add[ENTRIES_MAX];
	size_t n;
	unsigned visits;
};

static bool on_look(void *arg, bool add, const struct list_look *look)
{
	struct change *c = arg;

	assert(add); /* the set is empty: nothing to delete */
	c->visits++;
	/* A second " until " is read anew where an entry is given without its own end. */
	if (c->n < ENTRIES_MAX && !strstr(look->text, " until "))
		c->add[c->n++] = strdup(look->text);
	return true;
}

static bool on_gone(void *arg, const struct list_look *look)
{
	(void)look;
	++*(unsigned *)arg;
	return true;
}

/* Entries come as they are written, their ends stay behind in the file. */
static void add_and_remove(const char *set, struct change *c)
{
	struct span entries[ENTRIES_MAX];
	unsigned left = 0;

	for (size_t i = 0; i < c->n; i++) {
		entries[i] = span_of(c->add[i]);
		assert(policy_list_edit(policy, set, &entries[i], 1, NULL, 0) >= 0);
	}
	for (size_t i = 0; i < c->n; i++)
		assert(policy_list_edit(policy, set, NULL, 0, &entries[i], 1) >= 0);
	assert(policy_list_each(policy, set, on_gone, &left) == 0 && left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct source_file *file;
	struct source_set sources;
	struct diag_list diags;
	struct change c = { .n = 0 };
	int r;

	if (size < 1)
		return 0;
	if (!policy)
		policy_make();
	size_t chosen = data[0] % SETS;
	source_init(&sources, false);
	diag_init(&diags);
	if (source_add(&sources, "list.txt", data + 1, size - 1) < 0 ||
		source_find(&sources, NULL, "list.txt", &file) < 0)
		abort();
	r = policy_list_compare(policy, sets[chosen].name, file, &diags, on_look, &c);
	assert(r < 0 ? c.visits == 0 && diags.errors > 0 : diags.errors == 0);
	free(diag_string(&diags));
	if (r == 0 && sets[chosen].cheap && c.visits <= ENTRIES_MAX)
		add_and_remove(sets[chosen].name, &c);
	for (size_t i = 0; i < c.n; i++)
		free(c.add[i]);
	diag_fini(&diags);
	source_fini(&sources);
	return 0;
}
