#ifndef SIP_MESSAGE_SCAN_H
#define SIP_MESSAGE_SCAN_H

#include "core/buf.h"

/*
 * The smallest pieces of the grammar, RFC 3261 25.1. White space within a value is SP, TAB, and the CR LF of a fold.
 * msg_parse has checked that each CR LF in a value is a fold, so CR and LF count as blanks here.
 *
 * Functions that take a pointer to a slice cut off its front what they have read. Nothing is copied; results point into
 * the input.
 */

/* What an octet may be part of; bits of char_class. */
enum {
	CHAR_LWS = 1,
	CHAR_ALNUM = 2,
	CHAR_TOKEN = 4,
	CHAR_VALUE = 8, /* a value without quotes: token, host with colons and brackets, what peers send */
	CHAR_UNRESERVED = 16,
	CHAR_PLAIN = 32 /* may stand in any header value: does not end it and is no control character */
};

extern const unsigned char char_class[256];

static inline bool char_is(char c, unsigned what)
{
	return (char_class[(unsigned char)c] & what) != 0;
}

bool scan_is_token(struct slice s); /* one or more token characters */
bool scan_is_host(struct slice s);  /* hostname, IPv4 address or bracketed IPv6 reference */
bool scan_is_ipv6(struct slice s);  /* IPv6 address without brackets */

/*
 * scan_has_lone_line_end: is there a CR or LF that is not part of a CR LF? A reader that takes one for a line end finds
 * other header fields in s.
 */
bool scan_has_lone_line_end(struct slice s);

/*
 * scan_blank: b has a message from that octet on. Folds in its head after which a header field seems to stand become
 * blanks, which mean the same (RFC 3261 7.3.1): there are peers that know no folds, and would read another
 * Content-Length there, or a field that passage.c takes out.
 */
void scan_blank(struct buf *b, size_t from);

/*
 * scan_unfold: appends s in one line: each fold is one blank (RFC 3261 7.3.1). For what is kept, to be sent later: the
 * lines of others are not written for them. false: s has a control character, and out is as before.
 */
MUST_USE bool scan_unfold(struct slice s, struct buf *out);

/* scan_skip: s without the blanks in front. scan_token: cuts the token in front of *s; empty when there is none. */
struct slice scan_skip(struct slice s);
struct slice scan_token(struct slice *s);

/*
 * scan_quoted: s begins with a quote. *inner is what stands between the quotes, escapes left in; *s goes on behind the
 * closing quote. false, with both untouched, when there is none.
 */
MUST_USE bool scan_quoted(struct slice *s, struct slice *inner);

/*
 * scan_list: cuts the next element off a comma-separated list, blanks trimmed. Commas inside quotes and <> do not split
 * (RFC 3261 7.3.1). false at the end. *bad: the list is malformed (an open quote, an empty element, a comma at the
 * end); false is returned then, too.
 */
MUST_USE bool scan_list(struct slice *rest, struct slice *item, bool *bad);

/* scan_list_has: does the comma-separated list of tokens have this one, without case? */
bool scan_list_has(struct slice list, struct slice token);

struct param {
	struct slice name;
	struct slice value; /* SLICE_NONE without "="; without the quotes when quoted */
	bool quoted;        /* escapes are still in value */
};

/*
 * scan_param: cuts the next ";name[=value]" off *rest, which is empty or begins with ";", blanks aside. false at the
 * end; *bad is set when what follows is no parameter.
 */
MUST_USE bool scan_param(struct slice *rest, struct param *out, bool *bad);

/*
 * scan_params_check: are all parameters well-formed and at most SIP_PARAMS_MAX? Checked once when a value is parsed;
 * the look-ups below rely on it.
 */
bool scan_params_check(struct slice params);

/* scan_param_find: the first parameter of this name (without case) in checked params. */
bool scan_param_find(struct slice params, struct slice name, struct param *out);

#endif
