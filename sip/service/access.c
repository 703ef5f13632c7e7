#include "sip/service/access.h"

#include "core/log.h"

bool access_require(struct tx *tx)
{
	struct slice require = msg_value(tx_request(tx), HDR_REQUIRE);
	struct buf lines = {0};

	if (require.n == 0)
		return true;
	buf_adds(&lines, "Unsupported: ");
	buf_add(&lines, require);
	buf_adds(&lines, "\r\n");
	tx_reply(tx, &(struct build_reply){.code = 420, .headers = buf_slice(&lines)});
	buf_free(&lines);
	return false;
}

bool access_sealed(const struct access *a, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	if (tx_flow(tx)->proto != PROTO_TLS) {
		/* No challenge in the clear: it would expose the digest to a dictionary (draft 9). */
		tx_reply_code(tx, 403, "TLS Required");
		return false;
	}
	if (a->config->credential_direct && (msg_vias(m) > 1 || msg_count(m, HDR_RECORD_ROUTE) > 0)) {
		tx_reply_code(tx, 403, "Direct TLS Connection Required");
		return false;
	}
	return true;
}

bool access_digest(const struct access *a, struct tx *tx, struct slice aor)
{
	const struct sip_msg *m = tx_request(tx);
	struct auth_result r = auth_check(a->auth, m, tx_flow(tx), HDR_AUTHORIZATION);
	struct buf lines = {0};

	switch (r.verdict) {
	case AUTH_OK:
		break;
	case AUTH_CHALLENGE:
	case AUTH_STALE:
		auth_challenge(a->auth, tx_flow(tx), HDR_AUTHORIZATION, r.verdict == AUTH_STALE, &lines);
		tx_reply_once(tx, &(struct build_reply){.code = 401, .headers = buf_slice(&lines)});
		buf_free(&lines);
		return false;
	case AUTH_BAD:
		tx_reply_code(tx, 400, r.reason);
		return false;
	case AUTH_BUSY:
		tx_reply_once(tx, &(struct build_reply){.code = 503,
							.reason = "Too Many Wrong Answers",
							.headers = S("Retry-After: 30\r\n")});
		return false;
	}
	if (!slice_eq(slice_str(r.user->aor), aor)) {
		log_line(LOG_WARN, "event=not_owner user=%s aor=%s method=%s", log_esc(slice_str(r.user->aor)).text,
			 log_esc(aor).text, log_esc(m->method_name).text);
		tx_reply_code(tx, 403, "Not Your Address Of Record");
		return false;
	}
	return true;
}

bool access_owner(const struct access *a, struct tx *tx, struct slice aor)
{
	return access_sealed(a, tx) && access_digest(a, tx, aor);
}
