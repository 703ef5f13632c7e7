#include "tests/test.h"

#include "sip/identity/judge.h"
#include "tests/unit/vector.h"

/* Each step of RFC 4474 6 by itself, on messages and certificates that were made with OpenSSL. */

#define NOON 1780315200 /* 2026-06-01 12:00:00 UTC, when they were made */
#define FRESH "rfc4474/fresh/"
#define BIT(step) (1u << (step))
#define STEPS (JUDGE_LIFE + 1)

static struct trust *root;

/* The steps that do not hold, as a set of BIT. Every step is judged, also behind one that fails. */
static unsigned failing(const char *name, unsigned codes[STEPS])
{
	struct buf text = {0}, der = {0};
	char path[100];
	struct sip_msg *m;
	const char *why;
	unsigned set = 0;

	snprintf(path, sizeof(path), FRESH "%s.sip", name);
	text = vector_file(path);
	snprintf(path, sizeof(path), FRESH "%s.cer", name);
	der = vector_file(path);
	assert_int_equal(msg_parse(buf_slice(&text), &m, &why), ERR_OK);

	struct judge j = {.m = m,
			  .der = buf_slice(&der),
			  .source = S("here"),
			  .trust = root,
			  .now_s = NOON,
			  .date_skew_s = 3600,
			  .wildcard = true};

	for (unsigned s = 0; s < STEPS; s++) {
		if (s > JUDGE_CERTIFICATE && j.cert == NULL)
			break;
		j.text[0] = '\0';
		if (judge_step(&j, (enum judge_step)s)) {
			assert_int_equal(j.text[0], '\0');
			continue;
		}
		set |= BIT(s);
		codes[s] = j.code;
		assert_true(j.code >= 400 && j.text[0] != '\0');
	}
	judge_drop(&j);
	msg_unref(m);
	buf_free(&text);
	buf_free(&der);
	return set;
}

static void each_fault_fails_its_step_alone(void **state)
{
	static const struct {
		const char *name;
		unsigned steps, code; /* that fail, and what each of them says */
	} rows[] = {
		{"good", 0, 0},
		{"good-wildcard", 0, 0},
		{"edge-date-3600", 0, 0},
		{"bad-wrong-domain", BIT(JUDGE_AUTHORITY), 437},
		{"bad-wildcard-two-labels", BIT(JUDGE_AUTHORITY), 437},
		{"bad-cn-ignored", BIT(JUDGE_AUTHORITY), 437},
		{"bad-self-signed", BIT(JUDGE_CHAIN), 437},
		{"bad-untrusted-ca", BIT(JUDGE_CHAIN), 437},
		{"bad-issuer-not-ca", BIT(JUDGE_CHAIN), 437},
		{"bad-keyusage", BIT(JUDGE_USAGE), 437},
		{"bad-critical-ext", BIT(JUDGE_CERTIFICATE), 437},
		{"bad-rsa768", BIT(JUDGE_CERTIFICATE), 437},
		{"bad-wrong-key", BIT(JUDGE_SIGNATURE), 438},
		{"bad-date-before-cert", BIT(JUDGE_LIFE), 437},
		{"bad-date-stale", BIT(JUDGE_DATE), 403},
		{"bad-date-future", BIT(JUDGE_DATE), 403},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned codes[STEPS] = {0}, set = failing(rows[i].name, codes);

		if (set != rows[i].steps)
			fail_msg("%s: steps %x fail instead of %x", rows[i].name, set, rows[i].steps);
		for (unsigned s = 0; s < STEPS; s++)
			assert_int_equal(codes[s], set & BIT(s) ? rows[i].code : 0);
	}
}

/* What the request alone says. A step that fails leaves nothing found. */
static void the_request_alone(void **state)
{
	static const struct {
		const char *headers;
		enum judge_step step;
		unsigned code; /* 0: it holds */
	} rows[] = {
		{"", JUDGE_IDENTITY, 428},
		{"Identity: \"AAAA\"\r\n", JUDGE_IDENTITY, 0},
		{"Identity: AAAA;info=<https://x>\r\n", JUDGE_IDENTITY, 436},
		{"Identity: \"\"\r\n", JUDGE_IDENTITY, 438},
		{"", JUDGE_INFO, 436},
		{"Identity-Info: <https://x/c>;alg=rsa-sha1\r\n", JUDGE_INFO, 0},
		{"Identity-Info: <https://x/c>;alg=RSA-SHA256\r\n", JUDGE_INFO, 0},
		{"Identity-Info: <https://x/c>\r\n", JUDGE_INFO, 436},
		{"Identity-Info: <ftp://x/c>;alg=rsa-sha1\r\n", JUDGE_INFO, 436},
		{"Identity-Info: <https://x/c>;alg=rot13\r\n", JUDGE_INFO, 437},
		{"Identity-Info: nonsense\r\n", JUDGE_INFO, 436},
		{"", JUDGE_STRING, 400},
		{"Date: Mon, 01 Jun 2026 12:00:00 GMT\r\n", JUDGE_STRING, 0},
		{"Date: yesterday\r\n", JUDGE_STRING, 400},
		{"", JUDGE_FROM, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judge j = {0};
		struct buf text = {0};
		struct sip_msg *m;
		const char *why;
		bool holds;

		buf_addf(&text,
			 "MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
			 "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\n"
			 "CSeq: 1 MESSAGE\r\n%sContent-Length: 0\r\n\r\n",
			 rows[i].headers);
		assert_int_equal(msg_parse(buf_slice(&text), &m, &why), ERR_OK);
		j.m = m;
		holds = judge_step(&j, rows[i].step);
		if (holds != (rows[i].code == 0) || (!holds && j.code != rows[i].code))
			fail_msg("%s: %u instead of %u", rows[i].headers, holds ? 0 : j.code, rows[i].code);
		if (!holds)
			assert_true(j.sig.n == 0 && !j.has_string && j.domain.n == 0);
		judge_drop(&j);
		msg_unref(m);
		buf_free(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_fails_its_step_alone),
		cmocka_unit_test(the_request_alone),
	};
	struct buf pem = vector_file(FRESH "root-ca.pem");
	size_t n;
	int failed;

	root = trust_new();
	if (trust_add_pem(root, buf_slice(&pem), &n) != ERR_OK)
		return 1;
	buf_free(&pem);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	trust_unref(root);
	return failed;
}
