/* SPDX-License-Identifier: BSD-2-Clause */
/* link: ctl */
/* Any bytes as a script of another firewall: turning it must end, and the rules it becomes must parse and, but for
 * jumps in circles and too deep, check. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_firewall.h"
#include "rules/check.h"
#include "rules/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a script may say that ours refuses, and the importer leaves to check to tell. */
static bool is_expected(const char *said)
{
	static const char *const fine[] = { "jumps", "leads", "chains" };

	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++)
		if (strstr(said, fine[i]))
			return true;
	return false;
}

static void check(const struct buf *text)
{
	struct source_set sources;
	struct diag_list diags;
	struct ast *ast = NULL;
	char *said;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	if (source_add(&sources, "out.rules", buf_ptr(text), buf_len(text)) < 0)
		abort();
	r = parse_policy(&sources, "out.rules", &diags, &ast);
	assert(r == 0);
	r = check_policy(ast, &sources, &diags);
	if (r < 0) {
		said = diag_string(&diags);
		assert(said && is_expected(said));
		free(said);
	}
	ast_free(ast);
	diag_fini(&diags);
	source_fini(&sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct import_options options = {
		.local = size % 3 ? "example.org, example.net" : NULL,
		.stranger = size % 2,
		.base = "out.rules",
	};
	const struct source_file *script;
	struct import_result result;
	struct source_set sources;
	unsigned left = 0, last = 0;
	int r;

	source_init(&sources, false);
	if (source_add(&sources, "fuzz.pfw", data, size) < 0 || source_find(&sources, NULL, "fuzz.pfw", &script) < 0)
		abort();
	r = import_firewall(&sources, script, &options, &result);
	assert(r == 0 || r == ERR_LIMIT);
	for (const struct import_note *n = result.notes; n; n = n->next) {
		assert(n->line >= last && n->message);
		last = n->line;
		left += !n->warning;
	}
	assert(left == result.left);
	if (r == 0)
		check(&result.text);
	import_result_fini(&result);
	source_fini(&sources);
	return 0;
}
