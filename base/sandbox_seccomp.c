/* SPDX-License-Identifier: BSD-2-Clause */
/* Seccomp: the system calls a child may make, as one table; everything else kills the process (or,
 * on trial, is logged and refused with EPERM).
 * In: the role. Out: a filter in the kernel. Names this architecture or this libseccomp does not
 * know are left out. Some calls that libraries try and can do without are refused politely.
 * Honest about its limits: mmap and mprotect with PROT_EXEC stay allowed (but to the authority),
 * because PCRE2's JIT compiles rulesets on reload, long after the sandbox was entered; an attacker
 * who controls the process can therefore bring code of his own, and is held by what that code may
 * call. */
#include "base/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "base/err.h"
#include "base/log.h"

enum call_roles {
	PROXY = 1 << SANDBOX_PROXY,
	NFQ = 1 << SANDBOX_NFQ,
	REPORT = 1 << SANDBOX_REPORT, /* one connection, opened before */
	CA = 1 << SANDBOX_CA,         /* holds a key, speaks with nobody */
	TALK = PROXY | NFQ | REPORT,
	ALL = TALK | CA,
};

/* Threads of this process only: what pthread_create asks for. */
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

static const struct {
	const char *names; /* separated by blanks */
	enum call_roles roles;
} allowed_calls[] = {
	/* loop */
	{ "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll",
		ALL },
	{ "eventfd2 pipe2", ALL },
	/* open descriptors; lists and certificates arrive as such over the channel */
	{ "read write readv writev pread64 lseek close close_range fcntl fstat dup", ALL },
	{ "recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg shutdown", TALK },
	{ "getsockname getpeername getsockopt setsockopt", TALK },
	{ "connect bind listen accept4", PROXY },
	/* memory */
	{ "brk munmap mremap madvise", ALL },
	{ "mmap mprotect", TALK },
	/* threads */
	{ "futex set_robust_list rseq membarrier sched_yield sched_getaffinity sched_setaffinity",
		ALL },
	{ "getpid gettid getppid tgkill exit exit_group getcpu", ALL },
	/* signals */
	{ "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait", ALL },
	{ "sigaltstack restart_syscall", ALL },
	/* time and chance */
	{ "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom", ALL },
	/* who and where am I */
	{ "getuid geteuid getgid getegid getresuid getresgid getgroups capget", ALL },
	{ "uname sysinfo getrlimit getrusage times", ALL },
};

/* Libraries look for files lazily (time zone, locale, /proc); they get a refusal instead of a death
 * sentence. Landlock refuses the same, but does not know stat. */
static const char refused_calls[] = "open openat openat2 creat stat lstat access faccessat "
				    "faccessat2 readlink readlinkat getcwd sched_setscheduler "
				    "setpriority";

/* Calls allowed for certain arguments only. */
static const struct {
	const char *name;
	enum call_roles roles;
	struct scmp_arg_cmp when;
} allowed_when[] = {
	{ "socket", PROXY, { 0, SCMP_CMP_EQ, AF_INET, 0 } },
	{ "socket", PROXY, { 0, SCMP_CMP_EQ, AF_INET6, 0 } },
	/* libunbound speaks to its own thread over such a pair; it leads nowhere else. */
	{ "socketpair", PROXY, { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
	/* It compiles nothing. */
	{ "mmap", CA, { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "mprotect", CA, { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "ioctl", ALL, { 1, SCMP_CMP_EQ, FIONBIO, 0 } },
	{ "ioctl", ALL, { 1, SCMP_CMP_EQ, FIONREAD, 0 } },
	{ "ioctl", ALL, { 1, SCMP_CMP_EQ, TCGETS, 0 } }, /* stdio asks whether it is a terminal */
	{ "clone", TALK, { 0, SCMP_CMP_MASKED_EQ, THREAD_FLAGS, THREAD_FLAGS } },
	{ "prctl", ALL, { 0, SCMP_CMP_EQ, PR_SET_NAME, 0 } },
	{ "prctl", ALL, { 0, SCMP_CMP_EQ, PR_GET_NAME, 0 } },
	{ "prlimit64", ALL, { 2, SCMP_CMP_EQ, 0, 0 } }, /* reading limits, not setting them */
	{ "newfstatat", ALL, { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } },
	{ "statx", ALL, { 2, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } },
};

/* Calls answered with an error for certain arguments; the rest of them is in the table above. */
static const struct {
	const char *name;
	int error;
	struct scmp_arg_cmp when;
} refused_when[] = {
	{ "newfstatat", EACCES, { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0 } },
	{ "statx", EACCES, { 2, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0 } },
	{ "prctl", EINVAL, { 0, SCMP_CMP_EQ, PR_SET_VMA, 0 } }, /* glibc names its heaps */
};

/* Adds one rule by name; a name unknown here is no failure. */
static int seccomp_add(
	scmp_filter_ctx ctx, uint32_t action, const char *name, const struct scmp_arg_cmp *when)
{
	int call = seccomp_syscall_resolve_name(name), r;

	if (call == __NR_SCMP_ERROR)
		return 0;
	r = when ? seccomp_rule_add_array(ctx, action, call, 1, when)
		 : seccomp_rule_add(ctx, action, call, 0);
	if (r == -EDOM) /* not a system call of this architecture */
		return 0;
	if (r < 0)
		log_error("sandbox seccomp call=%s error=%s", name, err_text(r));
	return r;
}

static int seccomp_add_names(scmp_filter_ctx ctx, uint32_t action, const char *names)
{
	char name[32];
	int r = 0;

	while (*names && r == 0) {
		size_t len = strcspn(names, " ");

		if (len >= sizeof(name))
			return -EINVAL;
		memcpy(name, names, len);
		name[len] = '\0';
		r = seccomp_add(ctx, action, name, NULL);
		names += len;
		names += strspn(names, " ");
	}
	return r;
}

static int seccomp_fill(scmp_filter_ctx ctx, enum sandbox_role role)
{
	unsigned bit = 1u << role;
	int r = 0;

	for (size_t i = 0; i < sizeof(allowed_calls) / sizeof(allowed_calls[0]) && r == 0; i++) {
		if (allowed_calls[i].roles & bit)
			r = seccomp_add_names(ctx, SCMP_ACT_ALLOW, allowed_calls[i].names);
	}
	for (size_t i = 0; i < sizeof(allowed_when) / sizeof(allowed_when[0]) && r == 0; i++) {
		if (allowed_when[i].roles & bit)
			r = seccomp_add(
				ctx, SCMP_ACT_ALLOW, allowed_when[i].name, &allowed_when[i].when);
	}
	for (size_t i = 0; i < sizeof(refused_when) / sizeof(refused_when[0]) && r == 0; i++)
		r = seccomp_add(ctx, SCMP_ACT_ERRNO((uint32_t)refused_when[i].error),
			refused_when[i].name, &refused_when[i].when);
	if (r == 0)
		r = seccomp_add_names(ctx, SCMP_ACT_ERRNO(EACCES), refused_calls);
	/* Its flags are behind a pointer no filter can follow: glibc falls back to clone. */
	if (r == 0)
		r = seccomp_add(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL);
	return r;
}

int sandbox_seccomp(enum sandbox_role role, bool trial)
{
	scmp_filter_ctx ctx = seccomp_init(trial ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return ERR_LIBRARY;
	/* A tree instead of a list: the filter runs on every system call of the proxy. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (trial)
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	if ((r = seccomp_fill(ctx, role)) == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}
