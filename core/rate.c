#include "core/rate.h"

#include "core/map.h"
#include "core/mem.h"

#define ROWS 512
#define WAYS 4

struct bucket {
	uint64_t hash;  /* stands for the key; 64 keyed bits do not collide by design */
	int64_t at_ms;  /* when milli was right; 0 = free */
	uint64_t milli; /* thousandths of a token */
};

struct rate {
	uint32_t per_minute;
	uint64_t burst_milli;
	struct map keyed; /* for its hash key only */
	struct bucket rows[ROWS][WAYS];
};

struct rate *rate_new(uint32_t per_minute, uint32_t burst)
{
	struct rate *r = mem_alloc(sizeof(*r));

	r->per_minute = per_minute;
	r->burst_milli = (uint64_t)burst * 1000;
	map_init(&r->keyed);
	return r;
}

void rate_free(struct rate *r)
{
	if (r == NULL)
		return;
	map_free(&r->keyed);
	mem_free(r);
}

static uint64_t filled(const struct rate *r, const struct bucket *b, int64_t now_ms)
{
	uint64_t milli = b->milli + (uint64_t)(now_ms - b->at_ms) * r->per_minute / 60;

	return milli < r->burst_milli ? milli : r->burst_milli;
}

static const struct bucket *find(const struct rate *r, uint64_t hash)
{
	const struct bucket *row = r->rows[hash % ROWS];

	for (unsigned i = 0; i < WAYS; i++)
		if (row[i].at_ms != 0 && row[i].hash == hash)
			return &row[i];
	return NULL;
}

bool rate_ok(const struct rate *r, struct slice key, int64_t now_ms)
{
	const struct bucket *b;

	if (r->per_minute == 0)
		return true;
	b = find(r, map_hash(&r->keyed, key));
	return b == NULL || filled(r, b, now_ms) >= 1000;
}

bool rate_take(struct rate *r, struct slice key, int64_t now_ms)
{
	uint64_t hash = map_hash(&r->keyed, key);
	struct bucket *row = r->rows[hash % ROWS], *b = &row[0];

	if (r->per_minute == 0)
		return true;
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].at_ms != 0 && row[i].hash == hash) {
			b = &row[i];
			break;
		}
		if (row[i].at_ms < b->at_ms)
			b = &row[i];
	}
	if (b->at_ms == 0 || b->hash != hash)
		*b = (struct bucket){.hash = hash, .at_ms = now_ms, .milli = r->burst_milli};
	b->milli = filled(r, b, now_ms);
	b->at_ms = now_ms;
	if (b->milli < 1000)
		return false;
	b->milli -= 1000;
	return true;
}
