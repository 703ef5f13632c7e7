#include "sip/ua/steps.h"

#include <stdarg.h>
#include <stdio.h>

#include "sip/message/proto.h"
#include "sip/report.h"

/* Names, phrases and words are static; only texts may have octets of strangers, so only these are escaped. */

#define TEXT_MAX 2048

/* add: appends a step. The list is sized for all steps of verify_steps.c, so there is no check. */
static void __attribute__((format(printf, 4, 0)))
add(struct steps *s, const char *name, enum step_state state, const char *fmt, va_list ap)
{
	struct step *new = &s->list[s->count++];
	char text[TEXT_MAX];

	new->name = name;
	new->state = state;
	vsnprintf(text, sizeof(text), fmt, ap);
	buf_adds(&new->text, text);
}

void steps_hold(struct steps *s, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(s, name, STEP_HOLDS, fmt, ap);
	va_end(ap);
}

void steps_fail(struct steps *s, const char *name, unsigned code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(s, name, STEP_FAILS, fmt, ap);
	va_end(ap);
	s->list[s->count - 1].code = code;
	s->list[s->count - 1].reason = reason != NULL ? reason : status_phrase(code);
}

void steps_open(struct steps *s, const char *name, const char *why)
{
	struct step *new = &s->list[s->count++];

	new->name = name;
	new->state = STEP_OPEN;
	buf_adds(&new->text, why);
}

const struct step *steps_failed(const struct steps *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->list[i].state == STEP_FAILS)
			return &s->list[i];
	return NULL;
}

void steps_print(const struct steps *s, struct buf *out)
{
	static const char *const words[] = {[STEP_HOLDS] = "ok", [STEP_FAILS] = "FAIL", [STEP_OPEN] = "-"};

	for (unsigned i = 0; i < s->count; i++) {
		const struct step *one = &s->list[i];

		buf_addf(out, "%-4s  %-13s  %s", words[one->state], one->name,
			 one->state == STEP_OPEN ? "not judged: " : "");
		if (one->state == STEP_FAILS)
			buf_addf(out, "%u %s: ", one->code, one->reason);
		report_plain(out, buf_slice(&one->text));
		buf_addc(out, '\n');
		if (one->string.n > 0)
			buf_addf(out, "%-4s  %-13s  %s\n", "", "string", one->string.p);
	}
}

/* A step that was not judged has "holds": null, so that nobody takes it for one that holds. */
void steps_json(const struct steps *s, struct buf *out)
{
	static const char *const words[] = {[STEP_HOLDS] = "true", [STEP_FAILS] = "false", [STEP_OPEN] = "null"};

	buf_addc(out, '[');
	for (unsigned i = 0; i < s->count; i++) {
		const struct step *one = &s->list[i];

		buf_addf(out, "%s{\"step\":\"%s\",\"holds\":%s,\"text\":", i > 0 ? "," : "", one->name,
			 words[one->state]);
		report_json(out, buf_slice(&one->text));
		if (one->state == STEP_FAILS)
			buf_addf(out, ",\"status\":%u,\"reason\":\"%s\"", one->code, one->reason);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

void steps_free(struct steps *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		buf_free(&s->list[i].text);
		buf_free(&s->list[i].string);
	}
}
