/* SPDX-License-Identifier: BSD-2-Clause */
/* The first minute of the daemon's life, before it has a loop. In: paths and the policy. Out:
 * directories with their modes, locks (two daemons on one ledger or one control socket would undo
 * each other's bans), and, where something is missing, a line that says what to do about it. It
 * loads nothing and opens no port. */
#include "ctl/startup.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/shelf.h"
#include "ctl/link.h"
#include "rules/rules.h"

/* More slots than sessions, for those that wait for their clients. */
enum { STREAMS_SPARE = 4, STREAMS_MIN = 256, STREAMS_MAX = 262144 };

static int folder_make(char *path, mode_t mode)
{
	for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		int r;

		*at = '\0';
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*at = '/';
		if (r < 0)
			return r;
	}
	if (mkdir(path, mode) == 0) /* the umask has no say in what others rely on */
		return chmod(path, mode) < 0 ? -errno : 0;
	return errno == EEXIST ? 0 : -errno;
}

int startup_folder(const char *path, mode_t mode, struct buf *why)
{
	char copy[PATH_MAX];
	struct stat st;
	int r;

	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		r = -ENAMETOOLONG;
	else
		r = folder_make(copy, mode);
	if (r == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = -ENOTDIR;
	if (r == 0 && access(path, W_OK | X_OK) < 0)
		r = -errno;
	if (r < 0)
		buf_putf(why, "cannot use the directory %s: %s%s\n", path, err_text(r),
			r == -EACCES || r == -EROFS
				? " (start xmppwalld as root, or name another one)"
				: "");
	return r;
}

int startup_lock(const char *folder, int *fd, struct buf *why)
{
	char path[PATH_MAX], pid[32] = "";
	cleanup_fd int lock = -1;
	int n;

	snprintf(path, sizeof path, "%s/xmppwalld.lock", folder);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (lock < 0) {
		n = -errno;
		buf_putf(why, "cannot open %s: %s\n", path, err_text(n));
		return n;
	}
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		n = (int)pread(lock, pid, sizeof pid - 1, 0);
		pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
		buf_putf(why,
			"another xmppwalld (pid %s) uses %s; stop it first, or give this one "
			"directories of its own\n",
			*pid ? pid : "unknown", folder);
		return ERR_EXISTS;
	}
	n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(lock, 0) < 0 || pwrite(lock, pid, (size_t)n, 0) != n) {
		n = errno ? -errno : -EIO;
		buf_putf(why, "cannot write %s: %s\n", path, err_text(n));
		return n;
	}
	*fd = take_fd(&lock);
	return 0;
}

static bool capability_missing(
	unsigned capability, const char *name, const char *what, struct buf *why)
{
	if (capng_have_capability(CAPNG_EFFECTIVE, capability))
		return false;
	buf_putf(why, "%s needs %s: start xmppwalld as root (systemctl start xmppwalld)%s\n", what,
		name,
		capability == CAP_NET_ADMIN && strstr(what, "nftables") ? ", or use --no-firewall"
									: "");
	return true;
}

int startup_capabilities(const struct policy *p, bool firewall, struct buf *why)
{
	bool missing = false, low = false, source = false, inspects = false;
	const struct service *services;
	size_t n;

	services = policy_services(p, &n);
	for (size_t i = 0; i < n; i++) {
		source |= services[i].source_client;
		inspects |= services[i].mode == MODE_INSPECT;
		for (unsigned k = 0; k < services[i].n_ports; k++)
			low |= services[i].mode == MODE_PROXY &&
			       services[i].intercept == INTERCEPT_NONE &&
			       services[i].ports[k] < 1024;
	}
	capng_get_caps_process();
	if (firewall)
		missing |= capability_missing(
			CAP_NET_ADMIN, "CAP_NET_ADMIN", "loading the nftables table", why);
	else if (inspects)
		missing |= capability_missing(CAP_NET_ADMIN, "CAP_NET_ADMIN",
			"'mode inspect' (reading the kernel's queue)", why);
	if (source)
		missing |= capability_missing(CAP_NET_RAW, "CAP_NET_RAW",
			"'source client' (upstream sees the client's address)", why);
	if (low)
		missing |= capability_missing(CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE",
			"listening below port 1024", why);
	return missing ? -EPERM : 0;
}

int startup_streams(const struct policy *p, const char *run_dir)
{
	const struct service *services;
	char path[PATH_MAX];
	size_t n, wanted = 0;
	bool kept = false;
	int fd = -1, r;

	services = policy_services(p, &n);
	for (size_t i = 0; i < n; i++)
		wanted += services[i].mode == MODE_PROXY ? services[i].sessions_max : 0;
	wanted += wanted / STREAMS_SPARE;
	if (wanted < STREAMS_MIN)
		wanted = STREAMS_MIN;
	if (wanted > STREAMS_MAX)
		wanted = STREAMS_MAX;
	snprintf(path, sizeof path, "%s/streams.shelf", run_dir);
	r = shelf_create(path, LINK_SM_VERSION, LINK_SM_SLOT, wanted, &fd, &kept);
	if (r == 0) {
		log_info("event=streams slots=%zu file=%s kept=%d", wanted, path, (int)kept);
		return fd;
	}
	log_warn("event=streams file=%s error=\"%s\" note=\"streams cannot be resumed after a "
		 "restart of xmppwalld\"", path, err_text(r));
	r = shelf_create(NULL, LINK_SM_VERSION, LINK_SM_SLOT, wanted, &fd, &kept);
	if (r < 0)
		log_warn("event=streams error=\"%s\" note=\"nor after one of a child\"", err_text(r));
	return r < 0 ? -1 : fd;
}

void startup_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
