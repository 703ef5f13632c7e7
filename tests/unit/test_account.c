#include "tests/test.h"

#include "core/mem.h"
#include "sip/ua/account.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

#define SECRET "s3cret-of-bob"
#define NAME "bob.account"

static struct folder f;

static int begin(void **state)
{
	(void)state;
	folder_open(&f);
	return 0;
}

static int end(void **state)
{
	(void)state;
	folder_remove(&f);
	return 0;
}

/* Loads text as an account file. */
static bool load(const char *text, struct account *a, struct buf *why)
{
	char *path = folder_path(&f, NAME);
	bool ok;

	folder_put(&f, NAME, slice_str(text));
	buf_clear(why);
	ok = account_load(path, a, why);
	mem_free(path);
	assert_true(ok == (why->n == 0));
	return ok;
}

static void all_settings(void **state)
{
	struct account a;
	struct buf why = {0};

	(void)state;
	assert_true(load("# bob\n\naor = sip:bob@example.com\r\n  password=  a = b # c ; d  \nserver = tls:[::1]:5061\n"
			 "ca = ca.crt",
			 &a, &why));
	assert_string_equal(a.aor, "sip:bob@example.com");
	assert_true(slice_eq(a.user, S("bob")) && slice_eq(a.domain, S("example.com")));
	assert_string_equal(a.password, "a = b # c ; d"); /* an INI value has no comments */
	assert_true(a.has_server && a.proto == PROTO_TLS && a.port == 5061);
	assert_string_equal(a.host, "::1");
	assert_true(slice_starts(slice_str(a.ca), slice_str(f.path)) && slice_ends(slice_str(a.ca), S("/ca.crt")));
	account_free(&a);
	assert_null(a.aor);
	buf_free(&why);
}

static void only_the_aor_is_needed(void **state)
{
	struct account a;
	struct buf why = {0};

	(void)state;
	assert_true(load("aor=SIP:%62ob;x@[2001:db8::1]", &a, &why));
	assert_true(!a.has_server && a.proto == PROTO_TLS && a.password == NULL && a.host == NULL);
	assert_true(slice_eq(a.user, S("%62ob;x")) && slice_eq(a.domain, S("[2001:db8::1]")));
	assert_string_equal(a.ca, "/etc/ssl/certs/ca-certificates.crt");
	account_free(&a);
	assert_true(load("aor = sip:b@h\nca = /etc/x.pem", &a, &why));
	assert_string_equal(a.ca, "/etc/x.pem");
	account_free(&a);
	buf_free(&why);
}

static void servers(void **state)
{
	static const struct {
		const char *text;
		enum proto proto;
		const char *host;
		uint16_t port;
	} rows[] = {
		{"tls:example.com:5061", PROTO_TLS, "example.com", 5061},
		{"TLS:192.0.2.1:1", PROTO_TLS, "192.0.2.1", 1},
		{"tcp:h:65535", PROTO_TCP, "h", 65535},
		{"udp:h:5060", PROTO_UDP, "h", 5060},
		{"tls:[2001:db8::1]:5061", PROTO_TLS, "2001:db8::1", 5061},
	};
	struct account a;
	struct buf why = {0}, text = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_clear(&text);
		buf_addf(&text, "aor = sip:b@h\nserver = %s\n", rows[i].text);
		if (!load(text.p, &a, &why))
			fail_msg("%s", why.p);
		assert_true(a.has_server && a.proto == rows[i].proto && a.port == rows[i].port);
		assert_string_equal(a.host, rows[i].host);
		account_free(&a);
	}
	buf_free(&text);
	buf_free(&why);
}

#define GOOD "aor = sip:bob@example.com\npassword = " SECRET "\n"

/* Lines that are refused, what the sentence must have, and the number of the line (0: the whole file). */
static const struct {
	const char *text;
	unsigned line;
	const char *has;
} bad[] = {
	{"", 0, "aor = sip:user@domain"},
	{"password = " SECRET "\n", 0, "aor"},
	{"aor = bob", 1, "sip:user@domain"},
	{"aor = sip:example.com", 1, "sip:user@domain"},
	{"aor = sips:bob@example.com", 1, "sip:user@domain"},
	{"aor = sip:bob@example.com:5060", 1, "sip:user@domain"},
	{"aor = sip:bob:pw@example.com", 1, "sip:user@domain"},
	{"aor = sip:bob@example.com;x=y", 1, "sip:user@domain"},
	{"aor = sip:bob@example.com?x=y", 1, "sip:user@domain"},
	{"aor = <sip:bob@example.com>", 1, "sip:user@domain"},
	{"aor =", 1, "sip:user@domain"},
	{"aor = tel:+1", 1, "sip:user@domain"},
	{"\n\naor = sip:b b@h", 3, "sip:user@domain"},
	{GOOD "aor = sip:bob@example.com", 3, "aor"},
	{GOOD "password = " SECRET, 3, "password"},
	{GOOD "password =", 3, "password"},
	{"aor = sip:b@h\npassword =\n", 2, "password"},
	{GOOD "colour = " SECRET, 3, "colour"},
	{GOOD "[section]\nca = x", 4, "section"},
	{GOOD "ca =", 3, "ca"},
	{GOOD "ca = x\nca = y", 4, "ca"},
	{GOOD "Password = x", 3, "Password"},
	{GOOD "server = tls:h:1\nserver = tls:h:2", 4, "server"},
	{GOOD "server =", 3, "tls:host:port"},
	{GOOD "server = h", 3, "tls:host:port"},
	{GOOD "server = h:5061", 3, "tls:host:port"},
	{GOOD "server = tls:h", 3, "tls:host:port"},
	{GOOD "server = tls:h:", 3, "tls:host:port"},
	{GOOD "server = tls:h:0", 3, "tls:host:port"},
	{GOOD "server = tls:h:65536", 3, "tls:host:port"},
	{GOOD "server = tls:h:x", 3, "tls:host:port"},
	{GOOD "server = tls::5061", 3, "tls:host:port"},
	{GOOD "server = tls:::1:5061", 3, "tls:host:port"},
	{GOOD "server = tls:[::1:5061", 3, "tls:host:port"},
	{GOOD "server = tls:[x]:5061", 3, "tls:host:port"},
	{GOOD "server = tls:u@h:5061", 3, "tls:host:port"},
	{GOOD "server = tls://h:5061", 3, "tls:host:port"},
	{GOOD "server = sctp:h:5061", 3, "tls:host:port"},
	{GOOD "server = https:h:5061", 3, "tls:host:port"},
	{GOOD "nonsense", 3, "nonsense"},
	{GOOD "= x", 3, "key = value"},
	{"aor = sip:b@h\npassword " SECRET "\n", 2, "password"},
	{"aor = sip:b@h\n\tpassword: " SECRET "\n", 2, "password"},
	{"aor = sip:b@h\npassword = " SECRET "\x01\n", 2, "control"},
};

static void bad_lines(void **state)
{
	struct buf why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char place[32];
		struct account a;

		if (load(bad[i].text, &a, &why))
			fail_msg("taken: %s", bad[i].text);
		snprintf(place, sizeof(place), bad[i].line > 0 ? NAME ":%u: " : NAME ": ", bad[i].line);
		if (slice_find(buf_slice(&why), slice_str(place), 0) == why.n ||
		    slice_find(buf_slice(&why), slice_str(bad[i].has), 0) == why.n)
			fail_msg("%s\n-> %s", bad[i].text, why.p);
		/* A sentence, with nothing of a secret in it. */
		assert_true(slice_chr(buf_slice(&why), '\n') == why.n);
		if (slice_find(buf_slice(&why), S(SECRET), 0) < why.n)
			fail_msg("a password is shown: %s", why.p);
		account_free(&a);
	}
	buf_free(&why);
}

static void files(void **state)
{
	struct buf why = {0}, large = {0};
	struct account a;
	char *missing = folder_path(&f, "missing"), *path = folder_path(&f, NAME);

	(void)state;
	assert_false(account_load(missing, &a, &why));
	assert_true(slice_find(buf_slice(&why), slice_str(missing), 0) < why.n);
	account_free(&a);
	folder_put(&f, NAME, S(GOOD));
	for (unsigned mode = 0604; mode <= 0640; mode += 0034) {
		assert_int_equal(fchmodat(f.fd, NAME, mode, 0), 0);
		buf_clear(&why);
		assert_false(account_load(path, &a, &why));
		assert_true(slice_find(buf_slice(&why), S("0600"), 0) < why.n);
		account_free(&a);
	}
	assert_int_equal(fchmodat(f.fd, NAME, 0400, 0), 0);
	buf_clear(&why);
	assert_true(account_load(path, &a, &why));
	account_free(&a);
	assert_int_equal(fchmodat(f.fd, NAME, 0600, 0), 0);
	buf_adds(&large, GOOD);
	while (large.n <= 16384)
		buf_adds(&large, "# one more line\n");
	assert_false(load(large.p, &a, &why));
	assert_true(slice_find(buf_slice(&why), S("larger"), 0) < why.n);
	account_free(&a);
	mem_free(missing);
	mem_free(path);
	buf_free(&large);
	buf_free(&why);
}

static struct buf etag_of(const struct account *a)
{
	struct buf b = {0};

	account_etag(a, &b);
	return b;
}

static void assert_etag(const struct account *a, const char *expected)
{
	struct buf b = etag_of(a);

	assert_true(slice_eq(buf_slice(&b), slice_str(expected)));
	buf_free(&b);
}

static void EPA_03_etag(void **state)
{
	struct account a, other;
	struct buf why = {0};

	(void)state;
	assert_true(load(GOOD, &a, &why));
	assert_etag(&a, "");
	assert_true(account_learn(&a, S("dx200xyz"), &why));
	assert_etag(&a, "dx200xyz");
	assert_true(account_learn(&a, S("newer"), &why));
	assert_etag(&a, "newer");
	/* What another user learnt with an account file of that name is not his. */
	assert_true(load("aor = sip:carol@example.com", &other, &why));
	assert_etag(&other, "");
	account_free(&other);
	assert_true(account_learn(&a, SLICE_NONE, &why));
	assert_etag(&a, "");
	assert_false(folder_has(&f, NAME ".etag"));
	assert_true(account_learn(&a, SLICE_NONE, &why));
	/* No token: it would break the request that it is put into. */
	assert_true(account_learn(&a, S("a"), &why));
	assert_true(account_learn(&a, S("a\r\nX: y"), &why));
	assert_etag(&a, "");
	folder_put(&f, NAME ".etag", S("sip:bob@example.com a\r\nX: y\n"));
	assert_etag(&a, "");
	folder_put(&f, NAME ".etag", S("sip:bob@example.com"));
	assert_etag(&a, "");
	folder_put(&f, NAME ".etag", S(""));
	assert_etag(&a, "");
	account_free(&a);
	buf_free(&why);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_settings), T(only_the_aor_is_needed), T(servers), T(bad_lines), T(files), T(EPA_03_etag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
