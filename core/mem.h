#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Allocation that never returns NULL: when memory is exhausted the process writes a line to stderr and aborts. All
 * state is on disk and every size that a peer chooses is capped first, so a restart loses little, and no caller carries
 * an error path that no test reaches.
 */

/* mem_alloc: size octets of zeroed memory; size > 0. Free with mem_free. */
void *mem_alloc(size_t size);

/* mem_calloc: n elements of size octets each, zeroed; the product is checked for overflow. */
void *mem_calloc(size_t n, size_t size);

/* mem_resize: p (or NULL) moved to size > 0 octets. New octets are not initialised; the old place is overwritten. */
void *mem_resize(void *p, size_t size);

/* mem_strdup: a copy of the NUL-terminated s. */
char *mem_strdup(const char *s);

/*
 * mem_free: gives p back, all overwritten; NULL is ignored. So what has been in memory of this program, keys, passwords
 * and messages with them, does not stay there, whichever path it ended on (G25).
 */
void mem_free(void *p);

/* mem_wipe: overwrites n octets with zeroes in a way that the compiler keeps. For keys and passwords on the stack. */
void mem_wipe(void *p, size_t n);

/*
 * mem_equal_ct: are n octets equal? Takes the same time wherever they differ, so that a MAC or password cannot be
 * guessed octet by octet.
 */
bool mem_equal_ct(const void *a, const void *b, size_t n);

#endif
