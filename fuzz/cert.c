#include "crypto/cert.h"
#include "fuzz/fuzz.h"

/* A certificate in DER: the first line of the input is the name it is asked for, the rest the certificate. */

static void check_names(const struct cert *c, struct slice der)
{
	struct slice name;

	for (enum cert_name type = CERT_URI; type <= CERT_EMAIL; type++)
		for (size_t i = 0; cert_san(c, type, i, &name); i++)
			CHECK(inside(name, der) && i < der.n && cert_has_san(c));
	if (cert_common_name(c, &name))
		CHECK(name.p != NULL);
	/* A name with NUL in it matches nothing, whatever is behind (T-31). */
	CHECK(!cert_matches_host(c, S("a\0b"), true) && !cert_matches_sip_domain(c, S("a\0b")));
	CHECK(!cert_matches_host(c, S(""), true) && !cert_matches_sip_domain(c, S("")));
}

static void check_trust(const struct cert *c)
{
	struct trust *t = trust_new();
	enum trust_verdict v;

	CHECK(trust_check(t, c, NULL, 0, cert_not_before(c), true) != TRUST_OK);
	if (trust_add_der(t, cert_der(c)) == ERR_OK) {
		v = trust_check(t, c, &c, 1, cert_not_after(c) + 1, true);
		CHECK(v != TRUST_OK && trust_str(v) != NULL);
		trust_check(t, c, NULL, 0, cert_not_before(c), false);
	}
	trust_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice der = input_octets(data, size), asked = input_cut(&der);
	size_t n = cert_length(der);
	struct buf print = {0};
	struct cert *c, *again;
	struct key *k;

	CHECK(n <= der.n);
	if (cert_read(der, &c) != ERR_OK)
		return 0;
	CHECK(n == der.n && slice_eq(cert_der(c), der) && inside(cert_spki(c), cert_der(c)));
	CHECK(cert_key_bits(c) >= 256 && cert_key_bits(c) <= 4096);
	CHECK(cert_read(cert_der(c), &again) == ERR_OK && cert_not_after(again) == cert_not_after(c));
	CHECK(cert_is_self_signed(c) == cert_is_self_signed(again));
	cert_free(again);
	CHECK(cert_public_key(c, &k) == ERR_OK && key_bits(k) == cert_key_bits(c));
	key_free(k);
	check_names(c, cert_der(c));
	if (cert_matches_host(c, asked, false))
		CHECK(cert_matches_host(c, asked, true));
	cert_matches_sip_domain(c, asked);
	cert_matches_ip(c, asked);
	cert_usage_allows(c, CERT_DIGITAL_SIGNATURE);
	CHECK(!cert_purpose_tls(c, true, true) || cert_purpose_tls(c, true, false));
	cert_fingerprint(c, HASH_SHA256, &print);
	CHECK(print.n == 95);
	buf_free(&print);
	check_trust(c);
	cert_free(c);
	return 0;
}
