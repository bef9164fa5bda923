/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of the control socket: a table of name, who may, and what to do (ctl/request.h). */
#pragma once

#include "ctl/control.h"

struct daemon;
struct limit_info;
struct limits;

/* Runs a request of anyone who could connect; arg is the daemon. Takes rq. */
void command_run(void *arg, struct request *rq);

/* One function a command; each takes rq. */
void command_status(struct daemon *d, struct request *rq);
void command_top(struct daemon *d, struct request *rq);
void command_explain(struct daemon *d, struct request *rq);
void command_reload(struct daemon *d, struct request *rq);
void command_lockdown(struct daemon *d, struct request *rq);
void command_confirm(struct daemon *d, struct request *rq);
void command_rollback(struct daemon *d, struct request *rq);
void command_rules(struct daemon *d, struct request *rq);
void command_limits(struct daemon *d, struct request *rq);
void command_limit_set(struct daemon *d, struct request *rq);
void command_limit_suggest(struct daemon *d, struct request *rq);
void command_lists(struct daemon *d, struct request *rq);
void command_list_show(struct daemon *d, struct request *rq);
/* The same with "hits". */
void command_list_hits(struct daemon *d, struct request *rq);
void command_list_add(struct daemon *d, struct request *rq);
void command_list_del(struct daemon *d, struct request *rq);
void command_list_import(struct daemon *d, struct request *rq);
void command_list_export(struct daemon *d, struct request *rq);
void command_quarantine_list(struct daemon *d, struct request *rq);
void command_quarantine_show(struct daemon *d, struct request *rq);
void command_quarantine_release(struct daemon *d, struct request *rq);
void command_quarantine_delete(struct daemon *d, struct request *rq);
void command_ban_batch(struct daemon *d, struct request *rq);
void command_list_feeds(struct daemon *d, struct request *rq);
void command_list_history(struct daemon *d, struct request *rq);

/* Parts of "status" and "limits" that "top" has, too; new references. */
json_t *command_attention(struct daemon *d);
json_t *command_counters(const struct daemon *d);
/* "rate" and "burst" are what is judged by. */
json_t *command_limit_row(const struct limits *set, const struct limit_info *info);

/* A required text of the arguments; NULL after refusing rq. */
const char *command_text(struct request *rq, const char *key);
