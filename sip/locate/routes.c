#include "sip/locate/routes.h"

#include <string.h>

#include "core/map.h"
#include "core/mem.h"

/* A map from domain to targets. Built once from the configuration and replaced as a whole by a reload. */

struct entry {
	struct map_node node;
	char domain[DNS_NAME_MAX];
	struct route route;
};

struct routes {
	struct map map;
};

static bool parse_one(struct slice text, struct locate_step *out)
{
	static const struct {
		const char *name;
		enum proto proto;
	} kinds[] = {{"tls", PROTO_TLS}, {"tcp", PROTO_TCP}, {"udp", PROTO_UDP}};
	struct locate_step s = {.kind = LOCATE_HOST};
	size_t colon = slice_rchr(text, ':');
	struct slice kind, host;
	uint32_t port;

	if (colon == text.n || !slice_u32(slice_sub(text, colon + 1, text.n), 65535, &port) || port == 0 ||
	    !slice_cut(slice_sub(text, 0, colon), ':', &kind, &host))
		return false;
	/* An IPv6 address needs brackets, or its last group could be taken for the port. */
	if ((slice_chr(host, ':') < host.n && host.p[0] != '[') || !locate_name(host, s.host))
		return false;
	s.port = (uint16_t)port;
	for (unsigned i = 0; i < 3; i++) {
		if (!slice_ieq(kind, slice_str(kinds[i].name)))
			continue;
		s.proto = kinds[i].proto;
		*out = s;
		return true;
	}
	return false;
}

enum err route_parse(struct slice targets, struct route *out)
{
	struct locate_step steps[LOCATE_STEPS_MAX];
	unsigned count = 0;

	for (struct slice rest = slice_list(targets), one; slice_item(&rest, &one); count++) {
		if (out->count + count == LOCATE_STEPS_MAX)
			return ERR_LIMIT;
		if (!parse_one(one, &steps[count]))
			return ERR_SYNTAX;
	}
	if (count == 0)
		return ERR_SYNTAX;
	memcpy(&out->steps[out->count], steps, count * sizeof(steps[0]));
	out->count += count;
	return ERR_OK;
}

struct routes *routes_new(void)
{
	struct routes *r = mem_alloc(sizeof(*r));

	map_init(&r->map);
	return r;
}

void routes_free(struct routes *r)
{
	struct map_node *node;

	if (r == NULL)
		return;
	while ((node = map_first(&r->map)) != NULL) {
		map_remove(&r->map, node);
		mem_free(MAP_ENTRY(node, struct entry, node));
	}
	map_free(&r->map);
	mem_free(r);
}

enum err routes_add(struct routes *r, struct slice domain, struct slice targets)
{
	struct map_node *node;
	char name[DNS_NAME_MAX];
	struct entry *e;
	enum err err;

	if (!locate_name(domain, name))
		return ERR_SYNTAX;
	node = map_find(&r->map, slice_str(name));
	if (node != NULL)
		return route_parse(targets, &MAP_ENTRY(node, struct entry, node)->route);
	if (r->map.count == ROUTES_MAX)
		return ERR_LIMIT;
	e = mem_alloc(sizeof(*e));
	err = route_parse(targets, &e->route);
	if (err != ERR_OK) {
		mem_free(e);
		return err;
	}
	memcpy(e->domain, name, sizeof(name));
	map_add(&r->map, &e->node, slice_str(e->domain));
	return ERR_OK;
}

const struct route *routes_find(const struct routes *r, const char *name)
{
	struct map_node *node = map_find(&r->map, slice_str(name));

	return node == NULL ? NULL : &MAP_ENTRY(node, struct entry, node)->route;
}
