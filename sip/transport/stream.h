#ifndef SIP_TRANSPORT_STREAM_H
#define SIP_TRANSPORT_STREAM_H

#include "core/loop.h"
#include "core/work.h"
#include "crypto/tls.h"
#include "sip/transport/peer.h"

/*
 * TCP and TLS connections: octets in, octets out. Listens and connects, runs TLS handshakes in workers, and enforces
 * the caps on connections and buffers and the time limits of slow peers. Knows nothing of SIP or HTTP.
 *
 * A connection is named by its id for as long as anything outlives the current call; ids are never used again. The
 * table owns the connections. A struct stream pointer is valid only within the callback that got it, or until the end
 * of the turn after stream_find.
 */
struct streams;
struct stream;

struct stream_user {
	/* The connection is usable: accepted or connected, and the TLS handshake, if any, is done. */
	void (*opened)(void *arg, struct stream *s);
	/*
	 * in has all octets that are buffered. Returns how many of them were used up; the rest is given again, with
	 * more.
	 */
	size_t (*data)(void *arg, struct stream *s, struct slice in);
	/*
	 * The peer has closed its side, and is owed answers. Whether it still reads shows when something is sent. May
	 * be NULL.
	 */
	void (*finished)(void *arg, struct stream *s);
	/*
	 * The connection is over: the peer closed it, an error, a time limit, or stream_close. Called once for each
	 * connection, whether it was opened or not. s is freed behind it.
	 */
	void (*closed)(void *arg, struct stream *s, const char *why);
};

struct stream_limits {
	unsigned connections;  /* in all; beyond it one makes way: see dispensable in stream_listen.c */
	unsigned per_source;   /* with one source (peer_prefix), in either direction; beyond it new ones are refused */
	uint32_t handshake_ms; /* connect and TLS handshake */
	uint32_t first_ms;     /* until the first complete message on an accepted connection */
	uint32_t message_ms;   /* from the first octet of a message to its last one */
	uint32_t idle_ms;      /* nothing in or out */
	uint32_t kept_idle_ms; /* the same for kept connections; 0: none, TCP asks whether the peer is there */
	/*
	 * TLS handshakes that listeners begin, per second; two seconds' worth may come at once. Beyond it connections
	 * are refused. 0 = no limit.
	 */
	unsigned handshakes, handshakes_per_source;
	/*
	 * Failed static-RSA handshakes per minute. One source that reaches the limit is refused; ten times the limit
	 * from all together, and nobody is offered these suites for a while. To use the server as an oracle (Marvin)
	 * takes very many of them. 0 = no limit.
	 */
	unsigned rsa_failures;
};

#define STREAM_OUT_MAX (1u << 20) /* octets that may wait for a slow reader; beyond it the connection is closed */
#define STREAM_OFFER_MAX 65536    /* octets that may wait of what others send to it; beyond it they are refused */

/*
 * streams_new: w runs the handshakes; tls_slots is the number of its threads and of the slots of each tls_config.
 * limits are copied.
 */
struct streams *streams_new(struct loop *l, struct work *w, unsigned tls_slots, const struct stream_limits *limits);

/*
 * streams_free: closes all connections without calling closed(). No handshake job may be running: work_free the pool
 * first. NULL is ignored.
 */
void streams_free(struct streams *all);

/*
 * stream_listen: accepts connections on *at (port 0: any; *at gets the real one). config NULL: plain TCP; else a
 * reference is taken. user and arg must outlive the table. ERR_LIMIT: too many listeners. ERR_IO, errno is set.
 * stream_listener_config: connections accepted from now on use this configuration.
 */
struct stream_listener;
MUST_USE enum err stream_listen(struct streams *all, struct peer *at, struct tls_config *config,
				const struct stream_user *user, void *arg, struct stream_listener **out);
void stream_listener_config(struct stream_listener *l, struct tls_config *config);
void stream_stop_listening(struct streams *all); /* for shutdown; connections go on */

/*
 * stream_connect: begins a connection to to; *id names it. config NULL: plain TCP. name and rule: as tls_new. ERR_BUSY:
 * no room, or too many connections with this source. ERR_IO: errno. Later failures come as closed().
 */
MUST_USE enum err stream_connect(struct streams *all, const struct peer *to, struct tls_config *config,
				 struct slice name, enum tls_name_rule rule, const struct stream_user *user, void *arg,
				 uint64_t *id);

/*
 * stream_find: the connection of that id; NULL: it is gone, being closed, or its peer has closed its side of it.
 * stream_find_owed: also one of the last kind.
 */
struct stream *stream_find(struct streams *all, uint64_t id);
struct stream *stream_find_owed(struct streams *all, uint64_t id);

uint64_t stream_id(const struct stream *s);
const struct peer *stream_remote(const struct stream *s);
const struct peer *stream_local(const struct stream *s);
bool stream_is_tls(const struct stream *s);
bool stream_is_open(const struct stream *s); /* opened() was called */
const struct tls *stream_tls(const struct stream *s);

/* One pointer of the user, who frees what it points to. */
void stream_set_context(struct stream *s, void *context);
void *stream_context(const struct stream *s);

/*
 * stream_send: sends octets, copied; before opened() they wait. ERR_LIMIT: more than STREAM_OUT_MAX wait, and the
 * connection is closed. ERR_CLOSED: it is closed already. ERR_CRYPTO: TLS failed, and it is closed.
 */
MUST_USE enum err stream_send(struct stream *s, struct slice octets);

/*
 * stream_takes: may n octets be sent that somebody else wants to reach the peer? Not when more than STREAM_OFFER_MAX
 * would wait: a burst of a stranger must not close the connection of who reads slowly (G50).
 */
bool stream_takes(const struct stream *s, size_t n);

/*
 * stream_close: reads nothing more, sends what waits and (TLS) close_notify, then ends; closed() comes at the end of
 * the turn at the earliest, and after 5 seconds at the latest. why is logged. A second call does nothing.
 */
void stream_close(struct stream *s, const char *why);

/*
 * stream_keep: a connection that carries registrations or subscriptions has the longer idle limit (kept_idle_ms).
 * Counts up (1) and down (-1). user: the task is one of an authenticated user; at the cap a connection with tasks of
 * strangers only makes way when no idle one is left.
 */
void stream_keep(struct stream *s, bool user, int change);

/*
 * stream_owe: an answer that the peer waits for more (1) or less (-1). A peer may close its side of a TCP connection
 * behind what it asks; it still gets the answers, and then the connection ends. TLS 1.2 has no such thing (RFC 5246
 * 7.2.1).
 */
void stream_owe(struct stream *s, int change);

/* stream_of_user: a user has proven himself on it. At the cap it goes after those of strangers, whatever they carry. */
void stream_of_user(struct stream *s);

/* stream_progress: the user has read a complete message, so the next octet begins the time limit of a new one. */
void stream_progress(struct stream *s);

unsigned streams_count(const struct streams *all);

#endif
