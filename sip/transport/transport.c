#include "sip/transport/transport.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/map.h"
#include "core/mem.h"
#include "sip/message/limits.h"
#include "sip/transport/frame.h"
#include "sip/transport/listeners.h"
#include "sip/transport/stun.h"

/*
 * Ties sockets to messages: datagrams are parsed as they are, streams are cut by frame.c. Connections that were made
 * from here are kept by "protocol address name", to be used again.
 */

/* What a SIP connection needs beyond the stream. */
struct connection {
	struct connection *next,
		**link; /* all connections of the transport, because streams_free does not call closed() */
	uint64_t id;    /* set with key */
	struct frame frame;
	uint64_t skip;         /* octets of an oversized body still to be dropped */
	bool speaks_sip;       /* it has had a message that could be read */
	struct map_node named; /* in outbound, for connections made from here */
	char *key;
};

struct transport {
	struct loop *loop;
	struct streams *streams;
	size_t max_message;
	const struct transport_user *user;
	void *arg;
	struct listeners listeners;
	struct map outbound; /* connections made from here, by protocol, address and name */
	transport_trace_fn trace;
	void *trace_arg;
	struct connection *connections;
};

struct transport *transport_new(struct loop *l, struct streams *streams, size_t max_message,
				const struct transport_user *user, void *arg)
{
	struct transport *t = mem_alloc(sizeof(*t));

	t->loop = l;
	t->streams = streams;
	t->max_message = max_message;
	t->user = user;
	t->arg = arg;
	map_init(&t->outbound);
	listeners_init(&t->listeners, l);
	return t;
}

void transport_trace(struct transport *t, transport_trace_fn fn, void *arg)
{
	t->trace = fn;
	t->trace_arg = arg;
}

static void connection_free(struct connection *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	mem_free(c->key);
	mem_free(c);
}

void transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	while (t->connections != NULL)
		connection_free(t->connections);
	listeners_free(&t->listeners);
	map_free(&t->outbound);
	mem_free(t);
}

/*
 * parse_up: parses raw and hands it up. refuse != 0 replaces whatever defect was found. false: the message cannot even
 * be answered.
 */
static bool parse_up(struct transport *t, const struct flow *from, struct slice raw, unsigned refuse,
		     const char *reason)
{
	struct sip_msg *m;
	const char *why;

	if (t->trace != NULL)
		t->trace(t->trace_arg, from, false, raw);
	if (msg_parse(raw, &m, &why) != ERR_OK) {
		log_line(LOG_WARN, "event=bad_message peer=%s proto=%s octets=%zu reason=%s",
			 peer_text(&from->remote).text, flow_proto_name(from->proto), raw.n,
			 log_esc(slice_str(why)).text);
		return false;
	}
	if (refuse != 0)
		msg_refuse(m, refuse, reason);
	t->user->on_message(t->arg, from, m);
	msg_unref(m);
	return true;
}

/* hand_up: asks for admission first. large: only the head is there; it is parsed for its answer, 413. */
static bool hand_up(struct transport *t, const struct flow *from, struct slice raw, bool large, uint32_t waited_ms)
{
	enum transport_admit admit = t->user->admit(t->arg, raw, waited_ms);

	if (admit == TRANSPORT_DROP && from->proto == PROTO_UDP)
		return true;
	if (admit != TRANSPORT_ADMIT)
		return parse_up(t, from, raw, 503, "Service Unavailable");
	if (large)
		return parse_up(t, from, raw, 413, "Request Entity Too Large");
	return parse_up(t, from, raw, 0, NULL);
}

/* on_stun: keep-alives of UDP flows, RFC 5626 4.4.2. */
static void on_stun(struct transport *t, const struct flow *from, struct slice octets)
{
	const struct listener *l = listeners_of(&t->listeners, PROTO_UDP, &from->local);
	struct buf answer = {0};

	if (l != NULL && stun_answer(octets, &from->remote, &answer) == ERR_OK &&
	    udp_send(l->udp, &from->remote, &from->local, buf_slice(&answer)) != ERR_OK)
		log_line(LOG_DEBUG, "event=stun_lost peer=%s", peer_text(&from->remote).text);
	buf_free(&answer);
}

static void on_datagram(void *arg, const struct peer *remote, const struct peer *local, struct slice octets,
			uint32_t waited_ms)
{
	struct transport *t = arg;
	struct flow from = {.proto = PROTO_UDP, .remote = *remote, .local = *local};

	if (stun_is(octets)) {
		on_stun(t, &from, octets);
		return;
	}
	/*
	 * Keep-alives (RFC 5626: CR LF; others send single octets) and line ends before a message. Twelve octets are
	 * the shortest start line.
	 */
	while (octets.n > 0 && (octets.p[0] == '\r' || octets.p[0] == '\n'))
		octets = slice_sub(octets, 1, octets.n);
	if (octets.n < 12)
		return;
	hand_up(t, &from, octets, octets.n > t->max_message, waited_ms);
}

static void on_refused(void *arg, const struct peer *remote, struct slice sent)
{
	struct transport *t = arg;

	t->user->on_refused(t->arg, remote, sent);
}

static struct flow flow_of(const struct stream *s)
{
	return (struct flow){.proto = stream_is_tls(s) ? PROTO_TLS : PROTO_TCP,
			     .id = stream_id(s),
			     .remote = *stream_remote(s),
			     .local = *stream_local(s)};
}

static struct connection *connection_of(struct transport *t, struct stream *s)
{
	struct connection *c = stream_context(s);

	if (c == NULL) {
		c = mem_alloc(sizeof(*c));
		c->next = t->connections;
		c->link = &t->connections;
		if (c->next != NULL)
			c->next->link = &c->next;
		t->connections = c;
		stream_set_context(s, c);
	}
	return c;
}

/*
 * refuse_head: a head whose body is too long or of unknown length: answered as far as possible. false: the connection
 * has to end, because the next message cannot be found, or lies behind more than SIP_SKIP_MAX octets.
 */
static bool refuse_head(struct transport *t, struct connection *c, const struct flow *from, struct slice head,
			enum frame_found found, uint64_t body)
{
	if (found == FRAME_LARGE) {
		c->skip = body;
		return hand_up(t, from, head, true, UINT32_MAX) && body <= SIP_SKIP_MAX;
	}
	if (head.n > 0)
		parse_up(t, from, head, 400,
			 found == FRAME_LINES ? "Lone CR or LF in the Head" : "Bad Content-Length Header Field");
	return false;
}

/* step: one step over the octets of s. Returns how many were used, 0 when more are needed. */
static size_t step(struct transport *t, struct stream *s, struct connection *c, struct slice in)
{
	struct flow from = flow_of(s);
	uint64_t body = 0;
	size_t n = 0;
	enum frame_found found;

	if (c->skip > 0) {
		n = c->skip < in.n ? (size_t)c->skip : in.n;
		c->skip -= n;
		return n;
	}
	found = frame_next(&c->frame, in, t->max_message, &n, &body);
	switch (found) {
	case FRAME_MORE:
		return 0;
	case FRAME_BLANK:
		return n;
	case FRAME_PING:
		stream_progress(s);
		if (stream_send(s, S("\r\n")) != ERR_OK)
			return 0;
		return n;
	case FRAME_MESSAGE:
		stream_progress(s);
		/* Its end is known, so the next message is. It may be what somebody else has made the peer say. */
		if (hand_up(t, &from, slice_sub(in, 0, n), false, UINT32_MAX))
			c->speaks_sip = true;
		else if (!c->speaks_sip)
			stream_close(s, "not a SIP message");
		return n;
	case FRAME_LARGE:
	case FRAME_BAD:
	case FRAME_LINES:
		if (!refuse_head(t, c, &from, slice_sub(in, 0, n), found, body)) {
			stream_close(s, "messages cannot be told apart");
			return in.n;
		}
		return n;
	}
	return in.n;
}

static size_t on_data(void *arg, struct stream *s, struct slice in)
{
	struct transport *t = arg;
	struct connection *c = connection_of(t, s);
	size_t used = 0;

	while (used < in.n && stream_is_open(s)) {
		size_t n = step(t, s, c, slice_sub(in, used, in.n));

		if (n == 0)
			break;
		used += n;
	}
	return used;
}

static void on_opened(void *arg, struct stream *s)
{
	(void)arg;
	log_line(LOG_DEBUG, "event=connection_open flow=%llu peer=%s tls=%s", (unsigned long long)stream_id(s),
		 peer_text(stream_remote(s)).text, stream_is_tls(s) ? tls_suite(stream_tls(s)) : "-");
}

static void on_closed(void *arg, struct stream *s, const char *why)
{
	struct transport *t = arg;
	struct connection *c = stream_context(s);

	log_line(LOG_DEBUG, "event=connection_closed flow=%llu peer=%s reason=%s", (unsigned long long)stream_id(s),
		 peer_text(stream_remote(s)).text, log_esc(slice_str(why)).text);
	if (c != NULL && c->key != NULL)
		map_remove(&t->outbound, &c->named);
	if (c != NULL)
		connection_free(c);
	stream_set_context(s, NULL);
	t->user->on_closed(t->arg, stream_id(s), why);
}

/*
 * on_finished: a line end, which stands for nothing between messages (RFC 3261 7.5). If nobody reads any more the
 * peer's system says so, and the answer goes by a new connection (18.2.2).
 */
static void on_finished(void *arg, struct stream *s)
{
	(void)arg;
	(void)!stream_send(s, S("\r\n"));
}

static const struct stream_user sip_user = {
	.opened = on_opened, .data = on_data, .finished = on_finished, .closed = on_closed};

enum err transport_listen(struct transport *t, enum proto proto, struct peer *at, struct slice advertised,
			  struct tls_config *config)
{
	struct listener *l = &t->listeners.list[t->listeners.count];
	enum err e;

	if (t->listeners.count == LISTENERS_MAX)
		return ERR_LIMIT;
	*l = (struct listener){.proto = proto};
	if (proto == PROTO_UDP)
		e = udp_new(t->loop, at, on_datagram, t, &l->udp);
	else
		e = stream_listen(t->streams, at, proto == PROTO_TLS ? config : NULL, &sip_user, t, &l->stream);
	if (e != ERR_OK)
		return e;
	if (proto == PROTO_UDP)
		udp_on_refused(l->udp, on_refused);
	l->at = *at;
	listeners_advertise(l, advertised);
	t->listeners.count++;
	return ERR_OK;
}

void transport_tls(struct transport *t, struct tls_config *config)
{
	for (unsigned i = 0; i < t->listeners.count; i++)
		if (t->listeners.list[i].proto == PROTO_TLS)
			stream_listener_config(t->listeners.list[i].stream, config);
}

enum err transport_send(struct transport *t, const struct flow *to, struct slice octets)
{
	struct stream *s;

	if (t->trace != NULL)
		t->trace(t->trace_arg, to, true, octets);
	if (to->proto == PROTO_UDP) {
		const struct listener *l = listeners_of(&t->listeners, PROTO_UDP, &to->local);

		return l == NULL ? ERR_NOTFOUND : udp_send(l->udp, &to->remote, &to->local, octets);
	}
	s = stream_find_owed(t->streams, to->id);
	return s == NULL ? ERR_CLOSED : stream_send(s, octets);
}

enum err transport_udp(struct transport *t, const struct peer *remote, const struct flow *near, struct flow *out)
{
	return listeners_udp(&t->listeners, remote, near, out) == NULL ? ERR_NOTFOUND : ERR_OK;
}

/* reusable: an open connection to the same place under the same name. */
static struct stream *reusable(struct transport *t, struct slice key)
{
	for (struct map_node *n = map_find(&t->outbound, key); n != NULL; n = map_find_next(n)) {
		struct stream *s = stream_find(t->streams, MAP_ENTRY(n, struct connection, named)->id);

		if (s != NULL)
			return s;
	}
	return NULL;
}

enum err transport_connect(struct transport *t, enum proto proto, const struct peer *remote, struct tls_config *config,
			   struct slice name, struct flow *out)
{
	struct buf key = {0};
	struct connection *c;
	struct stream *s;
	uint64_t id;
	enum err e = ERR_OK;

	/* A connection was checked by its configuration: after a reload, by what may be no authority any more. */
	buf_addf(&key, "%s %s %p %.*s", flow_proto_name(proto), peer_text(remote).text, (const void *)config,
		 SLICE_ARG(name));
	s = reusable(t, buf_slice(&key));
	if (s == NULL) {
		e = stream_connect(t->streams, remote, proto == PROTO_TLS ? config : NULL, name, TLS_NAME_SIP,
				   &sip_user, t, &id);
		if (e != ERR_OK)
			goto out;
		s = stream_find(t->streams, id);
		c = connection_of(t, s);
		c->id = id;
		c->key = buf_take(&key);
		map_add(&t->outbound, &c->named, slice_str(c->key));
	}
	*out = flow_of(s);
out:
	buf_free(&key);
	return e;
}

enum err transport_flow(struct transport *t, struct flow *f)
{
	struct stream *s;

	if (f->proto == PROTO_UDP)
		return ERR_OK;
	s = stream_find(t->streams, f->id);
	if (s == NULL)
		return ERR_CLOSED;
	*f = flow_of(s);
	return ERR_OK;
}

bool transport_alive(struct transport *t, const struct flow *f)
{
	return f->proto == PROTO_UDP || stream_find(t->streams, f->id) != NULL;
}

bool transport_waits(struct transport *t, const struct flow *f)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find(t->streams, f->id);

	return s != NULL && !stream_is_open(s);
}

bool transport_takes(struct transport *t, const struct flow *f, size_t n)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find_owed(t->streams, f->id);

	return s == NULL || stream_takes(s, n);
}

struct slice transport_peer_certificate(struct transport *t, const struct flow *f)
{
	struct stream *s = f->proto != PROTO_TLS ? NULL : stream_find(t->streams, f->id);

	return s == NULL || !stream_is_open(s) ? SLICE_NONE : tls_peer(stream_tls(s));
}

void transport_keep(struct transport *t, const struct flow *f, bool user, int change)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find(t->streams, f->id);

	if (s != NULL)
		stream_keep(s, user, change);
}

void transport_owe(struct transport *t, const struct flow *f, int change)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find_owed(t->streams, f->id);

	if (s != NULL)
		stream_owe(s, change);
}

void transport_of_user(struct transport *t, const struct flow *f)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find(t->streams, f->id);

	if (s != NULL)
		stream_of_user(s);
}

void transport_close(struct transport *t, const struct flow *f, const char *why)
{
	struct stream *s = f->proto == PROTO_UDP ? NULL : stream_find_owed(t->streams, f->id);

	if (s != NULL)
		stream_close(s, why);
}

bool transport_is_own(struct transport *t, const struct peer *local, struct slice host, uint32_t port)
{
	return listeners_is_own(&t->listeners, local, host, port);
}

struct listener_name transport_sent_by(struct transport *t, const struct flow *f)
{
	return listeners_name(&t->listeners, f);
}
