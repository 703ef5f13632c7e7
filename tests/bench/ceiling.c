#include <pthread.h>

#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>

#include "crypto/rng.h"
#include "crypto/pkcs8.h"
#include "tests/bench/client.h"

/*
 * What the library alone can do here: ceiling rsa KEY THREADS SECONDS: RSA-2048 SHA-1 signatures, a key context a
 * thread. ceiling tls CERT KEY CA SECONDS resumed|full: handshakes in memory, both sides in one thread.
 */

static double until;

static int getrandom_rng(void *unused, unsigned char *p, size_t n)
{
	return rng_mbedtls(unused, p, n);
}

static void *sign(void *arg)
{
	const struct buf *pem = arg;
	unsigned char digest[20] = {1}, sig[512];
	unsigned long n = 0;
	mbedtls_pk_context pk;

	mbedtls_pk_init(&pk);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (mbedtls_pk_parse_key(&pk, (const unsigned char *)pem->p, pem->n + 1, NULL, 0, getrandom_rng, NULL) != 0)
#else
	if (mbedtls_pk_parse_key(&pk, (const unsigned char *)pem->p, pem->n + 1, NULL, 0) != 0)
#endif
		die("key");
	for (; now_s() < until; n++) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
		if (mbedtls_rsa_pkcs1_sign(mbedtls_pk_rsa(pk), getrandom_rng, NULL, MBEDTLS_MD_SHA1, 20, digest, sig) !=
		    0)
#else
		if (mbedtls_rsa_pkcs1_sign(mbedtls_pk_rsa(pk), getrandom_rng, NULL, MBEDTLS_RSA_PRIVATE,
					   MBEDTLS_MD_SHA1, 20, digest, sig) != 0)
#endif
			die("sign");
	}
	mbedtls_pk_free(&pk);
	return (void *)n;
}

static void rsa(const char *file, unsigned threads, double seconds)
{
	struct buf pem = {0};
	pthread_t ids[16];
	unsigned long sum = 0;

	if (threads > 16 || buf_read_file(&pem, file, 1 << 16) != ERR_OK)
		die(file);
	until = now_s() + seconds;
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, sign, &pem) != 0)
			die("pthread_create");
	for (unsigned i = 0; i < threads; i++) {
		void *n;

		pthread_join(ids[i], &n);
		sum += (unsigned long)n;
	}
	printf("per-second %.1f\n", (double)sum / seconds);
}

static void read_text(const char *file, struct buf *out)
{
	if (buf_read_file(out, file, 1 << 20) != ERR_OK)
		die(file);
}

/* One handshake between buffers. */
static void shake(struct tls *client, struct tls *server)
{
	enum err c = ERR_AGAIN, s = ERR_AGAIN;

	while (c != ERR_OK || s != ERR_OK) {
		if (c == ERR_AGAIN)
			c = tls_handshake(client);
		tls_input(server, buf_slice(tls_output(client)));
		buf_free(tls_output(client));
		if (s == ERR_AGAIN)
			s = tls_handshake(server);
		tls_input(client, buf_slice(tls_output(server)));
		buf_free(tls_output(server));
		if ((c != ERR_OK && c != ERR_AGAIN) || (s != ERR_OK && s != ERR_AGAIN))
			die("handshake");
	}
}

static void tls(char **argv)
{
	bool resume = strcmp(argv[6], "resumed") == 0;
	struct buf cert = {0}, key_pem = {0}, ca = {0};
	struct trust *trust = trust_new();
	struct tls_session *session = NULL;
	struct tls_config *client, *server;
	double seconds = strtod(argv[5], NULL);
	unsigned long n = 0;
	struct key *key;
	size_t count;

	read_text(argv[2], &cert);
	read_text(argv[3], &key_pem);
	read_text(argv[4], &ca);
	if (pkcs8_read(buf_slice(&key_pem), SLICE_NONE, &key) != ERR_OK ||
	    trust_add_pem(trust, buf_slice(&ca), &count) != ERR_OK)
		die("key");
	const struct tls_identity id = {buf_slice(&cert), key};

	if (tls_config_new(&(struct tls_params){.server = true,
						.static_rsa = true,
						.ids = &id,
						.id_count = 1,
						.client_auth = TLS_CLIENT_OPTIONAL,
						.trust = trust,
						.slots = 1,
						.session_cache = 100},
			   &server) != ERR_OK ||
	    tls_config_new(&(struct tls_params){.slots = 1, .trust = trust}, &client) != ERR_OK)
		die("configuration");
	for (until = now_s() + seconds; now_s() < until; n++) {
		struct tls *a = tls_new(client, 0, S("example.com"), TLS_NAME_SIP),
			   *b = tls_new(server, 0, SLICE_NONE, TLS_NAME_SIP);

		if (session != NULL)
			tls_session_use(a, session);
		shake(a, b);
		if (resume && session == NULL)
			session = tls_session_save(a);
		tls_free(a);
		tls_free(b);
	}
	printf("per-second %.1f\n", (double)n / seconds);
}

int main(int argc, char **argv)
{
	if (tls_library_init() != ERR_OK)
		return 1;
	if (argc == 5 && strcmp(argv[1], "rsa") == 0)
		rsa(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
	else if (argc == 7 && strcmp(argv[1], "tls") == 0)
		tls(argv);
	else
		return 2;
	return 0;
}
