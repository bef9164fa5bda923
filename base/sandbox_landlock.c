/* SPDX-License-Identifier: BSD-2-Clause */
/* Landlock: a ruleset that handles every kind of access and allows none, so that no path can be
 * opened, made, removed or executed any more. Descriptors already open go on working.
 * In: the role. Out: nothing but the restriction. Raw system calls, since glibc has no wrappers;
 * bits and sizes by the kernel's own ABI number, since headers are older than kernels.
 * It never allows a path: what a child needs, it is handed as a descriptor. */
#include "base/sandbox_int.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"

/* As the newest ABI known here has it; older kernels are given the beginning of it only. */
struct landlock_attr {
	uint64_t fs, net, scoped;
};

static const struct {
	int abi;
	uint64_t fs;
} landlock_fs[] = {
	{ 1, (1u << 13) - 1 }, /* execute ... make_sym */
	{ 2, 1u << 13 },       /* refer */
	{ 3, 1u << 14 },       /* truncate */
	{ 5, 1u << 15 },       /* ioctl on devices */
};
enum {
	LANDLOCK_NET_BIND_TCP = 1 << 0,    /* ABI 4 */
	LANDLOCK_NET_CONNECT_TCP = 1 << 1, /* ABI 4 */
	LANDLOCK_SCOPED_ALL = 3,           /* ABI 6: abstract unix sockets, signals */
};

static size_t landlock_fill(struct landlock_attr *attr, int abi, enum sandbox_role role)
{
	*attr = (struct landlock_attr){ 0 };
	for (size_t i = 0; i < sizeof(landlock_fs) / sizeof(landlock_fs[0]); i++) {
		if (abi >= landlock_fs[i].abi)
			attr->fs |= landlock_fs[i].fs;
	}
	/* The proxy's business is connecting; the inspector and the authority have none with TCP. */
	if (abi >= 4 && (role == SANDBOX_NFQ || role == SANDBOX_CA))
		attr->net = LANDLOCK_NET_BIND_TCP | LANDLOCK_NET_CONNECT_TCP;
	if (abi >= 6)
		attr->scoped = LANDLOCK_SCOPED_ALL;
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

int sandbox_landlock(enum sandbox_role role)
{
	struct landlock_attr attr;
	size_t size;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? ERR_UNSUPPORTED : -errno;
	size = landlock_fill(&attr, (int)abi, role);
	cleanup_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);

	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 0;
}
