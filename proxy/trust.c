/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom the policy believes: between the policy bundle and remote.c.
 * In: the files that "trust file" names, as the daemon gathered them. Out: one store of authorities
 * a file, shared by all blocks that name it; what names none believes the system. A file of which
 * nothing can be used refuses the policy: to believe nobody, or the whole world, is not what was
 * written. It never opens a file, and never verifies anything. */
#include "proxy/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "proxy/tls.h"

struct trust_file {
	char *path; /* as it was written */
	X509_STORE *store;
};

struct trust {
	struct trust_file *files;
	size_t n;
};

static struct trust_file *trust_of(const struct trust *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->files[i].path, path) == 0)
			return &t->files[i];
	}
	return NULL;
}

static int trust_add(struct trust *t, const char *path, struct source_set *sources,
	const char *base_path, struct buf *why)
{
	struct trust_file *one = &t->files[t->n];
	const struct source_file *file;
	int r = source_find(sources, base_path, path, &file);

	if (r < 0) {
		buf_putf(why, "trust file %s: %s", path, err_text(r));
		return r;
	}
	one->store = tls_trust_store((struct span){ file->bytes, file->len });
	if (!one->store) {
		buf_putf(why, "trust file %s: no usable trust anchor", path);
		return ERR_TLS;
	}
	if (!(one->path = strdup(path))) {
		X509_STORE_free(one->store);
		return -ENOMEM;
	}
	t->n++;
	return 0;
}

int trust_load(const struct policy *policy, struct source_set *sources, const char *base_path,
	struct buf *why, struct trust **out)
{
	const struct remote_policy *remotes, *one;
	struct trust *t = calloc(1, sizeof(*t));
	size_t n;
	int r = 0;

	remotes = policy_remotes(policy, &n);
	if (t)
		t->files = calloc(n + 1, sizeof(*t->files));
	if (!t || !t->files)
		r = -ENOMEM;
	for (size_t i = 0; i <= n && r == 0; i++) {
		one = i < n ? &remotes[i] : &policy_federation(policy)->rest;
		if (one->trust_file && !trust_of(t, one->trust_file))
			r = trust_add(t, one->trust_file, sources, base_path, why);
	}
	if (r < 0) {
		trust_free(t);
		return r;
	}
	*out = t;
	return 0;
}

void trust_free(struct trust *t)
{
	for (size_t i = 0; t && i < t->n; i++) {
		free(t->files[i].path);
		X509_STORE_free(t->files[i].store);
	}
	if (t)
		free(t->files);
	free(t);
}

X509_STORE *trust_find(const struct trust *t, const struct remote_policy *remote)
{
	const struct trust_file *file;

	if (!remote->trust_file)
		return tls_system_trust();
	file = trust_of(t, remote->trust_file);
	return file ? file->store : NULL;
}
