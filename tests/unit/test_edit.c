#include "tests/test.h"

#include "sip/message/edit.h"
#include "tests/unit/message.h"
#include "tests/unit/vector.h"

static struct sip_msg *file(const char *name)
{
	struct buf octets = vector_file(name);
	struct sip_msg *m = good_message(buf_slice(&octets));

	buf_free(&octets);
	return m;
}

/* Nothing is asked for: octet for octet the same, foldings, odd names and binary bodies included (RFC 4474 9). */
static void nothing(void **state)
{
	static const char *const files[] = {"rfc4475/wsinv.dat",   "rfc4475/intmeth.dat", "rfc4475/longreq.dat",
					    "rfc4475/mpart01.dat", "rfc4475/inv2543.dat", "rfc4475/unreason.dat",
					    "rfc4475/dblreq.dat"};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct sip_msg *m = file(files[i]);
		struct edit_list l;
		struct buf out = {0};

		edit_start(&l, m);
		edit_apply(&l, &out);
		assert_true(slice_eq(buf_slice(&out), m->raw));
		buf_free(&out);
		msg_unref(m);
	}
}

#define WITH(text) OPTIONS text "Content-Length: 3\r\n\r\n\0|\r"
#define REST FROM TO CALL_ID CSEQ

static void known(void **state)
{
	struct sip_msg *m = good_message(S(WITH(VIA "Max-Forwards: 70\r\nX: a\r\n b\r\n" REST)));
	const struct sip_header *mf = msg_each(m, HDR_MAX_FORWARDS, NULL);
	struct edit_list l;
	struct buf out = {0};

	(void)state;
	edit_start(&l, m);
	/* Not in the order of the message. */
	assert_int_equal(edit_insert(&l, NULL, S("Identity: \"x\"\r\n")), ERR_OK);
	assert_int_equal(edit_value(&l, mf->value, S("69")), ERR_OK);
	assert_int_equal(edit_insert(&l, msg_each(m, HDR_VIA, NULL), S("Via: one\r\n")), ERR_OK);
	assert_int_equal(edit_insert(&l, msg_each(m, HDR_VIA, NULL), S("Via: two\r\n")), ERR_OK);
	assert_int_equal(edit_replace(&l, mf + 1, S("")), ERR_OK);
	assert_int_equal(edit_start_line(&l, S("OPTIONS sip:b@h SIP/2.0\r\n")), ERR_OK);
	assert_int_equal(edit_insert(&l, NULL, S("Identity-Info: y\r\n")), ERR_OK);
	edit_apply(&l, &out);
	assert_true(slice_eq(buf_slice(&out),
			     S("OPTIONS sip:b@h SIP/2.0\r\nVia: one\r\nVia: two\r\n" VIA "Max-Forwards: 69\r\n" REST
			       "Content-Length: 3\r\nIdentity: \"x\"\r\nIdentity-Info: y\r\n\r\n\0|\r")));
	buf_free(&out);
	/* The list can be used again. */
	edit_start(&l, m);
	edit_apply(&l, &out);
	assert_true(slice_eq(buf_slice(&out), m->raw));
	buf_free(&out);
	msg_unref(m);
}

/* A new line before one that goes away: both are done, in whatever order they were asked for. */
static void insert_and_replace(void **state)
{
	struct sip_msg *m = good_message(S(WITH(VIA "X: a\r\n" REST)));
	const struct sip_header *x = m->headers + 1;

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct edit_list l;
		struct buf out = {0};

		edit_start(&l, m);
		if (first)
			assert_int_equal(edit_insert(&l, x, S("W: 1\r\n")), ERR_OK);
		assert_int_equal(edit_replace(&l, x, S("X: b\r\n")), ERR_OK);
		if (!first)
			assert_int_equal(edit_insert(&l, x, S("W: 1\r\n")), ERR_OK);
		edit_apply(&l, &out);
		assert_true(slice_eq(buf_slice(&out), S(WITH(VIA "W: 1\r\nX: b\r\n" REST))));
		buf_free(&out);
	}
	msg_unref(m);
}

static void limit(void **state)
{
	struct sip_msg *m = good_message(S(OPTIONS NEEDED END));
	struct edit_list l;
	struct buf out = {0};

	(void)state;
	edit_start(&l, m);
	for (int i = 0; i < EDIT_MAX; i++)
		assert_int_equal(edit_insert(&l, NULL, S("X: y\r\n")), ERR_OK);
	assert_int_equal(edit_insert(&l, NULL, S("Z: y\r\n")), ERR_LIMIT);
	assert_int_equal(edit_replace(&l, m->headers, S("")), ERR_LIMIT);
	assert_int_equal(edit_start_line(&l, S("")), ERR_LIMIT);
	assert_int_equal(edit_value(&l, m->call_id, S("")), ERR_LIMIT);
	edit_apply(&l, &out);
	assert_int_equal(out.n, m->raw.n + EDIT_MAX * 6);
	buf_free(&out);
	msg_unref(m);
}

/* --- many random lists of edits, against a plain list of lines --- */

#define LINES 64

struct model {
	struct buf before[LINES + 1]; /* what was inserted before each line; [count]: before the empty line */
	struct slice line[LINES];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static void edit_at_random(struct sip_msg *m, struct edit_list *l, struct model *model, uint32_t *seed,
			   char texts[][24])
{
	bool changed[LINES] = {false};
	unsigned edits = next_random(seed) % 30;

	for (unsigned i = 0; i < edits; i++) {
		unsigned at = next_random(seed) % (m->header_count + 1);
		bool remove = next_random(seed) % 4 == 0;

		snprintf(texts[i], 24, "New-%u: %u\r\n", i, next_random(seed));
		if (next_random(seed) % 2 == 0 || at == m->header_count || changed[at]) {
			assert_int_equal(
				edit_insert(l, at == m->header_count ? NULL : &m->headers[at], slice_str(texts[i])),
				ERR_OK);
			buf_adds(&model->before[at], texts[i]);
		} else {
			changed[at] = true;
			model->line[at] = remove ? S("") : slice_str(texts[i]);
			assert_int_equal(edit_replace(l, &m->headers[at], model->line[at]), ERR_OK);
		}
	}
}

static void against_model(void **state)
{
	struct sip_msg *m = file("rfc4475/wsinv.dat");
	uint32_t seed = 4474;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct model model = {0};
		struct edit_list l;
		struct buf out = {0}, expected = {0};
		char texts[30][24];

		for (unsigned i = 0; i < m->header_count; i++)
			model.line[i] = m->headers[i].line;
		edit_start(&l, m);
		edit_at_random(m, &l, &model, &seed, texts);
		edit_apply(&l, &out);
		buf_add(&expected, m->start);
		buf_adds(&expected, "\r\n");
		for (unsigned i = 0; i <= m->header_count; i++) {
			buf_add(&expected, buf_slice(&model.before[i]));
			if (i < m->header_count)
				buf_add(&expected, model.line[i]);
			buf_free(&model.before[i]);
		}
		buf_adds(&expected, "\r\n");
		buf_add(&expected, m->body);
		if (!slice_eq(buf_slice(&out), buf_slice(&expected)))
			fail_msg("round %d: %s\nexpected %s", round, out.p, expected.p);
		buf_free(&out);
		buf_free(&expected);
	}
	msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing), cmocka_unit_test(known),         cmocka_unit_test(insert_and_replace),
		cmocka_unit_test(limit),   cmocka_unit_test(against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
