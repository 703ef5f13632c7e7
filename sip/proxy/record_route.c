#include "sip/proxy/record_route.h"

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/rng.h"

/*
 * A token is "rr-" and base64url of
 *
 *   caller end | callee end | NAMES octets of a hash of both AORs | MAC octets
 *
 * where an end is one octet of length and a packed flow; length 0: the end is remote.
 */

#define PREFIX S("rr-") /* tells tokens from user names, before anything is decoded */
#define NAMES 8         /* octets; see above */
#define MAC 12          /* octets: 96 bits are enough, because each guess has to be asked of this server */

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

/* A From that is no AOR (a tel URI) counts as it is written. */
static void add_name(const struct addr *a, struct buf *out)
{
	if (uri_aor(&a->uri, out) != ERR_OK)
		buf_add(out, a->spec);
	buf_addc(out, '\n');
}

/* names_of: a hash of the AORs of both ends, caller first. */
static void names_of(const struct record_route_keys *k, const struct addr *caller, const struct addr *callee,
		     uint8_t out[HASH_MAX])
{
	struct buf text = {0};
	struct slice part;

	add_name(caller, &text);
	add_name(callee, &text);
	part = buf_slice(&text);
	hmac_key_sum(k->mac, &part, 1, out);
	buf_free(&text);
}

void record_route_token(const struct record_route_keys *k, const struct dialog_ends *ends, const struct sip_msg *m,
			struct buf *out)
{
	bool connections = on_connection(&ends->caller) || on_connection(&ends->callee);
	struct buf octets = {0};
	uint8_t mac[HASH_MAX];

	pack_end(&ends->caller, &octets);
	pack_end(&ends->callee, &octets);
	names_of(k, &m->from, &m->to, mac);
	buf_add(&octets, slice_of(mac, NAMES));
	mac_of(k, buf_slice(&octets), connections, m->call_id, m->from_tag, mac);
	buf_add(&octets, slice_of(mac, MAC));
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
	n = octets.n + NAMES + MAC;
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

bool record_route_read(const struct record_route_keys *k, struct slice user, const struct sip_msg *m,
		       struct dialog_way *out)
{
	struct buf octets = {0};
	struct dialog_way way;
	uint8_t names[HASH_MAX];
	struct slice rest;
	bool ok = false;

	if (m->to_tag.n == 0 || !slice_starts(user, PREFIX) || user.n > RECORD_ROUTE_TOKEN ||
	    base64url_decode(&octets, slice_sub(user, PREFIX.n, user.n)) != ERR_OK || octets.n < MAC + NAMES + 2)
		goto out;
	rest = slice_sub(buf_slice(&octets), 0, octets.n - MAC - NAMES);
	if (!unpack_end(&rest, &way.ends.caller) || !unpack_end(&rest, &way.ends.callee) || rest.n > 0)
		goto out;
	/* The MAC has the tag of the caller: it is the From tag in one direction and the To tag in the other. */
	way.from_caller = mac_fits(k, buf_slice(&octets), &way.ends, m->call_id, m->from_tag);
	ok = way.from_caller || mac_fits(k, buf_slice(&octets), &way.ends, m->call_id, m->to_tag);
	if (!ok)
		goto out;
	names_of(k, way.from_caller ? &m->from : &m->to, way.from_caller ? &m->to : &m->from, names);
	way.same_names = mem_equal_ct(names, octets.p + octets.n - MAC - NAMES, NAMES);
	*out = way;
out:
	buf_free(&octets);
	return ok;
}
