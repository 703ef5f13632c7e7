#ifndef CORE_HARDEN_H
#define CORE_HARDEN_H

#include <stdbool.h>

/* What a process does for the secrets in its memory (G25, S-41). */

/*
 * harden_process: no core file, no debugger and no reading by other processes of the same user, no new privileges, and
 * new files for us alone. For every verb, before it reads a secret.
 */
void harden_process(void);

/*
 * harden_memory: nothing of this process is written to swap. Only where the system lets it lock as much as it will
 * need; else false, and nothing is locked: half a lock would make later allocations fail.
 */
bool harden_memory(void);

#endif
