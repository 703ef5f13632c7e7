#include "sip/server/load_private.h"

#include <string.h>

#include "sip/identity/web_url.h"
#include "sip/message/scan.h"
#include "sip/transport/listeners.h"

/*
 * Values that are of their type, but not of their syntax, or that make no sense together. Each rule appends a sentence
 * if it is broken. The rules of one value are in the table of config.c.
 */

/* bad_domain: the first element of list that is neither a domain nor "*"; SLICE_NONE: all are fine. */
static struct slice bad_domain(const char *list)
{
	char name[DNS_NAME_MAX];

	for (struct slice rest = slice_list(slice_str(list)), one; slice_item(&rest, &one);)
		if (!slice_eq(one, S("*")) && !locate_name(one, name))
			return one;
	return SLICE_NONE;
}

/* bad_host: the first element of list that cannot be the host of a URI; SLICE_NONE: all are fine. */
static struct slice bad_host(const char *list)
{
	for (struct slice rest = slice_list(slice_str(list)), one; slice_item(&rest, &one);)
		if (!config_is_domain(one))
			return one;
	return SLICE_NONE;
}

/* realm_is_fine: it stands between quotes in challenges and between colons under a hash; neither has escapes then. */
static bool realm_is_fine(const char *realm)
{
	struct slice s = slice_str(realm);

	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN) && s.p[i] != ' ')
			return false;
	return slice_trim(s).n == s.n;
}

static bool is_any(const char *address)
{
	struct peer at;

	return peer_of(slice_str(address), 0, &at) && peer_is_any(&at);
}

static void domain(const struct config *c, struct buf *why)
{
	struct slice alias = bad_host(c->alias);

	if (c->domain[0] == '\0')
		buf_addf(why, "%s: server.domain is not set; expected the SIP domain that is served", c->file);
	else if (!config_is_domain(slice_str(c->domain)))
		buf_addf(why, "%s: server.domain = %s; expected a name alone, like example.com", c->file, c->domain);
	else if (alias.p != NULL)
		buf_addf(why, "%s: server.alias has \"%.*s\"; expected names and addresses, comma-separated", c->file,
			 SLICE_ARG(alias));
	else if (c->address[0] != '\0' && (!scan_is_host(slice_str(c->address)) || is_any(c->address)))
		buf_addf(why,
			 "%s: server.address = %s; expected a host that peers reach this server by: a name, or an "
			 "address like 192.0.2.1 or [2001:db8::1]; ports stand behind \"advertise\" in the listen keys",
			 c->file, c->address);
}

static void name_servers(const struct config *c, struct buf *why)
{
	struct dns_servers servers;

	if (c->dns[0] != '\0' && !dns_servers_list(slice_str(c->dns), &servers))
		buf_addf(why, "%s: server.dns = %s has a server without a port; expected addresses like 127.0.0.1:53",
			 c->file, c->dns);
}

static void identity(const struct config *c, struct buf *why)
{
	struct slice bad = bad_domain(c->identity_require);
	struct web_url url;

	if (bad.p != NULL)
		buf_addf(why, "%s: identity.require has \"%.*s\"; expected domains, or * for all", c->file,
			 SLICE_ARG(bad));
	else if (c->identity_require[0] != '\0' && c->identity_verify_inbound == VERIFY_OFF)
		buf_addf(
			why,
			"%s: identity.require asks for signatures that identity.verify-inbound = off does not look at; "
			"expected mark or reject",
			c->file);
	else if (c->identity_url[0] != '\0' && !web_url_parse(slice_str(c->identity_url), &url))
		buf_addf(why, "%s: identity.url = %s; expected an http or https URL like https://sip.example.com",
			 c->file, c->identity_url);
	else if (c->identity_url[0] == '\0' && c->listen_https[0] == '\0' && c->listen_http[0] == '\0')
		buf_addf(why,
			 "%s: nobody can fetch the certificate that signs; expected server.listen-https, or "
			 "identity.url for a web server that has it",
			 c->file);
}

static void tls(const struct config *c, struct buf *why)
{
	if (c->tls_certificate[0] == '\0' && (c->listen_tls[0] != '\0' || c->listen_https[0] != '\0'))
		buf_addf(why, "%s: server.%s needs tls.certificate and tls.key", c->file,
			 c->listen_tls[0] != '\0' ? "listen-tls" : "listen-https");
}

static void credentials(const struct config *c, struct buf *why)
{
	if (c->credential_client_certificate != OWNER_CERT_OFF && c->tls_client_certificate == CLIENT_CERT_OFF)
		buf_addf(why,
			 "%s: credential.client-certificate = %s needs clients to show one; expected "
			 "tls.client-certificate = optional or require",
			 c->file, c->credential_client_certificate == OWNER_CERT_ACCEPT ? "accept" : "require");
	else if (c->credential_client_certificate != OWNER_CERT_OFF && c->credential_client_ca[0] == '\0')
		buf_addf(why,
			 "%s: credential.client-certificate needs credential.client-ca; expected a PEM file of the "
			 "authorities of users' certificates",
			 c->file);
	else if (!realm_is_fine(config_credential_realm(c)))
		buf_addf(why,
			 "%s: credential.realm = %s; expected letters, digits, dots, hyphens and blanks between them",
			 c->file, c->credential_realm);
	else if (!c->digest_sha256 && !c->digest_md5)
		buf_addf(why,
			 "%s: digest.sha-256 and digest.md5 are both off; expected at least one, or nobody can log in",
			 c->file);
	else if (c->credential_create && (c->credential_style == STYLE_1 || c->credential_style == STYLE_2))
		buf_addf(
			why,
			"%s: credential.create = on makes keys without a pass phrase, which credential.style = %d does "
			"not allow; expected style 3 or any",
			c->file, c->credential_style == STYLE_1 ? 1 : 2);
}

/* durations: the least, the usual and the greatest one of a section are in this order. */
static void durations(const struct config *c, struct buf *why)
{
	const struct {
		const char *section;
		uint32_t least, usual, most;
	} all[] = {
		{"registrar", c->registrar_min_expires, c->registrar_default_expires, c->registrar_max_expires},
		{"certificate", c->certificate_min_expires, c->certificate_default_expires, c->certificate_max_expires},
		{"credential", c->credential_min_expires, c->credential_default_expires, c->credential_max_expires},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && why->n == 0; i++) {
		const char *s = all[i].section;

		if (all[i].least > all[i].most)
			buf_addf(why, "%s: %s.min-expires = %u is more than %s.max-expires = %u; nothing lies between",
				 c->file, s, all[i].least, s, all[i].most);
		else if (all[i].usual > all[i].most)
			buf_addf(why,
				 "%s: %s.default-expires = %u is more than %s.max-expires = %u; expected at most that",
				 c->file, s, all[i].usual, s, all[i].most);
		else if (all[i].usual < all[i].least)
			buf_addf(why,
				 "%s: %s.default-expires = %u is less than %s.min-expires = %u; expected at least that",
				 c->file, s, all[i].usual, s, all[i].least);
	}
}

bool load_rules(const struct config *c, struct buf *why)
{
	static void (*const rules[])(const struct config *c, struct buf *why) = {
		domain, name_servers, load_listeners, tls, identity, credentials, durations};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && why->n == 0; i++)
		rules[i](c, why);
	return why->n == 0;
}
