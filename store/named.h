#ifndef STORE_NAMED_H
#define STORE_NAMED_H

#include "core/buf.h"

/*
 * Files that a person names, on the command line or in a configuration: keys, certificates, account files. Each answer
 * of false comes with one sentence in *why that names the file.
 */

/* named_beside: appends value, which is relative to the folder of file unless it is absolute, with a NUL behind. */
void named_beside(const char *file, const char *value, struct buf *out);

/*
 * named_read: the whole file, at most max octets, into out, which is empty and stays so on failure. secret: refused
 * when others than its owner may read it.
 */
MUST_USE bool named_read(const char *path, bool secret, size_t max, struct buf *out, struct buf *why);

/*
 * named_replace: the file holds octets, mode 0600, or what it held before; durable. Only a regular file is replaced or
 * removed.
 */
MUST_USE bool named_replace(const char *path, struct slice octets, struct buf *why);

/* named_remove: *gone tells whether there was a file. */
MUST_USE bool named_remove(const char *path, bool *gone, struct buf *why);

#endif
