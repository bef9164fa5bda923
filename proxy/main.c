/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-proxy: the child that terminates TLS and XMPP on both legs. Started by xmppwalld only,
 * with its channel on descriptor 3 and the shared counters on 4; takes no arguments and opens no
 * files once it has started. In: those two descriptors. Out: an exit status. What needs the file
 * system (trust anchors, tables of the libraries) is read here, before the sandbox. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <jansson.h>
#include "base/child.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/link.h"
#include "proxy/lookup.h"
#include "proxy/tls.h"
#include "proxy/tls_link.h"
#include "xmpp/text.h"

enum { DESCRIPTORS_WANTED = 65536 };

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A session takes two descriptors: as many as we may have, and enough for the default ceiling where
 * we are privileged. */
static void raise_descriptors(void)
{
	struct rlimit now, want;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return;
	want = now;
	if (want.rlim_max < DESCRIPTORS_WANTED)
		want.rlim_max = DESCRIPTORS_WANTED;
	want.rlim_cur = want.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &want) == 0)
		return;
	now.rlim_cur = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_max < DESCRIPTORS_WANTED)
		log_warn("descriptors limit=%llu wanted=%d", (unsigned long long)now.rlim_max,
			DESCRIPTORS_WANTED);
}

int main(int argc, char **argv)
{
	struct metrics *metrics = NULL;
	int r, status;

	log_init("xmppwall-proxy", LOG_LEVEL_INFO);
	if (argc > 1 || !is_socket(CHILD_FD_CHANNEL)) {
		fprintf(stderr, "%s: started by xmppwalld, not by hand\n", argv[0]);
		return 2;
	}
	/* A terminal's interrupt goes to the daemon, which tells us in order; sends say
	 * MSG_NOSIGNAL, libraries may not. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	json_object_seed(0);
	if ((r = metrics_open(CHILD_FD_METRICS, &metrics)) < 0 || (r = tls_init()) < 0 ||
		(r = tls_link_init()) < 0 || (r = text_fold_init()) < 0) {
		log_error("start error=%s", err_text(r));
		return EXIT_FAILURE;
	}
	counters_init(metrics);
	lookup_read_system();
	status = link_run(CHILD_FD_CHANNEL, metrics);
	counters_init(NULL);
	metrics_free(metrics);
	return status;
}
