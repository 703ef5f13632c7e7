#include "sip/settings.h"

/*
 * Swapping contents, not pointers: services keep their pointer to the running settings over a reload (server/site.h).
 */

enum hash_alg settings_alg(const struct settings *s)
{
	return s->config.identity_alg == ALG_RSA_SHA1 ? HASH_SHA1 : HASH_SHA256;
}

void settings_drop(struct settings *s)
{
	users_free(s->users);
	tls_config_unref(s->server_tls);
	tls_config_unref(s->client_tls);
	trust_unref(s->trust);
	trust_unref(s->client_trust);
	routes_free(s->routes);
	config_free(&s->config);
	*s = (struct settings){0};
}

void settings_swap(struct settings *a, struct settings *b)
{
	struct settings old = *a;

	*a = *b;
	*b = old;
}
