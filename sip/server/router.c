#include "sip/server/router.h"

#include "sip/message/header.h"

/*
 * The order of decisions in router_request: scheme (416), proxy, merged (482), REGISTER, Require (420), then by method.
 */

#define ALLOW "Allow: OPTIONS, PUBLISH, REGISTER, SUBSCRIBE\r\n"

#define ROOMY 240 /* octets; an OPTIONS of this size may be answered with twice as many (G14) */

/*
 * options: ESC-15: what this server does. RFC 3261 11.2 wants Supported, too; in the answer to a tiny datagram that
 * would be a line too many, because an answer must not be more than twice as large as its request (G14).
 */
static void options(struct tx *tx)
{
	struct buf lines = {0};

	buf_adds(&lines,
		 ALLOW "Allow-Events: " PACKAGE_ALLOW_EVENTS "\r\nAccept: multipart/mixed, application/pkix-cert, "
		       "application/pkcs8\r\nAccept-Encoding: identity\r\n");
	if (tx_request(tx)->raw.n >= ROOMY)
		build_header(&lines, "Supported", REGISTRAR_SUPPORTED);
	tx_reply(tx, &(struct build_reply){.code = 200, .headers = buf_slice(&lines)});
	buf_free(&lines);
}

/* is_local: is the Request-URI of our domain? false: answered. */
static bool is_local(const struct router *r, struct tx *tx)
{
	const struct uri *u = &tx_request(tx)->uri;

	if (!slice_ieq(uri_domain(u), slice_str(r->settings->config.domain))) {
		tx_reply_code(tx, 404, "Not A Domain Of This Server");
		return false;
	}
	return true;
}

/* local_aor: appends the Request-URI as an AOR, if it is of our domain. false: answered. */
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

	/* In a dialog the Request-URI is our Contact, and the dialog says which AOR it is about. */
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

/* RFC 3261 10.3: first the domain (step 1), then what is required (step 2). */
static void register_contacts(const struct router *r, struct tx *tx)
{
	if (is_local(r, tx) && access_require(tx, REGISTRAR_SUPPORTED))
		registrar_register(r->registrar, tx);
}

/*
 * is_own_package: is this server the state agent of the package? All other packages are for the phones. No Event is
 * answered here.
 */
static bool is_own_package(const struct sip_msg *m)
{
	struct event ev = {0};

	return msg_value(m, HDR_EVENT).p == NULL || event_parse(msg_value(m, HDR_EVENT), &ev) != ERR_OK ||
	       package_of(ev.package) != PACKAGE_COUNT;
}

/* is_registered: has the user a phone that a request could go to? */
static bool is_registered(const struct router *r, const struct uri *u)
{
	struct buf aor = {0};
	struct contact one;
	bool there = uri_aor(u, &aor) == ERR_OK && registrar_contacts(r->registrar, buf_slice(&aor), &one, 1) > 0;

	buf_free(&aor);
	return there;
}

/*
 * is_for_user: is the request for the phones of a user, rather than for this server? A SUBSCRIBE for another package
 * goes to the phones if there are any, and is answered 489 here if not.
 */
static bool is_for_user(const struct router *r, const struct sip_msg *m)
{
	if (m->uri.scheme == URI_OTHER || m->uri.user.n == 0 ||
	    !slice_ieq(uri_domain(&m->uri), slice_str(r->settings->config.domain)))
		return false;
	if (notifier_is_target(r->notifier, m->uri.user))
		return false;
	switch (m->method) {
	case METHOD_REGISTER:
	case METHOD_PUBLISH:
		return false;
	case METHOD_SUBSCRIBE:
		return !is_own_package(m) && is_registered(r, &m->uri);
	default:
		return true;
	}
}

/* is_other_name: an address of this server, or an alias of the domain. */
static bool is_other_name(const struct router *r, const struct tx *tx, const struct uri *u)
{
	struct flow from = tx_source(tx);
	struct slice host = uri_domain(u);

	if (u->scheme == URI_OTHER || slice_ieq(host, slice_str(r->domain)))
		return false;
	return config_is_alias(&r->settings->config, host) ||
	       transport_is_own(r->transport, &from.local, u->host, u->port);
}

static void name_domain(const struct router *r, const struct tx *tx, struct uri *u)
{
	if (!is_other_name(r, tx, u))
		return;
	u->host = slice_str(r->domain);
	u->port = 0;
}

/*
 * adopt: door stations and gateways know this server by its address, and users as sip:100@192.0.2.10. That is the same
 * user, and as whom requests reach him and he registers. What is signed stays: certificates and credentials are those
 * of the AOR that was asked for, and From says what it says.
 */
static void adopt(const struct router *r, struct tx *tx)
{
	struct sip_msg *m = tx_request(tx);
	struct uri asked = m->uri;
	struct buf aor = {0};

	if (m->method == METHOD_REGISTER) {
		name_domain(r, tx, &m->uri);
		name_domain(r, tx, &m->to.uri);
		name_domain(r, tx, &m->from.uri);
		return;
	}
	if (m->method == METHOD_PUBLISH || (m->method == METHOD_SUBSCRIBE && is_own_package(m)))
		return;
	name_domain(r, tx, &asked);
	if (uri_aor(&asked, &aor) == ERR_OK && registrar_knows(r->registrar, buf_slice(&aor)))
		m->uri = asked;
	buf_free(&aor);
}

static bool is_own_method(enum method method)
{
	return method == METHOD_SUBSCRIBE || method == METHOD_PUBLISH || method == METHOD_OPTIONS ||
	       method == METHOD_NOTIFY;
}

void router_ack(const struct router *r, const struct flow *source, struct sip_msg *ack)
{
	proxy_ack(r->proxy, source, ack);
}

void router_cancel(const struct router *r, struct tx *tx)
{
	proxy_cancel(r->proxy, tx);
}

void router_request(const struct router *r, struct tx *tx)
{
	const struct sip_msg *m = tx_request(tx);

	adopt(r, tx);
	/* RFC 3261 16.3 2, 8.2.2.1: only sip and sips lead anywhere from here. */
	if (m->uri.scheme == URI_OTHER) {
		tx_reply_code(tx, 416, NULL);
		return;
	}
	if (proxy_request(r->proxy, tx, is_for_user(r, m)))
		return;
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
	/* Nobody of that name at an address of this server: what the server itself allows says nothing of him. */
	if (m->uri.user.n > 0 && m->method != METHOD_BYE && !is_own_method(m->method)) {
		tx_reply_code(tx, 404, NULL);
		return;
	}
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
