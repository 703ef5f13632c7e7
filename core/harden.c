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

/* heap_of: the heap of the loop thread, as the kernel names it. false: it has none, or does not tell. */
static bool heap_of(uintptr_t *from, uintptr_t *to)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long low, high;
	char line[512];
	bool found = false;

	while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
		found = strstr(line, "[heap]") != NULL && sscanf(line, "%lx-%lx", &low, &high) == 2;
	if (maps != NULL)
		fclose(maps);
	if (found) {
		*from = low;
		*to = high;
	}
	return found;
}

bool harden_heap(void)
{
	uintptr_t from, to;

	return heap_of(&from, &to) && mlock((const void *)from, to - from) == 0;
}

/* MCL_ONFAULT: pages are locked when they are first used, so that stacks and reserves cost nothing. */
bool harden_memory(void)
{
	return may_lock_all() && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}
