/* SPDX-License-Identifier: BSD-2-Clause */
/* From the files on disk to a policy that may be put in force. In: the configuration's path. Out:
 * one struct with all that belongs together, or diagnostics and nothing: who keeps the old one on
 * failure has changed nothing. The children never open a file; they get the very bytes read here,
 * in a memfd. It starts nothing and knows no worker. */
#include "ctl/config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/feed_copy.h"
#include "ctl/lists.h"
#include "rules/cache.h"
#include "rules/feed.h"
#include "rules/rules.h"

static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text_of(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return n < 0 ? strdup("out of memory\n") : text;
}

/* Diagnostics if there are any, else what the code says. */
static char *why_text(const char *path, const struct diag_list *diags, int code)
{
	char *text = diags->first ? diag_string(diags) : NULL;

	return text ? text : text_of("%s: %s\n", path, err_text(code));
}

/* What the policy alone cannot see: this machine. */
static int machine_check(const struct policy *p, char **why)
{
	const char *user = policy_daemon(p)->user;

	errno = 0;
	if (!user || geteuid() != 0 || getpwnam(user))
		return 0;
	*why = text_of("daemon: the user '%s' does not exist; make it with: useradd --system "
		       "--no-create-home %s\n",
		user, user);
	return ERR_NOTFOUND;
}

static int config_fill(struct config *c, struct source_set *sources, struct config *previous,
	struct metrics *metrics, char **why)
{
	struct diag_list diags;
	int r;

	diag_init(&diags);
	r = policy_load(
		sources, c->path, previous ? previous->policy : NULL, metrics, &diags, &c->policy);
	if (r < 0)
		*why = why_text(c->path, &diags, r);
	diag_fini(&diags);
	if (r < 0 || (r = machine_check(c->policy, why)) < 0)
		return r;
	if ((r = source_bundle(sources, &c->bundle_fd)) < 0 ||
		(r = lists_new(c->policy, sources->from_disk || !previous ? NULL : previous->lists,
			 c->loaded_ms, &c->lists)) < 0)
		*why = text_of("%s: %s\n", c->path, err_text(r));
	return r;
}

/* From sources that are there or may be read. */
static int config_make(const char *path, struct source_set *sources, struct config *previous,
	struct metrics *metrics, struct config **out, char **why)
{
	struct config *c = calloc(1, sizeof *c);
	int r = -ENOMEM;

	*why = NULL;
	if (c) {
		c->bundle_fd = -1;
		c->cache = sources->cache;
		c->loaded_ms = clock_wall_ms();
		c->path = strdup(path);
	}
	if (c && c->path)
		r = config_fill(c, sources, previous, metrics, why);
	if (r == 0) {
		*out = c;
		return 0;
	}
	config_free(c);
	if (!*why)
		*why = text_of("%s: %s\n", path, err_text(r));
	return r;
}

int config_load_fed(const char *path, const char *feeds_dir, struct cache *cache,
	struct config *previous, struct metrics *metrics, struct config **out, char **why)
{
	struct source_set sources;
	int r = 0;

	source_init(&sources, true);
	sources.cache = cache;
	if (previous && (r = part_set_add_all(&sources.parts, policy_parts(previous->policy))) < 0)
		*why = text_of("%s: %s\n", path, err_text(r));
	else if (feeds_dir && (r = feed_copies_add(feeds_dir, &sources)) < 0)
		*why = text_of("%s: %s\n", feeds_dir, err_text(r));
	else
		r = config_make(path, &sources, previous, metrics, out, why);
	source_fini(&sources);
	if (r == 0 && feeds_dir && !((*out)->feeds_dir = strdup(feeds_dir))) {
		config_free(*out);
		*why = text_of("%s: %s\n", path, err_text(-ENOMEM));
		r = -ENOMEM;
	}
	return r;
}

int config_load(const char *path, struct config *previous, struct metrics *metrics,
	struct config **out, char **why)
{
	return config_load_fed(path, NULL, NULL, previous, metrics, out, why);
}

/* Files of exceptions as they are now; one that cannot be read stays as it was. */
static int excepts_refresh(const struct policy *p, struct source_set *sources)
{
	const struct set_info *sets;
	size_t n = policy_sets(p, &sets), n_feeds;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct source_file *file;
		struct source_set disk;
		const char *path;

		(void)policy_feeds(p, sets[i].name, &n_feeds, NULL, &path);
		if (!path)
			continue;
		source_init(&disk, true);
		if (source_find(&disk, NULL, path, &file) == 0)
			r = source_add(sources, path, file->bytes, file->len);
		source_fini(&disk);
	}
	return r;
}

/* The sources of the bundle, with what people and feeds wrote since. */
static int sources_restore(struct config *now, int bundle_fd, const struct part_set *parts,
	struct source_set *sources)
{
	int r;

	sources->cache = now->cache;
	sources->rereads = true;
	if ((r = source_unbundle(bundle_fd, sources)) < 0 ||
		(r = part_set_add_all(&sources->parts, policy_parts(now->policy))) < 0 ||
		(parts && (r = part_set_add_all(&sources->parts, parts)) < 0) ||
		(r = lists_refresh_sources(now->lists, sources)) < 0 ||
		(r = excepts_refresh(now->policy, sources)) < 0)
		return r;
	return now->feeds_dir ? feed_copies_add(now->feeds_dir, sources) : 0;
}

int config_restore(struct config *now, int bundle_fd, const struct part_set *parts,
	struct metrics *metrics, struct config **out, char **why)
{
	struct source_set sources;
	int r;

	source_init(&sources, false);
	if ((r = sources_restore(now, bundle_fd, parts, &sources)) == 0)
		r = config_make(now->path, &sources, now, metrics, out, why);
	else
		*why = text_of("%s: %s\n", now->path, err_text(r));
	source_fini(&sources);
	if (r == 0 && now->feeds_dir && !((*out)->feeds_dir = strdup(now->feeds_dir))) {
		config_free(*out);
		*why = text_of("%s: %s\n", now->path, err_text(-ENOMEM));
		r = -ENOMEM;
	}
	return r;
}

int config_adopt(const char *path, const char *feeds_dir, struct cache *cache, int bundle_fd,
	const struct part_set *parts, struct metrics *metrics, struct config **out, char **why)
{
	struct source_set sources;
	int r;

	source_init(&sources, false);
	sources.cache = cache;
	sources.rereads = true;
	if ((r = source_unbundle(bundle_fd, &sources)) == 0 &&
		(r = part_set_add_all(&sources.parts, parts)) == 0)
		r = config_make(path, &sources, NULL, metrics, out, why);
	else
		*why = text_of("%s: %s\n", path, err_text(r));
	source_fini(&sources);
	if (r == 0 && feeds_dir && !((*out)->feeds_dir = strdup(feeds_dir))) {
		config_free(*out);
		*why = text_of("%s: %s\n", path, err_text(-ENOMEM));
		r = -ENOMEM;
	}
	return r;
}

int config_renew(struct config *now, struct metrics *metrics, struct config **out, char **why)
{
	return config_restore(now, now->bundle_fd, NULL, metrics, out, why);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	lists_free(c->lists);
	policy_unref(c->policy);
	if (c->bundle_fd >= 0)
		close(c->bundle_fd);
	free(c->path);
	free(c->feeds_dir);
	free(c);
}

struct cache *config_cache(const char *state_dir, struct metrics *metrics)
{
	cleanup_free char *dir = text_of("%s/cache", state_dir);
	struct cache *cache = NULL;
	int r = dir ? cache_open(dir, metrics, &cache) : -ENOMEM;

	if (r < 0)
		log_warn("event=cache note=\"there is none: %s: %s\"", state_dir, err_text(r));
	return cache;
}

void config_keep(struct config *c)
{
	int r = c->cache ? cache_write(c->cache) : 0;

	if (r < 0)
		log_warn("event=cache note=\"it cannot be written: %s\"", err_text(r));
	cache_prune(c->cache, policy_parts(c->policy));
}

int config_bundle(struct config *c)
{
	struct source_set sources;
	int fd = -1, r;

	if (!lists_are_edited(c->lists))
		return (fd = fcntl(c->bundle_fd, F_DUPFD_CLOEXEC, 0)) < 0 ? -errno : fd;
	source_init(&sources, false);
	if ((r = source_unbundle(c->bundle_fd, &sources)) == 0 &&
		(r = lists_bundle_edits(c->lists, &sources)) == 0)
		r = source_bundle(&sources, &fd);
	source_fini(&sources);
	return r < 0 ? r : fd;
}

bool config_is_audited(const struct config *c)
{
	const struct service *services;
	size_t n;

	services = policy_services(c->policy, &n);
	for (size_t i = 0; i < n; i++)
		if (services[i].audit)
			return true;
	return false;
}
