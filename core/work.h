#ifndef CORE_WORK_H
#define CORE_WORK_H

#include "core/err.h"
#include "core/list.h"
#include "core/loop.h"

/*
 * Worker threads for what would hold up the loop: RSA, handshakes, fsync, name look-ups. A job is bytes in, bytes out
 * and ids: run() may touch nothing but the job and what it says is its own until done() is called, and does not log.
 * The only file that knows pthreads.
 */
struct work;

struct work_job {
	void (*run)(struct work_job *job, unsigned worker); /* in a worker thread; worker < the number of threads */
	void (*done)(struct work_job *job); /* in the loop thread, later; the job is the caller's again */
	struct list_node node;              /* the pool's */
};

/*
 * work_new: threads >= 1 start at the first job. queue: jobs that may wait; beyond that work_submit says ERR_BUSY.
 * niceness: how far the threads step back behind the loop's thread (0..19).
 */
struct work *work_new(struct loop *l, unsigned threads, unsigned queue, int niceness);

/* work_submit: FIFO. On ERR_OK the job is the pool's until done(). */
MUST_USE enum err work_submit(struct work *w, struct work_job *job);

/* work_pending: jobs whose done() has not been called. */
unsigned work_pending(const struct work *w);

/*
 * work_stop: no more jobs (ERR_BUSY); the ones queued are run, the threads joined, and every done() called before it
 * returns. Jobs are short, so this is bounded by queue times their length over the threads. Where there are several
 * pools all stop before one is freed: a done() of one may submit to another. work_free stops what was not stopped. NULL
 * is ignored by both.
 */
void work_stop(struct work *w);
void work_free(struct work *w);

#endif
