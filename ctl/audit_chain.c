/* SPDX-License-Identifier: BSD-2-Clause */
/* Is each line of an audit trail the one that was written behind the one before? In: lines, in the
 * order of files. Out: where the chain breaks, and how: a line was changed, taken out, put in, or
 * moved. A line torn by a crash is no break where the next one says what was torn. It cannot say
 * whether a whole trail was made anew, or its end cut off: for that the head's hash is known
 * elsewhere (the journal). It opens no file. */
#include "ctl/audit_chain.h"

#include <stdio.h>
#include <string.h>

void audit_hash(struct span bytes, char hex[AUDIT_HASH_SIZE])
{
	struct hash_state h;
	uint8_t digest[HASH_SIZE];

	hash_begin(&h);
	hash_add(&h, bytes.ptr, bytes.len);
	hash_end(&h, digest);
	for (size_t i = 0; i < HASH_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

json_t *audit_line_read(struct span line, uint64_t *seq, const char **prev)
{
	json_t *said = line.len > 0 && line.len <= AUDIT_LINE_MAX
			       ? json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL)
			       : NULL;
	json_t *number = json_object_get(said, "seq");
	const char *text = json_string_value(json_object_get(said, "prev"));

	if (!json_is_integer(number) || json_integer_value(number) < 1 || !text ||
		strlen(text) != HASH_HEX || strspn(text, "0123456789abcdef") != HASH_HEX) {
		json_decref(said);
		return NULL;
	}
	*seq = (uint64_t)json_integer_value(number);
	*prev = text;
	return said;
}

/* ---- checking ---- */

void audit_check_begin(struct audit_check *c,
	void (*problem)(void *arg, const char *file, unsigned long line, const char *what),
	void *arg)
{
	*c = (struct audit_check){ .problem = problem, .arg = arg, .file = "" };
	strcpy(c->head.hash, AUDIT_HASH_NONE);
}

void audit_check_file(struct audit_check *c, const char *file)
{
	c->file = file;
	c->line = 0;
}

static void problem_at(
	struct audit_check *c, const char *file, unsigned long line, const char *what)
{
	c->problems++;
	c->problem(c->arg, file, line, what);
}

static void problem(struct audit_check *c, const char *what)
{
	problem_at(c, c->file, c->line, what);
}

static void scrap_add(struct audit_check *c, struct span line, bool ended)
{
	if (c->scrap_line == 0) {
		hash_begin(&c->scrap);
		c->scrap_line = c->line;
		c->scrap_file = c->file;
		c->scrap_bytes = 0;
	} else {
		hash_add(&c->scrap, "\n", 1);
	}
	hash_add(&c->scrap, line.ptr, line.len);
	c->scrap_bytes += line.len;
	c->scrap_ended = ended;
}

static void scrap_hash(struct audit_check *c, char hex[AUDIT_HASH_SIZE])
{
	uint8_t digest[HASH_SIZE];

	hash_end(&c->scrap, digest);
	for (size_t i = 0; i < HASH_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* Does the line tell of the scrap before it, and of none where there is none? */
static void scrap_settle(struct audit_check *c, const json_t *said)
{
	const char *event = json_string_value(json_object_get(said, "event")),
		   *told = json_string_value(json_object_get(said, "torn"));
	bool tells = event && told && strcmp(event, "torn") == 0;
	char hash[AUDIT_HASH_SIZE];

	if (c->scrap_line == 0) {
		if (tells)
			problem(c, "the torn line that it tells of is not before it");
		return;
	}
	scrap_hash(c, hash);
	if (tells && strcmp(hash, told) == 0)
		c->torn++;
	else
		problem_at(c, c->scrap_file, c->scrap_line,
			tells ? "the torn line was changed: its hash is not the one that is told"
			      : "this is no line of an audit trail");
	c->scrap_line = 0;
}

static void follow(struct audit_check *c, uint64_t seq, const char *prev)
{
	uint64_t next = c->head.seq + 1;
	char text[160];

	if (c->lines == 0) {
		c->first = seq;
		if (seq == 1 && strcmp(prev, AUDIT_HASH_NONE) != 0)
			problem(c, "the first line names one before it");
		return;
	}
	if (seq > next) {
		snprintf(text, sizeof text, "lines %llu to %llu are missing before it",
			(unsigned long long)next, (unsigned long long)(seq - 1));
		problem(c, text);
	} else if (seq < next) {
		snprintf(text, sizeof text,
			"line %llu stands behind line %llu: put in, repeated or moved",
			(unsigned long long)seq, (unsigned long long)c->head.seq);
		problem(c, text);
	} else if (strcmp(prev, c->head.hash) != 0) {
		problem(c, "the line before it was changed: its hash is not the one that this one "
			   "names");
	}
}

void audit_check_line(struct audit_check *c, struct span line, bool ended)
{
	const char *prev;
	json_t *said;
	uint64_t seq;

	c->line++;
	said = ended ? audit_line_read(line, &seq, &prev) : NULL;
	if (!said) {
		scrap_add(c, line, ended);
		return;
	}
	scrap_settle(c, said);
	follow(c, seq, prev);
	c->lines++;
	c->head.seq = seq;
	audit_hash(line, c->head.hash);
	if (*c->wanted && strcmp(c->wanted, c->head.hash) == 0)
		c->found = seq;
	json_decref(said);
}

void audit_check_end(struct audit_check *c)
{
	if (c->scrap_line != 0)
		problem_at(c, c->scrap_file, c->scrap_line,
			c->scrap_ended ? "this is no line of an audit trail"
				       : "the last line is torn, and none behind it says so");
	c->scrap_line = 0;
	if (c->lines == 0)
		problem_at(c, c->file, 0, "no line of an audit trail is here");
	else if (*c->wanted && !c->found)
		problem_at(c, c->file, c->line,
			"no line has the hash that was given: the end was cut off, or all of it "
			"made anew");
}
