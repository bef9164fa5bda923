/* SPDX-License-Identifier: BSD-2-Clause */
/* What bench_replay.py measures beside: expat alone, with handlers that do nothing, over the payload of a capture. The file
 * holds streams one after the other, each with its length (8 bytes, this machine's order) in front. Prints the seconds of
 * processor time that parsing took, reading the file not counted. */
#include <expat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIECE = 1400 }; /* as segments bring it */

static void on_start(void *arg, const char *name, const char **attributes)
{
	(void)arg;
	(void)name;
	(void)attributes;
}

static void on_end(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

static void on_text(void *arg, const char *text, int len)
{
	(void)arg;
	(void)text;
	(void)len;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double parse(const char *bytes, uint64_t len)
{
	XML_Parser p = XML_ParserCreateNS("UTF-8", '|');
	double begin = now();

	XML_SetElementHandler(p, on_start, on_end);
	XML_SetCharacterDataHandler(p, on_text);
	for (uint64_t at = 0; at < len; at += PIECE) {
		if (XML_Parse(p, bytes + at, (int)(len - at < PIECE ? len - at : PIECE), 0) != XML_STATUS_OK) {
			fprintf(stderr, "%s\n", XML_ErrorString(XML_GetErrorCode(p)));
			exit(1);
		}
	}
	XML_ParserFree(p);
	return now() - begin;
}

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "rb") : NULL;
	double seconds = 0;
	uint64_t len;
	char *bytes;

	if (!in)
		return 2;
	while (fread(&len, sizeof(len), 1, in) == 1) {
		if (!(bytes = malloc(len)) || fread(bytes, 1, len, in) != len)
			return 1;
		seconds += parse(bytes, len);
		free(bytes);
	}
	printf("%.6f\n", seconds);
	return 0;
}
