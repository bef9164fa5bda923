/* SPDX-License-Identifier: BSD-2-Clause */
/* What options.c and options_service.c share. */
#pragma once

#include "rules/options.h"

struct collector {
	const struct ast *ast;
	struct source_set *sources;
	struct arena *arena;
	struct diag_list *diags;
	struct options *out;
	struct service initial; /* what a service starts from */
	int error;
};

/* The first setting of that name; NULL if there is none. */
const struct ast_setting *options_find(const struct ast_setting *settings, const char *name);
/* Is the setting there, with that word as its first value? */
bool options_word(const struct ast_setting *settings, const char *name, const char *word);
/* A time in milliseconds, a bare number is seconds; s NULL: initial. */
uint64_t options_ms(const struct ast_setting *s, uint64_t initial);
/* A copy in the arena; NULL for NULL. */
const char *options_strdup(struct collector *c, const char *text);
/* A domain as a stream's "to" is prepared, "*." kept in front; "" and c->error when out of memory. */
const char *options_domain(struct collector *c, const char *text);
/* A file that a value names: read into the sources (a warning if that fails); its path there, from the first file's folder. */
const char *options_file(struct collector *c, const struct ast_value *v);
/* Takes over what a block names. */
void options_limits(const struct ast_setting *settings, struct xmpp_limits *limits);
void options_timeouts(const struct ast_setting *settings, struct service *s);
/* options_backend.c: one backend; then, when all are known, those that a service names. */
void options_backend(struct collector *c, const struct ast_item *item);
void options_upstream_backends(
	struct collector *c, struct service *s, const struct ast_setting *upstream);
/* The way back to a client of an address behind our back does not exist on a loopback: says so. */
void options_source_reach(struct collector *c, const struct service *s, const struct ast_item *item);
/* options_defend.c: the whole block; then, when services are known, which go without synproxy. */
void options_defend(struct collector *c, const struct ast_item *item);
void options_defend_reach(struct collector *c);
/* options_federation.c: the block of that name, once its defaults are set; one remote behind it; then, when all are known,
 * whose domains they are. */
void options_federation_defaults(struct federation_options *f);
void options_federation(struct collector *c, const struct ast_item *item);
void options_remote(struct collector *c, const struct ast_item *item);
void options_remote_names(struct collector *c);
/* options_forward.c: the word, or the profiles of each direction. */
void options_forward(struct collector *c, struct service *s, const struct ast_item *item);
/* options_punish.c: one rung of the ladder. */
void options_punish(struct collector *c, const struct ast_item *item);
/* options_service.c: one service, its certificates into the sources. */
void options_service(struct collector *c, const struct ast_item *item);
