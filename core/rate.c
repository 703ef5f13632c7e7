#include "core/rate.h"

#include "core/map.h"
#include "core/mem.h"

#define ROWS 512
#define WAYS 4
#define TOKEN 60000 /* parts of a token, of which per_minute come in every millisecond: nothing is lost in rounding */

struct bucket {
	uint64_t hash;  /* stands for the key; 64 keyed bits do not collide by design */
	int64_t at_ms;  /* when parts was right; 0 = free */
	uint64_t parts; /* at most the burst's */
};

struct rate {
	uint32_t per_minute;
	uint64_t burst;   /* in parts */
	struct map keyed; /* for its hash key only */
	struct bucket rows[ROWS][WAYS];
};

struct rate *rate_new(uint32_t per_minute, uint32_t burst)
{
	struct rate *r = mem_alloc(sizeof(*r));

	r->per_minute = per_minute;
	r->burst = (uint64_t)burst * TOKEN;
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
	uint64_t elapsed = (uint64_t)(now_ms - b->at_ms);

	if (elapsed > (r->burst - b->parts) / r->per_minute)
		return r->burst;
	return b->parts + elapsed * r->per_minute;
}

static const struct bucket *find(const struct rate *r, uint64_t hash)
{
	const struct bucket *row = r->rows[hash % ROWS];

	for (unsigned i = 0; i < WAYS; i++)
		if (row[i].at_ms != 0 && row[i].hash == hash)
			return &row[i];
	return NULL;
}

/*
 * Whom to forget for a new key: a full bucket says nothing, while one that is used up is what a stranger would like to
 * have forgotten, by filling the table with other keys. Of two alike the one that was idle longer.
 */
static bool rather(const struct rate *r, const struct bucket *a, const struct bucket *b, int64_t now_ms)
{
	uint64_t left_a, left_b;

	if (a->at_ms == 0 || b->at_ms == 0)
		return a->at_ms == 0;
	left_a = filled(r, a, now_ms);
	left_b = filled(r, b, now_ms);
	return left_a != left_b ? left_a > left_b : a->at_ms < b->at_ms;
}

bool rate_ok(const struct rate *r, struct slice key, int64_t now_ms)
{
	const struct bucket *b;

	if (r->per_minute == 0)
		return true;
	b = find(r, map_hash(&r->keyed, key));
	return b == NULL || filled(r, b, now_ms) >= TOKEN;
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
		if (rather(r, &row[i], b, now_ms))
			b = &row[i];
	}
	if (b->at_ms == 0 || b->hash != hash)
		*b = (struct bucket){.hash = hash, .at_ms = now_ms, .parts = r->burst};
	b->parts = filled(r, b, now_ms);
	b->at_ms = now_ms;
	if (b->parts < TOKEN)
		return false;
	b->parts -= TOKEN;
	return true;
}
