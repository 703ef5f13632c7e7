#include "sip/message/header.h"

#include <string.h>

/*
 * Parsers of single values. Each checks the parameters of its value once, so that look-ups in them cannot fail later.
 */

enum err cseq_parse(struct slice s, uint32_t *number, struct slice *method)
{
	struct slice digits, rest = slice_trim(s);
	uint32_t n;
	size_t i = 0;

	while (i < rest.n && !char_is(rest.p[i], CHAR_LWS))
		i++;
	digits = slice_sub(rest, 0, i);
	rest = scan_skip(slice_sub(rest, i, rest.n));
	if (!slice_u32(digits, 0x7fffffff, &n) || !scan_is_token(rest))
		return ERR_SYNTAX;
	*number = n;
	*method = rest;
	return ERR_OK;
}

enum err delta_parse(struct slice s, uint32_t *seconds)
{
	s = slice_trim(s);
	if (s.n == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_SYNTAX;
	if (!slice_u32(s, UINT32_MAX, seconds))
		*seconds = UINT32_MAX;
	return ERR_OK;
}

enum err event_parse(struct slice s, struct event *out)
{
	struct event e = {0};
	struct param id;

	s = slice_trim(s);
	e.package = scan_token(&s);
	e.params = scan_skip(s);
	if (e.package.n == 0 || !scan_params_check(e.params))
		return ERR_SYNTAX;
	if (scan_param_find(e.params, S("id"), &id)) {
		/* RFC 6665 8.4: a token. It is copied into NOTIFYs, so nothing else may stand there. */
		if (id.quoted || !scan_is_token(id.value))
			return ERR_SYNTAX;
		e.id = id.value;
	}
	*out = e;
	return ERR_OK;
}

/* seconds_param: a parameter that holds seconds. false when it is there and is no number. */
static bool seconds_param(struct slice params, struct slice name, bool *has, uint32_t *out)
{
	struct param p;

	*has = scan_param_find(params, name, &p);
	return !*has || delta_parse(p.value, out) == ERR_OK;
}

enum err substate_parse(struct slice s, struct substate *out)
{
	struct substate st = {0};
	struct param reason;

	s = slice_trim(s);
	st.state = scan_token(&s);
	s = scan_skip(s);
	if (st.state.n == 0 || !scan_params_check(s) || !seconds_param(s, S("expires"), &st.has_expires, &st.expires) ||
	    !seconds_param(s, S("retry-after"), &st.has_retry_after, &st.retry_after))
		return ERR_SYNTAX;
	if (scan_param_find(s, S("reason"), &reason))
		st.reason = reason.value;
	*out = st;
	return ERR_OK;
}

enum err media_parse(struct slice s, struct media *out)
{
	struct media m = {0};

	s = slice_trim(s);
	m.type = scan_token(&s);
	s = scan_skip(s);
	if (m.type.n == 0 || s.n == 0 || s.p[0] != '/')
		return ERR_SYNTAX;
	s = scan_skip(slice_sub(s, 1, s.n));
	m.subtype = scan_token(&s);
	m.params = scan_skip(s);
	if (m.subtype.n == 0 || !scan_params_check(m.params))
		return ERR_SYNTAX;
	*out = m;
	return ERR_OK;
}

bool media_is(const struct media *m, struct slice type, struct slice subtype)
{
	return slice_ieq(m->type, type) && slice_ieq(m->subtype, subtype);
}

/* is_q_zero: q=0, 0.0, 0.00 or 0.000 means "not acceptable". */
static bool is_q_zero(struct slice params)
{
	struct param q;

	if (!scan_param_find(params, S("q"), &q) || q.value.n == 0)
		return false;
	for (size_t i = 0; i < q.value.n; i++)
		if (q.value.p[i] != '0' && q.value.p[i] != '.')
			return false;
	return true;
}

bool accept_covers(struct slice accept, struct slice type, struct slice subtype)
{
	struct slice item;
	struct media m;
	int best = -1; /* the most specific range decides: 0 any, 1 the type, 2 type and subtype */
	bool allowed = false, bad;

	while (scan_list(&accept, &item, &bad)) {
		int precise;

		if (media_parse(item, &m) != ERR_OK)
			return false;
		if (media_is(&m, type, subtype))
			precise = 2;
		else if (media_is(&m, type, S("*")))
			precise = 1;
		else if (media_is(&m, S("*"), S("*")))
			precise = 0;
		else
			continue;
		if (precise >= best) {
			best = precise;
			allowed = !is_q_zero(m.params);
		}
	}
	return !bad && allowed;
}

bool disposition_is_optional(struct slice s)
{
	struct slice rest = slice_trim(s);
	struct param handling;

	if (scan_token(&rest).n == 0 || !scan_params_check(rest))
		return false;
	return scan_param_find(rest, S("handling"), &handling) && slice_ieq(handling.value, S("optional"));
}

static const struct {
	const char *name;
	size_t offset;
} digest_names[] = {
	{"realm", offsetof(struct digest_params, realm)},
	{"nonce", offsetof(struct digest_params, nonce)},
	{"opaque", offsetof(struct digest_params, opaque)},
	{"algorithm", offsetof(struct digest_params, algorithm)},
	{"qop", offsetof(struct digest_params, qop)},
	{"uri", offsetof(struct digest_params, uri)},
	{"username", offsetof(struct digest_params, username)},
	{"response", offsetof(struct digest_params, response)},
	{"cnonce", offsetof(struct digest_params, cnonce)},
	{"nc", offsetof(struct digest_params, nc)},
	{"stale", offsetof(struct digest_params, stale)},
};

/* One name=value of the list. Values of unknown names are checked as well, and dropped. */
static enum err digest_one(struct slice item, struct digest_params *d)
{
	struct slice name = scan_token(&item), value, inner;

	item = scan_skip(item);
	if (name.n == 0 || item.n == 0 || item.p[0] != '=')
		return ERR_SYNTAX;
	value = scan_skip(slice_sub(item, 1, item.n));
	if (value.n > 0 && value.p[0] == '"') {
		if (!scan_quoted(&value, &inner) || scan_skip(value).n > 0)
			return ERR_SYNTAX;
		value = inner;
	} else if (!scan_is_token(value)) {
		return ERR_SYNTAX;
	}
	for (size_t i = 0; i < sizeof(digest_names) / sizeof(digest_names[0]); i++) {
		struct slice *field = (struct slice *)(void *)((char *)d + digest_names[i].offset);

		if (!slice_ieq(name, slice_str(digest_names[i].name)))
			continue;
		if (field->p != NULL)
			return ERR_SYNTAX;
		*field = value;
	}
	return ERR_OK;
}

/* params_of: the list behind that scheme. */
static enum err params_of(struct slice s, struct slice wanted, struct digest_params *out)
{
	struct digest_params d = {0};
	struct slice scheme, item;
	bool bad;

	s = slice_trim(s);
	scheme = scan_token(&s);
	if (scheme.n == 0)
		return ERR_SYNTAX;
	if (!slice_ieq(scheme, wanted))
		return ERR_UNSUPPORTED;
	if (s.n == 0 || !char_is(s.p[0], CHAR_LWS))
		return ERR_SYNTAX;
	while (scan_list(&s, &item, &bad)) {
		enum err e = digest_one(item, &d);

		if (e != ERR_OK)
			return e;
	}
	if (bad)
		return ERR_SYNTAX;
	*out = d;
	return ERR_OK;
}

enum err digest_params_parse(struct slice s, struct digest_params *out)
{
	return params_of(s, S("Digest"), out);
}

/* has_digest: does "Digest" stand in s with a blank behind it, be it between quotes? */
static bool has_digest(struct slice s)
{
	const struct slice word = S("Digest");

	for (size_t i = 0; i + word.n < s.n; i++)
		if (slice_ieq(slice_sub(s, i, i + word.n), word) && char_is(s.p[i + word.n], CHAR_LWS) &&
		    (i == 0 || !char_is(s.p[i - 1], CHAR_TOKEN)))
			return true;
	return false;
}

/* same_realm: text stood between quotes, where a backslash makes the next character literal (RFC 3261 25.1). */
static bool same_realm(struct slice text, struct slice realm)
{
	size_t at = 0;

	text = slice_trim(text);
	for (size_t i = 0; i < text.n; i++, at++) {
		if (text.p[i] == '\\' && i + 1 < text.n)
			i++;
		if (at >= realm.n || ascii_lower(text.p[i]) != ascii_lower(realm.p[at]))
			return false;
	}
	return at == realm.n;
}

bool digest_may_be_of(struct slice s, struct slice realm)
{
	struct digest_params d;

	switch (digest_params_parse(s, &d)) {
	case ERR_OK:
		return d.realm.p == NULL || same_realm(d.realm, realm);
	case ERR_UNSUPPORTED:
		/* Lists of challenges are not SIP (RFC 3261 7.3.1), and are read all the same. */
		return has_digest(s) || (params_of(s, S("Basic"), &d) == ERR_OK && same_realm(d.realm, realm));
	default:
		return true;
	}
}
