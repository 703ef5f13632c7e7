#include "core/harden.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

void harden_process(void)
{
	const struct rlimit none = {0, 0};

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * may_lock_all: is there no limit of locked memory, or does it not hold for us? Half a lock would be worse than none:
 * the allocation that exceeds the limit fails. A limit of 0 holds only for whoever lacks CAP_IPC_LOCK.
 */
static bool may_lock_all(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit set, tried;
	char octet;
	bool exempt;

	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		return true;
	if (getrlimit(RLIMIT_MEMLOCK, &set) != 0)
		return false;
	if (set.rlim_cur == RLIM_INFINITY)
		return true;
	tried = set;
	tried.rlim_cur = 0;
	if (setrlimit(RLIMIT_MEMLOCK, &tried) != 0)
		return false;
	exempt = mlock(&octet, 1) == 0;
	setrlimit(RLIMIT_MEMLOCK, &set);
	return exempt;
}

/*
 * harden_heap: the kernel shows what was locked before and what the heap has grown by as mappings of their own, both
 * with this name.
 */
bool harden_heap(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long low, high;
	char line[512];
	bool any = false, all = true;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "[heap]") == NULL || sscanf(line, "%lx-%lx", &low, &high) != 2)
			continue;
		any = true;
		all = mlock((const void *)(uintptr_t)low, high - low) == 0 && all;
	}
	if (maps != NULL)
		fclose(maps);
	return any && all;
}

/* MCL_ONFAULT: pages are locked when they are first used, so that stacks and reserves cost nothing. */
bool harden_memory(void)
{
	return may_lock_all() && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}
