/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists of a policy that live in files: shown, and edited in the file and the policy at once.
 * Edits take a lock: they run in a job of the daemon while its loop may want a bundle. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "base/buf.h"
#include "base/span.h"

struct policy;
struct source_set;
struct lists;

/* Above these a live edit costs more than a new policy: what is searched for in texts is compiled
 * again with each edit, and a worker takes an edit as one line. */
enum { LISTS_LIVE_SCANNED_MAX = 1000, LISTS_LIVE_MAX = 50000 };
enum { LISTS_ERRORS_MAX = 20, LISTS_ENTRIES_MAX = 2000000 };

/* Reads all list files of the policy (one reference is kept), which was read from disk at read_ms
 * (wall clock) or made anew from what previous (may be NULL) knows. 0, -ENOMEM; a file that cannot
 * be read is found again when it is asked for. */
int lists_new(struct policy *p, const struct lists *previous, int64_t read_ms, struct lists **out);
void lists_free(struct lists *l);
/* Reads the files, so that the first edit is quick: a job (no reload takes the lists away meanwhile). */
void lists_warm(void *lists);
/* l comes in the place of old: takes over what old has in memory of the files both have. */
void lists_inherit(struct lists *l, struct lists *old);

/* An edit of one list, what was made of it, and why not. */
struct lists_edit {
	const char *name;
	const struct span *entries; /* as users write them: "ENTRY until TIME # COMMENT" */
	size_t n;
	int64_t until_ms;    /* for entries without a time of their own; 0: for ever */
	const char *comment; /* for entries without one; NULL: none */
	/* out */
	size_t n_add, n_del; /* all changes; add and del have those of a small edit only */
	bool renew; /* written only: too much for a live edit, the policy is to be made anew
		       (config_renew) */
	size_t added, present, removed;
	size_t hashed; /* plain values that became digests, in a set of hashes */
	json_t *add,
		*del; /* the changes as texts, for workers and the history; arrays, the caller's */
	struct buf error;   /* one line, without newline */
	struct buf details; /* lines "entry 3: ...", may be empty */
};

void lists_edit_init(struct lists_edit *edit, const char *name);
void lists_edit_fini(struct lists_edit *edit);
/* Checks all entries (or nothing is done), writes the file, then has the policy judge by it. 0, or
 * a negative code with edit->error: ERR_NOTFOUND (no such list), ERR_UNSUPPORTED (it has no file),
 * ERR_SYNTAX, -errno of the file. */
int lists_add(struct lists *l, struct lists_edit *edit);
/* As lists_add; that no entry was there is no error: removed is 0 then. */
int lists_remove(struct lists *l, struct lists_edit *edit);
/* One entry of the list's file, by its text: {"file","comment","until"}. 0, ERR_NOTFOUND (no such
 * list or entry, or it has no file), or as above. */
int lists_find(struct lists *l, const char *name, const char *entry, json_t **out);
/* "list-show": {"name","entries":[{"entry","comment","until","from"}]}, of sets without a file, too.
 * 0 or as above, the reason in error. */
int lists_show(struct lists *l, const char *name, struct buf *error, json_t **out);
/* "list-export": what is from the set's file, as the text of one. As lists_show. */
int lists_export(struct lists *l, const char *name, struct buf *error, json_t **out);
/* Was any edited since it was loaded? */
bool lists_are_edited(struct lists *l);
/* For a policy that is made anew: the files of the lists that were edited since, as what is in force
 * (or about to be), put over those in the set. 0 or -ENOMEM, ERR_LIMIT. */
int lists_refresh_sources(struct lists *l, struct source_set *sources);
/* For a child that starts: the same; of a list that is a pack, only the edits, beside it. As above. */
int lists_bundle_edits(struct lists *l, struct source_set *sources);
/* The policy that edits asked for (edit->renew) was not to be had: what is in force stays. */
void lists_renew_refused(struct lists *l);

/* The feeds that name this entry of the set, "a, b"; malloc'd, NULL if none does. */
char *lists_feeds_of(const struct lists *l, const char *name, struct span entry);

/* What a look at the files found about one of them. */
struct lists_change {
	struct lists_change *next;
	struct lists_edit edit; /* name is the set's; what was made of it, as by lists_add */
	char *trouble; /* why the file was refused, with a newline; NULL: all is well, maybe again */
	int code;      /* of the policy's taking it */
};

/* Looks whether files were edited by other hands, and has the policy follow those that are good.
 * *out (a chain, lists_changes_free) has one element a file that changed. True if a file was
 * changed just now: look again soon, it may not be whole yet. For the job thread. */
bool lists_follow(struct lists *l, struct lists_change **out);
void lists_changes_free(struct lists_change *changes);
