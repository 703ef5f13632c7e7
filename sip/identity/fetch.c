#include "sip/identity/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "sip/locate/resolve.h"

/*
 * The life of a fetch:
 *
 *   fetch_start -> begin -> resolving -> start -> connected -> on_data ... -> finish -> release -> destroy
 *                                          ^                       |
 *                                          +- next address, or a redirection (on_closed)
 *
 * over is set by finish, which is the only place that calls done. The fetch is freed once it is over and neither the
 * resolver (resolving) nor a connection (stream) has a pointer to it.
 */

#define HEAD_MAX 8192 /* octets of status line and header fields of an answer */

struct fetch {
	const struct fetch_deps *deps;
	fetch_fn done;
	void *arg;
	char *text; /* the URL; url points into it */
	struct web_url url;
	struct timer *timer;
	struct resolved at; /* the addresses of the host; a redirection keeps them, since it leads to the same host */
	unsigned next;      /* index in at of the address to try next */
	unsigned redirects;
	uint64_t stream; /* 0: none */
	bool resolving, over, freed;
	bool *held;      /* of the caller of fetch_counts, or NULL */
	bool redirected; /* the connection is being closed; then the new URL is asked for */
	struct buf came; /* what the connection has brought so far */
};

/* --- the end --- */

static void destroy(void *arg)
{
	struct fetch *f = arg;

	timer_free(f->timer);
	buf_free(&f->came);
	mem_free(f->text);
	mem_free(f);
}

/* release: lets go of f once nothing has a pointer to it any more. Deferred, because callers still use f. */
static void release(struct fetch *f)
{
	if (f->freed || !f->over || f->resolving || f->stream != 0)
		return;
	f->freed = true;
	if (f->held != NULL)
		*f->held = false;
	loop_defer(f->deps->loop, destroy, f);
}

static void finish(struct fetch *f, struct slice body, const char *why)
{
	struct stream *s;

	if (f->over)
		return;
	f->over = true;
	timer_stop(f->timer);
	f->done(f->arg, body, why);
	s = f->stream != 0 ? stream_find(f->deps->streams, f->stream) : NULL;
	if (s != NULL)
		stream_close(s, "fetched");
	release(f);
}

static void on_timer(void *arg)
{
	finish(arg, SLICE_NONE, "no complete answer came within 5 seconds");
}

/* --- the answer --- */

/* The value of the first header field of that name in the lines of head. */
static struct slice header(struct slice head, struct slice name)
{
	struct slice line, key, value;

	while (head.n > 0) {
		size_t end = slice_chr(head, '\n');

		line = slice_trim(slice_sub(head, 0, end));
		head = slice_sub(head, end + 1, head.n);
		if (slice_cut(line, ':', &key, &value) && slice_ieq(key, name))
			return slice_trim(value);
	}
	return SLICE_NONE;
}

/*
 * redirect: takes the URL of a Location. Only the same scheme, host and port are followed: anything else would be a way
 * around the check of the first URL. NULL: taken; else why not.
 */
static const char *redirect(struct fetch *f, struct slice to)
{
	struct buf absolute = {0};
	struct web_url url;

	if (f->redirects++ == FETCH_REDIRECTS)
		return "too many redirections";
	if (to.n > 0 && to.p[0] == '/' && !slice_starts(to, S("//")))
		buf_addf(&absolute, "%s://%.*s", f->url.https ? "https" : "http", SLICE_ARG(f->url.authority));
	buf_add(&absolute, to);
	if (!web_url_parse(buf_slice(&absolute), &url) || url.https != f->url.https || url.port != f->url.port ||
	    !slice_ieq(url.host, f->url.host)) {
		buf_free(&absolute);
		return "a redirection to another server";
	}
	mem_free(f->text);
	f->text = buf_take(&absolute);
	return web_url_parse(slice_str(f->text), &f->url) ? NULL : "a redirection to another server";
}

static bool read_status(struct slice head, uint32_t *status)
{
	struct slice version, rest;

	return slice_starts(head, S("HTTP/1.")) &&
	       slice_cut(slice_sub(head, 0, slice_chr(head, '\r')), ' ', &version, &rest) &&
	       slice_u32(slice_sub(rest, 0, 3), 999, status);
}

/*
 * take_body: finishes when the body is complete. all: the connection is closed, nothing more will come. Without
 * Content-Length the body ends with the connection (HTTP/1.0).
 */
static void take_body(struct fetch *f, struct slice head, struct slice body, bool all)
{
	struct slice length = header(head, S("Content-Length"));
	uint32_t n = 0;

	if (header(head, S("Transfer-Encoding")).p != NULL || header(head, S("Content-Encoding")).p != NULL)
		finish(f, SLICE_NONE, "the answer is in an encoding that was not asked for");
	else if (length.p != NULL ? !slice_u32(length, FETCH_MAX, &n) : body.n > FETCH_MAX)
		finish(f, SLICE_NONE, "the answer is larger than 16 kB");
	else if (length.p != NULL && body.n >= n)
		finish(f, slice_sub(body, 0, n), NULL);
	else if (all && length.p == NULL)
		finish(f, body, NULL);
	else if (all)
		finish(f, SLICE_NONE, "the answer is cut short");
}

/* look: reads what has come of an answer, and finishes, redirects, or waits for more. all: nothing more will come. */
static void look(struct fetch *f, bool all)
{
	struct slice in = buf_slice(&f->came);
	size_t end = slice_find(in, S("\r\n\r\n"), 0);
	struct slice head = slice_sub(in, 0, end), location;
	char text[48];
	uint32_t status;

	/* A head that is too long is refused, whether its end has come with it or not. */
	if (end > HEAD_MAX) {
		finish(f, SLICE_NONE, "its header is larger than 8 kB");
		return;
	}
	if (end == in.n && !all)
		return;
	if (end == in.n || !read_status(head, &status)) {
		finish(f, SLICE_NONE, "what came is no HTTP answer");
		return;
	}
	location = header(head, S("Location"));
	/* 301 to 308. The new request is sent when this connection is over, in on_closed. */
	if (status > 300 && status < 309 && location.n > 0) {
		const char *why = redirect(f, location);

		f->redirected = why == NULL;
		if (why != NULL)
			finish(f, SLICE_NONE, why);
	} else if (status != 200) {
		snprintf(text, sizeof(text), "the server answered %u", status);
		finish(f, SLICE_NONE, text);
	} else {
		take_body(f, head, slice_sub(in, end + 4, in.n), all);
	}
}

/* --- the connection --- */

static void on_opened(void *arg, struct stream *s)
{
	struct fetch *f = arg;
	struct buf out = {0};

	/* An empty path is "/", also before a query (RFC 9112 3.2.1). */
	buf_addf(&out,
		 "GET %s%.*s HTTP/1.0\r\nHost: %.*s\r\nAccept: application/pkix-cert\r\nConnection: close\r\n\r\n",
		 slice_starts(f->url.target, S("/")) ? "" : "/", SLICE_ARG(f->url.target), SLICE_ARG(f->url.authority));
	/* When sending fails, on_closed tells. */
	if (!f->over && stream_send(s, buf_slice(&out)) != ERR_OK)
		stream_close(s, "the request could not be sent");
	buf_free(&out);
}

static size_t on_data(void *arg, struct stream *s, struct slice in)
{
	struct fetch *f = arg;

	buf_add(&f->came, in);
	if (!f->over && !f->redirected)
		look(f, false);
	if (f->redirected)
		stream_close(s, "redirected");
	return in.n;
}

static void start(struct fetch *f);

static void on_closed(void *arg, struct stream *s, const char *why)
{
	struct fetch *f = arg;

	(void)s;
	f->stream = 0;
	if (!f->over && !f->redirected && f->came.n > 0)
		look(f, true);
	buf_clear(&f->came);
	if (f->over) {
		release(f);
		return;
	}
	/* A redirection begins with the first address again. After a failure the next address is tried. */
	if (f->redirected)
		f->next = 0;
	f->redirected = false;
	if (f->next < f->at.count)
		start(f);
	else
		finish(f, SLICE_NONE, why);
}

static const struct stream_user http_user = {.opened = on_opened, .data = on_data, .closed = on_closed};

/*
 * start: connects to the next address that is allowed. It connects to the address that was checked, not to the name,
 * which could lead elsewhere the next time (G44).
 */
static void start(struct fetch *f)
{
	const struct fetch_deps *d = f->deps;
	const char *why = NULL;
	enum err e = ERR_IO;

	while (e != ERR_OK && f->next < f->at.count) {
		const struct peer *at = &f->at.peers[f->next++];

		if (!reach_allows(&d->settings->fetch_reach, at)) {
			why = "its address is none of the public Internet, and identity.fetch-allow does not name it";
			continue;
		}
		e = stream_connect(d->streams, at, f->url.https ? d->settings->client_tls : NULL,
				   f->url.https ? f->url.host : SLICE_NONE, TLS_NAME_WEB, &http_user, f, &f->stream);
	}
	if (e != ERR_OK)
		finish(f, SLICE_NONE, why != NULL ? why : e == ERR_IO ? strerror(errno) : err_str(e));
}

static void on_resolved(void *arg, const struct resolved *r, const char *why)
{
	struct fetch *f = arg;

	f->resolving = false;
	f->at = *r;
	if (f->over)
		release(f);
	else if (r->count == 0)
		finish(f, SLICE_NONE, why);
	else
		start(f);
}

/* begin: deferred by fetch_start, so that a failure never calls done within fetch_start. */
static void begin(void *arg)
{
	struct fetch *f = arg;
	enum err e;

	if (f->over)
		return;
	if (!web_url_parse(slice_str(f->text), &f->url)) {
		finish(f, SLICE_NONE, "it is no http or https URL");
		return;
	}
	f->resolving = true;
	e = resolve_host(f->deps->work, &f->deps->settings->dns, f->url.host, f->url.port, on_resolved, f);
	if (e == ERR_OK)
		return;
	f->resolving = false;
	finish(f, SLICE_NONE, e == ERR_BUSY ? "too much to do at once" : "its host is no DNS name");
}

/* begin and destroy may both be deferred: calls run in their order, so begin finds over set and f still there. */
void fetch_free(struct fetch *f)
{
	f->over = f->freed = true;
	loop_defer(f->deps->loop, destroy, f);
}

void fetch_counts(struct fetch *f, bool *held)
{
	f->held = held;
	*held = true;
}

struct fetch *fetch_start(const struct fetch_deps *deps, struct slice url, fetch_fn done, void *arg)
{
	struct fetch *f = mem_alloc(sizeof(*f));

	f->deps = deps;
	f->done = done;
	f->arg = arg;
	f->text = slice_dup(url);
	f->timer = timer_new(deps->loop, on_timer, f);
	timer_start(f->timer, FETCH_MS);
	loop_defer(deps->loop, begin, f);
	return f;
}
