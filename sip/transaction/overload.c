#include "sip/transaction/overload.h"

#define STEP_UP 100
#define STEP_DOWN 50

bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms)
{
	unsigned before = o->level;
	int64_t over = (now_ms - o->since_ms) / OVERLOAD_INTERVAL_MS;

	if (over > 0) {
		if (over == 1 && o->least_ms > OVERLOAD_TARGET_MS && o->least_ms != UINT32_MAX)
			o->level += STEP_UP;
		else /* intervals in which nothing came count, too */
			o->level -= o->level < STEP_DOWN * (uint64_t)over ? o->level : STEP_DOWN * (unsigned)over;
		if (o->level > OVERLOAD_MAX)
			o->level = OVERLOAD_MAX;
		o->since_ms = now_ms;
		o->least_ms = UINT32_MAX;
	}
	if (waited_ms < o->least_ms)
		o->least_ms = waited_ms;
	return (before == 0) != (o->level == 0);
}

enum overload_class overload_class(const struct sip_msg *m)
{
	bool vouched = m->first[HDR_AUTHORIZATION] != 0 || m->first[HDR_PROXY_AUTHORIZATION] != 0;

	switch (m->method) {
	case METHOD_ACK:
	case METHOD_BYE:
	case METHOD_CANCEL:
	case METHOD_PRACK:
		return OVERLOAD_NEVER;
	case METHOD_REGISTER:
	case METHOD_PUBLISH:
		return vouched ? OVERLOAD_KNOWN : OVERLOAD_STRANGERS;
	default:
		if (m->to_tag.n > 0)
			return OVERLOAD_NEVER;
		return vouched ? OVERLOAD_NEW : OVERLOAD_STRANGERS;
	}
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
