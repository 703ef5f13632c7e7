#include "sip/message/proto.h"

#include <stddef.h>
#include <stdlib.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

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

/* Sorted by name, without case, for the binary search. Compact forms: RFC 3261 7.3.3, 3265, 4474, 6665. */
static const struct {
	const char *name;
	enum header header;
} header_names[] = {
	{"accept", HDR_ACCEPT},
	{"allow", HDR_ALLOW},
	{"allow-events", HDR_ALLOW_EVENTS},
	{"authentication-info", HDR_AUTHENTICATION_INFO},
	{"authorization", HDR_AUTHORIZATION},
	{"c", HDR_CONTENT_TYPE},
	{"call-id", HDR_CALL_ID},
	{"contact", HDR_CONTACT},
	{"content-disposition", HDR_CONTENT_DISPOSITION},
	{"content-encoding", HDR_CONTENT_ENCODING},
	{"content-length", HDR_CONTENT_LENGTH},
	{"content-transfer-encoding", HDR_CONTENT_TRANSFER_ENCODING},
	{"content-type", HDR_CONTENT_TYPE},
	{"cseq", HDR_CSEQ},
	{"date", HDR_DATE},
	{"e", HDR_CONTENT_ENCODING},
	{"event", HDR_EVENT},
	{"expires", HDR_EXPIRES},
	{"f", HDR_FROM},
	{"from", HDR_FROM},
	{"i", HDR_CALL_ID},
	{"identity", HDR_IDENTITY},
	{"identity-info", HDR_IDENTITY_INFO},
	{"k", HDR_SUPPORTED},
	{"l", HDR_CONTENT_LENGTH},
	{"m", HDR_CONTACT},
	{"max-breadth", HDR_MAX_BREADTH},
	{"max-forwards", HDR_MAX_FORWARDS},
	{"min-expires", HDR_MIN_EXPIRES},
	{"n", HDR_IDENTITY_INFO},
	{"o", HDR_EVENT},
	{"path", HDR_PATH},
	{"proxy-authenticate", HDR_PROXY_AUTHENTICATE},
	{"proxy-authorization", HDR_PROXY_AUTHORIZATION},
	{"proxy-require", HDR_PROXY_REQUIRE},
	{"record-route", HDR_RECORD_ROUTE},
	{"require", HDR_REQUIRE},
	{"retry-after", HDR_RETRY_AFTER},
	{"route", HDR_ROUTE},
	{"sip-etag", HDR_SIP_ETAG},
	{"sip-if-match", HDR_SIP_IF_MATCH},
	{"subscription-state", HDR_SUBSCRIPTION_STATE},
	{"supported", HDR_SUPPORTED},
	{"t", HDR_TO},
	{"to", HDR_TO},
	{"u", HDR_ALLOW_EVENTS},
	{"unsupported", HDR_UNSUPPORTED},
	{"v", HDR_VIA},
	{"via", HDR_VIA},
	{"warning", HDR_WARNING},
	{"www-authenticate", HDR_WWW_AUTHENTICATE},
	{"y", HDR_IDENTITY},
};

static int compare_name(const void *key, const void *entry)
{
	const struct slice *name = key;

	return slice_icmp(*name, slice_str(*(const char *const *)entry));
}

enum header header_of(struct slice name)
{
	const char *const *hit =
		bsearch(&name, header_names, COUNT(header_names), sizeof(header_names[0]), compare_name);

	return hit == NULL ? HDR_OTHER
			   : header_names[((size_t)((const char *)hit - (const char *)header_names)) /
					  sizeof(header_names[0])]
				     .header;
}

bool header_is_single(enum header h)
{
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
