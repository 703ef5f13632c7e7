#ifndef STORE_NAMED_H
#define STORE_NAMED_H

#include "core/buf.h"

/*
 * Files that a person names on the command line or in a configuration: keys, certificates, account files. When a
 * function returns false, *why has one sentence that names the file and the cause.
 */

/*
 * named_beside: appends the path of value with a NUL behind: relative to the folder of file, unless value is absolute.
 */
void named_beside(const char *file, const char *value, struct buf *out);

/*
 * named_read: reads the whole file, at most max octets, into out, which is empty and stays empty on failure. secret:
 * refuses a file that group or others have any right to.
 */
MUST_USE bool named_read(const char *path, bool secret, size_t max, struct buf *out, struct buf *why);

/*
 * named_guarded: may nobody change the file, or put another in its place, but whoever reads it and root? What it says
 * would be the word of strangers. A file that is missing is guarded, and one that is no regular file.
 */
MUST_USE bool named_guarded(const char *path, struct buf *why);

/*
 * named_replace: replaces the file by octets, mode 0600, durably; on failure it has what it had before. Devices, pipes
 * and links are refused, since a person who writes to /dev/null does not want it replaced.
 */
MUST_USE bool named_replace(const char *path, struct slice octets, struct buf *why);

/*
 * named_create: makes the file, mode 0600, durably. One that is there, of whatever kind, stays as it is, and the result
 * is false; so does the folder when the octets cannot be written.
 */
MUST_USE bool named_create(const char *path, struct slice octets, struct buf *why);

/* named_remove: removes a regular file; *gone tells whether there was one. */
MUST_USE bool named_remove(const char *path, bool *gone, struct buf *why);

#endif
