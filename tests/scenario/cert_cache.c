#include "tests/test.h"

#include "core/mem.h"
#include "sip/identity/cert_cache.h"
#include "tests/fake/fake.h"
#include "tests/fake/fetch.h"

/* VER-03, VER-18, G44: what is fetched how often, for whom, and how long it is kept. */

#define URL S("https://a.example/c")

struct bench {
	struct loop *loop;
	struct cert_cache *cache;
	struct cert_waiter waiters[200];
	unsigned told, failed, ended;
};

static struct bench *bench; /* waiters have no argument */
static bool broken;

static bool get(struct slice url, struct buf *out)
{
	if (broken)
		return false;
	buf_addf(out, "DER of %.*s, %u", SLICE_ARG(url), fake_web.asked);
	return true;
}

static void on_told(struct cert_waiter *w, struct slice der, const char *why)
{
	(void)w;
	bench->told += der.n > 0;
	bench->failed += der.n == 0 && why != NULL;
	bench->ended += der.n == 0 && why == NULL;
}

static int begin(void **state)
{
	struct bench *b = mem_alloc(sizeof(*b));

	b->loop = loop_new();
	b->cache = cert_cache_new(&(struct fetch_deps){.loop = b->loop});
	for (size_t i = 0; i < sizeof(b->waiters) / sizeof(b->waiters[0]); i++)
		b->waiters[i].done = on_told;
	fake_web = (struct fake_web){.get = get};
	broken = false;
	bench = *state = b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;

	fake_settle(b->loop); /* the fake has what is to begin still in the loop */
	cert_cache_free(b->cache);
	loop_free(b->loop);
	mem_free(b);
	return 0;
}

/* What came over a connection from an address of this number; 0: by UDP, from a new address each time. */
static struct flow at(unsigned net)
{
	static unsigned forged;
	struct flow f = {.proto = net == 0 ? PROTO_UDP : PROTO_TCP};
	char ip[32];

	snprintf(ip, sizeof(ip), "203.%u.%u.1", net == 0, net == 0 ? ++forged % 256 : net);
	assert_true(peer_of(slice_str(ip), 5060, &f.remote));
	return f;
}

/* The url with a number in its host and its path, 0: none. */
static enum err ask(struct bench *b, unsigned source, unsigned host, unsigned path)
{
	static unsigned next;
	char url[64];
	struct flow f = at(source);
	struct slice der;
	const char *why;

	snprintf(url, sizeof(url), "https://h%u.example/%u", host, path);
	return cert_cache_ask(b->cache, slice_str(url), &f, &b->waiters[next++ % 200], &der, &why);
}

static void VER_03_once_for_all_who_wait(void **state)
{
	struct bench *b = *state;
	struct flow f = at(1);
	struct slice der;
	const char *why;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[i], &der, &why), ERR_AGAIN);
	assert_int_equal(b->told, 0);
	fake_settle(b->loop);
	assert_int_equal(b->told, 100);
	assert_int_equal(fake_web.asked, 1);
	assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[0], &der, &why), ERR_OK);
	assert_true(slice_starts(der, S("DER of https://a.example/c")));
}

static void a_crowd_for_one_is_turned_away(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < CACHE_WAITERS; i++)
		assert_int_equal(ask(b, 1 + i, 1, 1), ERR_AGAIN);
	assert_int_equal(ask(b, 1, 1, 1), ERR_BUSY);
	fake_settle(b->loop);
	assert_int_equal(b->told, CACHE_WAITERS);
}

static void how_long_it_is_kept(void **state)
{
	struct bench *b = *state;
	struct slice der;
	const char *why;

	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	/* Anybody can name anything: what has proved nothing is asked for again. */
	fake_advance(b->loop, CACHE_AGAIN_S * 1000);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_OK);
	cert_cache_proved(b->cache, URL, der);
	fake_advance(b->loop, CACHE_S * 1000 - 1);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_OK);
	fake_advance(b->loop, 1);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(fake_web.asked, 3);
}

static void failures_are_remembered(void **state)
{
	struct bench *b = *state;
	struct slice der;
	const char *why;

	broken = true;
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(b->failed, 1);
	broken = false;
	fake_advance(b->loop, CACHE_AGAIN_S * 1000 - 1);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_NOTFOUND);
	assert_string_equal(why, "the server answered 404");
	fake_advance(b->loop, 1);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(b->told, 1);
}

/* A new certificate at the old URL: looked for once in a while, and what is cached stays if there is none. */
static void once_more(void **state)
{
	struct bench *b = *state;
	struct buf used = {0};
	struct slice der;
	const char *why;

	assert_int_equal(cert_cache_again(b->cache, URL, S("x"), NULL, &b->waiters[0], &der), ERR_NOTFOUND);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_OK);
	buf_add(&used, der);
	cert_cache_proved(b->cache, URL, der);
	assert_int_equal(cert_cache_again(b->cache, URL, buf_slice(&used), NULL, &b->waiters[0], &der), ERR_NOTFOUND);
	assert_int_equal(cert_cache_again(b->cache, URL, S("an older one"), NULL, &b->waiters[0], &der), ERR_OK);
	fake_advance(b->loop, CACHE_AGAIN_S * 1000);
	assert_int_equal(cert_cache_again(b->cache, URL, buf_slice(&used), NULL, &b->waiters[0], &der), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(cert_cache_again(b->cache, URL, buf_slice(&used), NULL, &b->waiters[0], &der), ERR_OK);
	broken = true;
	fake_advance(b->loop, CACHE_AGAIN_S * 1000);
	buf_clear(&used);
	buf_add(&used, der);
	assert_int_equal(cert_cache_again(b->cache, URL, buf_slice(&used), NULL, &b->waiters[0], &der), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(b->failed, 0);
	buf_free(&used);
}

/* G44: what one source makes us fetch does not keep others from it, and UDP, which anybody forges, not connections. */
static void few_at_once(void **state)
{
	struct bench *b = *state;
	unsigned n = 0;

	fake_web.hold = true;
	for (unsigned i = 0; i < CACHE_FETCHES_OF; i++)
		assert_int_equal(ask(b, 1, i, 0), ERR_AGAIN);
	assert_int_equal(ask(b, 1, 99, 0), ERR_BUSY);
	for (unsigned i = 0; i < 50; i++)
		n += ask(b, 0, 100 + i, 0) == ERR_AGAIN;
	assert_int_equal(n, CACHE_FETCHES_UDP);
	for (unsigned source = 2; source < 50; source++)
		n += ask(b, source, 200 + source, 0) == ERR_AGAIN;
	assert_int_equal(n, CACHE_FETCHES - CACHE_FETCHES_OF);
	/* Who waits for one of them may. */
	assert_int_equal(ask(b, 1, 0, 0), ERR_AGAIN);
	fake_settle(b->loop);
	fake_web_release();
	assert_int_equal(b->told, CACHE_FETCHES + 1);
	fake_advance(b->loop, 2000);
	assert_int_equal(ask(b, 50, 99, 0), ERR_AGAIN);
}

static unsigned fetched_in_a_minute(struct bench *b, unsigned first, unsigned sources)
{
	unsigned before = fake_web.asked;

	for (unsigned i = 0; i < 6000; i++) {
		(void)ask(b, first + i % sources, i % 100, i);
		fake_settle(b->loop);
		fake_advance(b->loop, 10);
	}
	return fake_web.asked - before;
}

static void few_a_second(void **state)
{
	struct bench *b = *state;

	assert_in_range(fetched_in_a_minute(b, 1, 1), 55, 75);    /* of one source */
	assert_in_range(fetched_in_a_minute(b, 0, 1), 290, 320);  /* by UDP */
	assert_in_range(fetched_in_a_minute(b, 1, 90), 500, 640); /* in all */
}

/* A stranger who has other things of a host fetched all the time does not make its certificate impossible to fetch. */
static void nobody_spends_what_others_have(void **state)
{
	struct bench *b = *state;
	unsigned fine = 0;

	for (unsigned i = 0; i < 3000; i++) {
		(void)ask(b, 0, 1, 100 + i);
		(void)ask(b, 1, 1, 10000 + i);
		if (i % 100 == 0)
			fine += ask(b, 2, 1, 20000 + i) == ERR_AGAIN;
		fake_settle(b->loop);
		fake_advance(b->loop, 20);
	}
	assert_int_equal(fine, 30);
}

/* What was proved goes on while its host is away, or nothing may be fetched. */
static void a_proved_one_goes_on(void **state)
{
	struct bench *b = *state;
	struct flow f = at(1);
	struct slice der;
	const char *why;

	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(cert_cache_ask(b->cache, URL, NULL, &b->waiters[0], &der, &why), ERR_OK);
	cert_cache_proved(b->cache, URL, der);
	fake_advance(b->loop, CACHE_S * 1000);
	broken = true;
	assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
	assert_int_equal(b->told, 2);
	assert_int_equal(b->failed, 0);
	/* Whether it is proved once more or not: it is asked for again after a while. */
	assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[0], &der, &why), ERR_OK);
	cert_cache_proved(b->cache, URL, der);
	fake_advance(b->loop, CACHE_AGAIN_S * 1000);
	fake_web.hold = true;
	for (unsigned i = 0; i < CACHE_FETCHES_OF; i++)
		assert_int_equal(ask(b, 1, i, 0), ERR_AGAIN);
	assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[0], &der, &why), ERR_OK);
	fake_settle(b->loop);
	fake_web_release();
	broken = false;
	fake_advance(b->loop, 2000);
	assert_int_equal(cert_cache_ask(b->cache, URL, &f, &b->waiters[0], &der, &why), ERR_AGAIN);
	fake_settle(b->loop);
}

/* A thousand URLs of strangers do not take the place of what has proved something. */
static void room_is_made_by_what_is_not_proved(void **state)
{
	struct bench *b = *state;
	struct slice der;
	const char *why;

	for (unsigned i = 0; i < CACHE_MAX / 2; i++) {
		char url[64];

		snprintf(url, sizeof(url), "https://good%u.example/", i);
		assert_int_equal(cert_cache_ask(b->cache, slice_str(url), NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
		fake_settle(b->loop);
		assert_int_equal(cert_cache_ask(b->cache, slice_str(url), NULL, &b->waiters[0], &der, &why), ERR_OK);
		cert_cache_proved(b->cache, slice_str(url), der);
	}
	for (unsigned i = 0; i < 1000; i++) {
		char url[64];

		snprintf(url, sizeof(url), "https://bad.example/%u", i);
		assert_int_equal(cert_cache_ask(b->cache, slice_str(url), NULL, &b->waiters[0], &der, &why), ERR_AGAIN);
		fake_settle(b->loop);
	}
	for (unsigned i = 0; i < CACHE_MAX / 2; i++) {
		char url[64];

		snprintf(url, sizeof(url), "https://good%u.example/", i);
		assert_int_equal(cert_cache_ask(b->cache, slice_str(url), NULL, &b->waiters[0], &der, &why), ERR_OK);
	}
}

static void freed_while_somebody_waits(void **state)
{
	struct bench *b = *state;

	fake_web.hold = true;
	assert_int_equal(ask(b, 1, 1, 0), ERR_AGAIN);
	assert_int_equal(ask(b, 2, 2, 0), ERR_AGAIN);
	fake_settle(b->loop);
	cert_cache_free(b->cache);
	b->cache = NULL;
	assert_int_equal(b->ended, 2);
	assert_int_equal(b->told + b->failed, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(VER_03_once_for_all_who_wait),
		T(a_crowd_for_one_is_turned_away),
		T(how_long_it_is_kept),
		T(failures_are_remembered),
		T(once_more),
		T(few_at_once),
		T(few_a_second),
		T(nobody_spends_what_others_have),
		T(a_proved_one_goes_on),
		T(room_is_made_by_what_is_not_proved),
		T(freed_while_somebody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
