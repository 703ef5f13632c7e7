#include "sip/access/nonce.h"

#include <string.h>

#include "core/map.h"
#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/hash.h"
#include "crypto/rng.h"

/*
 * A nonce is base64url of PAYLOAD octets (version 1, algorithm 1, seconds 4, counter 8, hash of the scope SCOPE) and
 * MAC octets of an HMAC over them.
 */

#define TABLE_MAX 16384 /* entries; with more, the oldest counts as used up */
#define VERSION 2
#define SCOPE 8 /* octets; see above */
#define PAYLOAD 22
#define MAC 16 /* octets of HMAC-SHA-256 */

/* A nonce that was answered correctly at least once. */
struct used {
	struct map_node node;
	struct used *newer;
	uint64_t count;   /* number of the nonce; the key */
	int64_t made_s;   /* when it was answered first */
	uint32_t highest; /* the highest nc so far */
	uint64_t window;  /* bit i: highest - i was used */
	bool whole;       /* by an answer without a count: nothing more is good */
};

struct nonces {
	struct hmac_key *secret;
	uint32_t lifetime_s;
	uint64_t made;
	uint64_t floor; /* nonces up to this number are used up: the table has forgotten their counts */
	struct map table;
	struct used *oldest, **newest_end; /* a list in the order of the first answers */
};

struct nonces *nonces_new(uint32_t lifetime_s)
{
	struct nonces *n = mem_alloc(sizeof(*n));
	uint8_t secret[32];

	rng_fill(secret, sizeof(secret));
	n->secret = hmac_key_new(slice_of(secret, sizeof(secret)));
	mem_wipe(secret, sizeof(secret));
	n->lifetime_s = lifetime_s;
	n->newest_end = &n->oldest;
	map_init(&n->table);
	return n;
}

static void drop_oldest(struct nonces *n)
{
	struct used *u = n->oldest;

	n->oldest = u->newer;
	if (n->oldest == NULL)
		n->newest_end = &n->oldest;
	map_remove(&n->table, &u->node);
	mem_free(u);
}

void nonces_free(struct nonces *n)
{
	while (n->oldest != NULL)
		drop_oldest(n);
	map_free(&n->table);
	hmac_key_free(n->secret);
	mem_free(n);
}

static void put_number(uint8_t *p, uint64_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		p[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
}

static uint64_t get_number(const uint8_t *p, unsigned octets)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < octets; i++)
		v = v << 8 | p[i];
	return v;
}

static void sign(const struct nonces *n, const uint8_t *payload, uint8_t mac[HASH_MAX])
{
	struct slice part = slice_of(payload, PAYLOAD);

	hmac_key_sum(n->secret, &part, 1, mac);
}

/* hash_scope: a keyed hash, so that nobody reads the address of another in a nonce. No payload begins as it does. */
static void hash_scope(const struct nonces *n, struct slice scope, uint8_t out[SCOPE])
{
	struct slice parts[2] = {S("scope "), scope};
	uint8_t mac[HASH_MAX];

	hmac_key_sum(n->secret, parts, 2, mac);
	memcpy(out, mac, SCOPE);
}

void nonce_make(struct nonces *n, enum hash_alg alg, struct slice scope, int64_t now_s, struct buf *out)
{
	uint8_t raw[PAYLOAD + HASH_MAX];

	raw[0] = VERSION;
	raw[1] = (uint8_t)alg;
	put_number(raw + 2, (uint64_t)now_s, 4);
	put_number(raw + 6, ++n->made, 8);
	hash_scope(n, scope, raw + 14);
	sign(n, raw, raw + PAYLOAD);
	base64url_encode(out, slice_of(raw, PAYLOAD + MAC));
}

bool nonce_read(const struct nonces *n, struct slice text, struct slice scope, int64_t now_s, struct nonce_info *out)
{
	uint8_t raw[PAYLOAD + MAC], mac[HASH_MAX], here[SCOPE];
	struct buf octets = {0};
	uint32_t age;
	bool ok = base64url_decode(&octets, text) == ERR_OK && octets.n == sizeof(raw);

	if (ok)
		memcpy(raw, octets.p, sizeof(raw));
	buf_free(&octets);
	if (!ok)
		return false;
	sign(n, raw, mac);
	if (!mem_equal_ct(mac, raw + PAYLOAD, MAC) || raw[0] != VERSION || raw[1] > HASH_SHA256)
		return false;
	age = (uint32_t)now_s - (uint32_t)get_number(raw + 2, 4);
	out->alg = (enum hash_alg)raw[1];
	out->count = get_number(raw + 6, 8);
	/* A clock that was set back makes the age huge, so the nonce is old: one more challenge, nothing worse. */
	hash_scope(n, scope, here);
	out->fresh = age <= n->lifetime_s;
	out->here = memcmp(raw + 14, here, SCOPE) == 0;
	return true;
}

/*
 * remember: an entry for a nonce. Makes room by forgetting the oldest; floor keeps a forgotten nonce from being
 * accepted with all its counts again.
 */
static struct used *remember(struct nonces *n, uint64_t count, int64_t now_s)
{
	struct used *u = mem_alloc(sizeof(*u));

	while (n->oldest != NULL &&
	       (now_s - n->oldest->made_s > 2 * (int64_t)n->lifetime_s || n->table.count >= TABLE_MAX)) {
		if (n->oldest->count > n->floor)
			n->floor = n->oldest->count;
		drop_oldest(n);
	}
	u->count = count;
	u->made_s = now_s;
	map_add(&n->table, &u->node, slice_of(&u->count, sizeof(u->count)));
	*n->newest_end = u;
	n->newest_end = &u->newer;
	return u;
}

/* The window is that of RFC 4303 3.4.3: requests overtake each other, so nc need not come in order. */
bool nonce_use(struct nonces *n, const struct nonce_info *info, uint32_t nc, int64_t now_s)
{
	struct map_node *node = map_find(&n->table, slice_of(&info->count, sizeof(info->count)));
	struct used *u;

	if (nc == 0)
		return false;
	if (node == NULL) {
		if (info->count <= n->floor)
			return false;
		u = remember(n, info->count, now_s);
		u->highest = nc;
		u->window = 1;
		return true;
	}
	u = MAP_ENTRY(node, struct used, node);
	if (nc > u->highest) {
		uint32_t step = nc - u->highest;

		u->window = step < 64 ? u->window << step | 1 : 1;
		u->highest = nc;
		return true;
	}
	if (u->highest - nc >= 64 || (u->window >> (u->highest - nc) & 1) != 0)
		return false;
	u->window |= (uint64_t)1 << (u->highest - nc);
	return true;
}

bool nonce_use_up(struct nonces *n, const struct nonce_info *info, int64_t now_s)
{
	struct used *u;

	if (map_find(&n->table, slice_of(&info->count, sizeof(info->count))) != NULL || info->count <= n->floor)
		return false;
	u = remember(n, info->count, now_s);
	u->highest = UINT32_MAX;
	u->window = UINT64_MAX;
	u->whole = true;
	return true;
}

bool nonce_was_used(const struct nonces *n, const struct nonce_info *info, uint32_t nc)
{
	struct map_node *node = map_find(&n->table, slice_of(&info->count, sizeof(info->count)));
	const struct used *u = node == NULL ? NULL : MAP_ENTRY(node, struct used, node);

	return u != NULL && !u->whole && nc != 0 && nc <= u->highest && u->highest - nc < 64 &&
	       (u->window >> (u->highest - nc) & 1) != 0;
}

uint64_t nonce_made(const struct nonces *n)
{
	return n->made;
}
