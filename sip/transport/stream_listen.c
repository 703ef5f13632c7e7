#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/transport/stream_private.h"

/*
 * Listeners, outgoing connections, and the caps on both. Order of checks for an accepted connection: rates of TLS
 * handshakes, room in the table, connections of its source. What is refused is closed without a word, since an answer
 * would cost a handshake.
 */

/* Counts one more connection of this source. NULL: it has max already. */
static struct stream_source *enter_source(struct streams *all, const struct peer *remote, unsigned max)
{
	struct slice prefix = peer_prefix(remote);
	struct map_node *node = map_find(&all->sources, prefix);
	struct stream_source *src;

	if (node != NULL) {
		src = MAP_ENTRY(node, struct stream_source, node);
		if (src->count >= max)
			return NULL;
	} else {
		src = mem_alloc(sizeof(*src));
		memcpy(src->key, prefix.p, prefix.n);
		map_add(&all->sources, &src->node, slice_of(src->key, prefix.n));
	}
	src->count++;
	return src;
}

/* count_of: how many connections there are with this source, in either direction. */
static unsigned count_of(const struct streams *all, const struct peer *remote)
{
	struct map_node *node = map_find(&all->sources, peer_prefix(remote));

	return node == NULL ? 0 : MAP_ENTRY(node, struct stream_source, node)->count;
}

/*
 * dispensable: which connection makes way at the cap (S-47), each time the one idle longest: one of a stranger without
 * a task, else one whose tasks are all of strangers, else one of a user without a task (he may be in a call), else
 * none. One whose TLS state a worker has cannot be closed at once.
 */
static struct stream *dispensable(const struct streams *all)
{
	struct stream *of_stranger = NULL, *of_user = NULL;

	for (struct list_node *n = list_first(&all->by_activity); n != NULL; n = list_next(&all->by_activity, n)) {
		struct stream *s = LIST_ENTRY(n, struct stream, by_activity);

		if (s->busy || s->state == STREAM_CLOSING)
			continue;
		if (s->kept == 0 && !s->of_user)
			return s;
		if (of_stranger == NULL && !s->of_user && s->kept_for_users == 0)
			of_stranger = s;
		if (of_user == NULL && s->of_user && s->kept_for_users == 0)
			of_user = s;
	}
	return of_stranger != NULL ? of_stranger : of_user;
}

static bool make_room(struct streams *all)
{
	struct stream *s;

	if (all->by_id.count < all->limits.connections)
		return true;
	s = dispensable(all);
	if (s == NULL)
		return false;
	stream_close(s, "made way for a new connection");
	/*
	 * The closed connection counts until the end of the turn, so as many as one turn accepts may be above the cap
	 * meanwhile.
	 */
	return all->by_id.count < all->limits.connections + ACCEPTS_A_TURN;
}

/*
 * tls_refusal: why there is to be no TLS with this peer now, or NULL. The rate of the source is asked before the one of
 * all, so that a refused source takes no tokens from others.
 */
static const char *tls_refusal(struct streams *all, const struct peer *remote)
{
	struct slice source = peer_prefix(remote);
	int64_t now = loop_now_ms(all->loop);

	if (!rate_ok(all->rsa_failures, source, now))
		return "failed_rsa_handshakes";
	if (!rate_take(all->handshakes_per_source, source, now) || !rate_take(all->handshakes, STREAM_EVERYBODY, now))
		return "handshake_rate";
	return NULL;
}

static void accept_one(struct stream_listener *l, int fd, const struct peer *remote)
{
	struct streams *all = l->all;
	const char *refusal = l->config != NULL ? tls_refusal(all, remote) : NULL;
	struct stream_source *src = NULL;
	struct stream *s;
	socklen_t n = sizeof(s->local.u);

	if (refusal != NULL) {
		log_line(LOG_WARN, "event=tls_refused peer=%s reason=%s", peer_text(remote).text, refusal);
		close(fd);
		return;
	}
	if (make_room(all))
		src = enter_source(all, remote, all->limits.per_source);
	if (src == NULL) {
		log_line(LOG_WARN, "event=connection_refused peer=%s connections=%zu", peer_text(remote).text,
			 all->by_id.count);
		close(fd);
		return;
	}
	s = stream_add(all, fd, remote, l->user, l->arg);
	s->source = src;
	s->server = true;
	if (getsockname(fd, &s->local.u.sa, &n) != 0)
		s->local = *remote;
	if (l->config == NULL) {
		stream_opened(s);
		return;
	}
	/* Many failed RSA handshakes from everywhere: offer the suites without static RSA only. */
	s->tls = tls_new(rate_ok(all->rsa_failures_all, STREAM_EVERYBODY, loop_now_ms(all->loop))
				 ? l->config
				 : tls_config_forward(l->config),
			 stream_next_slot(all), SLICE_NONE, TLS_NAME_SIP);
	s->state = STREAM_HANDSHAKE;
	stream_arm(s);
	stream_want(s);
}

static void resume_accepting(void *arg)
{
	struct stream_listener *l = arg;

	if (l->io != NULL)
		io_want(l->io, IO_READ);
}

static void on_accept(void *arg, int events)
{
	struct stream_listener *l = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct peer remote;
		socklen_t n = sizeof(remote.u);
		int fd = accept4(l->fd, &remote.u.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accept_one(l, fd, &remote);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			/*
			 * Out of descriptors or memory. The socket stays readable, and level-triggered events would
			 * spin: pause.
			 */
			log_line(LOG_ERROR, "event=accept_failed reason=%s", log_esc(slice_str(strerror(errno))).text);
			io_want(l->io, 0);
			timer_start(l->pause, ACCEPT_PAUSE_MS);
		}
		return;
	}
}

enum err stream_listen(struct streams *all, struct peer *at, struct tls_config *config, const struct stream_user *user,
		       void *arg, struct stream_listener **out)
{
	struct stream_listener *l = &all->listeners[all->listener_count];
	socklen_t n = sizeof(at->u);
	int on = 1, fd;

	if (all->listener_count == LISTENERS_MAX)
		return ERR_LIMIT;
	fd = socket(at->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (at->u.sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    bind(fd, &at->u.sa, peer_len(at)) != 0 || listen(fd, 1024) != 0 || getsockname(fd, &at->u.sa, &n) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return ERR_IO;
	}
	*l = (struct stream_listener){.all = all, .fd = fd, .config = config, .user = user, .arg = arg};
	if (config != NULL)
		tls_config_ref(config);
	l->pause = timer_new(all->loop, resume_accepting, l);
	l->io = io_new(all->loop, fd, on_accept, l);
	io_want(l->io, IO_READ);
	all->listener_count++;
	*out = l;
	return ERR_OK;
}

void stream_listener_config(struct stream_listener *l, struct tls_config *config)
{
	tls_config_ref(config);
	if (l->config != NULL)
		tls_config_unref(l->config);
	l->config = config;
}

void stream_stop_listening(struct streams *all)
{
	for (unsigned i = 0; i < all->listener_count; i++) {
		struct stream_listener *l = &all->listeners[i];

		if (l->io == NULL)
			continue;
		io_free(l->io);
		timer_free(l->pause);
		close(l->fd);
		l->io = NULL;
	}
}

enum err stream_connect(struct streams *all, const struct peer *to, struct tls_config *config, struct slice name,
			enum tls_name_rule rule, const struct stream_user *user, void *arg, uint64_t *id)
{
	struct stream *s;
	socklen_t n = sizeof(s->local.u);
	int fd;

	if (!make_room(all))
		return ERR_BUSY;
	if (count_of(all, to) >= all->limits.per_source) {
		log_line(LOG_WARN, "event=connect_refused peer=%s reason=connections-per-source", peer_text(to).text);
		return ERR_BUSY;
	}
	fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	if (connect(fd, &to->u.sa, peer_len(to)) != 0 && errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return ERR_IO;
	}
	s = stream_add(all, fd, to, user, arg);
	s->source = enter_source(all, to, all->limits.per_source);
	/* The local port is bound already, so that a Via can name it before the connection stands. */
	if (getsockname(fd, &s->local.u.sa, &n) != 0)
		s->local = *to;
	if (config != NULL)
		s->tls = tls_new(config, stream_next_slot(all), name, rule);
	s->state = STREAM_CONNECTING;
	stream_arm(s);
	stream_want(s);
	*id = s->id;
	return ERR_OK;
}
