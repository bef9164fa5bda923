/* SPDX-License-Identifier: BSD-2-Clause */
/* A program of ours sent on one errand: a request, an answer, an end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include <uv.h>

struct errand;

struct errand_spec {
	uv_loop_t *loop;
	const char *folder, *program; /* borrowed for the call */
	const json_t *request;        /* borrowed for the call; the program's descriptor 0 */
	int body;                     /* its descriptor 3, borrowed for the call; -1: none */
	uint64_t file_max;            /* bytes it may write into any file */
	uint64_t timeout_ms;          /* killed then */
	/* Comes once, on the loop. answer: what it said, borrowed, NULL if that was no JSON object.
	 * why: "" or what went wrong with the program itself (it hung, it would not start). */
	void (*done)(void *arg, const json_t *answer, const char *why);
	void *arg;
	size_t answer_max; /* bytes of its answer that are read; 0: 64 KiB */
};

/* 0 with *out, which is valid until done has been called; a negative code: done will not come. */
int errand_start(const struct errand_spec *spec, struct errand **out);
/* Kills it; done still comes. */
void errand_end(struct errand *e);
