#include "sip/config_private.h"

#include <string.h>

#include "core/mem.h"
#include "sip/locate/routes.h"
#include "sip/transport/listeners.h"

/* Values as text: reading, writing, and what an error says was expected. */

/* choice_at: the i-th word of "a|b|c". false: there are fewer. */
static bool choice_at(const char *choices, unsigned i, struct slice *out)
{
	struct slice rest = slice_str(choices);

	for (;; i--) {
		size_t end = slice_chr(rest, '|');

		*out = slice_sub(rest, 0, end);
		if (i == 0)
			return true;
		if (end == rest.n)
			return false;
		rest = slice_sub(rest, end + 1, rest.n);
	}
}

/* choice_index: which word of choices it is. The index is the value of the enum. */
static bool choice_index(const char *choices, struct slice word, uint32_t *out)
{
	struct slice choice;

	for (uint32_t i = 0; choice_at(choices, i, &choice); i++) {
		if (slice_eq(choice, word)) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* The field of an entry in c; its C type follows from the type of the entry. */
static void *field(struct config *c, const struct entry *e)
{
	return (char *)c + e->offset;
}

bool config_listener(struct slice item, struct peer *at, struct slice *advertised)
{
	const struct slice word = S("advertise");
	size_t n = slice_chr(item, ' ');
	struct slice rest = slice_trim(slice_sub(item, n, item.n));

	*advertised = S("");
	if (rest.n > 0) {
		if (!slice_starts(rest, word))
			return false;
		*advertised = slice_trim(slice_sub(rest, word.n, rest.n));
		if (rest.n <= word.n || rest.p[word.n] != ' ' || !listeners_advertisable(*advertised))
			return false;
	}
	return peer_parse(slice_sub(item, 0, n), at);
}

void config_reached(const struct config *c, struct buf *out)
{
	struct slice rest = slice_list(slice_str(c->listen_tls)), item, advertised;
	struct listener l = {0};

	if (!slice_item(&rest, &item) || !config_listener(item, &l.at, &advertised))
		return;
	listeners_advertise(&l, advertised.n > 0 ? advertised : slice_str(c->address));
	if (l.host != NULL)
		buf_addf(out, "tls:%s:%u", l.host, l.port);
	else if (!peer_is_any(&l.at))
		buf_addf(out, "tls:%s", peer_text(&l.at).text);
	mem_free(l.host);
}

/* are_addresses: at most CONFIG_ADDRESSES of them; an empty list is one, too. listeners: see config_listener. */
static bool are_addresses(struct slice value, bool listeners)
{
	struct slice advertised;
	struct peer p;
	unsigned n = 0;

	for (struct slice rest = slice_list(value), one; slice_item(&rest, &one);)
		if (n++ == CONFIG_ADDRESSES || !config_listener(one, &p, &advertised) ||
		    (advertised.n > 0 && !listeners))
			return false;
	return true;
}

/* -o goes before the file: the first option for a domain replaces its targets, further ones add to them. */
bool config_value_route(struct config *c, struct slice domain, struct slice value, bool by_option)
{
	struct route route = {0};
	char name[DNS_NAME_MAX];
	struct config_route *at = NULL;
	struct buf targets = {0};

	if (!locate_name(domain, name))
		return false;
	for (uint32_t i = 0; i < c->route_count; i++)
		if (strcmp(c->routes[i].domain, name) == 0)
			at = &c->routes[i];
	if (at != NULL && at->by_option == by_option)
		buf_addf(&targets, "%s, ", at->targets);
	buf_add(&targets, value);
	if (route_parse(buf_slice(&targets), &route) != ERR_OK || (at == NULL && c->route_count == ROUTES_MAX)) {
		buf_free(&targets);
		return false;
	}
	if (at == NULL) {
		c->routes = mem_resize(c->routes, (c->route_count + 1) * sizeof(*c->routes));
		at = &c->routes[c->route_count++];
		*at = (struct config_route){.domain = mem_strdup(name)};
	}
	mem_free(at->targets);
	at->targets = buf_take(&targets);
	at->by_option = by_option;
	return true;
}

/* A TEXT may be anything; load.c checks what it means. */
bool config_value_read(struct config *c, const struct entry *e, struct slice value)
{
	uint32_t n;
	char **text;

	switch (e->type) {
	case TYPE_ADDRESSES:
	case TYPE_LISTENERS:
		if (!are_addresses(value, e->type == TYPE_LISTENERS))
			return false;
		/* fall through */
	case TYPE_TEXT:
		text = field(c, e);
		mem_free(*text);
		*text = slice_dup(value);
		return true;
	case TYPE_NUMBER:
		if (!slice_u32(value, e->max, &n) || n < e->min)
			return false;
		*(uint32_t *)field(c, e) = n;
		return true;
	case TYPE_SWITCH:
		if (!choice_index(e->choices, value, &n))
			return false;
		*(bool *)field(c, e) = n != 0;
		return true;
	case TYPE_CHOICE:
		if (!choice_index(e->choices, value, &n))
			return false;
		*(uint32_t *)field(c, e) = n;
		return true;
	case TYPE_ROUTES:
		break;
	}
	return false;
}

/* Behind "expected" in an error. */
void config_value_expected(const struct entry *e, struct buf *out)
{
	struct slice choice;

	switch (e->type) {
	case TYPE_TEXT:
		buf_adds(out, "text");
		break;
	case TYPE_ADDRESSES:
		buf_addf(out, "up to %d addresses like 127.0.0.1:5060 or [::1]:5060, comma-separated",
			 CONFIG_ADDRESSES);
		break;
	case TYPE_LISTENERS:
		buf_addf(out,
			 "up to %d addresses like 0.0.0.0:5060 or [::1]:5060, comma-separated, each perhaps with "
			 "\"advertise HOST\" or \"advertise HOST:PORT\" behind it",
			 CONFIG_ADDRESSES);
		break;
	case TYPE_NUMBER:
		buf_addf(out, "a number from %u to %u", e->min, e->max);
		break;
	case TYPE_SWITCH:
	case TYPE_CHOICE:
		for (unsigned i = 0; choice_at(e->choices, i, &choice); i++)
			buf_addf(out, "%s%.*s", i == 0 ? "one of " : ", ", SLICE_ARG(choice));
		break;
	case TYPE_ROUTES:
		buf_addf(out,
			 "a domain, and up to %d targets like tls:sip.example.net:5061 or udp:[::1]:5060, "
			 "comma-separated; at most %d domains",
			 LOCATE_STEPS_MAX, ROUTES_MAX);
		break;
	}
}

/* What is written here is read back by config_value_read with the same result, except for [route]. */
void config_value_write(const struct config *c, const struct entry *e, struct buf *out)
{
	const char *at = (const char *)c + e->offset;
	struct slice choice = S("?");

	switch (e->type) {
	case TYPE_TEXT:
	case TYPE_ADDRESSES:
	case TYPE_LISTENERS:
		buf_adds(out, *(char *const *)(const void *)at);
		break;
	case TYPE_NUMBER:
		buf_addu(out, *(const uint32_t *)(const void *)at);
		break;
	case TYPE_SWITCH:
		buf_adds(out, *(const bool *)(const void *)at ? "on" : "off");
		break;
	case TYPE_CHOICE:
		choice_at(e->choices, *(const uint32_t *)(const void *)at, &choice);
		buf_add(out, choice);
		break;
	case TYPE_ROUTES:
		for (uint32_t i = 0; i < c->route_count; i++)
			buf_addf(out, "%s%s = %s", i > 0 ? "; " : "", c->routes[i].domain, c->routes[i].targets);
		break;
	}
}

void config_value_free(struct config *c, const struct entry *e)
{
	switch (e->type) {
	case TYPE_TEXT:
	case TYPE_ADDRESSES:
	case TYPE_LISTENERS:
		mem_free(*(char **)field(c, e));
		break;
	case TYPE_ROUTES:
		for (uint32_t i = 0; i < c->route_count; i++) {
			mem_free(c->routes[i].domain);
			mem_free(c->routes[i].targets);
		}
		mem_free(c->routes);
		break;
	case TYPE_NUMBER:
	case TYPE_SWITCH:
	case TYPE_CHOICE:
		break;
	}
}
