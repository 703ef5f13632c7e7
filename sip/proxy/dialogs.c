#include "sip/proxy/dialogs.h"

#include <inttypes.h>

#include "core/map.h"
#include "core/mem.h"
#include "core/recent.h"

#define MOST 65536                   /* of each kind */
#define ACK_MS (600 * INT64_C(1000)) /* the callee answers, and the ACK comes, within that */

struct dialogs {
	struct map keyed;     /* stays empty; for map_hash */
	struct recent *alive; /* have had a request of late */
	struct recent *answered;
	struct recent *invites;  /* of senders who have shown who they are, whose ACK may come */
	struct recent *offers;   /* of others. Apart, since anybody can make these, and the oldest are forgotten */
	struct recent *contacts; /* of those who have accepted one of invites, with all that the ACK has */
	struct recent *callers;  /* dialogs, with the address that the caller was seen at */
};

struct dialogs *dialogs_new(struct loop *l)
{
	struct dialogs *d = mem_alloc(sizeof(*d));

	map_init(&d->keyed);
	d->alive = recent_new(l, MOST);
	d->answered = recent_new(l, MOST);
	d->invites = recent_new(l, MOST);
	d->offers = recent_new(l, MOST);
	d->contacts = recent_new(l, MOST);
	d->callers = recent_new(l, MOST);
	return d;
}

void dialogs_free(struct dialogs *d)
{
	if (d == NULL)
		return;
	recent_free(d->alive);
	recent_free(d->answered);
	recent_free(d->invites);
	recent_free(d->offers);
	recent_free(d->contacts);
	recent_free(d->callers);
	map_free(&d->keyed);
	mem_free(d);
}

static struct slice id_of(const uint8_t dialog[RECORD_ROUTE_ID])
{
	return slice_of(dialog, RECORD_ROUTE_ID);
}

void dialogs_lives(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], enum method method, int64_t life_ms)
{
	if (method == METHOD_ACK || method == METHOD_BYE)
		return;
	recent_add(d->alive, id_of(dialog), life_ms);
	if (recent_has(d->answered, id_of(dialog)))
		recent_add(d->answered, id_of(dialog), life_ms);
}

bool dialogs_is_over(const struct dialogs *d, const struct dialog_way *way, int64_t life_ms)
{
	return way->age_s * 1000 > life_ms && !recent_has(d->alive, id_of(way->id));
}

void dialogs_answered(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], int64_t life_ms)
{
	recent_add(d->answered, id_of(dialog), life_ms);
}

bool dialogs_is_answered(const struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID])
{
	return recent_has(d->answered, id_of(dialog));
}

/*
 * ack_key: what an INVITE, its 2xx and its ACK share, and the caller. to_tag, contact: the tag and the
 * URI of the callee, which the ACK shares with the 2xx alone; or nothing.
 */
static uint64_t ack_key(const struct dialogs *d, const struct sip_msg *m, const struct caller *by, struct slice to_tag,
			struct slice contact)
{
	struct buf text = {0};
	uint64_t key;

	buf_addf(&text, "%u %s %.*s %.*s %.*s %.*s %" PRIx64, m->cseq, peer_ip(&by->source->remote).text,
		 SLICE_ARG(m->from_tag), SLICE_ARG(m->call_id), SLICE_ARG(to_tag), SLICE_ARG(contact), by->secret);
	key = map_hash(&d->keyed, buf_slice(&text));
	buf_free(&text);
	return key;
}

void dialogs_invited(struct dialogs *d, const struct sip_msg *m, const struct caller *by, bool shown)
{
	uint64_t key = ack_key(d, m, by, SLICE_NONE, SLICE_NONE);

	recent_add(shown ? d->invites : d->offers, slice_of(&key, sizeof(key)), ACK_MS);
}

bool dialogs_expects_ack(const struct dialogs *d, const struct sip_msg *m, const struct caller *by)
{
	uint64_t key = ack_key(d, m, by, SLICE_NONE, SLICE_NONE);

	return recent_has(d->invites, slice_of(&key, sizeof(key)));
}

void dialogs_accepted(struct dialogs *d, const struct sip_msg *m, const struct caller *by)
{
	struct addr contact;
	uint64_t key;

	if (!dialogs_expects_ack(d, m, by) || msg_contact(m, &contact) != ERR_OK)
		return;
	key = ack_key(d, m, by, m->to_tag, contact.spec);
	recent_add(d->contacts, slice_of(&key, sizeof(key)), ACK_MS);
}

bool dialogs_expects_bare_ack(const struct dialogs *d, const struct sip_msg *m, const struct caller *by)
{
	uint64_t key = ack_key(d, m, by, m->to_tag, m->uri_text);

	return recent_has(d->contacts, slice_of(&key, sizeof(key)));
}

static uint64_t caller_key(const struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], const struct peer *at)
{
	struct buf octets = {0};
	uint64_t key;

	buf_add(&octets, id_of(dialog));
	buf_add(&octets, peer_octets(at));
	key = map_hash(&d->keyed, buf_slice(&octets));
	buf_free(&octets);
	return key;
}

void dialogs_acked(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], const struct sip_msg *m,
		   const struct caller *by, int64_t life_ms)
{
	uint64_t invite = ack_key(d, m, by, SLICE_NONE, SLICE_NONE),
		 caller = caller_key(d, dialog, &by->source->remote);

	if (recent_has(d->offers, slice_of(&invite, sizeof(invite))))
		recent_add(d->callers, slice_of(&caller, sizeof(caller)), life_ms);
}

bool dialogs_caller_is_at(const struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], const struct peer *at)
{
	uint64_t caller = caller_key(d, dialog, at);

	return recent_has(d->callers, slice_of(&caller, sizeof(caller)));
}
