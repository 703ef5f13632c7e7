#ifndef CRYPTO_CERT_STATE_H
#define CRYPTO_CERT_STATE_H

#include "crypto/cert.h"

/*
 * What cert_read found, for the cert*.c files and trust.c. Plain data and no context of the library, because an
 * elliptic-curve group of mbedTLS 2.28 changes when it is used and several threads may read one struct cert. All slices
 * lie inside der.
 */
struct cert {
	struct slice der; /* owned */
	struct slice serial;
	struct slice issuer; /* whole Name elements */
	struct slice subject;
	struct slice spki;
	struct slice san;    /* body of GeneralNames; p NULL: no such extension */
	struct slice eku;    /* body of ExtKeyUsageSyntax; p NULL: no such extension */
	struct slice key_id; /* subjectKeyIdentifier octets; p NULL: none */
	int64_t not_before;
	int64_t not_after;
	bool ca;
	bool has_path_length;
	uint32_t path_length;
	bool has_usage;
	uint16_t usage; /* bit 15 is digitalSignature, as in RFC 5280 4.2.1.3 from the left */
	enum key_kind key_kind;
	unsigned key_bits;
};

#define CERT_USAGE_DIGITAL_SIGNATURE 0x8000
#define CERT_USAGE_KEY_ENCIPHERMENT 0x2000
#define CERT_USAGE_CERT_SIGN 0x0400

#define OID_EXT_KEY_ID S("\x55\x1d\x0e")
#define OID_EXT_USAGE S("\x55\x1d\x0f")
#define OID_EXT_SAN S("\x55\x1d\x11")
#define OID_EXT_BASIC S("\x55\x1d\x13")
#define OID_EXT_NAME_CONSTRAINTS S("\x55\x1d\x1e")
#define OID_EXT_AUTHORITY S("\x55\x1d\x23")
#define OID_EXT_EKU S("\x55\x1d\x25")
#define OID_ANY_EKU S("\x55\x1d\x25\x00")
#define OID_SERVER_AUTH S("\x2b\x06\x01\x05\x05\x07\x03\x01")
#define OID_CLIENT_AUTH S("\x2b\x06\x01\x05\x05\x07\x03\x02")
#define OID_SIP_DOMAIN S("\x2b\x06\x01\x05\x05\x07\x03\x14")
#define OID_COMMON_NAME S("\x55\x04\x03")

/* cert_civil_s: seconds since 1970 of a proleptic Gregorian UTC date and time; fields are checked by the caller. */
int64_t cert_civil_s(int year, int month, int day, int hour, int minute, int second);

#endif
