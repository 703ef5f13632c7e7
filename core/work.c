#include "core/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"

/*
 * A pool of threads between two lists. The loop thread puts jobs on todo; a worker takes one, runs it without the lock,
 * and puts it on finished; the loop takes all of finished at once.
 *
 *   work_submit -> todo -> run() in a worker -> finished -> eventfd -> done() in the loop
 *
 * Everything else of the pool belongs to the loop thread. The mutex orders what run() wrote before what done() reads.
 */

#define STACK_BYTES (256 * 1024) /* mbedTLS needs well under 64 kB; the default of glibc is 8 MB, of musl 128 kB */

struct worker {
	struct work *work;
	unsigned index;
	pthread_t thread;
};

struct work {
	struct loop *loop;
	struct io *io;
	int eventfd;
	int niceness;
	unsigned queue_max;
	unsigned thread_count;
	bool started;
	struct worker *workers;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct list todo, finished;
	unsigned queued;
	bool stop;
};

static struct work_job *take(struct list *l)
{
	struct list_node *n = list_take(l);

	return n == NULL ? NULL : LIST_ENTRY(n, struct work_job, node);
}

static void tell_loop(struct work *w)
{
	uint64_t one = 1;

	/* The counter of an eventfd cannot be full here: it would take 2^64 - 1 wake-ups without a read. */
	while (write(w->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *worker_main(void *arg)
{
	const struct worker *self = arg;
	struct work *w = self->work;

	/*
	 * On Linux the nice value is one of each thread. A new one has that of the loop's thread, which started it; the
	 * system stops at 19.
	 */
	if (w->niceness > 0) {
		id_t self_id = (id_t)syscall(SYS_gettid);

		setpriority(PRIO_PROCESS, self_id, getpriority(PRIO_PROCESS, self_id) + w->niceness);
	}
	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct work_job *job = take(&w->todo);
		bool first;

		if (job == NULL) {
			/*
			 * Only when todo is empty: queued jobs are run before the thread ends, and their done() is
			 * called.
			 */
			if (w->stop)
				break;
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		w->queued--;
		pthread_mutex_unlock(&w->lock);
		job->run(job, self->index);
		pthread_mutex_lock(&w->lock);
		first = list_is_empty(&w->finished);
		list_add(&w->finished, &job->node);
		if (first)
			tell_loop(w); /* once until the loop has emptied the list, however many jobs finish */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void collect(struct work *w)
{
	struct work_job *job;
	struct list finished;

	pthread_mutex_lock(&w->lock);
	/* Taken over as a whole: a done() may submit, and must not find the lock held. */
	list_move(&w->finished, &finished);
	pthread_mutex_unlock(&w->lock);
	while ((job = take(&finished)) != NULL) {
		job->done(job);
	}
}

static void on_eventfd(void *arg, int events)
{
	struct work *w = arg;
	uint64_t n;

	(void)events;
	/* Read before collect, so that a job that finishes between the two wakes the loop again. */
	if (read(w->eventfd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		abort();
	collect(w);
}

struct work *work_new(struct loop *l, unsigned threads, unsigned queue, int niceness)
{
	struct work *w = mem_alloc(sizeof(*w));

	w->loop = l;
	w->queue_max = queue;
	w->thread_count = threads;
	w->niceness = niceness;
	w->workers = mem_calloc(threads, sizeof(struct worker));
	list_init(&w->todo);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->eventfd < 0)
		abort();
	w->io = io_new(l, w->eventfd, on_eventfd, w);
	io_want(w->io, IO_READ);
	return w;
}

static void start_threads(struct work *w)
{
	pthread_attr_t attr;
	sigset_t all, old;

	/*
	 * A signal goes to any thread that does not block it. The threads start with all of them blocked, so that the
	 * loop gets every signal.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < w->thread_count; i++) {
		w->workers[i] = (struct worker){.work = w, .index = i};
		if (pthread_create(&w->workers[i].thread, &attr, worker_main, &w->workers[i]) != 0)
			abort();
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->started = true;
}

enum err work_submit(struct work *w, struct work_job *job)
{
	enum err e = ERR_OK;

	if (!w->started)
		start_threads(w);
	pthread_mutex_lock(&w->lock);
	if (w->queued >= w->queue_max || w->stop) {
		e = ERR_BUSY;
	} else {
		list_add(&w->todo, &job->node);
		w->queued++;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return e;
}

void work_stop(struct work *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; w->started && i < w->thread_count; i++)
		pthread_join(w->workers[i].thread, NULL);
	/* All threads are gone. What they finished since the last turn is still to be told. */
	w->thread_count = 0;
	collect(w);
}

void work_free(struct work *w)
{
	if (w == NULL)
		return;
	work_stop(w);
	io_free(w->io);
	close(w->eventfd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	mem_free(w->workers);
	mem_free(w);
}
