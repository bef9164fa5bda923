/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a policy: parsing, checking and printing must end, and what was printed must parse
 * to the same text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/parse.h"
#include "rules/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The printed text, malloc'd; NULL when the policy is refused. */
static char *reprint(const void *data, size_t size)
{
	struct source_set sources;
	struct diag_list diags;
	struct ast *ast = NULL;
	struct buf out;
	char *text = NULL;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	buf_init(&out, 64 << 20);
	if (source_add(&sources, "fuzz.rules", data, size) < 0)
		abort();
	r = parse_policy(&sources, "fuzz.rules", &diags, &ast);
	/* The checker sees only whole trees, the printer must bear any. */
	if (r == 0)
		r = check_policy(ast, &sources, &diags);
	if (print_policy(ast, &out) == 0 && r == 0)
		text = buf_take(&out);
	free(diag_string(&diags));
	assert(r == 0 || diags.errors > 0);
	ast_free(ast);
	buf_fini(&out);
	diag_fini(&diags);
	source_fini(&sources);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = reprint(data, size), *twice;

	if (!once)
		return 0;
	twice = reprint(once, strlen(once));
	assert(twice && strcmp(once, twice) == 0);
	free(once);
	free(twice);
	return 0;
}
