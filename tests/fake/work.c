#include "core/work.h"

#include "core/mem.h"
#include "tests/fake/fake.h"

/* A pool without threads: jobs run when the loop settles, one after another, unless they are held. */
struct work {
	struct loop *loop;
	struct list jobs;
	unsigned queued, queue_max;
	unsigned threads, next_worker;
	bool hold, closing;
};

static bool run_jobs(void *arg)
{
	struct work *w = arg;
	bool any = false;

	while (!list_is_empty(&w->jobs) && !w->hold) {
		struct work_job *job = LIST_ENTRY(list_take(&w->jobs), struct work_job, node);

		w->queued--;
		w->next_worker = (w->next_worker + 1) % w->threads;
		job->run(job, w->next_worker);
		job->done(job);
		any = true;
	}
	return any;
}

struct work *work_new(struct loop *l, unsigned threads, unsigned queue, int niceness)
{
	struct work *w = mem_alloc(sizeof(*w));

	(void)niceness;
	w->loop = l;
	w->threads = threads;
	w->queue_max = queue;
	list_init(&w->jobs);
	fake_add_source(l, run_jobs, w);
	return w;
}

enum err work_submit(struct work *w, struct work_job *job)
{
	if (w->queued >= w->queue_max || w->closing)
		return ERR_BUSY;
	list_add(&w->jobs, &job->node);
	w->queued++;
	return ERR_OK;
}

void work_stop(struct work *w)
{
	if (w == NULL)
		return;
	w->hold = false;
	w->closing = true;
	run_jobs(w);
}

void work_free(struct work *w)
{
	if (w == NULL)
		return;
	work_stop(w);
	fake_remove_source(w->loop, w);
	mem_free(w);
}

void fake_hold(struct work *w, bool hold)
{
	w->hold = hold;
	fake_settle(w->loop);
}
