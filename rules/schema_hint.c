/* SPDX-License-Identifier: BSD-2-Clause */
/* What somebody may have meant who wrote a word the table of schema.c does not have. In: the word,
 * and where it stood. Out: a hint in the arena of the diagnostics, or NULL. It judges nothing: the
 * checker has found the word wrong already. */
#include <stdio.h>
#include <string.h>

#include "rules/schema.h"

enum { BLOCKS_MAX = 64, WORDS_MAX = 32, WORDS_TEXT_MAX = 256 };

const char *schema_suggest_block(struct diag_list *d, const char *word)
{
	const char *names[BLOCKS_MAX] = { "include", "define" };
	size_t n = 2;

	for (size_t i = 0; i < schema_block_count && n < BLOCKS_MAX; i++)
		names[n++] = schema_blocks[i].name;
	return diag_suggest(d, word, names, n);
}

const char *schema_suggest(struct diag_list *d, const struct schema_block *block, const char *word)
{
	const char *names[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < block->n && n < WORDS_MAX; i++)
		names[n++] = block->settings[i].name;
	return diag_suggest(d, word, names, n);
}

bool schema_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, word, len) == 0 && (at[len] == '|' || !at[len]))
			return len > 0;
	}
	return false;
}

const char *schema_suggest_word(struct diag_list *d, const char *words, const char *word)
{
	char copy[WORDS_TEXT_MAX], text[WORDS_TEXT_MAX * 2] = "one of ";
	const char *list[WORDS_MAX], *hint;
	size_t n = 0, len = strlen(text);

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *save, *at = strtok_r(copy, "|", &save); at && n < WORDS_MAX;
		at = strtok_r(NULL, "|", &save))
		list[n++] = at;
	if ((hint = diag_suggest(d, word, list, n)))
		return hint;
	for (size_t i = 0; i < n && len < sizeof(text); i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%s", i ? ", " : "", list[i]);
	return arena_strdup(&d->arena, text);
}
