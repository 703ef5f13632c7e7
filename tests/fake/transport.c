#include "sip/transport/transport.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tests/fake/fake.h"

#define CONNECTIONS_MAX 64
#define LOCAL_UDP "192.0.2.1:5060"
#define LOCAL_TLS "192.0.2.1:5061"

struct message {
	struct message *next;
	struct flow to;
	struct buf octets;
};

struct transport {
	struct loop *loop;
	const struct transport_user *user;
	void *arg;
	struct {
		struct flow flow;
		bool open;
		int kept;
	} connections[CONNECTIONS_MAX]; /* id - 1 is the index */
	unsigned count;
	struct message *first, **last;
	enum err send_error, connect_error;
	char name[256]; /* of the last transport_connect */
	uint32_t waited_ms;
};

struct transport *transport_new(struct loop *l, struct streams *streams, size_t max_message,
				const struct transport_user *user, void *arg)
{
	struct transport *t = mem_alloc(sizeof(*t));

	(void)streams;
	(void)max_message;
	t->loop = l;
	t->user = user;
	t->arg = arg;
	t->last = &t->first;
	t->waited_ms = UINT32_MAX;
	return t;
}

static struct message *take(struct transport *t)
{
	struct message *m = t->first;

	if (m != NULL) {
		t->first = m->next;
		if (t->first == NULL)
			t->last = &t->first;
	}
	return m;
}

void transport_free(struct transport *t)
{
	struct message *m;

	if (t == NULL)
		return;
	while ((m = take(t)) != NULL) {
		buf_free(&m->octets);
		mem_free(m);
	}
	mem_free(t);
}

enum err transport_listen(struct transport *t, enum proto proto, struct peer *at, struct slice advertised,
			  struct tls_config *config)
{
	(void)advertised;
	(void)t;
	(void)proto;
	(void)at;
	(void)config;
	return ERR_UNSUPPORTED;
}

void transport_tls(struct transport *t, struct tls_config *config)
{
	(void)t;
	(void)config;
}

static bool is_open(const struct transport *t, const struct flow *f)
{
	return f->proto == PROTO_UDP || (f->id >= 1 && f->id <= t->count && t->connections[f->id - 1].open);
}

enum err transport_send(struct transport *t, const struct flow *to, struct slice octets)
{
	struct message *m;

	if (t->send_error != ERR_OK)
		return t->send_error;
	if (!is_open(t, to))
		return ERR_CLOSED;
	m = mem_alloc(sizeof(*m));
	m->to = *to;
	buf_add(&m->octets, octets);
	*t->last = m;
	t->last = &m->next;
	return ERR_OK;
}

static struct peer peer_at(const char *text)
{
	struct peer p;

	if (!peer_parse(slice_str(text), &p))
		abort();
	return p;
}

static struct flow open_flow(struct transport *t, enum proto proto, const struct peer *remote)
{
	struct flow f = {.proto = proto,
			 .id = t->count + 1,
			 .remote = *remote,
			 .local = peer_at(proto == PROTO_TLS ? LOCAL_TLS : LOCAL_UDP)};

	if (t->count == CONNECTIONS_MAX)
		abort();
	t->connections[t->count].flow = f;
	t->connections[t->count++].open = true;
	return f;
}

enum err transport_udp(struct transport *t, const struct peer *remote, const struct flow *near, struct flow *out)
{
	(void)t;
	(void)near;
	*out = (struct flow){.proto = PROTO_UDP, .remote = *remote, .local = peer_at(LOCAL_UDP)};
	return ERR_OK;
}

enum err transport_connect(struct transport *t, enum proto proto, const struct peer *remote, struct tls_config *config,
			   struct slice name, struct flow *out)
{
	(void)config;
	snprintf(t->name, sizeof(t->name), "%.*s", SLICE_ARG(name));
	if (t->connect_error != ERR_OK)
		return t->connect_error;
	*out = open_flow(t, proto, remote);
	return ERR_OK;
}

enum err transport_flow(struct transport *t, struct flow *f)
{
	if (!is_open(t, f))
		return ERR_CLOSED;
	if (f->proto != PROTO_UDP)
		*f = t->connections[f->id - 1].flow;
	return ERR_OK;
}

bool transport_alive(struct transport *t, const struct flow *f)
{
	return is_open(t, f);
}

bool transport_waits(struct transport *t, const struct flow *f)
{
	(void)t;
	(void)f;
	return false;
}

bool transport_takes(struct transport *t, const struct flow *f, size_t n)
{
	(void)t;
	(void)f;
	(void)n;
	return true;
}

struct slice transport_peer_certificate(struct transport *t, const struct flow *f)
{
	(void)t;
	(void)f;
	return SLICE_NONE;
}

void transport_of_user(struct transport *t, const struct flow *f)
{
	(void)t;
	(void)f;
}

void transport_keep(struct transport *t, const struct flow *f, bool user, int change)
{
	(void)user;
	if (f->proto != PROTO_UDP && is_open(t, f))
		t->connections[f->id - 1].kept += change;
}

void transport_owe(struct transport *t, const struct flow *f, int change)
{
	(void)t;
	(void)f;
	(void)change;
}

void transport_close(struct transport *t, const struct flow *f, const char *why)
{
	(void)why;
	fake_close(t, f);
}

bool transport_is_own(struct transport *t, const struct peer *local, struct slice host, uint32_t port)
{
	struct peer udp = peer_at(LOCAL_UDP), at;

	(void)t;
	return peer_of(host, 0, &at) && peer_same_host(&at, local) && peer_same_host(&udp, local) &&
	       (port == 0 || port == 5060 || port == 5061 || port == UINT32_MAX);
}

struct listener_name transport_sent_by(struct transport *t, const struct flow *f)
{
	struct listener_name name;

	(void)t;
	snprintf(name.text, sizeof(name.text), "%s", peer_text(&f->local).text);
	return name;
}

/* --- the test's side --- */

struct flow fake_udp(const char *remote)
{
	return (struct flow){.proto = PROTO_UDP, .remote = peer_at(remote), .local = peer_at(LOCAL_UDP)};
}

struct flow fake_stream(struct transport *t, enum proto proto, const char *remote)
{
	struct peer p = peer_at(remote);

	return open_flow(t, proto, &p);
}

void fake_inject(struct transport *t, const struct flow *from, struct slice octets)
{
	enum transport_admit admit =
		t->user->admit(t->arg, octets, from->proto == PROTO_UDP ? t->waited_ms : UINT32_MAX);
	struct sip_msg *m;
	const char *why;

	if (admit == TRANSPORT_DROP && from->proto == PROTO_UDP)
		return;
	if (msg_parse(octets, &m, &why) != ERR_OK)
		abort();
	if (admit != TRANSPORT_ADMIT)
		msg_refuse(m, 503, "Service Unavailable");
	t->user->on_message(t->arg, from, m);
	msg_unref(m);
	fake_settle(t->loop);
}

struct sip_msg *fake_next(struct transport *t, struct flow *to)
{
	struct message *m = take(t);
	struct sip_msg *parsed;
	const char *why;

	if (m == NULL)
		return NULL;
	if (msg_parse(buf_slice(&m->octets), &parsed, &why) != ERR_OK)
		abort();
	if (to != NULL)
		*to = m->to;
	buf_free(&m->octets);
	mem_free(m);
	return parsed;
}

unsigned fake_sent(const struct transport *t)
{
	unsigned n = 0;

	for (const struct message *m = t->first; m != NULL; m = m->next)
		n++;
	return n;
}

void fake_close(struct transport *t, const struct flow *f)
{
	if (f->proto == PROTO_UDP || !is_open(t, f))
		return;
	t->connections[f->id - 1].open = false;
	t->user->on_closed(t->arg, f->id, "closed by the test");
	fake_settle(t->loop);
}

void fake_refuse(struct transport *t, const char *remote, struct slice sent)
{
	struct peer at = peer_at(remote);

	t->user->on_refused(t->arg, &at, sent);
	fake_settle(t->loop);
}

void fake_waited(struct transport *t, uint32_t ms)
{
	t->waited_ms = ms;
}

void fake_send_error(struct transport *t, enum err e)
{
	t->send_error = e;
}

void fake_connect_error(struct transport *t, enum err e)
{
	t->connect_error = e;
}

const char *fake_connect_name(const struct transport *t)
{
	return t->name;
}

int fake_kept(const struct transport *t, const struct flow *f)
{
	return t->connections[f->id - 1].kept;
}
