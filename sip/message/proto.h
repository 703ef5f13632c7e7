#ifndef SIP_MESSAGE_PROTO_H
#define SIP_MESSAGE_PROTO_H

#include "core/slice.h"

/* The names of the protocol: methods, header fields, status codes. All tables are constant. */

enum method {
	METHOD_UNKNOWN, /* well-formed, but none of these */
	METHOD_ACK,
	METHOD_BYE,
	METHOD_CANCEL,
	METHOD_INFO,
	METHOD_INVITE,
	METHOD_MESSAGE,
	METHOD_NOTIFY,
	METHOD_OPTIONS,
	METHOD_PRACK,
	METHOD_PUBLISH,
	METHOD_REFER,
	METHOD_REGISTER,
	METHOD_SUBSCRIBE,
	METHOD_UPDATE,
};

/* method_of: method names are case-sensitive tokens (RFC 3261 7.1). method_name: "?" for METHOD_UNKNOWN. */
enum method method_of(struct slice name);
const char *method_name(enum method m);

enum header {
	HDR_OTHER, /* a name that no code here looks at */
	HDR_ACCEPT,
	HDR_ALERT_INFO,
	HDR_ALLOW,
	HDR_ALLOW_EVENTS,
	HDR_ANSWER_MODE,
	HDR_AUTHENTICATION_INFO,
	HDR_AUTHORIZATION,
	HDR_CALL_ID,
	HDR_CALL_INFO,
	HDR_CONTACT,
	HDR_CONTENT_DISPOSITION,
	HDR_CONTENT_ENCODING,
	HDR_CONTENT_LENGTH,
	HDR_CONTENT_TRANSFER_ENCODING,
	HDR_CONTENT_TYPE,
	HDR_CSEQ,
	HDR_DATE,
	HDR_EVENT,
	HDR_EXPIRES,
	HDR_FROM,
	HDR_IDENTITY,
	HDR_IDENTITY_INFO,
	HDR_MAX_BREADTH,
	HDR_MAX_FORWARDS,
	HDR_MIN_EXPIRES,
	HDR_PATH,
	HDR_PRIVACY,
	HDR_PRIV_ANSWER_MODE,
	HDR_PROXY_AUTHENTICATE,
	HDR_PROXY_AUTHENTICATION_INFO,
	HDR_PROXY_AUTHORIZATION,
	HDR_PROXY_REQUIRE,
	HDR_P_ASSERTED_IDENTITY,
	HDR_P_PREFERRED_IDENTITY,
	HDR_REASON,
	HDR_RECORD_ROUTE,
	HDR_REMOTE_PARTY_ID,
	HDR_REQUIRE,
	HDR_RETRY_AFTER,
	HDR_ROUTE,
	HDR_SIP_ETAG,
	HDR_SIP_IF_MATCH,
	HDR_SUBSCRIPTION_STATE,
	HDR_SUPPORTED,
	HDR_TO,
	HDR_UNSUPPORTED,
	HDR_VIA,
	HDR_WARNING,
	HDR_WWW_AUTHENTICATE,
	HDR_COUNT
};

/*
 * header_of: the kind of a name, compared whole and without case, or of a compact form (RFC 3261 7.3.3). Never by a
 * hash: two names must not count as one. header_is_single: may the field be in a message once only?
 */
enum header header_of(struct slice name);
bool header_is_single(enum header h);

/* status_phrase: the default reason phrase, for any code from 100 to 699. */
const char *status_phrase(unsigned code);

#endif
