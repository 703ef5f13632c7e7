#ifndef SIP_TRANSPORT_STREAM_H
#define SIP_TRANSPORT_STREAM_H

#include "core/loop.h"
#include "core/work.h"
#include "crypto/tls.h"
#include "sip/transport/peer.h"

/*
 * TCP and TLS connections: octets in, octets out. Listens and connects, runs TLS handshakes in workers, keeps the caps
 * on connections and buffers and the time limits of slow peers. Knows nothing of SIP or HTTP: its users do.
 *
 * A connection is named by its id for as long as anything outlives the current call; ids are never used again. The
 * table owns the connections; a struct stream pointer is good inside the callback that got it only.
 */
struct streams;
struct stream;

struct stream_user {
	/* The connection is usable: accepted or connected, and the TLS handshake is done. */
	void (*opened)(void *arg, struct stream *s);
	/* All octets that are buffered; returns how many of them were used up. The rest comes again, with more. */
	size_t (*data)(void *arg, struct stream *s, struct slice in);
	/* Over: the peer closed, an error, a time limit or stream_close. Called once per connection, opened or not. */
	void (*closed)(void *arg, struct stream *s, const char *why);
};

struct stream_limits {
	unsigned connections;  /* in all; beyond, the one idle longest that is not kept for a user makes way */
	unsigned per_source;   /* with one address, in either direction; beyond, refused */
	uint32_t handshake_ms; /* connect and TLS handshake */
	uint32_t first_ms;     /* until the first complete message */
	uint32_t message_ms;   /* a message once begun */
	uint32_t idle_ms;      /* nothing in or out */
	uint32_t kept_idle_ms; /* the same for kept connections */
	/* TLS handshakes a second that listeners begin, two seconds' worth at once; beyond, refused. 0 = no limit. */
	unsigned handshakes, handshakes_per_source;
	/*
	 * Failed static-RSA handshakes a minute: from one address, which is then refused; tenfold from all, and then
	 * nobody is offered these suites. Whoever uses the server as an oracle needs very many (Marvin). 0 = no limit.
	 */
	unsigned rsa_failures;
};

#define STREAM_OUT_MAX (1u << 20) /* octets that wait for a slow reader; beyond: close */

struct streams *streams_new(struct loop *l, struct work *w, unsigned tls_slots, const struct stream_limits *limits);

/* streams_free: closes everything; closed() is not called any more. All handshake jobs must be done (work_free first).
 */
void streams_free(struct streams *all);

/*
 * stream_listen: accepts on *at (port 0: any, *at gets the real one). config NULL = plain TCP; a reference is taken.
 * user and arg must outlive the table. ERR_IO: errno. stream_listener_config: connections from now on use this one.
 */
struct stream_listener;
MUST_USE enum err stream_listen(struct streams *all, struct peer *at, struct tls_config *config,
				const struct stream_user *user, void *arg, struct stream_listener **out);
void stream_listener_config(struct stream_listener *l, struct tls_config *config);
void stream_stop_listening(struct streams *all); /* for shutdown: connections go on */

/* stream_connect: begins a connection; *id names it. name and rule: as tls_new. Errors come as closed(); ERR_BUSY:
 * there is no room, or too many with this address. */
MUST_USE enum err stream_connect(struct streams *all, const struct peer *to, struct tls_config *config,
				 struct slice name, enum tls_name_rule rule, const struct stream_user *user, void *arg,
				 uint64_t *id);

/* stream_find: the connection, or NULL when it is gone. */
struct stream *stream_find(struct streams *all, uint64_t id);

uint64_t stream_id(const struct stream *s);
const struct peer *stream_remote(const struct stream *s);
const struct peer *stream_local(const struct stream *s);
bool stream_is_tls(const struct stream *s);
bool stream_is_open(const struct stream *s); /* opened() was called */
const struct tls *stream_tls(const struct stream *s);

/* One pointer of the user's; freed by nobody. */
void stream_set_context(struct stream *s, void *context);
void *stream_context(const struct stream *s);

/* stream_send: octets to the peer, now or when it can take them. ERR_LIMIT: too many wait, the connection is closed. */
MUST_USE enum err stream_send(struct stream *s, struct slice octets);

/* stream_close: after what waits was sent (TLS: close_notify); closed() follows at the end of the turn. */
void stream_close(struct stream *s, const char *why);

/*
 * stream_keep: a connection that carries registrations or subscriptions outlives idle ones. Counts up and down. user:
 * of somebody who has authenticated; at the cap what strangers have subscribed to makes way, too, when nothing else
 * does.
 */
void stream_keep(struct stream *s, bool user, int change);

/* stream_progress: a complete message was read: the message time limit starts anew with the next octet. */
void stream_progress(struct stream *s);

unsigned streams_count(const struct streams *all);

#endif
