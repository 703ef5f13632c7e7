#ifndef SIP_MESSAGE_SCAN_H
#define SIP_MESSAGE_SCAN_H

#include "core/slice.h"

/*
 * The smallest pieces of the grammar, RFC 3261 25.1. White space inside a header value is SP, TAB and the CR LF of a
 * fold: msg_parse has checked that every CR LF in a value is a fold, so here both count as blanks.
 */

/* What an octet may be part of. */
enum {
	CHAR_LWS = 1,
	CHAR_ALNUM = 2,
	CHAR_TOKEN = 4,
	CHAR_VALUE = 8, /* without quotes: token, host (with colons and brackets), and what else peers send */
	CHAR_UNRESERVED = 16,
	CHAR_PLAIN = 32 /* nothing that could end a header value, or has no place in one */
};

extern const unsigned char char_class[256];

static inline bool char_is(char c, unsigned what)
{
	return (char_class[(unsigned char)c] & what) != 0;
}

bool scan_is_token(struct slice s); /* one or more token characters */
bool scan_is_host(struct slice s);  /* hostname, IPv4 address or bracketed IPv6 reference */
bool scan_is_ipv6(struct slice s);  /* IPv6 address without brackets */

/* scan_skip: s without the blanks in front. scan_token: cuts the token in front of *s; empty when there is none. */
struct slice scan_skip(struct slice s);
struct slice scan_token(struct slice *s);

/*
 * scan_quoted: s begins with a quote; *inner is what stands between the quotes (escapes left in) and *s goes on behind.
 * false when there is no closing quote.
 */
MUST_USE bool scan_quoted(struct slice *s, struct slice *inner);

/*
 * scan_list: the next element of a comma-separated list, blanks trimmed; commas inside quotes and <> do not split.
 * false at the end. *bad is set (and false returned) for an open quote, or an empty element where others follow.
 */
MUST_USE bool scan_list(struct slice *rest, struct slice *item, bool *bad);

/* scan_list_has: does the comma-separated list of tokens have this one (without case)? */
bool scan_list_has(struct slice list, struct slice token);

struct param {
	struct slice name;
	struct slice value; /* SLICE_NONE without "="; without the quotes when quoted */
	bool quoted;        /* escapes are still in value */
};

/*
 * scan_param: the next ";name[=value]" of *rest, which begins with ";" or is empty (blanks aside). false at the end;
 * *bad is set when what follows is no parameter.
 */
MUST_USE bool scan_param(struct slice *rest, struct param *out, bool *bad);

/* scan_params_check: all of them well-formed and at most SIP_PARAMS_MAX. */
bool scan_params_check(struct slice params);

/* scan_param_find: the first parameter of this name (without case) in checked params. */
bool scan_param_find(struct slice params, struct slice name, struct param *out);

#endif
