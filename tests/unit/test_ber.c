#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "crypto/ber.h"
#include "tests/unit/guard.h"
#include "tests/unit/vector.h"

/* Rows of X.690: the same value in BER and in DER, both in hexadecimal. */
static const struct {
	const char *ber, *der;
} rows[] = {
	{"0500", "0500"},
	{"020101", "020101"},
	{"02810101", "020101"},                               /* 8.1.3.5: more length octets than needed */
	{"0284000000020001", "02020001"},                     /* contents are nobody's business here */
	{"30800000", "3000"},                                 /* 8.1.3.6: indefinite, empty */
	{"30800201010000", "3003020101"},                     /* indefinite */
	{"30803080020101000005000000", "300730030201010500"}, /* indefinite in indefinite */
	{"300530800500"
	 "0000",
	 NULL},                               /* the inner one ends behind the outer one */
	{"3006308005000000", "300430020500"}, /* indefinite in definite */
	{"308030020500"
	 "0000",
	 "300430020500"},                         /* definite in indefinite */
	{"2480040161040262630000", "0403616263"}, /* 8.7.3: an OCTET STRING in pieces */
	{"240704016124020400", "040161"},         /* a piece of none */
	{"2409040161240304016200", NULL},         /* one octet too many in it */
	{"240824030401610401"
	 "62",
	 "04026162"},     /* pieces of pieces */
	{"2400", "0400"}, /* no pieces */
	{"24030201"
	 "01",
	 NULL},                           /* a piece of another type */
	{"a0800201010000", "a003020101"}, /* other constructed tags are as SEQUENCE */
	{"0480616100"
	 "00",
	 NULL},                         /* 8.1.3.2: a primitive cannot be indefinite */
	{"3080020101", NULL},           /* no end */
	{"308002010100", NULL},         /* half an end */
	{"3003020101ff", "3003020101"}, /* what is behind stays behind */
	{"1f8101", NULL},               /* tags of several octets */
	{"30", NULL},
	{"3005020101", NULL},
	{"30880000000000000003020101", "3003020101"},
	{"3088ffffffffffffffff020101", NULL},
	{"30ff020101", NULL},
};

static void rewritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf ber = {0}, der = {0}, want = {0};
		struct slice edge;
		size_t used = 0;
		enum err e;

		assert_int_equal(hex_decode(&ber, slice_str(rows[i].ber)), ERR_OK);
		edge = guard_copy(buf_slice(&ber));
		e = ber_to_der(edge, &der, &used);
		if ((e == ERR_OK) != (rows[i].der != NULL))
			fail_msg("row %s: %s", rows[i].ber, err_str(e));
		if (e == ERR_OK) {
			assert_int_equal(hex_decode(&want, slice_str(rows[i].der)), ERR_OK);
			assert_true(slice_eq(buf_slice(&der), buf_slice(&want)));
			assert_int_equal(used, i == 20 ? ber.n - 1 : ber.n);
		} else {
			assert_int_equal(der.n, 0);
		}
		guard_free(edge);
		buf_free(&ber);
		buf_free(&der);
		buf_free(&want);
	}
}

/* What is DER comes out as it went in, and no prefix of it is taken for the whole. */
static void der_stays(void **state)
{
	struct buf file = vector_file("pkcs8/rsa2048.3des-sha1.der"), out = {0};
	size_t used = 0;

	(void)state;
	assert_int_equal(ber_to_der(buf_slice(&file), &out, &used), ERR_OK);
	assert_true(slice_eq(buf_slice(&out), buf_slice(&file)));
	assert_int_equal(used, file.n);
	for (size_t n = 0; n < file.n; n++) {
		struct slice edge = guard_copy(slice_sub(buf_slice(&file), 0, n));

		buf_clear(&out);
		assert_int_not_equal(ber_to_der(edge, &out, &used), ERR_OK);
		guard_free(edge);
	}
	buf_free(&file);
	buf_free(&out);
}

static void depth_is_bounded(void **state)
{
	char nested[2 * 2000];
	struct buf out = {0};
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(nested); i += 2) {
		nested[i] = 0x30;
		nested[i + 1] = (char)0x80;
	}
	assert_int_equal(ber_to_der(slice_of(nested, sizeof(nested)), &out, &used), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest list[] = {
		cmocka_unit_test(rewritten),
		cmocka_unit_test(der_stays),
		cmocka_unit_test(depth_is_bounded),
	};

	return cmocka_run_group_tests(list, NULL, NULL);
}
