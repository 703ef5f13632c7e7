#include "crypto/tls.h"

#include <stdarg.h>
#include <stdio.h>

#include <mbedtls/ssl.h>

#include "crypto/tls_state.h"

/* What went wrong, in words for an operator. The library's own texts are not in Debian's builds of it. */
struct phrase {
	int code;
	const char *text;
};

/* RFC 8446 6.2, RFC 5246 7.2.2. */
static const struct phrase alerts[] = {
	{10, "unexpected message"},
	{20, "bad record MAC"},
	{22, "record overflow"},
	{40, "handshake failure"},
	{42, "bad certificate"},
	{43, "unsupported certificate"},
	{44, "certificate revoked"},
	{45, "certificate expired"},
	{46, "certificate unknown"},
	{47, "illegal parameter"},
	{48, "unknown CA"},
	{49, "access denied"},
	{50, "decode error"},
	{51, "decrypt error"},
	{70, "protocol version"},
	{71, "insufficient security"},
	{80, "internal error"},
	{86, "inappropriate fallback"},
	{90, "user cancelled"},
	{100, "no renegotiation"},
	{109, "missing extension"},
	{110, "unsupported extension"},
	{112, "unrecognized name"},
	{116, "certificate required"},
	{120, "no application protocol"},
	{0, NULL},
};

/* Codes are the high part of what the library returns. The two versions share few names. */
static const struct phrase errors[] = {
	{MBEDTLS_ERR_SSL_INVALID_RECORD, "a damaged TLS record"},
	{MBEDTLS_ERR_SSL_INVALID_MAC, "a TLS record was changed on the way"},
	{MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "the peer sent a TLS message out of order"},
	{MBEDTLS_ERR_SSL_UNEXPECTED_RECORD, "the peer sent a TLS message out of order"},
	{MBEDTLS_ERR_SSL_ALLOC_FAILED, "out of memory"},
	{MBEDTLS_ERR_X509_ALLOC_FAILED, "out of memory"},
	{MBEDTLS_ERR_SSL_PK_TYPE_MISMATCH,
	 "the peer's certificate has a key of a kind that the cipher suite cannot use"},
	{MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED, "no private key for the cipher suite"},
	{MBEDTLS_ERR_SSL_COUNTER_WRAPPING, "the connection has carried too many records"},
	{MBEDTLS_ERR_RSA_VERIFY_FAILED, "the peer's signature in the handshake is wrong"},
	{MBEDTLS_ERR_ECP_VERIFY_FAILED, "the peer's signature in the handshake is wrong"},
	{MBEDTLS_ERR_X509_INVALID_FORMAT, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_VERSION, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_SERIAL, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_ALG, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_NAME, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_DATE, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_INVALID_EXTENSIONS, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_UNKNOWN_VERSION, "the peer's certificate cannot be read"},
	{MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG, "the peer's certificate has an unknown signature algorithm"},
	{MBEDTLS_ERR_PK_UNKNOWN_PK_ALG, "the peer's certificate has a key of a kind that is not taken"},
	{MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE, "the peer's certificate has a key of a kind that is not taken"},
	{MBEDTLS_ERR_PK_INVALID_PUBKEY, "the peer's certificate has a key that is not taken"},
#if MBED_3
	{MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "no cipher suite in common"},
	{MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "no TLS version in common (1.2 is the least)"},
	{MBEDTLS_ERR_SSL_DECODE_ERROR, "a malformed handshake message"},
	{MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, "a handshake message with a wrong value"},
	{MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, "a handshake extension that was not asked for"},
	{MBEDTLS_ERR_SSL_BAD_CERTIFICATE, "a malformed certificate message"},
#else
	{MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN, "no cipher suite in common"},
	{MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE,
	 "no cipher suite in common that fits our certificate and the peer's wishes"},
	{MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION, "no TLS version in common (1.2 is the least)"},
	{MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO, "a malformed ClientHello"},
	{MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO, "a malformed ServerHello"},
	{MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE, "a malformed certificate message"},
	{MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE_REQUEST, "a malformed handshake message"},
	{MBEDTLS_ERR_SSL_BAD_HS_SERVER_KEY_EXCHANGE, "a malformed key exchange message"},
	{MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO_DONE, "a malformed handshake message"},
	{MBEDTLS_ERR_SSL_BAD_HS_CLIENT_KEY_EXCHANGE, "a malformed key exchange message"},
	{MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE_VERIFY, "the peer's signature in the handshake is wrong"},
	{MBEDTLS_ERR_SSL_BAD_HS_CHANGE_CIPHER_SPEC, "a malformed handshake message"},
	{MBEDTLS_ERR_SSL_BAD_HS_FINISHED, "the two sides have not seen the same handshake"},
#endif
	{0, NULL},
};

static const char *phrase_of(const struct phrase *list, int code)
{
	for (; list->text != NULL; list++) {
		if (list->code == code)
			return list->text;
	}
	return NULL;
}

static void set_reason(struct tls *t, const char *text)
{
	buf_clear(&t->reason);
	buf_adds(&t->reason, text);
}

enum err tls_fail(struct tls *t, int alert, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	set_reason(t, text);
	mbed_ssl_send_fatal(&t->ssl, alert);
	t->failed = ERR_CRYPTO;
	return ERR_CRYPTO;
}

/* alert_of: the alert that tells the peer of this error. */
static int alert_of(const struct tls *t, int high)
{
	switch (high) {
	case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
		return MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		return MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC;
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR;
	default:
		return t->over ? MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR : MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
	}
}

enum err tls_fail_library(struct tls *t, int rc, size_t told)
{
	int high = -(-rc & 0xff80), alert;
	const char *text;

	buf_clear(&t->reason);
	t->failed = ERR_CRYPTO;
	if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
		t->failed = ERR_CLOSED;
		set_reason(t, t->over ? "the peer closed the connection"
				      : "the peer closed the connection in the handshake");
	} else if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
		alert = mbed_ssl_alert(&t->ssl);
		text = phrase_of(alerts, alert);
		buf_addf(&t->reason, "the peer sent alert %d (%s)", alert, text == NULL ? "unknown" : text);
	} else if (t->first >= 0 && (t->first < 20 || t->first > 23)) {
		set_reason(t, "the peer does not speak TLS");
	} else {
		text = phrase_of(errors, high);
		if (text != NULL)
			set_reason(t, text);
		else
			buf_addf(&t->reason, "error -0x%04x of the TLS library", (unsigned)-rc);
		if (t->out.n == told)
			mbed_ssl_send_fatal(&t->ssl, alert_of(t, high));
	}
	return t->failed;
}

const char *tls_reason(const struct tls *t)
{
	return t->reason.p == NULL ? "no error" : t->reason.p;
}
