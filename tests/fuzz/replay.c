/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target over files and folders without an engine: past crashes and the corpus, every
 * time. Each file runs whole, then cut short and with a byte flipped at a few places, so that a
 * small corpus reaches further. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20, PLACES = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files, runs;

static void run(const uint8_t *data, size_t size)
{
	/* A block of exactly that size, so that reading past the end is seen. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void run_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *in = fopen(path, "rb");
	size_t size;

	if (!in || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, INPUT_MAX, in);
	fclose(in);
	files++;
	run(data, size);
	for (size_t i = 1; i < PLACES && size > PLACES; i++) {
		size_t at = size * i / PLACES;

		run(data, at);
		data[at] ^= (uint8_t)(1u << i % 8);
		run(data, size);
		data[at] ^= (uint8_t)(1u << i % 8);
	}
	free(data);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	n = scandir(path, &names, NULL, by_name);
	for (int i = 0; i < n; i++) {
		char inner[4096];

		snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			run_path(inner);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%u files, %u runs\n", files, runs);
	return files == 0;
}
