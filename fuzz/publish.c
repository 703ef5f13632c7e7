#include "crypto/pkcs8.h"
#include "fuzz/fuzz.h"
#include "sip/credential/publish_body.h"

/* A PUBLISH of a credential: its body is taken apart and judged as the server does. */

static void check_body(const struct sip_msg *m, const struct config *c)
{
	struct publish_body p = {0};
	struct refusal r = publish_body_read(m, c, &p);
	size_t len;

	if (r.code == 0) {
		CHECK(p.cert != NULL);
		CHECK(p.key.n == 0 || (pkcs8_shape(buf_slice(&p.key), &len) != PKCS8_NONE && len == p.key.n));
		/* DEP-02: in style 1 no key gets in. */
		CHECK(p.key.n == 0 || c->credential_style != STYLE_1);
		r = publish_body_check(&p, c, S("sip:alice@example.com"), cert_not_before(p.cert));
		if (r.code == 0) {
			CHECK(!cert_is_ca(p.cert));
			CHECK(c->credential_style != STYLE_2 || p.key.n == 0 ||
			      pkcs8_shape(buf_slice(&p.key), &len) == PKCS8_ENCRYPTED);
		}
	}
	CHECK(r.code == 0 || r.code == 400 || r.code == 403 || r.code == 413 || r.code == 415 || r.code == 437);
	publish_body_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_msg *m;
	const char *why;

	if (msg_parse(input_octets(data, size), &m, &why) != ERR_OK)
		return 0;
	for (unsigned style = STYLE_ANY; style <= STYLE_3; style++) {
		struct config c = {.credential_style = style,
				   .credential_check_san = style != STYLE_2,
				   .credential_san_email = style == STYLE_3,
				   .credential_min_rsa_bits = 1024};

		check_body(m, &c);
	}
	msg_unref(m);
	return 0;
}
