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
 * harden_memory: nothing of this process is written to swap from now on. false: the system does not let it lock all of
 * its memory, and nothing is locked.
 */
bool harden_memory(void);

/*
 * harden_heap: where harden_memory is not allowed: what is in the heap now is not written to swap; keys and hashes of
 * passwords are there once they have been read. Again when the heap has grown. false: not even that is allowed.
 */
bool harden_heap(void);

#endif
