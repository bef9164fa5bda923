/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside ctl/ledger.c: its transactions. A change is one of its own, or bans come many at once and
 * are a batch: one transaction, kept whole or not at all. Who writes anything else meanwhile ends
 * the batch first, so that nobody's word waits for another's. */
#include <errno.h>

#include "base/err.h"
#include "ctl/ledger_int.h"

static int transaction_begin(struct ledger *l)
{
	return ledger_run(l, ledger_statement(l, SQL_BEGIN));
}

static int transaction_end(struct ledger *l, int r)
{
	if (r == 0)
		r = ledger_run(l, ledger_statement(l, SQL_COMMIT));
	/* A full disk may have rolled back by itself. */
	if (r < 0 && !sqlite3_get_autocommit(l->db))
		ledger_run(l, ledger_statement(l, SQL_ROLLBACK));
	return r;
}

/* What others write is not to wait for the end of a batch, nor to be undone with it. */
int ledger_begin(struct ledger *l)
{
	if (l->batch && l->batch_end)
		l->batch_end(l->batch_arg);
	else if (l->batch)
		(void)ledger_batch_end(l);
	return transaction_begin(l);
}

int ledger_end(struct ledger *l, int r)
{
	return transaction_end(l, r);
}

int ledger_batch_begin(struct ledger *l)
{
	int r = l->batch ? 0 : transaction_begin(l);

	if (r == 0 && !l->batch) {
		l->batch = true;
		l->batch_failed = false;
		l->batch_n_bans = l->n_bans;
	}
	return r;
}

int ledger_batch_end(struct ledger *l)
{
	int r;

	if (!l->batch)
		return 0;
	l->batch = false;
	r = transaction_end(l, l->batch_failed ? -EIO : 0);
	if (r < 0)
		l->n_bans = l->batch_n_bans;
	return r;
}

bool ledger_batch_is_open(const struct ledger *l)
{
	return l->batch;
}

void ledger_batch_hook(struct ledger *l, void (*end)(void *arg), void *arg)
{
	l->batch_end = end;
	l->batch_arg = arg;
}

/* Of one ban: a transaction of its own, or a part of the batch. */
int ledger_change_begin(struct ledger *l)
{
	return l->batch ? l->batch_failed ? -EIO : 0 : transaction_begin(l);
}

/* What is refused has written nothing; what fails to be written may have been written in part. */
int ledger_change_end(struct ledger *l, int r)
{
	if (!l->batch)
		return transaction_end(l, r);
	l->batch_failed = r < 0 && r != ERR_LIMIT && r != ERR_RANGE && r != ERR_NOTFOUND;
	return r;
}
