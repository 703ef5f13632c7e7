#include "sip/server/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/mem.h"

/*
 * At most ASKERS_MAX connections are open. One that has asked nothing, or does not read its answer, makes way for a new
 * one, so that no forgotten program can block the administrator.
 */

#define LINE_MAX_OCTETS 1024 /* octets of a question */
#define ASKERS_MAX 8
#define ASK_TIMEOUT_S 10 /* how long a verb waits for each part of an answer */

struct asker {
	struct control *control;
	struct io *io;
	int fd;
	struct buf in, out;
	uint64_t number; /* counts connections in their order */
	bool waiting;    /* its question is with fn, which will call control_answer */
};

struct control {
	struct loop *loop;
	control_fn fn;
	void *arg;
	struct io *io;
	int fd;
	struct sockaddr_un at;
	struct asker *askers[ASKERS_MAX];
	uint64_t accepted;
};

/* socket_path: the address of the socket. false: sun_path has about 100 octets, and the path is longer. */
static bool socket_path(const struct config *c, struct sockaddr_un *at)
{
	struct buf path = {0};
	bool fits;

	config_path(c, c->store, &path);
	buf_adds(&path, "/control");
	fits = path.n < sizeof(at->sun_path);
	memset(at, 0, sizeof(*at));
	at->sun_family = AF_UNIX;
	if (fits)
		memcpy(at->sun_path, path.p, path.n);
	buf_free(&path);
	return fits;
}

static void asker_free(void *arg)
{
	struct asker *k = arg;

	io_free(k->io);
	close(k->fd);
	buf_free(&k->in);
	buf_free(&k->out);
	mem_free(k);
}

/* drop: ends a connection. Its handler may be running, so its memory goes at the end of the turn. */
static void drop(struct asker *k)
{
	struct control *c = k->control;

	for (unsigned i = 0; i < ASKERS_MAX; i++)
		if (c->askers[i] == k)
			c->askers[i] = NULL;
	io_want(k->io, 0);
	loop_defer(c->loop, asker_free, k);
}

/* flush: sends what is left of the answer, and ends the connection behind it. */
static void flush(struct asker *k)
{
	while (k->out.n > 0) {
		ssize_t n = send(k->fd, k->out.p, k->out.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			io_want(k->io, IO_WRITE);
			return;
		}
		if (n <= 0)
			break;
		buf_drop(&k->out, (size_t)n);
	}
	drop(k);
}

void control_answer(struct asker *k, bool ok, const char *text)
{
	buf_addf(&k->out, "%s\n%s", ok ? "ok" : "error", text);
	k->waiting = false;
	flush(k);
}

static void on_asker(void *arg, int events)
{
	struct asker *k = arg;
	char octets[LINE_MAX_OCTETS];
	struct slice line, rest;
	ssize_t n;

	if (events & IO_WRITE) {
		flush(k);
		return;
	}
	n = recv(k->fd, octets, sizeof(octets), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		buf_add(&k->in, slice_of(octets, (size_t)n));
	if (n <= 0 || k->in.n > LINE_MAX_OCTETS) {
		/* While fn has the question, asker must stay, also when the verb is gone. */
		if (!k->waiting)
			drop(k);
		else
			io_want(k->io, 0);
		return;
	}
	if (!k->waiting && slice_cut(buf_slice(&k->in), '\n', &line, &rest)) {
		io_want(k->io, 0);
		k->waiting = true;
		k->control->fn(k->control->arg, k, line);
	}
}

/*
 * slot_for_next: room for a new connection: a free slot, or the oldest connection that waits for nothing. NULL: all
 * wait.
 */
static struct asker **slot_for_next(struct control *c)
{
	struct asker **slot = NULL;

	for (unsigned i = 0; i < ASKERS_MAX; i++) {
		struct asker **s = &c->askers[i];

		if (*s == NULL)
			return s;
		if (!(*s)->waiting && (slot == NULL || (*s)->number < (*slot)->number))
			slot = s;
	}
	if (slot != NULL)
		drop(*slot);
	return slot;
}

static void on_accept(void *arg, int events)
{
	struct control *c = arg;
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct asker **slot;

	(void)events;
	if (fd < 0)
		return;
	slot = slot_for_next(c);
	if (slot == NULL) {
		close(fd);
		return;
	}
	*slot = mem_alloc(sizeof(**slot));
	(*slot)->control = c;
	(*slot)->fd = fd;
	(*slot)->number = ++c->accepted;
	(*slot)->io = io_new(c->loop, fd, on_asker, *slot);
	io_want((*slot)->io, IO_READ);
}

bool control_fits(const struct config *config, struct buf *why)
{
	struct sockaddr_un at;

	if (socket_path(config, &at))
		return true;
	buf_addf(why, "the path of the store %s is too long for its control socket, which may have %zu octets",
		 config->store, sizeof(at.sun_path) - 1);
	return false;
}

bool control_open(struct loop *l, int dirfd, const struct config *config, control_fn fn, void *arg,
		  struct control **out, struct buf *why)
{
	struct control *c = mem_alloc(sizeof(*c));

	c->loop = l;
	c->fn = fn;
	c->arg = arg;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control_fits(config, why) && socket_path(config, &c->at)) {
		/* The lock of the store is held, so a socket that is there was left by a process that is gone. */
		unlinkat(dirfd, "control", 0);
		if (c->fd >= 0 && bind(c->fd, (struct sockaddr *)&c->at, sizeof(c->at)) == 0 && listen(c->fd, 8) == 0) {
			c->io = io_new(l, c->fd, on_accept, c);
			io_want(c->io, IO_READ);
			*out = c;
			return true;
		}
		buf_addf(why, "the control socket in %s cannot be made: %s", config->store, strerror(errno));
	}
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
	return false;
}

void control_free(struct control *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < ASKERS_MAX; i++)
		if (c->askers[i] != NULL)
			asker_free(c->askers[i]);
	io_free(c->io);
	close(c->fd);
	unlink(c->at.sun_path);
	mem_free(c);
}

bool control_ask(const struct config *c, const char *line, struct buf *out, bool *running)
{
	const struct timeval limit = {.tv_sec = ASK_TIMEOUT_S};
	struct buf text = {0};
	struct slice verdict, rest;
	struct sockaddr_un at;
	bool ok = false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*running = false;
	if (!control_fits(c, out)) {
		buf_addc(out, '\n');
		goto out;
	}
	if (fd < 0 || !socket_path(c, &at) || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		buf_addf(out, "no running server answers at %s; start it with \"vouch serve\"\n", at.sun_path);
		goto out;
	}
	*running = true;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	buf_addf(&text, "%s\n", line);
	if (send(fd, text.p, text.n, MSG_NOSIGNAL) != (ssize_t)text.n) {
		buf_adds(out, "the running server closed the control connection\n");
		goto out;
	}
	buf_clear(&text);
	for (;;) {
		ssize_t n = recv(fd, buf_reserve(&text, 4096), 4096, 0);

		if (n <= 0)
			break;
		buf_commit(&text, (size_t)n);
	}
	if (slice_cut(buf_slice(&text), '\n', &verdict, &rest)) {
		ok = slice_eq(verdict, S("ok"));
		buf_add(out, rest);
	} else {
		buf_adds(out, "the running server did not answer in time\n");
	}
out:
	if (fd >= 0)
		close(fd);
	buf_free(&text);
	return ok;
}
