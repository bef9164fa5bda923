/* SPDX-License-Identifier: BSD-2-Clause */
/* The moment a child gives up what it does not need: after it has its descriptors and before it
 * reads a network byte.
 * In: a role and a user. Out: a process with its own user, at most the named capabilities, no new
 * privileges, no file system, and only the system calls of its role. Capabilities and landlock bind
 * the calling thread and those it makes later, so this runs before there are threads.
 * It never undoes anything: a step that fails leaves the earlier ones in force, and the caller
 * exits. */
#include "base/sandbox.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox_int.h"

static char sandbox_state[256] = "none";

const char *sandbox_text(void)
{
	return sandbox_state;
}

static int sandbox_failed(const char *step, int code)
{
	log_error("sandbox step=%s failed error=%s", step, log_quote(span_of(err_text(code))));
	return code;
}

static bool sandbox_has_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	if (!tasks)
		return false;
	while ((entry = readdir(tasks)))
		count += entry->d_name[0] != '.';
	closedir(tasks);
	return count > 1;
}

static int sandbox_find_user(const char *name, uid_t *uid, gid_t *gid)
{
	size_t size = 16384;
	cleanup_free char *space = malloc(size);
	struct passwd pw, *found = NULL;
	int code;

	if (!space)
		return -ENOMEM;
	if ((code = getpwnam_r(name, &pw, space, size, &found)) != 0)
		return -code;
	if (!found)
		return ERR_NOTFOUND;
	*uid = pw.pw_uid;
	*gid = pw.pw_gid;
	return 0;
}

/* Marks the capabilities to keep in libcap-ng's state; what we do not hold cannot be kept. */
static void sandbox_choose_caps(const int *keep)
{
	int held[64], n = 0;

	capng_get_caps_process();
	for (; keep && *keep >= 0 && n < 64; keep++) {
		if (capng_have_capability(CAPNG_PERMITTED, (unsigned)*keep))
			held[n++] = *keep;
		else
			log_warn("sandbox capability=%s wanted but not held",
				capng_capability_to_name((unsigned)*keep));
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (int i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)held[i]);
}

/* User, groups and capabilities in one go: the capabilities must survive the change of user. */
static int sandbox_drop_privileges(const struct sandbox_spec *spec)
{
	bool bounding;
	uid_t uid = getuid();
	gid_t gid = getgid();
	int r;

	if (spec->user && (r = sandbox_find_user(spec->user, &uid, &gid)) < 0)
		return r;
	capng_get_caps_process();
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	sandbox_choose_caps(spec->keep_caps);
	if (spec->user && (uid != geteuid() || gid != getegid() || uid != getuid())) {
		r = capng_change_id((int)uid, (int)gid,
			CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
		if (r < 0)
			return errno ? -errno : ERR_REFUSED;
		return 0;
	}
	r = capng_apply(bounding ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS);
	if (r < 0)
		return errno ? -errno : ERR_REFUSED;
	return 0;
}

/* A change of user clears PR_SET_PDEATHSIG (commit_creds in the kernel), so it is set again; the
 * parent may have died in between. The signal reaches another user only if the dying parent has
 * CAP_KILL: children also end when their channel does. */
static int sandbox_rearm_parent_death(int signal, pid_t parent)
{
	if (signal == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, signal) < 0)
		return -errno;
	if (getppid() != parent)
		raise(signal);
	return 0;
}

static void sandbox_describe(const struct sandbox_spec *spec, bool landlock)
{
	char *caps = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_EFFECTIVE);
	char user[64];

	if (spec->user)
		snprintf(user, sizeof(user), "%s", spec->user);
	else
		snprintf(user, sizeof(user), "%u", (unsigned)getuid());
	snprintf(sandbox_state, sizeof(sandbox_state), "seccomp%s%s caps=%s user=%s",
		spec->trial ? "(trial)" : "", landlock ? " landlock" : "",
		caps && *caps ? caps : "none", user);
	for (char *p = sandbox_state; *p; p++) {
		if (p[0] == ',' && p[1] == ' ')
			memmove(p + 1, p + 2, strlen(p + 2) + 1);
	}
	free(caps);
}

int sandbox_enter(const struct sandbox_spec *spec)
{
	int death_signal = 0, r, landlock;
	pid_t parent = getppid();

	if (sandbox_has_threads())
		return sandbox_failed("threads", -EBUSY);
	prctl(PR_GET_PDEATHSIG, &death_signal);
	errno = 0;
	if ((r = sandbox_drop_privileges(spec)) < 0)
		return sandbox_failed("privileges", r);
	if ((r = sandbox_rearm_parent_death(death_signal, parent)) < 0)
		return sandbox_failed("parent-death", r);
	/* No core files and no ptrace by others of our user: memory holds private keys. */
	if (!spec->trial && prctl(PR_SET_DUMPABLE, 0) < 0)
		return sandbox_failed("dumpable", -errno);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return sandbox_failed("no_new_privs", -errno);
	landlock = sandbox_landlock(spec->role);
	if (landlock == ERR_UNSUPPORTED)
		log_warn("sandbox landlock is missing in this kernel, going on without");
	else if (landlock < 0)
		return sandbox_failed("landlock", landlock);
	sandbox_describe(spec, landlock == 0);
	if ((r = sandbox_seccomp(spec->role, spec->trial)) < 0)
		return sandbox_failed("seccomp", r);
	log_info("sandbox entered %s", sandbox_state);
	return 0;
}
