#include "sip/ua/report.h"

#include <stdio.h>

#include "sip/message/date.h"

static void add_json(struct buf *out, struct slice s)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c == '\n')
			buf_adds(out, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(out, "\\u%04x", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

static void add_name(struct report *r, const char *name)
{
	if (r->json)
		buf_addf(&r->out, ",\"%s\":", name);
	else
		buf_addf(&r->out, "  %-12s ", name);
}

/* For a person: what came from elsewhere must not steer the terminal. */
static void add_plain(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
	buf_addc(out, '\n');
}

void report_start(struct report *r, bool json, const char *event, const char *aor)
{
	r->json = json;
	if (json) {
		buf_addf(&r->out, "{\"event\":\"%s\"", event);
		report_text(r, "aor", slice_str(aor));
	} else {
		buf_addf(&r->out, "%s ", event);
		add_plain(&r->out, slice_str(aor));
	}
}

void report_text(struct report *r, const char *name, struct slice value)
{
	add_name(r, name);
	if (r->json)
		add_json(&r->out, value);
	else
		add_plain(&r->out, value);
}

void report_bool(struct report *r, const char *name, bool value)
{
	add_name(r, name);
	buf_adds(&r->out, r->json ? (value ? "true" : "false") : (value ? "yes\n" : "no\n"));
}

void report_time(struct report *r, const char *name, int64_t t)
{
	char date[DATE_SIZE];

	add_name(r, name);
	date_format(t, date);
	if (r->json)
		buf_addf(&r->out, "%lld", (long long)t);
	else
		buf_addf(&r->out, "%s\n", date);
}

void report_block(struct report *r, const char *name, struct slice text)
{
	if (r->json)
		report_text(r, name, text);
	else
		buf_add(&r->out, text);
}

void report_end(struct report *r)
{
	if (r->json)
		buf_adds(&r->out, "}\n");
	fwrite(r->out.p, 1, r->out.n, stdout);
	fflush(stdout);
	buf_free(&r->out);
}
