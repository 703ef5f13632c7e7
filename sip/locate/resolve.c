#include "sip/locate/resolve.h"

#include <string.h>

#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/locate/locate.h"

/* A question is one job: locate_run in a worker, hops drawn from the result in the loop. */

struct job {
	struct work_job job;
	resolve_fn done;
	void *arg;
	struct locate ask;
	struct located found;
};

static void run(struct work_job *job, unsigned worker)
{
	struct job *j = (struct job *)(void *)job;

	(void)worker;
	locate_run(&j->ask, &j->found);
}

static void done(struct work_job *job)
{
	struct job *j = (struct job *)(void *)job;
	struct resolved result;
	struct hops hops;

	hops_draw(&j->found.places, PROTOS_ALL, false, SLICE_NONE, rng_below, &hops);
	memset(&result, 0, sizeof(result));
	for (; result.count < hops.count && result.count < RESOLVE_MAX; result.count++)
		result.peers[result.count] = hops.hops[result.count].at;
	j->done(j->arg, &result, j->found.why);
	mem_free(j);
}

static enum err submit(struct work *w, const struct dns_servers *dns, struct slice name, struct locate_step step,
		       resolve_fn fn, void *arg)
{
	struct job *j;
	enum err e;

	if (name.n > 2 && name.p[0] == '[')
		name = slice_sub(name, 1, name.n - 1);
	if (name.n == 0 || name.n >= sizeof(step.host) || slice_chr(name, '\0') < name.n)
		return ERR_LIMIT;
	memcpy(step.host, name.p, name.n);
	j = mem_alloc(sizeof(*j));
	j->job = (struct work_job){.run = run, .done = done};
	j->done = fn;
	j->arg = arg;
	j->ask.secure = true;
	j->ask.dns = *dns;
	j->ask.count = 1;
	j->ask.steps[0] = step;
	e = work_submit(w, &j->job);
	if (e != ERR_OK)
		mem_free(j);
	return e;
}

enum err resolve_host(struct work *w, const struct dns_servers *dns, struct slice host, uint16_t port, resolve_fn fn,
		      void *arg)
{
	const struct locate_step step = {.kind = LOCATE_HOST, .proto = PROTO_TCP, .port = port};

	return submit(w, dns, host, step, fn, arg);
}

enum err resolve_sips(struct work *w, const struct dns_servers *dns, struct slice domain, resolve_fn fn, void *arg)
{
	const struct locate_step step = {.kind = LOCATE_DOMAIN};

	return submit(w, dns, domain, step, fn, arg);
}
