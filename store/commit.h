#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "core/work.h"
#include "store/file.h"

/*
 * Durable replacement of files without holding up the loop. Replacements that are asked for while a batch is being
 * written make up the next batch. The files of a batch share their fsyncs: all are written, then each is synced (the
 * first pays for all on a journalling file system), then renamed, then the folder is synced once.
 */
struct commit;

/*
 * commit_new: disk is a pool of one thread, so that batches follow one another. queue: how many replacements may wait.
 * dirfd and disk are borrowed.
 */
struct commit *commit_new(struct work *disk, int dirfd, unsigned queue);

/* commit_free: call it after work_free of disk, which makes every done() happen. NULL is ignored. */
void commit_free(struct commit *c);

/*
 * done(arg, err): called once, in the loop thread. ERR_OK only when the file has the octets and will have them after a
 * power cut. Otherwise the file is as before. Comes before commit_file returns when the pool is stopped already.
 */
typedef void (*commit_fn)(void *arg, enum err e);

/*
 * commit_file: replaces the file name (below FILE_NAME_MAX octets with its suffixes) by octets, whose memory is taken
 * over and wiped in the end. Several replacements of one name are done in order. ERR_BUSY: too many wait; octets are
 * still the caller's and done is not called.
 */
MUST_USE enum err commit_file(struct commit *c, const char *name, struct buf *octets, commit_fn done, void *arg);

#endif
