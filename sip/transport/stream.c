#include "sip/transport/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/transport/stream_private.h"

/*
 * The life of a connection, and its output. Its input is in stream_input.c.
 *
 *   stream_connect   CONNECTING -> (TLS) HANDSHAKE -> OPEN -> CLOSING -> OVER
 *   accept                         (TLS) HANDSHAKE -> OPEN -> CLOSING -> OVER
 *
 * From every state an error, a time limit or stream_close leads to CLOSING.
 *
 * - In HANDSHAKE each step runs in a worker, which owns s->tls while busy is set.
 * - opened() is called when OPEN begins, closed() when OVER begins; each at most once.
 * - CLOSING reads nothing. It ends when all output is sent or after CLOSE_LINGER_MS.
 * - Nothing frees a connection within its own handlers: stream_finish is deferred to the end of the turn, or runs last
 *   in its timer. If a worker has the TLS state then, step_done (stream_tls.c) frees it.
 */

struct streams *streams_new(struct loop *l, struct work *w, unsigned tls_slots, const struct stream_limits *limits)
{
	struct streams *all = mem_alloc(sizeof(*all));

	all->loop = l;
	all->work = w;
	all->tls_slots = tls_slots;
	all->limits = *limits;
	all->handshakes = rate_new(60 * limits->handshakes, 2 * limits->handshakes);
	all->handshakes_per_source = rate_new(60 * limits->handshakes_per_source, 2 * limits->handshakes_per_source);
	all->rsa_failures = rate_new(limits->rsa_failures, limits->rsa_failures);
	all->rsa_failures_all = rate_new(10 * limits->rsa_failures, 10 * limits->rsa_failures);
	map_init(&all->by_id);
	map_init(&all->sources);
	list_init(&all->by_activity);
	return all;
}

/* --- end of life --- */

/* The connection does not count for its source any more; the last one frees the entry. */
static void leave_source(struct stream *s)
{
	if (s->source == NULL)
		return;
	if (--s->source->count == 0) {
		map_remove(&s->all->sources, &s->source->node);
		mem_free(s->source);
	}
	s->source = NULL;
}

void stream_destroy(struct stream *s)
{
	tls_free(s->tls);
	buf_wipe(&s->in);
	buf_wipe(&s->early);
	buf_free(&s->out);
	mem_free(s);
}

/*
 * detach: takes the connection out of all tables and closes its socket. The memory stays while a worker has the TLS
 * state.
 */
static void detach(struct stream *s)
{
	io_free(s->io);
	timer_free(s->timer);
	s->io = NULL;
	s->timer = NULL;
	close(s->fd);
	list_remove(&s->by_activity);
	leave_source(s);
	map_remove(&s->all->by_id, &s->by_id);
	s->state = STREAM_OVER;
}

void stream_finish(void *arg)
{
	struct stream *s = arg;

	if (s->state == STREAM_OVER) { /* streams_free came before this deferred call */
		stream_destroy(s);
		return;
	}
	s->user->closed(s->arg, s, s->why);
	detach(s);
	if (!s->busy)
		stream_destroy(s);
}

void streams_free(struct streams *all)
{
	if (all == NULL)
		return;
	for (struct list_node *n; (n = list_first(&all->by_activity)) != NULL;) {
		struct stream *s = LIST_ENTRY(n, struct stream, by_activity);

		detach(s);
		if (!s->ending) /* otherwise stream_finish, which the loop still has to call, frees it */
			stream_destroy(s);
	}
	stream_stop_listening(all);
	for (unsigned i = 0; i < all->listener_count; i++)
		if (all->listeners[i].config != NULL)
			tls_config_unref(all->listeners[i].config);
	map_free(&all->by_id);
	map_free(&all->sources);
	rate_free(all->handshakes);
	rate_free(all->handshakes_per_source);
	rate_free(all->rsa_failures);
	rate_free(all->rsa_failures_all);
	mem_free(all);
}

/* --- output --- */

/*
 * stream_may_read: while much output waits, nothing is read that would be answered. TCP then slows the peer down, which
 * asks without reading the answers.
 */
bool stream_may_read(const struct stream *s)
{
	return !s->busy && !s->finished && (s->state == STREAM_OPEN || s->state == STREAM_HANDSHAKE) &&
	       s->out.n <= OUT_HIGH;
}

void stream_want(struct stream *s)
{
	int events = 0;

	if (s->state == STREAM_CONNECTING || s->out.n > 0)
		events |= IO_WRITE;
	if (stream_may_read(s))
		events |= IO_READ;
	io_want(s->io, events);
}

void stream_flush(struct stream *s)
{
	size_t sent = 0;

	while (sent < s->out.n) {
		ssize_t n = send(s->fd, s->out.p + sent, s->out.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			/* The peer is gone: drop what waits for it. */
			sent = s->out.n;
			snprintf(s->why, sizeof(s->why), "%s", strerror(errno));
			s->state = STREAM_CLOSING;
			break;
		}
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	if (sent == s->out.n)
		buf_free(&s->out);
	else if (sent > 0)
		buf_drop(&s->out, sent);
	if (s->state == STREAM_CLOSING && s->out.n == 0 && !s->ending) {
		s->ending = true; /* deferred only once: a second call would find freed memory */
		loop_defer(s->all->loop, stream_finish, s);
	}
	stream_want(s);
}

/* Moves the records that TLS has made into the buffer of the socket; takes the memory over where it can. */
void stream_take_records(struct stream *s)
{
	struct buf *records = tls_output(s->tls);

	if (records->n == 0)
		return;
	if (s->out.n == 0) {
		buf_free(&s->out);
		s->out = *records;
		*records = (struct buf){0};
	} else {
		buf_add(&s->out, buf_slice(records));
		buf_free(records);
	}
}

bool stream_takes(const struct stream *s, size_t n)
{
	size_t waiting = s->out.n + s->early.n;

	return waiting == 0 || waiting + n <= STREAM_OFFER_MAX;
}

enum err stream_send(struct stream *s, struct slice octets)
{
	if (s->state == STREAM_CLOSING || s->state == STREAM_OVER)
		return ERR_CLOSED;
	if (s->out.n + s->early.n + octets.n > STREAM_OUT_MAX) {
		stream_close(s, "the peer does not read what it is sent");
		return ERR_LIMIT;
	}
	stream_touch(s);
	/* Before the handshake is done there is nothing to encrypt with. */
	if (s->state != STREAM_OPEN) {
		buf_add(&s->early, octets);
		return ERR_OK;
	}
	if (s->tls == NULL) {
		buf_add(&s->out, octets);
	} else if (tls_write(s->tls, octets) == ERR_OK) {
		stream_take_records(s);
	} else {
		stream_close(s, tls_reason(s->tls));
		return ERR_CRYPTO;
	}
	stream_flush(s);
	return s->state == STREAM_OPEN ? ERR_OK : ERR_CLOSED;
}

/*
 * log_handshake: the one line about a failed handshake, whoever noticed it: a wrong certificate, the alert of the peer,
 * a time limit. A client that connects and says nothing is only logged for debugging: port scans are no business of the
 * operator.
 */
static void log_handshake(const struct stream *s, const char *why)
{
	log_line(s->server && !s->heard ? LOG_DEBUG : LOG_WARN, "event=tls_failed peer=%s side=%s name=%s reason=%s",
		 peer_text(&s->remote).text, s->server ? "server" : "client", log_esc(tls_name(s->tls)).text,
		 log_esc(slice_str(why)).text);
}

void stream_close(struct stream *s, const char *why)
{
	if (s->state == STREAM_CLOSING || s->state == STREAM_OVER)
		return;
	if (s->state == STREAM_HANDSHAKE)
		log_handshake(s, why);
	if (s->tls != NULL && s->state == STREAM_OPEN) {
		tls_close(s->tls);
		stream_take_records(s);
	}
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->state = STREAM_CLOSING;
	s->active_ms = loop_now_ms(s->all->loop);
	stream_flush(s);
	/* The linger time begins now: the timer ran for another limit before. */
	if (s->out.n > 0) {
		timer_stop(s->timer);
		stream_arm(s);
	}
}

/* --- events --- */

void stream_opened(struct stream *s)
{
	struct buf early = s->early;

	s->state = STREAM_OPEN;
	s->early = (struct buf){0};
	stream_touch(s);
	s->user->opened(s->arg, s);
	/* What was sent before comes first. opened() may have closed the connection. */
	if (s->state == STREAM_OPEN && early.n > 0 && stream_send(s, buf_slice(&early)) != ERR_OK)
		log_line(LOG_DEBUG, "event=early_lost peer=%s", peer_text(&s->remote).text);
	buf_wipe(&early);
	/* The peer may have sent octets right behind its last handshake message; they are in the TLS state already. */
	if (s->state == STREAM_OPEN && s->tls != NULL && stream_pump_tls(s))
		stream_deliver(s);
	if (s->state == STREAM_OPEN) {
		timer_stop(s->timer);
		stream_arm(s);
		stream_want(s);
	}
}

static void on_connected(struct stream *s)
{
	/* A socket becomes writable when connecting has ended, one way or the other; SO_ERROR tells which. */
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
		stream_close(s, strerror(error));
		return;
	}
	n = sizeof(s->local.u);
	if (getsockname(s->fd, &s->local.u.sa, &n) != 0) {
		stream_close(s, strerror(errno));
		return;
	}
	if (s->tls == NULL) {
		stream_opened(s);
		return;
	}
	s->state = STREAM_HANDSHAKE;
	stream_handshake(s);
}

static void on_io(void *arg, int events)
{
	struct stream *s = arg;

	if (s->state == STREAM_CONNECTING) {
		on_connected(s);
		return;
	}
	if (events & IO_WRITE)
		stream_flush(s);
	if (events & IO_READ)
		stream_readable(s);
}

/*
 * ask_whether_there: a connection may be silent for a day, while a subscription lives: TCP tells when the other end is
 * gone, and keeps the way through a NAT open.
 */
static void ask_whether_there(int fd)
{
	const int on = 1, after_s = 60, each_s = 15, times = 4;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after_s, sizeof(after_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each_s, sizeof(each_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

struct stream *stream_add(struct streams *all, int fd, const struct peer *remote, const struct stream_user *user,
			  void *arg)
{
	struct stream *s = mem_alloc(sizeof(*s));
	int on = 1;

	s->all = all;
	s->fd = fd;
	s->remote = *remote;
	s->user = user;
	s->arg = arg;
	s->id = ++all->next_id;
	s->created_ms = s->active_ms = loop_now_ms(all->loop);
	s->timer = timer_new(all->loop, stream_on_timer, s);
	s->io = io_new(all->loop, fd, on_io, s);
	map_add(&all->by_id, &s->by_id, slice_of(&s->id, sizeof(s->id)));
	list_add(&all->by_activity, &s->by_activity);
	/* Messages are written whole, so waiting for more octets (Nagle) would only add delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ask_whether_there(fd);
	return s;
}

unsigned stream_next_slot(struct streams *all)
{
	return all->next_slot++ % all->tls_slots;
}

/* --- what users ask --- */

struct stream *stream_find_owed(struct streams *all, uint64_t id)
{
	struct map_node *node = map_find(&all->by_id, slice_of(&id, sizeof(id)));
	struct stream *s = node == NULL ? NULL : MAP_ENTRY(node, struct stream, by_id);

	return s == NULL || s->state == STREAM_CLOSING ? NULL : s;
}

struct stream *stream_find(struct streams *all, uint64_t id)
{
	struct stream *s = stream_find_owed(all, id);

	return s == NULL || s->finished ? NULL : s;
}

uint64_t stream_id(const struct stream *s)
{
	return s->id;
}

const struct peer *stream_remote(const struct stream *s)
{
	return &s->remote;
}

const struct peer *stream_local(const struct stream *s)
{
	return &s->local;
}

bool stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

bool stream_is_open(const struct stream *s)
{
	return s->state == STREAM_OPEN;
}

const struct tls *stream_tls(const struct stream *s)
{
	return s->tls;
}

void stream_set_context(struct stream *s, void *context)
{
	s->context = context;
}

void *stream_context(const struct stream *s)
{
	return s->context;
}

void stream_keep(struct stream *s, bool user, int change)
{
	s->kept += change;
	if (user)
		s->kept_for_users += change;
}

void stream_of_user(struct stream *s)
{
	s->of_user = true;
}

void stream_progress(struct stream *s)
{
	s->had_message = true;
	s->begun_ms = 0;
}

unsigned streams_count(const struct streams *all)
{
	return (unsigned)all->by_id.count;
}
