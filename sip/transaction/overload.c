#include "sip/transaction/overload.h"

/* Faster up the longer the wait is, so that the queue does not overflow meanwhile: responses are in it, too. */
#define STEP_UP 50 /* for each target's length of waiting */
#define STEP_UP_MAX 500
#define STEP_DOWN 50

static unsigned step_up(uint32_t least_ms)
{
	uint64_t step = (uint64_t)STEP_UP * least_ms / OVERLOAD_TARGET_MS;

	return step < STEP_UP_MAX ? (unsigned)step : STEP_UP_MAX;
}

bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms)
{
	unsigned before = o->level;
	int64_t over = (now_ms - o->since_ms) / OVERLOAD_INTERVAL_MS;

	if (over > 0) {
		if (over == 1 && o->least_ms > OVERLOAD_TARGET_MS && o->least_ms != UINT32_MAX)
			o->level += step_up(o->least_ms);
		else /* intervals in which nothing came count, too */
			o->level -= o->level < STEP_DOWN * (uint64_t)over ? o->level : STEP_DOWN * (unsigned)over;
		if (o->level > OVERLOAD_MAX)
			o->level = OVERLOAD_MAX;
		o->since_ms = now_ms;
		o->least_ms = UINT32_MAX;
		o->answers = 0;
	}
	if (waited_ms < o->least_ms)
		o->least_ms = waited_ms;
	return (before == 0) != (o->level == 0);
}

/* The To field of a request has a tag: the first line that begins with To, or its compact form. */
static bool has_to_tag(struct slice octets)
{
	size_t at = slice_find(octets, S("\nTo:"), 0), compact = slice_find(octets, S("\nt:"), 0);
	struct slice line;

	line = slice_sub(octets, at < compact ? at : compact, octets.n);
	line = slice_sub(line, 1, line.n);
	return slice_find(slice_sub(line, 0, slice_chr(line, '\n')), S(";tag="), 0) < slice_chr(line, '\n');
}

enum overload_class overload_class(struct slice octets)
{
	static const struct slice never[] = {{"ACK ", 4}, {"BYE ", 4}, {"CANCEL ", 7}, {"PRACK ", 6}, {"SIP/2.0 ", 8}};
	bool vouched;

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (slice_starts(octets, never[i]))
			return OVERLOAD_NEVER;
	if (has_to_tag(octets))
		return OVERLOAD_NEVER;
	vouched = slice_find(octets, S("uthorization:"), 0) < octets.n;
	if (!vouched)
		return OVERLOAD_STRANGERS;
	return slice_starts(octets, S("REGISTER ")) || slice_starts(octets, S("PUBLISH ")) ? OVERLOAD_KNOWN
											   : OVERLOAD_NEW;
}

/* How many of OVERLOAD_FULL are refused now. */
static unsigned share(const struct overload *o, enum overload_class c)
{
	unsigned before = OVERLOAD_FULL * (unsigned)c;

	if (o->level <= before)
		return 0;
	return o->level - before < OVERLOAD_FULL ? o->level - before : OVERLOAD_FULL;
}

bool overload_refuses(struct overload *o, enum overload_class c)
{
	if (o->level == 0 || c == OVERLOAD_NEVER)
		return false;
	o->owed[c] += share(o, c);
	if (o->owed[c] < OVERLOAD_FULL)
		return false;
	o->owed[c] -= OVERLOAD_FULL;
	return true;
}

bool overload_answers(struct overload *o)
{
	return o->answers++ < OVERLOAD_ANSWERS;
}
