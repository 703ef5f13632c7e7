#include "core/rate.h"

#include "core/map.h"
#include "core/mem.h"

/*
 * A table of ROWS x WAYS buckets. The keyed hash of a key chooses its row, so nobody can aim keys at the row of a
 * victim. A bucket is filled lazily, when it is looked at, from the time since at_ms.
 */

#define ROWS 512
#define WAYS 4
/* The parts of a token. per_minute of them come in every millisecond (60,000 a minute): no rate is lost in rounding. */
#define TOKEN 60000

struct bucket {
	uint64_t hash;  /* stands for the key: two keys share 64 keyed bits only by chance, and then share a bucket */
	int64_t at_ms;  /* the time that parts belongs to; 0 = the bucket is free */
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
	/* Compared by division, because elapsed * per_minute could overflow after a long idle time. */
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
 * rather: is a the better one of two buckets to forget for a new key? A full bucket says nothing about its key. A
 * used-up one is what a stranger would like forgotten, by filling the table with other keys. Of two with as many tokens
 * left, the one idle longer goes.
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
	/* No bucket of this key was found: b is the free or most dispensable one of the row, and starts full. */
	if (b->at_ms == 0 || b->hash != hash)
		*b = (struct bucket){.hash = hash, .at_ms = now_ms, .parts = r->burst};
	b->parts = filled(r, b, now_ms);
	b->at_ms = now_ms;
	if (b->parts < TOKEN)
		return false;
	b->parts -= TOKEN;
	return true;
}
