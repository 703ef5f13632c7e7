#include "tests/test.h"

#include "sip/transport/stun.h"
#include "tests/unit/prefix.h"

#define COOKIE "\x21\x12\xa4\x42"
#define ID "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"

static struct peer peer_at(const char *text)
{
	struct peer p;

	assert_true(peer_parse(slice_str(text), &p));
	return p;
}

static enum err answer(struct slice request, const char *remote, struct buf *out)
{
	struct peer p = peer_at(remote);
	struct slice guarded = guard_copy(request);
	enum err e = stun_answer(guarded, &p, out);

	guard_free(guarded);
	return e;
}

static void expect(struct slice request, const char *remote, struct slice wanted)
{
	struct buf out = {0};

	assert_int_equal(answer(request, remote, &out), ERR_OK);
	assert_int_equal(out.n, wanted.n);
	assert_memory_equal(out.p, wanted.p, wanted.n);
	buf_free(&out);
}

static void dropped(struct slice request)
{
	struct buf out = {0};

	assert_int_equal(answer(request, "192.0.2.1:32853", &out), ERR_SYNTAX);
	assert_int_equal(out.n, 0);
}

/* The addresses and the transaction of RFC 5769 2.2 and 2.3. */
static void bare_requests(void **state)
{
	(void)state;
	expect(S("\0\1\0\0" COOKIE ID), "192.0.2.1:32853",
	       S("\1\1\0\x0c" COOKIE ID "\0\x20\0\x08\0\1\xa1\x47\xe1\x12\xa6\x43"));
	expect(S("\0\1\0\0" COOKIE ID), "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	       S("\1\1\0\x18" COOKIE ID "\0\x20\0\x14\0\2\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe"
		 "\xd2\xb9\xd9"));
}

/* SOFTWARE and others from 0x8000 on are passed over, as is USERNAME, which is known. */
static void attributes_of_no_concern(void **state)
{
	(void)state;
	expect(S("\0\1\0\x18" COOKIE ID "\x80\x22\0\5vouch\0\0\0\0\6\0\3bob\0\xff\xff\0\0"), "192.0.2.1:32853",
	       S("\1\1\0\x0c" COOKIE ID "\0\x20\0\x08\0\1\xa1\x47\xe1\x12\xa6\x43"));
}

static void unknown_attributes(void **state)
{
	char many[STUN_REQUEST_MAX] = "\0\1\0\0" COOKIE ID;
	struct buf out = {0};

	(void)state;
	expect(S("\0\1\0\4" COOKIE ID "\0\2\0\0"), "192.0.2.1:1",
	       S("\1\x11\0\x10" COOKIE ID "\0\x09\0\4\0\0\4\x14\0\x0a\0\2\0\2\0\0"));
	expect(S("\0\1\0\x10" COOKIE ID "\0\2\0\0\x7f\xff\0\1x\0\0\0\0\2\0\0"), "192.0.2.1:1",
	       S("\1\x11\0\x10" COOKIE ID "\0\x09\0\4\0\0\4\x14\0\x0a\0\4\0\2\x7f\xff"));
	/* Each of 100 different ones: sixteen are named. */
	for (unsigned i = 0; i < 100; i++)
		memcpy(many + 20 + 4 * i, (char[]){0x10, (char)i, 0, 0}, 4);
	memcpy(many + 2, (char[]){400 >> 8, (char)(400 & 0xff)}, 2);
	assert_int_equal(answer(slice_of(many, 420), "[2001:db8::1]:1", &out), ERR_OK);
	assert_int_equal(out.n, 20 + 8 + 4 + 32);
	buf_free(&out);
}

/* The values are those of an implementation that is not ours (zlib's CRC-32). */
static void fingerprints(void **state)
{
	static const char good[] = "\0\1\0\x08" COOKIE ID "\x80\x28\0\4\xfd\xf6\xae\x02";
	struct buf out = {0};
	char bad[28], late[32];

	(void)state;
	assert_int_equal(answer(slice_of(good, 28), "192.0.2.1:32853", &out), ERR_OK);
	assert_int_equal(out.n, 40);
	assert_memory_equal(
		out.p, "\1\1\0\x14" COOKIE ID "\0\x20\0\x08\0\1\xa1\x47\xe1\x12\xa6\x43\x80\x28\0\4\x7d\x28\x1f\x59",
		40);
	memcpy(bad, good, 28);
	for (size_t i = 4; i < 28; i++) {
		bad[i] ^= 1;
		if (i != 20 && i != 21) /* another attribute, that nobody has to know */
			dropped(slice_of(bad, 28));
		bad[i] ^= 1;
	}
	/* Nothing may stand behind it. */
	memcpy(late, good, 28);
	memcpy(late + 28, "\x80\x22\0\0", 4);
	late[3] = 12;
	dropped(slice_of(late, 32));
	buf_free(&out);
}

static void not_for_us(void **state)
{
	static const char *const sip = "OPTIONS sip:a SIP/2.0\r\n";
	char large[STUN_REQUEST_MAX + 4] = "\0\1\x02\x30" COOKIE ID "\x80\x22\x02\x2c";

	(void)state;
	assert_false(stun_is(slice_str(sip)));
	assert_false(stun_is(S("\0\1\0\0\x21\x12\xa4\x43" ID)));
	assert_false(stun_is(S("\x40\1\0\0" COOKIE ID)));
	assert_false(stun_is(S("\r\n\r\n")));
	assert_true(stun_is(S("\1\1\0\0" COOKIE ID)));
	dropped(slice_str(sip));
	dropped(S("\1\1\0\0" COOKIE ID));                    /* a response */
	dropped(S("\0\x11\0\0" COOKIE ID));                  /* an indication */
	dropped(S("\0\3\0\0" COOKIE ID));                    /* TURN */
	dropped(S("\0\1\0\4" COOKIE ID));                    /* less than it says */
	dropped(S("\0\1\0\0" COOKIE ID "\0\0\0\0"));         /* more than it says */
	dropped(S("\0\1\0\2" COOKIE ID "\0\0"));             /* not in words */
	dropped(S("\0\1\0\4" COOKIE ID "\x80\x22\0\1"));     /* an attribute that is cut */
	dropped(S("\0\1\0\4" COOKIE ID "\x80\x22\xff\xff")); /* the same, and longer than it can be */
	dropped(slice_of(large, sizeof(large)));
}

static void check_prefix(struct slice in)
{
	struct peer p = peer_at("[2001:db8::1]:5060");
	struct buf out = {0};

	if (stun_answer(in, &p, &out) == ERR_OK)
		assert_true(out.n + 48 <= 2 * (in.n + 48));
	buf_free(&out);
}

static void every_prefix(void **state)
{
	char m[64] = "\0\1\0\0" COOKIE ID "\x80\x22\0\5vouch\0\0\0\0\2\0\4abcd\x80\x28\0\4....";

	(void)state;
	for (unsigned n = 0; n <= 44; n++) {
		m[3] = (char)n;
		each_prefix(slice_of(m, 64), check_prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_requests),      cmocka_unit_test(attributes_of_no_concern),
		cmocka_unit_test(unknown_attributes), cmocka_unit_test(fingerprints),
		cmocka_unit_test(not_for_us),         cmocka_unit_test(every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
