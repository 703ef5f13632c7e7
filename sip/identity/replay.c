#include "sip/identity/replay.h"

#include <string.h>

#include "core/map.h"
#include "core/mem.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "store/seen.h"

/*
 * A map of keyed hashes, and a list of the same in the order of entering. All live equally long, so the list is ordered
 * by the end of life, too, and forgetting looks at its head only.
 */

#define MAC_SIZE SEEN_KEY

/* How many of the requests in memory are of one domain. */
struct share {
	struct map_node node;
	unsigned count;
	char *domain;
};

struct seen_mac {
	struct map_node node;
	struct share *share; /* NULL: read from the disk, where the domain is not stored */
	struct seen_mac *newer;
	int64_t until_ms;
	uint8_t mac[MAC_SIZE];
};

struct replay {
	struct map map, shares;
	struct seen_mac *oldest, *newest;
	unsigned max;
	uint8_t secret[HASH_MAX];
	struct seen *disk;         /* NULL: not kept over restarts */
	int64_t start_ms, start_s; /* the same moment in both clocks, for on_record */
};

struct replay *replay_new(unsigned max)
{
	struct replay *r = mem_alloc(sizeof(*r));

	r->max = max;
	map_init(&r->map);
	map_init(&r->shares);
	rng_fill(r->secret, sizeof(r->secret));
	return r;
}

static void forget_oldest(struct replay *r)
{
	struct seen_mac *s = r->oldest;

	r->oldest = s->newer;
	if (r->oldest == NULL)
		r->newest = NULL;
	map_remove(&r->map, &s->node);
	if (s->share != NULL && --s->share->count == 0) {
		map_remove(&r->shares, &s->share->node);
		mem_free(s->share->domain);
		mem_free(s->share);
	}
	mem_free(s);
}

void replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	while (r->oldest != NULL)
		forget_oldest(r);
	map_free(&r->map);
	map_free(&r->shares);
	seen_free(r->disk);
	mem_wipe(r->secret, sizeof(r->secret));
	mem_free(r);
}

/* mac_of: the lengths go first, so that no two keys run into one another. */
static void mac_of(const struct replay *r, const struct replay_key *key, uint8_t out[HASH_MAX])
{
	const uint64_t head[4] = {key->from.n, key->call_id.n, key->method.n, key->cseq};
	const struct slice parts[4] = {slice_of(head, sizeof(head)), key->from, key->call_id, key->method};

	hmac_parts(HASH_SHA256, slice_of(r->secret, sizeof(r->secret)), parts, 4, out);
}

static void remember(struct replay *r, const uint8_t *mac, struct share *share, int64_t until_ms)
{
	struct seen_mac *s = mem_alloc(sizeof(*s));

	memcpy(s->mac, mac, MAC_SIZE);
	s->until_ms = until_ms;
	s->share = share;
	if (share != NULL)
		share->count++;
	map_add(&r->map, &s->node, slice_of(s->mac, MAC_SIZE));
	if (r->newest != NULL)
		r->newest->newer = s;
	else
		r->oldest = s;
	r->newest = s;
}

/* on_record: a request of before the start. Its end is stored in wall time and kept in monotonic time here. */
static void on_record(void *arg, const uint8_t *mac, int64_t until_s)
{
	struct replay *r = arg;

	if (r->map.count < r->max && map_find(&r->map, slice_of(mac, MAC_SIZE)) == NULL)
		remember(r, mac, NULL, r->start_ms + (until_s - r->start_s) * 1000);
}

/* share_of: the share of a domain. NULL: it is full. */
static struct share *share_of(struct replay *r, struct slice domain)
{
	struct map_node *n = map_find(&r->shares, domain);
	struct share *s = n == NULL ? NULL : MAP_ENTRY(n, struct share, node);

	if (s == NULL) {
		s = mem_alloc(sizeof(*s));
		s->domain = slice_dup(domain);
		map_add(&r->shares, &s->node, slice_str(s->domain));
	}
	return s->count < (r->max + 3) / 4 ? s : NULL;
}

enum err replay_open(unsigned max, int dirfd, struct slice master, int64_t now_ms, int64_t now_s, struct replay **out)
{
	struct replay *r = replay_new(max);
	const struct slice what = S("replay");
	enum err e;

	hmac_parts(HASH_SHA256, master, &what, 1, r->secret);
	r->start_ms = now_ms;
	r->start_s = now_s;
	e = seen_open(dirfd, "replay", REPLAY_S, now_s, on_record, r, &r->disk);
	if (e == ERR_OK)
		*out = r;
	else
		replay_free(r);
	return e;
}

enum err replay_enter(struct replay *r, const struct replay_key *key, int64_t now_ms, int64_t now_s)
{
	uint8_t mac[HASH_MAX];
	struct share *share;

	while (r->oldest != NULL && r->oldest->until_ms <= now_ms)
		forget_oldest(r);
	mac_of(r, key, mac);
	if (map_find(&r->map, slice_of(mac, MAC_SIZE)) != NULL)
		return ERR_EXISTS;
	if (r->map.count >= r->max || (share = share_of(r, key->domain)) == NULL)
		return ERR_BUSY;
	remember(r, mac, share, now_ms + (int64_t)REPLAY_S * 1000);
	if (r->disk != NULL)
		seen_add(r->disk, mac, now_s);
	return ERR_OK;
}
