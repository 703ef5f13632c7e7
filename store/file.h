#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "core/buf.h"

/*
 * The folder of all state: mode 0700, files 0600, one process at a time. A file is replaced in steps: write a temporary
 * file, fsync it, rename it, fsync the folder. A power cut at any point leaves the old file or the new one, whole.
 * Names are made by this program, never taken from the network. No function here logs, because some run in workers.
 */
#define FILE_NAME_MAX 256     /* octets of the longest name, with the suffixes of temporary files and a NUL */
#define FILE_TEMPORARY ".tmp" /* behind the name of a file that is being written */

/*
 * file_open_dir: opens the folder at path; create: makes it first when it is missing. *dirfd is the caller's. ERR_IO
 * with a sentence in *why, also for a folder that group or others have any right to, or that belongs to somebody else.
 */
MUST_USE enum err file_open_dir(const char *path, bool create, int *dirfd, struct buf *why);

/*
 * file_make_dir: makes a folder in the folder, mode 0700, for the same owner as file_create; one that is there stays as
 * it is. false: errno is set.
 */
MUST_USE bool file_make_dir(int dirfd, const char *name);

/*
 * file_create: opens a file of the folder for writing (flags besides: O_RDWR, O_APPEND ...), and makes it when it is
 * missing, mode 0600. Links are not followed. temporary: a file that is there is somebody else's, or was left by a
 * crash: it is removed, and the new one is made by us alone. Without it a file that is there has to be a regular one,
 * with no other name, of us or of the owner of the folder: else EPERM. What root makes in a folder of another user
 * belongs to that user, or the server that runs as him could not open it. -1: errno is set.
 */
int file_create(int dirfd, const char *name, int flags, bool temporary);

/*
 * file_create_new: the same for a file that must not be there before, whatever it is; -1 with EEXIST then. What nothing
 * can be done with is removed again.
 */
int file_create_new(int dirfd, const char *name);

/*
 * file_lock: takes the lock of that name, which is held until the descriptor *fd is closed or the process ends.
 * ERR_EXISTS: another process has it. ERR_IO.
 */
#define FILE_LOCK "lock"             /* of the server */
#define FILE_LOCK_USERS "users.lock" /* of verbs that change the users */
MUST_USE enum err file_lock(int dirfd, const char *name, int *fd);

/*
 * file_read: appends the whole file, at most max octets. Symbolic links are not followed (G27). ERR_NOTFOUND,
 * ERR_LIMIT, ERR_IO; out is as before then and what was read is wiped.
 */
MUST_USE enum err file_read(int dirfd, const char *name, size_t max, struct buf *out);

/*
 * The steps of a replacement, apart so that several files share the last one. file_prepare writes name.tmp and leaves
 * it open in *fd. file_settle fsyncs and closes it. file_show renames it to name. file_sync_dir makes the renames
 * durable. A step that fails removes name.tmp and keeps errno; it returns ERR_IO.
 *
 *    file_prepare -> file_settle -> file_show -> file_sync_dir -> file_shown
 *                                                    fails    -> file_hide
 *
 * file_show keeps the old file under another temporary name until the folder is synced. file_shown drops it. If the
 * folder could not be synced, file_hide puts it back, so that the file is what was acknowledged last.
 */
enum file_old {
	FILE_OLD_NONE,   /* there was no file of that name */
	FILE_OLD_KEPT,   /* name.old.tmp is it */
	FILE_OLD_UNKNOWN /* no link could be made (a file system without them): the old file cannot be put back */
};
MUST_USE enum err file_prepare(int dirfd, const char *name, struct slice octets, int *fd);
MUST_USE enum err file_settle(int dirfd, const char *name, int fd);
MUST_USE enum err file_show(int dirfd, const char *name, enum file_old *old);
void file_shown(int dirfd, const char *name, enum file_old old);
void file_hide(int dirfd, const char *name, enum file_old old);
MUST_USE enum err file_sync_dir(int dirfd);

/* file_replace: all steps for one file. It waits for the disk: only for workers and verbs. */
MUST_USE enum err file_replace(int dirfd, const char *name, struct slice octets);

/* file_remove_temporary: removes all *.tmp, which an interrupted replacement left. At the start, under the lock. */
void file_remove_temporary(int dirfd);

/* file_each: calls fn for each name in the folder that does not begin with a dot, until fn returns false. ERR_IO. */
typedef bool (*file_fn)(void *arg, const char *name);
MUST_USE enum err file_each(int dirfd, file_fn fn, void *arg);

/* file_rename: renames a file in the folder, over one that may be there; best effort. */
void file_rename(int dirfd, const char *name, const char *to);

/*
 * file_set_aside: renames name to name.bad, so that a record that cannot be read is kept for the operator and not met
 * again.
 */
void file_set_aside(int dirfd, const char *name);

#endif
