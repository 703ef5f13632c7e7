#include "sip/server/chain.h"

#include <stdint.h>

#include "crypto/encode.h"
#include "sip/message/date.h"

bool chain_read(struct slice pem, struct chain *out)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	const char *label;
	size_t pos = 0;
	enum err e = ERR_OK;

	*out = (struct chain){0};
	while (out->count < CHAIN_MAX && e == ERR_OK) {
		struct buf der = {0};

		e = pem_read(pem, labels, &pos, &label, &der);
		if (e == ERR_OK)
			e = cert_read(buf_slice(&der), &out->list[out->count]);
		if (e == ERR_UNSUPPORTED)
			e = ERR_OK; /* an authority with name constraints, for one; peers may know them */
		if (e == ERR_OK)
			out->count++;
		buf_free(&der);
	}
	return out->count > 0 && (e == ERR_OK || e == ERR_NOTFOUND);
}

void chain_drop(struct chain *c)
{
	for (unsigned i = 0; i < c->count; i++)
		cert_free(c->list[i]);
	*c = (struct chain){0};
}

bool chain_leads(const struct chain *c, const struct trust *anchors, int64_t now)
{
	enum trust_verdict v = TRUST_UNTRUSTED;

	if (c->list[0] == NULL)
		return true; /* it cannot be told */
	/* trust_check takes a few further ones only; a longer chain is judged by what stands first. */
	for (unsigned more = 0; more < c->count && more < CERT_CHAIN_MAX && v == TRUST_UNTRUSTED; more++) {
		if (more > 0 && c->list[more] == NULL)
			return true;
		v = trust_check(anchors, c->list[0], (const struct cert *const *)&c->list[1], more, now, true);
	}
	return v != TRUST_UNTRUSTED;
}

/* names: does one of them name the anchor as its issuer? A self-signed one names itself. */
static bool names(const struct chain *c, const struct cert *anchor)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->list[i] != NULL && cert_names_issuer(c->list[i], anchor))
			return true;
	return false;
}

/* Names are compared first: the bundle of a system has a hundred anchors, and each costs milliseconds as one. */
bool chain_signed_by(const struct chain *c, const struct cert *anchor, int64_t now)
{
	struct trust *one;
	bool leads;

	if (c->list[0] == NULL || !names(c, anchor))
		return false;
	one = trust_new();
	leads = trust_add_der(one, cert_der(anchor)) == ERR_OK && chain_leads(c, one, now);
	trust_unref(one);
	return leads;
}

/* signs: does authority sign the certificate? Only a bad signature and another name speak against it. */
static bool signs(const struct cert *authority, const struct cert *cert, int64_t now)
{
	struct trust *one = trust_new();
	bool yes = trust_add_der(one, cert_der(authority)) == ERR_OK &&
		   trust_check(one, cert, NULL, 0, now, true) != TRUST_UNTRUSTED;

	trust_unref(one);
	return yes;
}

/* signs_any: an authority of which a certificate cannot be read may have signed just that one. */
static bool signs_any(const struct chain *c, unsigned authority, int64_t now)
{
	for (unsigned i = 0; i < c->count; i++)
		if (i != authority && (c->list[i] == NULL || signs(c->list[authority], c->list[i], now)))
			return true;
	return false;
}

bool chain_holds(const struct chain *c, int64_t now, struct buf *why)
{
	char date[DATE_SIZE];

	for (unsigned i = 1; i < c->count; i++) {
		const struct cert *authority = c->list[i];

		if (authority == NULL)
			continue;
		if (cert_not_after(authority) < now) {
			date_format(cert_not_after(authority), date);
			buf_addf(why, "certificate %u in it has expired on %s; put a new one of that authority there",
				 i + 1, date);
			return false;
		}
		if (cert_not_before(authority) > now) {
			buf_addf(why, "certificate %u in it is not valid yet; is the clock right?", i + 1);
			return false;
		}
		if (!signs_any(c, i, now)) {
			buf_addf(why,
				 "certificate %u in it has signed none of the others; expected the authorities of the "
				 "first one alone",
				 i + 1);
			return false;
		}
	}
	return true;
}

int64_t chain_end(const struct chain *c)
{
	int64_t end = INT64_MAX;

	for (unsigned i = 0; i < c->count; i++)
		if (c->list[i] != NULL && cert_not_after(c->list[i]) < end)
			end = cert_not_after(c->list[i]);
	return end;
}
