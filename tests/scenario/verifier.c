#include "tests/test.h"

#include "crypto/cert.h"
#include "sip/identity/replay.h"
#include "sip/identity/verifier.h"
#include "tests/fake/fake.h"
#include "tests/fake/fetch.h"
#include "tests/unit/vector.h"

/*
 * The verifier of RFC 4474 6 on messages and certificates that were made and checked with OpenSSL
 * (tests/vectors/rfc4474/fresh), at the time for which they were made.
 */

#define NOON 1780315200 /* 2026-06-01 12:00:00 UTC */
#define FRESH "rfc4474/fresh/"

struct bench {
	struct loop *loop;
	struct work *work;
	struct settings settings;
	struct verifier *verifier;
	struct replay *replay;
	unsigned told;
	unsigned codes[8]; /* of the verdicts, in their order */
	char text[400];    /* of the last */
};

static bool get(struct slice url, struct buf *out)
{
	size_t slash = slice_rchr(url, '/');
	char path[200];

	snprintf(path, sizeof(path), "tests/vectors/" FRESH "%.*s", SLICE_ARG(slice_sub(url, slash + 1, url.n)));
	return buf_read_file(out, path, 1 << 16) == ERR_OK;
}

static void begin(struct bench *b, const char *const *anchors)
{
	struct verifier_deps deps = {.checking_max = 16};

	*b = (struct bench){.loop = loop_new()};
	fake_set_wall(b->loop, NOON);
	b->work = work_new(b->loop, 1, 16, 0);
	b->settings.config.identity_date_skew = 3600;
	b->settings.config.identity_wildcard = true;
	b->settings.trust = trust_new();
	for (; *anchors != NULL; anchors++) {
		struct buf pem = vector_file(*anchors);
		size_t n;

		assert_int_equal(trust_add_pem(b->settings.trust, buf_slice(&pem), &n), ERR_OK);
		buf_free(&pem);
	}
	deps.fetch = (struct fetch_deps){.loop = b->loop, .work = b->work, .settings = &b->settings};
	deps.work = b->work;
	deps.replay = b->replay = replay_new(4);
	b->verifier = verifier_new(&deps);
	fake_web = (struct fake_web){.get = get};
}

static const char *const root[] = {FRESH "root-ca.pem", NULL};

static void end(struct bench *b)
{
	work_free(b->work);
	verifier_free(b->verifier);
	replay_free(b->replay);
	settings_drop(&b->settings);
	loop_free(b->loop);
}

static void on_verdict(void *arg, uint64_t id, const struct verdict *v)
{
	struct bench *b = arg;

	assert_true(b->told < 8);
	assert_int_equal(id, b->told + 1); /* checks keep their order */
	b->codes[b->told++] = v->code;
	snprintf(b->text, sizeof(b->text), "%s", v->text);
}

/* Until all is told: a verdict that needs nobody comes with a timer of no length. */
static void settle(struct bench *b)
{
	fake_settle(b->loop);
	fake_advance(b->loop, 0);
}

static void check(struct bench *b, const char *file, const char *find, const char *put)
{
	struct buf text = vector_file(file), changed = {0};
	size_t at = find != NULL ? slice_find(buf_slice(&text), slice_str(find), 0) : 0;
	struct sip_msg *m;
	const char *why;

	if (find != NULL) {
		assert_true(at < text.n);
		buf_add(&changed, slice_sub(buf_slice(&text), 0, at));
		buf_adds(&changed, put);
		buf_add(&changed, slice_sub(buf_slice(&text), at + strlen(find), text.n));
	} else {
		buf_add(&changed, buf_slice(&text));
	}
	assert_int_equal(msg_parse(buf_slice(&changed), &m, &why), ERR_OK);
	verifier_check(b->verifier, m, NULL, b->told + 1, on_verdict, b);
	msg_unref(m);
	buf_free(&text);
	buf_free(&changed);
}

/* The verdict on one message by a verifier that has seen nothing yet. */
static void expect(const char *file, const char *const *anchors, unsigned code)
{
	struct bench b;

	begin(&b, anchors);
	check(&b, file, NULL, NULL);
	settle(&b);
	assert_int_equal(b.told, 1);
	if (b.codes[0] != code)
		fail_msg("%s: %u instead of %u: %s", file, b.codes[0], code, b.text);
	assert_int_equal(strlen(b.text) > 0, code != 0);
	end(&b);
}

/* Steps 1 to 4 on everything of the set. Where the set leaves it open: RSA of 1024 bits is too weak for a domain. */
static void fresh_messages(void **state)
{
	static const struct {
		const char *file;
		unsigned code;
	} rows[] = {
		{"good", 0},
		{"good-many-san", 0},
		{"good-cn-only", 0},
		{"good-rsa4096", 0},
		{"good-wildcard", 0},
		{"edge-date-3600", 0},
		{"good-rsa1024", 437},
		{"good-intermediate", 437}, /* nobody has the certificate in between */
		{"bad-wildcard-two-labels", 437},
		{"bad-wrong-domain", 437},
		{"bad-cn-ignored", 437},
		{"bad-subdomain", 437},
		{"bad-parent", 437},
		{"bad-nul-in-san", 437},
		{"bad-expired", 437},
		{"bad-not-yet-valid", 437},
		{"bad-self-signed", 437},
		{"bad-untrusted-ca", 437},
		{"bad-issuer-not-ca", 437},
		{"bad-critical-ext", 437},
		{"bad-keyusage", 437},
		{"bad-rsa768", 437},
		{"bad-ec-key", 437},
		{"bad-date-before-cert", 437},
		{"bad-date-stale", 403},
		{"bad-date-future", 403},
		{"bad-wrong-key", 438},
		{"bad-revoked", 0}, /* no CRL is configured here */
	};
	static const char *const chain[] = {FRESH "root-ca.pem", FRESH "intermediate-ca.pem", NULL};
	static const char *const pinned[] = {FRESH "bad-self-signed.pem", NULL};
	char file[100];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(file, sizeof(file), FRESH "%s.sip", rows[i].file);
		expect(file, root, rows[i].code);
	}
	expect(FRESH "good-intermediate.sip", chain, 0);
	expect(FRESH "bad-self-signed.sip", pinned, 0); /* VER-13 */
}

/* T-35: the messages of the RFC itself: out of date, self-signed, of another domain. */
static void VER_19_the_messages_of_the_RFC(void **state)
{
	(void)state;
	expect("rfc4474/invite.sip", root, 436); /* its certificate is nowhere */
}

/* VER-02: of several faults the first step decides. */
static void VER_02_order_of_steps(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, root);
	check(&b, FRESH "bad-date-stale.sip", "bad-date-stale.cer", "missing.cer");
	settle(&b);
	check(&b, FRESH "bad-date-stale.sip", "CSeq: ", "CSeq: 9");
	settle(&b);
	check(&b, FRESH "bad-wrong-key.sip", "bad-wrong-key.cer", "bad-expired.cer");
	settle(&b);
	/* Step 4: first what 13.1 says of Date, "furthermore" that it falls within the life of the certificate. */
	check(&b, FRESH "bad-date-before-cert.sip", NULL, NULL);
	settle(&b);
	fake_set_wall(b.loop, NOON + 7200);
	check(&b, FRESH "bad-date-before-cert.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(b.told, 5);
	assert_int_equal(b.codes[3], 437);
	assert_int_equal(b.codes[4], 403);
	assert_int_equal(b.codes[0], 436);
	assert_int_equal(b.codes[1], 438);
	assert_int_equal(b.codes[2], 437);
	end(&b);
}

/* VER-03: one request for messages that come while it is under way, and for those that come later, for a day. */
static void VER_03_certificates_are_cached(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, root);
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(fake_web.asked, 1);
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(fake_web.asked, 1);
	fake_advance(b.loop, INT64_C(1000) * 24 * 3600 + 1);
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(fake_web.asked, 2);
	end(&b);
}

/* S-46: what could not be fetched is not asked for again for a minute. */
static void failures_are_remembered_for_a_minute(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, root);
	for (int i = 0; i < 3; i++) {
		check(&b, FRESH "good.sip", "good.cer", "missing.cer");
		settle(&b);
		assert_int_equal(b.codes[b.told - 1], 436);
	}
	assert_int_equal(fake_web.asked, 1);
	fake_advance(b.loop, 60001);
	check(&b, FRESH "good.sip", "good.cer", "missing.cer");
	settle(&b);
	assert_int_equal(fake_web.asked, 2);
	end(&b);
}

static bool get_another(struct slice url, struct buf *out)
{
	(void)url;
	return get(S("/bad-wrong-key.cer"), out);
}

static bool get_nothing(struct slice url, struct buf *out)
{
	(void)url;
	(void)out;
	return false;
}

/* A domain puts its new certificate where the old one was: it is looked for before a message is refused. */
static void VER_03_a_renewed_certificate_is_found(void **state)
{
	static const unsigned codes[] = {437, 437, 0, 438, 403};
	struct bench b;

	(void)state;
	begin(&b, root);
	fake_web.get = get_another;
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	check(&b, FRESH "good.sip", NULL, NULL); /* not that soon */
	settle(&b);
	assert_int_equal(fake_web.asked, 1);
	fake_advance(b.loop, 60001);
	fake_web.get = get;
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(fake_web.asked, 2);
	fake_advance(b.loop, 60001);
	fake_web.get = get_nothing;
	check(&b, FRESH "good.sip", "v=0", "v=1"); /* forged; what was cached stays */
	settle(&b);
	assert_int_equal(fake_web.asked, 3);
	check(&b, FRESH "good.sip", NULL, NULL); /* a replay: its signature is good */
	settle(&b);
	assert_int_equal(fake_web.asked, 3);
	assert_int_equal(b.told, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(b.codes[i], codes[i]);
	end(&b);
}

/* VER-10: the same signed request is a replay for more than an hour; what was refused is not remembered. */
static void VER_10_replay(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, root);
	check(&b, FRESH "good.sip", "v=0", "v=1");
	settle(&b);
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	check(&b, FRESH "good.sip", "branch=z9hG4bK", "branch=z9hG4bKanother");
	settle(&b);
	check(&b, FRESH "good.sip", "tag=t0", "tag=other");
	settle(&b);
	fake_advance(b.loop, 3599000);
	check(&b, FRESH "good.sip", NULL, NULL);
	settle(&b);
	assert_int_equal(b.told, 5);
	assert_int_equal(b.codes[0], 438);
	assert_int_equal(b.codes[1], 0);
	assert_int_equal(b.codes[2], 403);
	assert_int_equal(b.codes[3], 403);
	assert_int_equal(b.codes[4], 403);
	end(&b);
}

/* A full memory refuses: nothing that lives is forgotten to make room. */
static void VER_10_full_memory(void **state)
{
	static const char *const files[] = {"good", "good-many-san", "good-cn-only", "good-rsa4096", "good-wildcard"};
	struct bench b;
	char file[100];

	(void)state;
	begin(&b, root);
	for (size_t i = 0; i < 5; i++) {
		snprintf(file, sizeof(file), FRESH "%s.sip", files[i]);
		check(&b, file, NULL, NULL);
		settle(&b);
	}
	assert_int_equal(b.codes[3], 0);
	assert_int_equal(b.codes[4], 503);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_messages),
		cmocka_unit_test(VER_19_the_messages_of_the_RFC),
		cmocka_unit_test(VER_02_order_of_steps),
		cmocka_unit_test(VER_03_certificates_are_cached),
		cmocka_unit_test(failures_are_remembered_for_a_minute),
		cmocka_unit_test(VER_03_a_renewed_certificate_is_found),
		cmocka_unit_test(VER_10_replay),
		cmocka_unit_test(VER_10_full_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
