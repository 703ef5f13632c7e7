#include "sip/message/addr.h"

#include "sip/message/limits.h"

/* The addr-spec is what RFC 4474 signs, so its borders must be found as every other parser finds them (T-13). */

/* parse_display: a quoted string, or tokens with blanks between them. *s goes on at "<". */
static enum err parse_display(struct slice *s, struct slice *display)
{
	struct slice start = *s, inner;

	if (s->n > 0 && s->p[0] == '"') {
		if (!scan_quoted(s, &inner))
			return ERR_SYNTAX;
	} else {
		for (;;) {
			struct slice token = scan_token(s);

			*s = scan_skip(*s);
			if (token.n == 0)
				break;
		}
	}
	*display = slice_trim(slice_sub(start, 0, start.n - s->n));
	*s = scan_skip(*s);
	return s->n > 0 && s->p[0] == '<' ? ERR_OK : ERR_SYNTAX;
}

enum err addr_parse(struct slice s, struct addr *out)
{
	struct addr a = {0};
	enum err e;
	size_t end;

	s = slice_trim(s);
	/* Only a display name can stand before the bracket. A "<" behind a ";" is inside a quoted parameter. */
	if (slice_starts(s, S("\"")) || slice_chr(s, '<') < slice_chr(s, ';')) {
		if (s.p[0] != '<') {
			e = parse_display(&s, &a.display);
			if (e != ERR_OK)
				return e;
		}
		end = slice_chr(s, '>');
		if (end == s.n)
			return ERR_SYNTAX;
		a.spec = slice_sub(s, 1, end);
		a.params = scan_skip(slice_sub(s, end + 1, s.n));
	} else {
		end = slice_chr(s, ';');
		a.spec = slice_trim(slice_sub(s, 0, end));
		a.params = slice_sub(s, end, s.n);
		/* RFC 3261 20.10: a URI with "?" or a comma in it must stand in brackets. */
		if (slice_chr(a.spec, '?') < a.spec.n || slice_chr(a.spec, ',') < a.spec.n)
			return ERR_SYNTAX;
	}
	e = uri_parse(a.spec, &a.uri);
	if (e != ERR_OK)
		return e;
	if (!scan_params_check(a.params))
		return ERR_SYNTAX;
	*out = a;
	return ERR_OK;
}

struct slice addr_tag(const struct addr *a)
{
	struct param p;

	return scan_param_find(a->params, S("tag"), &p) && p.value.n > 0 ? p.value : SLICE_NONE;
}
