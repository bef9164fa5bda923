/* SPDX-License-Identifier: BSD-2-Clause */
/* The checked tree's settings as plain data: services, punishments, what the daemon itself is told.
 * Called after check_policy; reports only what cannot be seen before the values are put together.
 */
#pragma once

#include <stddef.h>
#include "base/arena.h"
#include "rules/ast.h"
#include "rules/federation.h"
#include "rules/service.h"
#include "rules/source.h"

struct options {
	struct service *services; /* in file order, in the arena */
	size_t n_services;
	struct punish *punishes;
	size_t n_punishes;
	struct backend *backends;
	size_t n_backends;
	struct federation_options federation; /* defaults where the files say nothing */
	struct remote_policy *remotes;
	size_t n_remotes;
	struct remote_name *remote_names; /* sorted by domain */
	size_t n_remote_names;
	struct daemon_options daemon; /* defaults where the files say nothing */
};

/* All strings are copied into the arena (the tree may be freed afterwards). Files of the
 * certificates folders (*.crt,
 * *.key), verify, trust and anchor files are read into sources, so that a bundle carries them. 0, ERR_SYNTAX with
 * diagnostics, -ENOMEM. */
int options_collect(const struct ast *ast, struct source_set *sources, struct arena *arena,
	struct diag_list *diags, struct options *out);
/* Gives back what is not in the arena. */
void options_fini(struct options *o);
/* "192.0.2.7:5222", "[2001:db8::7]:5222", or either without port (then *port is 0): the address as
 * text into host. False when the form is another; the address itself is not looked at. */
bool options_split_port(const char *text, char *host, size_t size, uint16_t *port);
/* The narrowest of the remotes for a prepared domain: its own name, else the longest "*." above it; NULL if there is none. */
const struct remote_policy *options_remote_find(const struct options *o, const char *domain);
