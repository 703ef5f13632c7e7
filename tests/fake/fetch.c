#include "tests/fake/fetch.h"

#include "core/mem.h"

/* sip/service/fetch.h from a table: nothing is resolved or connected. */

struct fetch {
	struct loop *loop;
	fetch_fn done;
	void *arg;
	char *url;
	struct fetch *next; /* held */
	bool *held_by;      /* of who counts, or NULL */
};

struct fake_web fake_web;

void fetch_free(struct fetch *f)
{
	struct fetch **at = &fake_web.held;

	while (*at != NULL && *at != f)
		at = &(*at)->next;
	if (*at == f)
		*at = f->next;
	if (f->held_by != NULL)
		*f->held_by = false;
	mem_free(f->url);
	mem_free(f);
}

static void answer(void *arg)
{
	struct fetch *f = arg;
	struct buf body = {0};

	if (fake_web.hold) {
		f->next = fake_web.held;
		fake_web.held = f;
		return;
	}
	fake_web.asked++;
	if (fake_web.get != NULL && fake_web.get(slice_str(f->url), &body))
		f->done(f->arg, buf_slice(&body), NULL);
	else
		f->done(f->arg, SLICE_NONE, "the server answered 404");
	buf_free(&body);
	fetch_free(f);
}

void fake_web_release(void)
{
	fake_web.hold = false;
	while (fake_web.held != NULL) {
		struct fetch *f = fake_web.held;

		fake_web.held = f->next;
		answer(f);
	}
}

void fetch_counts(struct fetch *f, bool *held)
{
	f->held_by = held;
	*held = true;
}

struct fetch *fetch_start(const struct fetch_deps *deps, struct slice url, fetch_fn done, void *arg)
{
	struct fetch *f = mem_alloc(sizeof(*f));

	*f = (struct fetch){.loop = deps->loop, .done = done, .arg = arg, .url = slice_dup(url)};
	loop_defer(deps->loop, answer, f);
	return f;
}
