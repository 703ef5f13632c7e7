#include "sip/proxy/record_route.h"

#include <string.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/rng.h"
#include "sip/message/header.h"

/*
 * A token is "rr-" and base64url of
 *
 *   caller end | callee end | TIMES octets | NAME octets of the caller | NAME octets of the callee |
 *   PACKAGE octets | MAC octets
 *
 * where an end is one octet of length and a packed flow; length 0: the end is remote. TIMES are one octet with the kind
 * and six bits of the run, and the TICKs of the wall clock and of the monotonic clock, three octets each. Within one
 * run the monotonic clock counts, since the other may be set. PACKAGE octets are a hash of what was subscribed to.
 */

#define PREFIX S("rr-") /* tells tokens from user names, before anything is decoded */
#define TIMES 7         /* octets; see above */
#define TICK_S 8        /* seconds; three octets are four years */
#define NAME 4
#define PACKAGE 2
#define TAIL (TIMES + 2 * NAME + PACKAGE)
#define MAC 12 /* octets: 96 bits are enough, because each guess has to be asked of this server */

void record_route_keys(struct slice master, struct record_route_keys *out)
{
	struct slice label = S("record-route");
	uint8_t mac[HASH_MAX];

	hmac_parts(HASH_SHA256, master, &label, 1, mac);
	out->mac = hmac_key_new(slice_of(mac, sizeof(mac)));
	rng_fill(&out->run, sizeof(out->run));
	mem_wipe(mac, sizeof(mac));
}

void record_route_keys_drop(struct record_route_keys *k)
{
	hmac_key_free(k->mac);
	k->mac = NULL;
}

/* mac_of: with connections the MAC covers run, too, so that a restart makes the token void. */
static void mac_of(const struct record_route_keys *k, struct slice ends, bool connections, struct slice call_id,
		   struct slice caller_tag, uint8_t out[HASH_MAX])
{
	/* Neither Call-ID nor tag has a blank, so no two sets of parts run into one another. */
	const struct slice parts[] = {
		call_id, S(" "), caller_tag, S(" "), connections ? slice_of(&k->run, sizeof(k->run)) : SLICE_NONE,
		ends};

	hmac_key_sum(k->mac, parts, sizeof(parts) / sizeof(parts[0]), out);
}

/* Is this end reached by a connection, whose id is only valid in this run? */
static bool on_connection(const struct dialog_end *e)
{
	return e->local && !e->by_address && e->flow.proto != PROTO_UDP;
}

static void pack_end(const struct dialog_end *e, struct buf *out)
{
	size_t at = out->n;

	buf_addc(out, 0); /* length of the packed flow; stays 0 for a remote end */
	if (e->local && e->by_address)
		flow_pack_remote(&e->flow, out);
	else if (e->local)
		flow_pack(&e->flow, out);
	out->p[at] = (char)(out->n - at - 1);
}

static bool unpack_end(struct slice *s, struct dialog_end *out)
{
	struct slice way;
	size_t n;

	*out = (struct dialog_end){0};
	if (s->n == 0)
		return false;
	n = (unsigned char)s->p[0];
	if (n >= s->n)
		return false;
	way = slice_sub(*s, 1, 1 + n);
	out->local = n > 0;
	out->by_address = out->local && flow_unpack_remote(way, &out->flow) == ERR_OK;
	if (out->local && !out->by_address && flow_unpack(way, &out->flow) != ERR_OK)
		return false;
	*s = slice_sub(*s, 1 + n, s->n);
	return true;
}

/*
 * name_of: a hash of the AOR of an end, and of the generation of its user if it is local. A From that is no AOR (a tel
 * URI) counts as it is written.
 */
static void name_of(const struct record_route_keys *k, const struct addr *a, bool local, uint64_t secret,
		    uint8_t out[HASH_MAX])
{
	struct buf text = {0};
	struct slice part;

	if (uri_aor(&a->uri, &text) != ERR_OK)
		buf_add(&text, a->spec);
	buf_addc(&text, ' ');
	buf_addx(&text, local ? secret : 0);
	part = buf_slice(&text);
	hmac_key_sum(k->mac, &part, 1, out);
	buf_free(&text);
}

/*
 * package_of: a hash of the event package of a request. REFER subscribes to one of its own (RFC 3515 2.4.4). false:
 * there is none that can be read, and it is the same as no other one.
 */
static bool package_of(const struct record_route_keys *k, const struct sip_msg *m, uint8_t out[HASH_MAX])
{
	struct slice parts[] = {S("event "), S("refer")};
	struct event e = {0};
	bool readable = m->method == METHOD_REFER || event_parse(msg_value(m, HDR_EVENT), &e) == ERR_OK;

	if (m->method != METHOD_REFER)
		parts[1] = e.package;
	hmac_key_sum(k->mac, parts, 2, out);
	return readable;
}

static void put_ticks(int64_t seconds, struct buf *out)
{
	for (int shift = 16; shift >= 0; shift -= 8)
		buf_addc(out, (char)((uint64_t)seconds / TICK_S >> shift));
}

static int64_t get_ticks(struct slice s)
{
	return (int64_t)(unsigned char)s.p[0] << 16 | (int64_t)(unsigned char)s.p[1] << 8 | (unsigned char)s.p[2];
}

static uint8_t run_and_kind(const struct record_route_keys *k, enum dialog_kind kind)
{
	return (uint8_t)((k->run & 0x3f) << 2 | (unsigned)kind);
}

/* kind_of: a SUBSCRIBE to nothing that can be read is none. */
static enum dialog_kind kind_of(const struct sip_msg *m)
{
	struct event e;

	if (m->method == METHOD_INVITE)
		return DIALOG_CALL;
	return m->method == METHOD_REFER ||
			       (m->method == METHOD_SUBSCRIBE && event_parse(msg_value(m, HDR_EVENT), &e) == ERR_OK)
		       ? DIALOG_SUBSCRIPTION
		       : DIALOG_OTHER;
}

/* age_of: ticks count modulo 2^24. A wall clock that was set back makes a dialog young. */
static int64_t age_of(const struct record_route_keys *k, struct slice times, const struct dialog_now *now)
{
	bool this_run = ((unsigned char)times.p[0] >> 2) == (k->run & 0x3f);
	int64_t then = get_ticks(slice_sub(times, this_run ? 4 : 1, this_run ? 7 : 4));
	int64_t age = ((this_run ? now->mono_s : now->wall_s) / TICK_S & 0xffffff) - then;

	return age > 0 ? age * TICK_S : 0;
}

void record_route_token(const struct record_route_keys *k, const struct dialog_ends *ends, const struct sip_msg *m,
			const struct dialog_now *now, struct buf *out, uint8_t id[RECORD_ROUTE_ID])
{
	bool connections = on_connection(&ends->caller) || on_connection(&ends->callee);
	struct buf octets = {0};
	uint8_t mac[HASH_MAX];

	pack_end(&ends->caller, &octets);
	pack_end(&ends->callee, &octets);
	buf_addc(&octets, (char)run_and_kind(k, kind_of(m)));
	put_ticks(now->wall_s, &octets);
	put_ticks(now->mono_s, &octets);
	name_of(k, &m->from, ends->caller.local, now->from_secret, mac);
	buf_add(&octets, slice_of(mac, NAME));
	name_of(k, &m->to, ends->callee.local, now->to_secret, mac);
	buf_add(&octets, slice_of(mac, NAME));
	(void)package_of(k, m, mac);
	buf_add(&octets, slice_of(mac, PACKAGE));
	mac_of(k, buf_slice(&octets), connections, m->call_id, m->from_tag, mac);
	buf_add(&octets, slice_of(mac, MAC));
	memcpy(id, mac, RECORD_ROUTE_ID);
	buf_add(out, PREFIX);
	base64url_encode(out, buf_slice(&octets));
	buf_free(&octets);
}

size_t record_route_size(const struct dialog_ends *ends)
{
	struct buf octets = {0};
	size_t n;

	pack_end(&ends->caller, &octets);
	pack_end(&ends->callee, &octets);
	n = octets.n + TAIL + MAC;
	buf_free(&octets);
	return PREFIX.n + n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1); /* base64url without padding */
}

static bool mac_fits(const struct record_route_keys *k, struct slice octets, const struct dialog_ends *ends,
		     struct slice call_id, struct slice caller_tag)
{
	bool connections = on_connection(&ends->caller) || on_connection(&ends->callee);
	uint8_t mac[HASH_MAX];

	mac_of(k, slice_sub(octets, 0, octets.n - MAC), connections, call_id, caller_tag, mac);
	return mem_equal_ct(mac, octets.p + octets.n - MAC, MAC);
}

/* same_name: is this end called as it was when the dialog began? */
static bool same_name(const struct record_route_keys *k, const struct addr *a, const struct dialog_end *end,
		      uint64_t secret, struct slice name)
{
	uint8_t now[HASH_MAX];

	name_of(k, a, end->local, secret, now);
	return mem_equal_ct(now, name.p, NAME);
}

static bool same_package(const struct record_route_keys *k, const struct sip_msg *m, struct slice package)
{
	uint8_t now[HASH_MAX];

	return package_of(k, m, now) && mem_equal_ct(now, package.p, PACKAGE);
}

bool record_route_read(const struct record_route_keys *k, struct slice user, const struct sip_msg *m,
		       const struct dialog_now *now, struct dialog_way *out)
{
	char plain[RECORD_ROUTE_TOKEN];
	const struct slice token = uri_plain(user, plain, sizeof(plain));
	struct buf octets = {0};
	struct dialog_way way;
	struct slice rest, tail;
	bool ok = false, from, to;

	if (m->to_tag.n == 0 || !slice_starts(token, PREFIX) ||
	    base64url_decode(&octets, slice_sub(token, PREFIX.n, token.n)) != ERR_OK || octets.n < MAC + TAIL + 2)
		goto out;
	rest = slice_sub(buf_slice(&octets), 0, octets.n - MAC - TAIL);
	tail = slice_sub(buf_slice(&octets), octets.n - MAC - TAIL, octets.n - MAC);
	if (!unpack_end(&rest, &way.ends.caller) || !unpack_end(&rest, &way.ends.callee) || rest.n > 0)
		goto out;
	/* The MAC has the tag of the caller: it is the From tag in one direction and the To tag in the other. */
	way.from_caller = mac_fits(k, buf_slice(&octets), &way.ends, m->call_id, m->from_tag);
	if (!way.from_caller && !mac_fits(k, buf_slice(&octets), &way.ends, m->call_id, m->to_tag))
		goto out;
	from = same_name(k, &m->from, way.from_caller ? &way.ends.caller : &way.ends.callee, now->from_secret,
			 slice_sub(tail, TIMES + (way.from_caller ? 0 : NAME), tail.n));
	to = same_name(k, &m->to, way.from_caller ? &way.ends.callee : &way.ends.caller, now->to_secret,
		       slice_sub(tail, TIMES + (way.from_caller ? NAME : 0), tail.n));
	/* T-48: who is gone gets nothing more. A sender has to prove himself then. */
	ok = to || !(way.from_caller ? way.ends.callee.local : way.ends.caller.local);
	if (!ok)
		goto out;
	way.same_names = from && to;
	way.kind = (enum dialog_kind)(tail.p[0] & 3);
	way.same_package = same_package(k, m, slice_sub(tail, TIMES + 2 * NAME, tail.n));
	way.age_s = age_of(k, tail, now);
	memcpy(way.id, octets.p + octets.n - MAC, RECORD_ROUTE_ID);
	*out = way;
out:
	buf_free(&octets);
	return ok;
}
