#include "sip/access/access.h"

#include "core/log.h"
#include "sip/identity/user_cert.h"
#include "sip/message/header.h"

/* The checks and their answers. The order within each is the one of T-15, so that no answer tells more than it must. */

bool access_claims(const struct access *a, struct slice value)
{
	const struct config *c = &a->settings->config;

	return digest_may_be_of(value, slice_str(c->domain)) ||
	       digest_may_be_of(value, slice_str(config_credential_realm(c)));
}

bool access_require(struct tx *tx, struct slice supported)
{
	const struct sip_msg *m = tx_request(tx);
	struct buf lines = {0};
	bool fine, bad = false;

	for (const struct sip_header *h = msg_each(m, HDR_REQUIRE, NULL); h != NULL && !bad;
	     h = msg_each(m, HDR_REQUIRE, h)) {
		struct slice rest = h->value, tag;

		while (scan_list(&rest, &tag, &bad)) {
			if (scan_list_has(supported, tag))
				continue;
			buf_adds(&lines, lines.n == 0 ? "Unsupported: " : ", ");
			buf_add(&lines, tag);
		}
	}
	fine = lines.n == 0 && !bad;
	buf_adds(&lines, "\r\n");
	if (bad)
		tx_reply_code(tx, 400, "Bad Require Header Field");
	else if (!fine)
		tx_reply(tx, &(struct build_reply){.code = 420, .headers = buf_slice(&lines)});
	buf_free(&lines);
	return fine;
}

/* is_direct: RFC 6072 7.5: a proxy on the way would see the private key. Via and Record-Route show one. */
static bool is_direct(const struct sip_msg *m)
{
	return msg_vias(m) == 1 && msg_count(m, HDR_RECORD_ROUTE) == 0;
}

bool access_sealed(const struct access *a, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	if (tx_flow(tx)->proto != PROTO_TLS) {
		/* No challenge in the clear: an answer to it could be tried against a dictionary (draft 9). */
		tx_reply_code(tx, 403, "TLS Required");
		return false;
	}
	if (a->settings->config.credential_direct && !is_direct(m)) {
		tx_reply_code(tx, 403, "Direct TLS Connection Required");
		return false;
	}
	return true;
}

/* ask: a challenge. */
static void ask(const struct access *a, struct tx *tx, enum auth_use use, bool stale)
{
	struct buf lines = {0};

	auth_challenge(a->auth, tx_request(tx), tx_flow(tx), use, stale, tx_room(tx), &lines);
	tx_reply_once(tx, &(struct build_reply){.code = auth_status(use), .headers = buf_slice(&lines)});
	buf_free(&lines);
}

/*
 * check_user: a challenge is sent without state, because the address that asks for it may be forged (RFC 3261
 * 26.3.2.4). again: for AUTH_AGAIN, which only AUTH_REGISTRAR has.
 */
static bool check_user(const struct access *a, struct tx *tx, enum auth_use use, const struct user **out, bool *again)
{
	struct auth_result r;

	if ((use == AUTH_REGISTRAR || use == AUTH_PROXY) && !a->settings->config.digest_insecure &&
	    tx_flow(tx)->proto != PROTO_TLS) {
		tx_reply_code(tx, 403, "TLS Required");
		return false;
	}
	r = auth_check(a->auth, tx_request(tx), tx_flow(tx), use);
	switch (r.verdict) {
	case AUTH_OK:
		tx_prove(tx); /* the nonce was sent to that address, and to no other */
		*out = r.user;
		return true;
	case AUTH_AGAIN:
		*out = r.user;
		*again = true;
		return true;
	case AUTH_CHALLENGE:
	case AUTH_STALE:
		ask(a, tx, use, r.verdict == AUTH_STALE);
		return false;
	case AUTH_BAD:
		tx_reply_code(tx, 400, r.reason);
		return false;
	case AUTH_BUSY:
		break;
	}
	tx_reply_busy(tx, 30, "Too Many Wrong Answers");
	return false;
}

bool access_user(const struct access *a, struct tx *tx, const struct user **out, bool *again)
{
	*again = false;
	return check_user(a, tx, AUTH_REGISTRAR, out, again);
}

bool access_user_anew(const struct access *a, struct tx *tx)
{
	ask(a, tx, AUTH_REGISTRAR, true);
	return false;
}

bool access_source(const struct access *a, struct tx *tx)
{
	const struct user *user;

	return tx_flow(tx)->proto != PROTO_UDP || check_user(a, tx, AUTH_ANONYMOUS, &user, NULL);
}

/*
 * is_anonymous: RFC 4474 12: a user of the domain may hide behind "anonymous", unless that is the name of an account.
 */
static bool is_anonymous(const struct access *a, struct slice aor)
{
	return slice_starts(aor, S("sip:anonymous@")) && !auth_knows(a->auth, aor);
}

bool access_sender(const struct access *a, struct tx *tx, const struct uri *from)
{
	const struct user *user;
	struct buf aor = {0};
	bool ok = false;

	if (uri_aor(from, &aor) != ERR_OK)
		tx_reply_code(tx, 403, "From Is No Address Of Record");
	else
		ok = check_user(a, tx, AUTH_PROXY, &user, NULL) &&
		     (is_anonymous(a, buf_slice(&aor)) || access_is(tx, user, buf_slice(&aor)));
	buf_free(&aor);
	return ok;
}

bool access_is(struct tx *tx, const struct user *user, struct slice aor)
{
	if (slice_eq(slice_str(user->aor), aor))
		return true;
	log_line(LOG_WARN, "event=not_owner user=%s aor=%s method=%s", log_esc(slice_str(user->aor)).text,
		 log_esc(aor).text, log_esc(tx_request(tx)->method_name).text);
	tx_reply_code(tx, 403, "Not Your Address Of Record");
	return false;
}

/*
 * shows_certificate: does the TLS client have a certificate under credential.client-ca that names aor? The handshake
 * has proven its key. It took other authorities, too, so the chain is looked at again, and at the time of this request.
 */
static bool shows_certificate(const struct access *a, const struct flow *f, struct slice aor)
{
	struct slice der = transport_peer_certificate(a->transport, f);
	struct cert *leaf;
	bool good;

	if (a->settings->client_trust == NULL || der.p == NULL || cert_read(der, &leaf) != ERR_OK)
		return false;
	good = trust_check(a->settings->client_trust, leaf, NULL, 0, loop_wall_s(a->loop), false) == TRUST_OK &&
	       cert_purpose_tls(leaf, false, false) && user_cert_names(leaf, aor, false);
	cert_free(leaf);
	return good;
}

bool access_digest(const struct access *a, struct tx *tx, struct slice aor, unsigned *proof)
{
	const struct user *user;

	*proof = is_direct(tx_request(tx)) ? ACCESS_DIRECT : 0;
	switch ((enum config_owner_cert)a->settings->config.credential_client_certificate) {
	case OWNER_CERT_OFF:
		break;
	case OWNER_CERT_ACCEPT:
		if (auth_knows(a->auth, aor) && shows_certificate(a, tx_flow(tx), aor))
			return true;
		break;
	case OWNER_CERT_REQUIRE:
		if (shows_certificate(a, tx_flow(tx), aor))
			break;
		tx_reply_code(tx, 403, "Client Certificate Required");
		return false;
	}
	*proof |= ACCESS_PASSWORD;
	return check_user(a, tx, AUTH_CREDENTIAL, &user, NULL) && access_is(tx, user, aor);
}

bool access_owner(const struct access *a, struct tx *tx, struct slice aor, unsigned *proof)
{
	return access_sealed(a, tx) && access_digest(a, tx, aor, proof);
}

bool access_holds(const struct access *a, const struct flow *f, struct slice aor, unsigned proof)
{
	bool password = (proof & ACCESS_PASSWORD) != 0;

	if (a->settings->config.credential_direct && (proof & ACCESS_DIRECT) == 0)
		return false;
	switch ((enum config_owner_cert)a->settings->config.credential_client_certificate) {
	case OWNER_CERT_OFF:
		return password;
	case OWNER_CERT_ACCEPT:
		return password || shows_certificate(a, f, aor);
	case OWNER_CERT_REQUIRE:
		return password && shows_certificate(a, f, aor);
	}
	return false;
}
