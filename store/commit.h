#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "core/work.h"
#include "store/file.h"

/*
 * Durable replacement of files without holding up the loop. What is asked for while a batch is on its way to the disk
 * makes the next batch, and a batch shares its fsyncs: all files are written, then synced (the first pays for all on a
 * journalling file system), then renamed, then the folder is synced once.
 */
struct commit;

/* disk: a pool of one thread, so that batches follow one another. queue: replacements that may wait. */
struct commit *commit_new(struct work *disk, int dirfd, unsigned queue);

/* commit_free: after work_free of disk, which lets all done() happen. */
void commit_free(struct commit *c);

/* done(arg, err): in the loop, once; ERR_OK only when name holds the octets and will after a power cut. */
typedef void (*commit_fn)(void *arg, enum err e);

/*
 * commit_file: name is replaced by octets, whose memory is taken (and wiped in the end). Several for one name: in
 * order. ERR_BUSY: too many wait; nothing was taken.
 */
MUST_USE enum err commit_file(struct commit *c, const char *name, struct buf *octets, commit_fn done, void *arg);

#endif
