/* SPDX-License-Identifier: BSD-2-Clause */
/* The one moment in which the authority's key is in memory. In: the folder, open, and a request of
 * the daemon, which repeats what a worker wants: neither is believed beyond its form. Out: leaves,
 * or why not, one by one, so that a bad request spoils no other. The order is the point: as root
 * the files are read, bytes only; then user, capabilities, network and file system are given up;
 * only then is anything parsed, the request as the key. It keeps nothing: what was signed is
 * written down by the daemon. */
#include "ca/mint.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "ca/authority.h"
#include "ca/folder.h"
#include "ca/leaf.h"

enum { REQUEST_MAX = 4 << 20, LEAVES_MAX = 256, MEMORY_MAX = 512 << 20 };
#define LIFE_MAX_MS ((json_int_t)366 * 86400000)

static int answer(json_t *line)
{
	int r = line && json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF &&
				fflush(stdout) == 0
			? 0
			: 1;

	json_decref(line);
	return r;
}

static int answer_error(const char *text)
{
	return answer(json_pack("{s:s}", "error", text));
}

/* ---- giving up what is not needed ---- */

/* A user of its own if there is one, so that no other child shares it. */
static const char *user_of(void)
{
	static const char *const names[] = { "xmppwall-ca", "xmppwall" };

	for (size_t i = 0; geteuid() == 0 && i < sizeof names / sizeof *names; i++)
		if (getpwnam(names[i]))
			return names[i];
	return NULL; /* root's, then, without its capabilities */
}

static bool privileges_drop(void)
{
	struct rlimit none = { 0, 0 }, memory = { MEMORY_MAX, MEMORY_MAX };
	struct sandbox_spec spec = { .role = SANDBOX_CA, .user = user_of() };
	unsigned char chance;

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return false;
#ifndef __SANITIZE_ADDRESS__
	(void)setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	/* What the library reads or opens at its first use, it does now. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
		RAND_bytes(&chance, 1) != 1)
		return false;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && sandbox_enter(&spec) == 0;
}

/* ---- the batch ---- */

static const char *text_of(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

static json_t *pem_json(X509 *cert)
{
	struct buf pem;
	json_t *text;

	buf_init(&pem, 0);
	text = pem_put(&pem, cert) == 0 ? json_stringn(buf_ptr(&pem), buf_len(&pem)) : NULL;
	buf_fini(&pem);
	return text;
}

static json_t *serial_json(const X509 *cert)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	json_t *text = hex ? json_string(hex) : NULL;

	OPENSSL_free(hex);
	BN_free(number);
	return text;
}

static json_t *leaf_json(const struct authority *by, const json_t *one, json_int_t life_ms)
{
	struct leaf_request request = { text_of(one, "domain"), text_of(one, "key"), life_ms,
		json_integer_value(json_object_get(one, "not_after")) };
	const char *why = "";
	X509 *cert = NULL;
	json_t *line;

	if (request.not_after_ms < 0 ||
		!json_is_integer(json_object_get(one, "not_after"))) /* 0 has to be said */
		return json_pack("{s:s}", "error", "no end is named");
	if (leaf_sign(by, &request, &cert, &why) < 0)
		return json_pack("{s:s}", "error", why);
	line = json_pack("{s:o,s:o,s:I}", "leaf", pem_json(cert), "serial", serial_json(cert),
		"until", (json_int_t)time_of(X509_get0_notAfter(cert)));
	X509_free(cert);
	return line;
}

/* What a peer needs between a leaf and the root that it trusts: nothing, where the authority is
 * one. */
static json_t *chain_json(const struct authority *by)
{
	json_t *chain = json_array();

	for (int i = -1; i < sk_X509_num(by->above); i++) {
		X509 *one = i < 0 ? by->cert : sk_X509_value(by->above, i);

		if (X509_NAME_cmp(X509_get_subject_name(one), X509_get_issuer_name(one)) != 0)
			json_array_append_new(chain, pem_json(one));
	}
	return chain;
}

static int batch_answer(const struct authority *by, const json_t *request)
{
	const json_t *wanted = json_object_get(request, "leaves"), *one;
	json_int_t life_ms = json_integer_value(json_object_get(request, "life"));
	char fingerprint[FINGERPRINT_SIZE];
	json_t *leaves;
	size_t i;

	if (!json_is_array(wanted) || json_array_size(wanted) > LEAVES_MAX || life_ms <= 0 ||
		life_ms > LIFE_MAX_MS)
		return answer_error("that is no request");
	leaves = json_array();
	json_array_foreach(wanted, i, one)
		json_array_append_new(leaves, leaf_json(by, one, life_ms));
	fingerprint_of(by->cert, fingerprint);
	return answer(json_pack("{s:s,s:o,s:o}", "authority", fingerprint, "chain", chain_json(by),
		"leaves", leaves));
}

/* ---- the way there ---- */

/* All of descriptor 0, a memfd or a pipe; NULL if it is too much. The caller frees. */
static char *request_read(size_t *len)
{
	char *bytes = malloc(REQUEST_MAX);
	ssize_t n = 1;

	for (*len = 0; bytes && n > 0 && *len<REQUEST_MAX; *len += n> 0 ? (size_t)n : 0) {
		n = read(STDIN_FILENO, bytes + *len, REQUEST_MAX - *len);
		if (n < 0 && errno == EINTR)
			n = 1, *len -= 1;
	}
	if (bytes && n == 0)
		return bytes;
	free(bytes);
	return NULL;
}

static int folder_ready(int folder, struct authority_files *files, struct buf *why)
{
	int r;

	if ((r = folder_check(folder, why)) < 0 || (r = folder_lock(folder, false, why)) < 0)
		return r;
	r = authority_read(folder, files, why);
	close(folder);
	return r;
}

static int parse_and_answer(
	const struct authority_files *files, const char *bytes, size_t len, struct buf *why)
{
	struct authority by;
	json_t *request;
	int status;

	if (authority_parse(files, true, &by, why) < 0)
		return answer_error(buf_string(why));
	request = json_loadb(bytes, len, 0, NULL);
	status = batch_answer(&by, request);
	json_decref(request);
	authority_fini(&by);
	return status;
}

int mint_run(int folder)
{
	struct authority_files *files = calloc(1, sizeof *files);
	cleanup_free char *bytes = NULL;
	struct buf why;
	size_t len = 0;
	int status;

	buf_init(&why, 0);
	if (!files || !(bytes = request_read(&len)))
		status = answer_error("no request");
	else if (folder_ready(folder, files, &why) < 0)
		status = answer_error(buf_string(&why));
	else if (!privileges_drop())
		status = answer_error("cannot give up privileges");
	else
		status = parse_and_answer(files, bytes, len, &why);
	if (files)
		authority_files_wipe(files);
	free(files);
	buf_fini(&why);
	return status;
}
