/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files about live lists share: ctl/lists.c edits by command, ctl/lists_follow.c takes
 * over what was edited by hand. */
#pragma once

#include <pthread.h>
#include <sys/stat.h>
#include "base/map.h"
#include "ctl/lists.h"

struct list_book;
struct set_info;

struct lists_one {
	struct list_book *book;
	const struct set_info *info;
	bool edited; /* the sources of the policy are older than what is in force */
	bool ahead;  /* the file holds an edit that the policy is to be made anew for */
	struct stat
		followed; /* the file as it was last compared with the policy; all zero: never */
	bool wrong;       /* that one was refused */
};

struct lists {
	struct policy *policy;
	struct map by_name;   /* set with a file -> struct lists_one */
	pthread_mutex_t lock; /* a job edits while the loop may make a bundle */
};

/* The list with its lines as the file has them now; the reason why not in error. */
int lists_find_one(
	const struct lists *l, const char *name, struct buf *error, struct lists_one **out);
/* Is it the same file with the same content, as far as stat can tell? */
bool lists_stat_equal(const struct stat *a, const struct stat *b);
/* Does an edit of n entries cost more live than a new policy? */
bool lists_too_many(const struct set_info *info, size_t n);
/* Has the policy judge by the edit. 0 or a negative code. */
int lists_policy_follow(const struct lists *l, const struct lists_edit *edit);
