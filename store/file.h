#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "core/buf.h"

/*
 * The folder of all state: 0700, files 0600, one process at a time. Replace = temporary file, write, fsync, rename,
 * fsync of the folder. Names are this program's own, never text from the network.
 */
#define FILE_NAME_MAX 256     /* with what a temporary name adds, and a NUL */
#define FILE_TEMPORARY ".tmp" /* behind the name of a file that is being written */

/* file_open_dir: opens (create: and makes) the folder; *dirfd is the caller's. Refuses one that others may enter. */
MUST_USE enum err file_open_dir(const char *path, bool create, int *dirfd, struct buf *why);

/* file_lock: takes the lock of that name until the descriptor in *fd is closed. ERR_EXISTS: another process has it. */
#define FILE_LOCK "lock"             /* of the server */
#define FILE_LOCK_USERS "users.lock" /* of who changes the users */
MUST_USE enum err file_lock(int dirfd, const char *name, int *fd);

/* file_read: appends the file; symbolic links are not followed. ERR_NOTFOUND, ERR_LIMIT, ERR_IO. */
MUST_USE enum err file_read(int dirfd, const char *name, size_t max, struct buf *out);

/*
 * The steps of a replacement, so that several can share the last: file_prepare writes name.tmp and leaves it open in
 * *fd; file_settle fsyncs and closes it; file_show renames it to name. file_sync_dir makes the renames durable. Any
 * failure removes name.tmp (errno kept). None of them logs: they run in a worker.
 *
 * Until the folder is synced the old file is kept under another temporary name: file_shown drops it, and when the
 * folder could not be synced file_hide puts it back, so that what is there is what was acknowledged last.
 */
enum file_old {
	FILE_OLD_NONE,   /* there was no file of that name */
	FILE_OLD_KEPT,   /* name.old.tmp is it */
	FILE_OLD_UNKNOWN /* the file system has no links: it cannot be put back */
};
MUST_USE enum err file_prepare(int dirfd, const char *name, struct slice octets, int *fd);
MUST_USE enum err file_settle(int dirfd, const char *name, int fd);
MUST_USE enum err file_show(int dirfd, const char *name, enum file_old *old);
void file_shown(int dirfd, const char *name, enum file_old old);
void file_hide(int dirfd, const char *name, enum file_old old);
MUST_USE enum err file_sync_dir(int dirfd);

/* file_replace: all of it. */
MUST_USE enum err file_replace(int dirfd, const char *name, struct slice octets);

/* file_remove_temporary: removes what an interrupted replacement left. */
void file_remove_temporary(int dirfd);

/* file_each: calls fn for every regular name in the folder until it says false. */
typedef bool (*file_fn)(void *arg, const char *name);
MUST_USE enum err file_each(int dirfd, file_fn fn, void *arg);

/* file_set_aside: renames name to name.bad, for records that cannot be read. */
void file_set_aside(int dirfd, const char *name);

#endif
