#include "tests/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/work.h"

#define MANY 64
#define THREADS 3

struct job {
	struct work_job job; /* first: a job is found by its address */
	unsigned number;
	pid_t ran_in;
	unsigned worker;
	int niceness; /* of the thread that ran it */
	bool signals_blocked, ran, done;
	int gate;    /* run() waits for an octet from here; -1: does not wait */
	int started; /* it says so with an octet here before; -1: it does not */
};

static struct job jobs[MANY];
static struct loop *loop;
static struct work *pool;
static pid_t main_thread;
static unsigned run_order[MANY], done_order[MANY], done_count, wanted;
static atomic_uint run_count;

static pid_t thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void run(struct work_job *w, unsigned worker)
{
	struct job *j = (struct job *)(void *)w;
	sigset_t blocked;
	char c;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	j->signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
	j->ran_in = thread_id();
	j->worker = worker;
	j->niceness = getpriority(PRIO_PROCESS, (id_t)j->ran_in);
	if (j->started >= 0 && write(j->started, "s", 1) != 1)
		return;
	if (j->gate >= 0 && read(j->gate, &c, 1) != 1)
		return;
	j->ran = true;
	run_order[atomic_fetch_add(&run_count, 1)] = j->number;
}

static void done(struct work_job *w)
{
	struct job *j = (struct job *)(void *)w;

	assert_false(j->done);
	assert_true(j->ran);
	/* In the loop's thread, and run() was in another. */
	assert_int_equal(thread_id(), main_thread);
	assert_int_not_equal(j->ran_in, main_thread);
	j->done = true;
	done_order[done_count++] = j->number;
	if (done_count == wanted)
		loop_stop(loop);
}

static void begin_nice(unsigned threads, unsigned queue, int niceness)
{
	memset(jobs, 0, sizeof(jobs));
	for (unsigned i = 0; i < MANY; i++)
		jobs[i] = (struct job){.job = {.run = run, .done = done}, .number = i, .gate = -1, .started = -1};
	done_count = wanted = 0;
	atomic_store(&run_count, 0);
	main_thread = thread_id();
	loop = loop_new();
	pool = work_new(loop, threads, queue, niceness);
}

static void begin(unsigned threads, unsigned queue)
{
	begin_nice(threads, queue, 0);
}

static void finish(void)
{
	work_free(pool);
	loop_free(loop);
}

static void in_order(void **state)
{
	(void)state;
	begin(1, MANY);
	wanted = MANY;
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(work_submit(pool, &jobs[i].job), ERR_OK);
	/* However fast the workers are, done() is not called from here. */
	assert_int_equal(done_count, 0);
	loop_run(loop);
	assert_int_equal(done_count, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(run_order[i], i);
		assert_int_equal(done_order[i], i);
		/* Signals are the loop's. */
		assert_true(jobs[i].signals_blocked && jobs[i].worker == 0);
	}
	finish();
}

/* Behind the loop, whatever nice value the process has: "nice -n 10" once ran the workers before the loop. */
static void niceness(void **state)
{
	static const int steps[] = {0, 5, 19};
	int own;

	(void)state;
	for (int more = 0; more <= 6; more += 6) {
		assert_int_equal(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + more), 0);
		own = getpriority(PRIO_PROCESS, 0);
		for (size_t i = 0; i < COUNT(steps); i++) {
			begin_nice(2, 4, steps[i]);
			wanted = 1;
			assert_int_equal(work_submit(pool, &jobs[0].job), ERR_OK);
			loop_run(loop);
			assert_int_equal(jobs[0].niceness, own + steps[i] < 19 ? own + steps[i] : 19);
			assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
			finish();
		}
	}
}

/* The queue is bounded: what is over is refused at once and not touched, and there is room again later. */
static void bound(void **state)
{
	int gate[2], started[2];
	char c;

	(void)state;
	begin(1, 4);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(started), 0);
	jobs[0].gate = gate[0];
	jobs[0].started = started[1];
	assert_int_equal(work_submit(pool, &jobs[0].job), ERR_OK);
	/* The only worker has it, so what comes now waits. */
	assert_int_equal(read(started[0], &c, 1), 1);
	for (unsigned i = 1; i < 7; i++)
		assert_int_equal(work_submit(pool, &jobs[i].job), i <= 4 ? ERR_OK : ERR_BUSY);
	wanted = 5;
	assert_int_equal(write(gate[1], "x", 1), 1);
	loop_run(loop);
	assert_int_equal(done_count, 5);
	assert_false(jobs[5].ran || jobs[5].done);
	wanted = 6;
	assert_int_equal(work_submit(pool, &jobs[5].job), ERR_OK);
	loop_run(loop);
	assert_true(jobs[5].done);
	finish();
	for (int i = 0; i < 2; i++) {
		close(gate[i]);
		close(started[i]);
	}
}

/* Several threads: every job once, by a worker that exists, and while one is held up the others go on. */
static void several_threads(void **state)
{
	int gate[2];

	(void)state;
	begin(THREADS, MANY);
	assert_int_equal(pipe(gate), 0);
	jobs[0].gate = gate[0];
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(work_submit(pool, &jobs[i].job), ERR_OK);
	wanted = MANY - 1;
	loop_run(loop);
	assert_false(jobs[0].done);
	assert_int_equal(write(gate[1], "x", 1), 1);
	wanted = MANY;
	loop_run(loop);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(jobs[i].done && jobs[i].worker < THREADS);
		assert_true(i == 0 || jobs[i].worker != jobs[0].worker || jobs[i].ran_in == jobs[0].ran_in);
	}
	finish();
	close(gate[0]);
	close(gate[1]);
}

static void submit_next(struct work_job *w)
{
	struct job *j = (struct job *)(void *)w;

	done(w);
	if (j->number + 1 < wanted)
		assert_int_equal(work_submit(pool, &jobs[j->number + 1].job), ERR_OK);
}

/* done() gives the job back: it may be the place from which the next one is asked for. */
static void from_done(void **state)
{
	(void)state;
	begin(2, 1);
	wanted = 20;
	for (unsigned i = 0; i < wanted; i++)
		jobs[i].job.done = submit_next;
	assert_int_equal(work_submit(pool, &jobs[0].job), ERR_OK);
	loop_run(loop);
	assert_int_equal(done_count, 20);
	finish();
}

/* work_free runs what is queued and calls every done() before it returns; nothing new is taken in the meantime. */
static void late_submit(struct work_job *w)
{
	done(w);
	assert_int_equal(work_submit(pool, &jobs[MANY - 1].job), ERR_BUSY);
}

static void draining(void **state)
{
	(void)state;
	begin(2, MANY);
	for (unsigned i = 0; i < 20; i++) {
		jobs[i].job.done = late_submit;
		assert_int_equal(work_submit(pool, &jobs[i].job), ERR_OK);
	}
	work_free(pool);
	assert_int_equal(done_count, 20);
	assert_false(jobs[MANY - 1].ran);
	loop_free(loop);
	/* A pool that never had a job has no threads to wait for. */
	begin(THREADS, 1);
	finish();
	work_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),  cmocka_unit_test(bound),    cmocka_unit_test(several_threads),
		cmocka_unit_test(from_done), cmocka_unit_test(draining), cmocka_unit_test(niceness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
