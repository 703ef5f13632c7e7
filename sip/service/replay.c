#include "sip/service/replay.h"

#include <string.h>

#include "core/map.h"
#include "core/mem.h"
#include "crypto/hash.h"
#include "crypto/rng.h"

#define MAC_SIZE 16

struct seen {
	struct map_node node;
	struct seen *newer;
	int64_t until_ms;
	uint8_t mac[MAC_SIZE];
};

struct replay {
	struct map map;
	struct seen *oldest, *newest;
	unsigned max;
	uint8_t secret[32];
};

struct replay *replay_new(unsigned max)
{
	struct replay *r = mem_alloc(sizeof(*r));

	r->max = max;
	map_init(&r->map);
	rng_fill(r->secret, sizeof(r->secret));
	return r;
}

static void forget_oldest(struct replay *r)
{
	struct seen *s = r->oldest;

	r->oldest = s->newer;
	if (r->oldest == NULL)
		r->newest = NULL;
	map_remove(&r->map, &s->node);
	mem_free(s);
}

void replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	while (r->oldest != NULL)
		forget_oldest(r);
	map_free(&r->map);
	mem_free(r);
}

/* Every part with its length in front, so that no two keys run into one another. */
static void mac_of(const struct replay *r, const struct replay_key *key, uint8_t out[HASH_MAX])
{
	const uint64_t head[4] = {key->from.n, key->call_id.n, key->method.n, key->cseq};
	const struct slice parts[4] = {slice_of(head, sizeof(head)), key->from, key->call_id, key->method};

	hmac_parts(HASH_SHA256, slice_of(r->secret, sizeof(r->secret)), parts, 4, out);
}

enum err replay_enter(struct replay *r, const struct replay_key *key, int64_t now_ms)
{
	uint8_t mac[HASH_MAX];
	struct seen *s;

	while (r->oldest != NULL && r->oldest->until_ms <= now_ms)
		forget_oldest(r);
	mac_of(r, key, mac);
	if (map_find(&r->map, slice_of(mac, MAC_SIZE)) != NULL)
		return ERR_EXISTS;
	if (r->map.count >= r->max)
		return ERR_BUSY;
	s = mem_alloc(sizeof(*s));
	memcpy(s->mac, mac, MAC_SIZE);
	s->until_ms = now_ms + (int64_t)REPLAY_S * 1000;
	map_add(&r->map, &s->node, slice_of(s->mac, MAC_SIZE));
	if (r->newest != NULL)
		r->newest->newer = s;
	else
		r->oldest = s;
	r->newest = s;
	return ERR_OK;
}
