#include "sip/message/proto.h"

#include <stddef.h>

/* Tables. Look-ups walk them: they are short, and most names are found by their first letter and length. */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* METHOD_UNKNOWN must be first: method_of begins behind it. */
static const char *const method_names[] = {
	[METHOD_UNKNOWN] = "?",         [METHOD_ACK] = "ACK",
	[METHOD_BYE] = "BYE",           [METHOD_CANCEL] = "CANCEL",
	[METHOD_INFO] = "INFO",         [METHOD_INVITE] = "INVITE",
	[METHOD_MESSAGE] = "MESSAGE",   [METHOD_NOTIFY] = "NOTIFY",
	[METHOD_OPTIONS] = "OPTIONS",   [METHOD_PRACK] = "PRACK",
	[METHOD_PUBLISH] = "PUBLISH",   [METHOD_REFER] = "REFER",
	[METHOD_REGISTER] = "REGISTER", [METHOD_SUBSCRIBE] = "SUBSCRIBE",
	[METHOD_UPDATE] = "UPDATE",
};

enum method method_of(struct slice name)
{
	for (size_t i = METHOD_UNKNOWN + 1; i < COUNT(method_names); i++)
		if (slice_eq(name, slice_str(method_names[i])))
			return (enum method)i;
	return METHOD_UNKNOWN;
}

const char *method_name(enum method m)
{
	return method_names[m];
}

/* Sorted by the first letter, on which header_of relies. Compact forms: RFC 3261 7.3.3, RFC 6665, RFC 4474. */
#define T(lit) \
	{ \
		lit, sizeof(lit) - 1 \
	}

static const struct {
	struct slice name;
	enum header header;
} header_names[] = {
	{T("accept"), HDR_ACCEPT},
	{T("alert-info"), HDR_ALERT_INFO},
	{T("allow"), HDR_ALLOW},
	{T("allow-events"), HDR_ALLOW_EVENTS},
	{T("answer-mode"), HDR_ANSWER_MODE},
	{T("authentication-info"), HDR_AUTHENTICATION_INFO},
	{T("authorization"), HDR_AUTHORIZATION},
	{T("c"), HDR_CONTENT_TYPE},
	{T("call-id"), HDR_CALL_ID},
	{T("call-info"), HDR_CALL_INFO},
	{T("contact"), HDR_CONTACT},
	{T("content-disposition"), HDR_CONTENT_DISPOSITION},
	{T("content-encoding"), HDR_CONTENT_ENCODING},
	{T("content-length"), HDR_CONTENT_LENGTH},
	{T("content-transfer-encoding"), HDR_CONTENT_TRANSFER_ENCODING},
	{T("content-type"), HDR_CONTENT_TYPE},
	{T("cseq"), HDR_CSEQ},
	{T("date"), HDR_DATE},
	{T("e"), HDR_CONTENT_ENCODING},
	{T("event"), HDR_EVENT},
	{T("expires"), HDR_EXPIRES},
	{T("f"), HDR_FROM},
	{T("from"), HDR_FROM},
	{T("i"), HDR_CALL_ID},
	{T("identity"), HDR_IDENTITY},
	{T("identity-info"), HDR_IDENTITY_INFO},
	{T("k"), HDR_SUPPORTED},
	{T("l"), HDR_CONTENT_LENGTH},
	{T("m"), HDR_CONTACT},
	{T("max-breadth"), HDR_MAX_BREADTH},
	{T("max-forwards"), HDR_MAX_FORWARDS},
	{T("min-expires"), HDR_MIN_EXPIRES},
	{T("n"), HDR_IDENTITY_INFO},
	{T("o"), HDR_EVENT},
	{T("p-asserted-identity"), HDR_P_ASSERTED_IDENTITY},
	{T("p-preferred-identity"), HDR_P_PREFERRED_IDENTITY},
	{T("path"), HDR_PATH},
	{T("priv-answer-mode"), HDR_PRIV_ANSWER_MODE},
	{T("privacy"), HDR_PRIVACY},
	{T("proxy-authenticate"), HDR_PROXY_AUTHENTICATE},
	{T("proxy-authentication-info"), HDR_PROXY_AUTHENTICATION_INFO},
	{T("proxy-authorization"), HDR_PROXY_AUTHORIZATION},
	{T("proxy-require"), HDR_PROXY_REQUIRE},
	{T("reason"), HDR_REASON},
	{T("record-route"), HDR_RECORD_ROUTE},
	{T("remote-party-id"), HDR_REMOTE_PARTY_ID},
	{T("require"), HDR_REQUIRE},
	{T("retry-after"), HDR_RETRY_AFTER},
	{T("route"), HDR_ROUTE},
	{T("sip-etag"), HDR_SIP_ETAG},
	{T("sip-if-match"), HDR_SIP_IF_MATCH},
	{T("subscription-state"), HDR_SUBSCRIPTION_STATE},
	{T("supported"), HDR_SUPPORTED},
	{T("t"), HDR_TO},
	{T("to"), HDR_TO},
	{T("u"), HDR_ALLOW_EVENTS},
	{T("unsupported"), HDR_UNSUPPORTED},
	{T("v"), HDR_VIA},
	{T("via"), HDR_VIA},
	{T("warning"), HDR_WARNING},
	{T("www-authenticate"), HDR_WWW_AUTHENTICATE},
	{T("y"), HDR_IDENTITY},
};

enum header header_of(struct slice name)
{
	char first = name.n > 0 ? ascii_lower(name.p[0]) : '\0';

	for (size_t i = 0; i < COUNT(header_names) && header_names[i].name.p[0] <= first; i++)
		if (header_names[i].name.p[0] == first && header_names[i].name.n == name.n &&
		    slice_ieq(name, header_names[i].name))
			return header_names[i].header;
	return HDR_OTHER;
}

bool header_is_single(enum header h)
{
	/* Identity is not among them: RFC 8224 allows several, which a proxy must pass on (T-36). */
	switch (h) {
	case HDR_CALL_ID:
	case HDR_CONTENT_DISPOSITION:
	case HDR_CONTENT_LENGTH:
	case HDR_CONTENT_TYPE:
	case HDR_CSEQ:
	case HDR_DATE:
	case HDR_EVENT:
	case HDR_EXPIRES:
	case HDR_FROM:
	case HDR_IDENTITY_INFO:
	case HDR_MAX_BREADTH:
	case HDR_MAX_FORWARDS:
	case HDR_MIN_EXPIRES:
	case HDR_RETRY_AFTER:
	case HDR_SIP_ETAG:
	case HDR_SIP_IF_MATCH:
	case HDR_SUBSCRIPTION_STATE:
	case HDR_TO:
		return true;
	default:
		return false;
	}
}

static const struct {
	unsigned code;
	const char *phrase;
} phrases[] = {
	{100, "Trying"},
	{180, "Ringing"},
	{181, "Call Is Being Forwarded"},
	{182, "Queued"},
	{183, "Session Progress"},
	{200, "OK"},
	{202, "Accepted"},
	{204, "No Notification"},
	{300, "Multiple Choices"},
	{301, "Moved Permanently"},
	{302, "Moved Temporarily"},
	{305, "Use Proxy"},
	{380, "Alternative Service"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{402, "Payment Required"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{407, "Proxy Authentication Required"},
	{408, "Request Timeout"},
	{410, "Gone"},
	{412, "Conditional Request Failed"},
	{413, "Request Entity Too Large"},
	{414, "Request-URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Unsupported URI Scheme"},
	{420, "Bad Extension"},
	{421, "Extension Required"},
	{423, "Interval Too Brief"},
	{428, "Use Identity Header"},
	{430, "Flow Failed"},
	{436, "Bad Identity-Info"},
	{437, "Unsupported Certificate"},
	{438, "Invalid Identity Header"},
	{439, "First Hop Lacks Outbound Support"},
	{440, "Max-Breadth Exceeded"},
	{480, "Temporarily Unavailable"},
	{481, "Call/Transaction Does Not Exist"},
	{482, "Loop Detected"},
	{483, "Too Many Hops"},
	{484, "Address Incomplete"},
	{485, "Ambiguous"},
	{486, "Busy Here"},
	{487, "Request Terminated"},
	{488, "Not Acceptable Here"},
	{489, "Bad Event"},
	{491, "Request Pending"},
	{493, "Undecipherable"},
	{500, "Server Internal Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Server Time-out"},
	{505, "Version Not Supported"},
	{513, "Message Too Large"},
	{600, "Busy Everywhere"},
	{603, "Decline"},
	{604, "Does Not Exist Anywhere"},
	{606, "Not Acceptable"},
};

const char *status_phrase(unsigned code)
{
	static const char *const classes[] = {"Progress",      "OK", "Redirected", "Request Failed", "Server Failure",
					      "Global Failure"};

	for (size_t i = 0; i < COUNT(phrases); i++)
		if (phrases[i].code == code)
			return phrases[i].phrase;
	return code >= 100 && code <= 699 ? classes[code / 100 - 1] : "Unknown";
}
