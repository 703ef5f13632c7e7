#ifndef CORE_WORK_H
#define CORE_WORK_H

#include "core/err.h"
#include "core/list.h"
#include "core/loop.h"

/*
 * Worker threads for what would hold up the loop: RSA, handshakes, fsync, name look-ups. A job is bytes in, bytes out
 * and ids. Its run() touches nothing but the job and what the job owns, and does not log. Whatever waits for the result
 * is found again by id in done(), or the result is dropped. Only core/work.c knows pthreads (tests/lint/layers.sh).
 */
struct work;

struct work_job {
	void (*run)(struct work_job *job, unsigned worker); /* in a worker thread; worker < the number of threads */
	void (*done)(struct work_job *job); /* in the loop thread, in a later turn; the job is the caller's again */
	struct list_node node;              /* the pool's while the job is submitted */
};

/*
 * work_new: threads >= 1 are started by the first job. queue: how many jobs may wait for a thread; beyond that
 * work_submit returns ERR_BUSY and the request is answered 503. niceness: how far the threads step back behind the
 * loop's thread (0..19), whatever nice value the process was given, so that RSA does not starve the network.
 */
struct work *work_new(struct loop *l, unsigned threads, unsigned queue, int niceness);

/*
 * work_submit: jobs start in the order of submission and may finish in another one. On ERR_OK the job is the pool's
 * until done(). ERR_BUSY: the queue is full or the pool is stopped; the job stays the caller's.
 */
MUST_USE enum err work_submit(struct work *w, struct work_job *job);

/*
 * work_stop: takes no more jobs (ERR_BUSY), runs the queued ones, joins the threads, and calls every done() before it
 * returns. It blocks the loop for at most the queue times the length of a job over the threads. With several pools stop
 * all before freeing one, because a done() of one may submit to another. work_free: stops a pool that was not stopped.
 * Both ignore NULL.
 */
void work_stop(struct work *w);
void work_free(struct work *w);

#endif
