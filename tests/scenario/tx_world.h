#ifndef TESTS_SCENARIO_TX_WORLD_H
#define TESTS_SCENARIO_TX_WORLD_H

#include "tests/test.h"

#include "core/mem.h"
#include "sip/transaction/transaction.h"
#include "tests/fake/fake.h"

/* The transaction layer over the fakes, and messages for it. */

#define LIMIT 64

struct world {
	struct loop *loop;
	struct transport *transport;
	struct tx_layer *layer;
	bool strangers;     /* what comes over UDP is not shown to come from there */
	unsigned requests;  /* handed up */
	uint64_t last;      /* id of the latest of them */
	unsigned acks;      /* handed up */
	uint64_t cancelled; /* id of the INVITE whose CANCEL was told last */
	unsigned done;      /* what client transactions heard */
	unsigned status;    /* of the last, 0: no response */
	enum err why;
	uint64_t closed;        /* the connection that on_closed named last */
	unsigned done_at_close; /* how many were done when it did */
};

static inline void on_request(void *arg, struct tx *tx)
{
	struct world *w = arg;

	w->last = tx_id(tx);
	if (!w->strangers)
		tx_prove(tx);
	if (tx_merged(tx))
		tx_reply_code(tx, 482, NULL);
	else
		w->requests++;
}

static inline void on_ack(void *arg, const struct flow *from, struct sip_msg *ack)
{
	struct world *w = arg;

	(void)from;
	(void)ack;
	w->acks++;
}

static inline void on_cancel(void *arg, struct tx *tx)
{
	struct world *w = arg;

	w->cancelled = tx_id(tx);
}

static inline void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct world *w = arg;

	(void)why;
	w->closed = flow_id;
	w->done_at_close = w->done;
}

static const struct tx_user user = {
	.on_request = on_request, .on_ack = on_ack, .on_cancel = on_cancel, .on_closed = on_closed};

static inline void heard(void *arg, uint64_t id, struct sip_msg *response, enum err why)
{
	struct world *w = arg;

	(void)id;
	w->done++;
	w->status = response == NULL ? 0 : response->status;
	w->why = why;
}

static inline int begin(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	w->loop = loop_new();
	w->layer = tx_layer_new(w->loop, LIMIT, &user, w);
	w->transport = transport_new(w->loop, NULL, 65536, &tx_transport_user, w->layer);
	tx_layer_attach(w->layer, w->transport);
	*state = w;
	return 0;
}

static inline int end(void **state)
{
	struct world *w = *state;

	fake_settle(w->loop);
	tx_layer_free(w->layer);
	transport_free(w->transport);
	loop_free(w->loop);
	mem_free(w);
	return 0;
}

/* --- messages --- */

struct ask {
	const char *method, *branch, *via_host, *call_id, *from_tag, *to_tag;
	unsigned cseq;
};

static const struct ask plain = {"OPTIONS", "z9hG4bKa1", "192.0.2.4:5070", "call-1", "f1", "", 1};

static inline struct buf request(struct ask a)
{
	struct buf out = {0};

	buf_addf(&out, "%s sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s", a.method, a.via_host);
	if (a.branch[0] != '\0')
		buf_addf(&out, ";branch=%s", a.branch);
	buf_addf(&out, "\r\nFrom: <sip:a@example.org>;tag=%s\r\nTo: <sip:b@example.com>%s%s\r\n", a.from_tag,
		 a.to_tag[0] != '\0' ? ";tag=" : "", a.to_tag);
	buf_addf(&out, "Call-ID: %s\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n", a.call_id, a.cseq, a.method);
	return out;
}

static inline void inject(struct world *w, const struct flow *from, struct ask a)
{
	struct buf out = request(a);

	fake_inject(w->transport, from, buf_slice(&out));
	buf_free(&out);
}

/* The status of the next message sent, which must be there; octets (or NULL) gets a copy of it. */
static inline unsigned answer(struct world *w, struct flow *to, struct buf *octets)
{
	struct sip_msg *m = fake_next(w->transport, to);
	unsigned status;

	assert_non_null(m);
	assert_false(m->request);
	status = m->status;
	if (octets != NULL)
		buf_add(octets, m->raw);
	msg_unref(m);
	return status;
}

static inline void assert_silence(struct world *w)
{
	assert_int_equal(fake_sent(w->transport), 0);
}

static inline void reply(struct world *w, unsigned code)
{
	struct tx *tx = tx_find(w->layer, w->last);

	assert_non_null(tx);
	tx_reply_code(tx, code, NULL);
	fake_settle(w->loop);
}

#endif
