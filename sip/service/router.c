#include "sip/service/router.h"

#define ALLOW "Allow: OPTIONS, PUBLISH, REGISTER, SUBSCRIBE\r\n"

/* ESC-15: what this server does. */
static void options(struct tx *tx)
{
	if (tx_request(tx)->uri.scheme == URI_OTHER) {
		tx_reply_code(tx, 416, NULL);
		return;
	}
	tx_reply(tx,
		 &(struct build_reply){
			 .code = 200,
			 .headers =
				 S(ALLOW
				   "Allow-Events: " ALLOW_EVENTS "\r\n"
				   "Accept: multipart/mixed, application/pkix-cert, "
				   "application/pkcs8\r\nAccept-Encoding: identity\r\nSupported: path, outbound\r\n")});
}

/* Is the Request-URI of our domain? false: answered. */
static bool is_local(const struct router *r, struct tx *tx)
{
	const struct uri *u = &tx_request(tx)->uri;

	if (u->scheme == URI_OTHER) {
		tx_reply_code(tx, 416, NULL);
		return false;
	}
	if (!slice_ieq(u->host, slice_str(r->domain))) {
		tx_reply_code(tx, 404, "Not A Domain Of This Server");
		return false;
	}
	return true;
}

/* The AOR key of the Request-URI when it is of our domain. false: answered. */
static bool local_aor(const struct router *r, struct tx *tx, struct buf *aor)
{
	if (!is_local(r, tx))
		return false;
	if (uri_aor(&tx_request(tx)->uri, aor) != ERR_OK) {
		tx_reply_code(tx, 404, NULL);
		return false;
	}
	return true;
}

static void subscribe(const struct router *r, struct tx *tx)
{
	struct buf aor = {0};

	/* In a dialog the Request-URI is our Contact: the dialog says which AOR it is about. */
	if (tx_request(tx)->to_tag.n > 0 || local_aor(r, tx, &aor))
		notifier_subscribe(r->notifier, tx, buf_slice(&aor));
	buf_free(&aor);
}

static void publish(const struct router *r, struct tx *tx)
{
	struct buf aor = {0};

	if (local_aor(r, tx, &aor))
		credentials_publish(r->credentials, tx, buf_slice(&aor));
	buf_free(&aor);
}

/* RFC 3261 10.3: the domain first, then what is required. */
static void register_contacts(const struct router *r, struct tx *tx)
{
	if (is_local(r, tx) && access_require(tx, REGISTRAR_SUPPORTED))
		registrar_register(r->registrar, tx);
}

void router_request(const struct router *r, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	if (tx_merged(tx)) {
		tx_reply_code(tx, 482, NULL);
		return;
	}
	if (m->method == METHOD_REGISTER) {
		register_contacts(r, tx);
		return;
	}
	if (!access_require(tx, SLICE_NONE))
		return;
	switch (m->method) {
	case METHOD_SUBSCRIBE:
		subscribe(r, tx);
		break;
	case METHOD_PUBLISH:
		publish(r, tx);
		break;
	case METHOD_OPTIONS:
		options(tx);
		break;
	case METHOD_NOTIFY: /* this server subscribes to nothing */
	case METHOD_BYE:
		tx_reply_code(tx, 481, NULL);
		break;
	case METHOD_UNKNOWN:
		tx_reply(tx, &(struct build_reply){.code = 501, .headers = S(ALLOW)});
		break;
	default:
		tx_reply(tx, &(struct build_reply){.code = 405, .headers = S(ALLOW)});
	}
}
