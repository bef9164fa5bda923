/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-fetch: fetches one feed over HTTP or HTTPS for the daemon and ends. In: a request (one
 * JSON object) on descriptor 0. Out: the body into descriptor 3, one JSON line on descriptor 1. It
 * stands alone so that what a stranger's server sends is parsed by a process that has no
 * capabilities, another user and nothing to lose, and so that the TLS library meets neither the
 * daemon nor libnftables. It opens no file of ours and decides nothing: whether the bytes are a
 * list is judged by the daemon. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cap-ng.h>
#include <curl/curl.h>
#include <jansson.h>

enum {
	FETCH_FD_BODY = 3,
	REDIRECTS_MAX = 3,
	CONNECT_MAX_MS = 30000,
	HEADERS_MAX = 65536,
	MEMORY_MAX = 512 << 20,
	VALUE_MAX = 512,
};

struct fetch {
	const char *url, *etag, *modified, *user;
	curl_off_t max;
	long timeout_ms;
	size_t taken, headers;
	bool too_large;
	char new_etag[VALUE_MAX], new_modified[VALUE_MAX];
};

static int answer(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int answer_error(const char *text)
{
	return answer(json_pack("{s:s}", "error", text));
}

/* ---- giving up what is not needed ---- */

/* A user of its own if there is one, else the one of the daemon's other children. */
static bool user_change(const char *user)
{
	const struct passwd *pw = getpwnam("xmppwall-fetch");

	if (geteuid() != 0)
		return true;
	if (!pw && *user)
		pw = getpwnam(user);
	if (!pw)
		pw = getpwnam("xmppwall");
	if (!pw)
		pw = getpwnam("nobody");
	if (!pw)
		return false;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_change_id((int)pw->pw_uid, (int)pw->pw_gid,
		       CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0;
}

static bool privileges_drop(const struct fetch *f)
{
	struct rlimit none = { 0, 0 }, body = { (rlim_t)f->max + 1, (rlim_t)f->max + 1 },
		      memory = { MEMORY_MAX, MEMORY_MAX }, files = { 64, 64 };

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (!user_change(f->user) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		return false;
	if (body.rlim_cur < VALUE_MAX * 16)
		body.rlim_cur = body.rlim_max = VALUE_MAX * 16; /* the answer needs room, too */
	(void)setrlimit(RLIMIT_FSIZE, &body);
#ifndef __SANITIZE_ADDRESS__
	(void)setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	/* After changing the user, which forgets it. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

/* ---- what the server sends ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * n, at = 0;

	f->taken += len;
	if (f->taken > (size_t)f->max) {
		f->too_large = true;
		return 0;
	}
	while (at < len) {
		ssize_t put = write(FETCH_FD_BODY, bytes + at, len - at);

		if (put < 0 && errno != EINTR)
			return 0;
		at += put > 0 ? (size_t)put : 0;
	}
	return len;
}

/* The value of a header of that name, if it is one and fits. */
static void header_take(const char *line, size_t len, const char *name, char *to)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0)
		return;
	line += n, len -= n;
	while (len && (*line == ' ' || *line == '\t'))
		line++, len--;
	while (len && (unsigned char)line[len - 1] <= ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			return;
	if (len < VALUE_MAX)
		snprintf(to, VALUE_MAX, "%.*s", (int)len, line);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * n;

	f->headers += len;
	if (f->headers > HEADERS_MAX)
		return 0;
	if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) /* behind a redirect all begins anew */
		f->new_etag[0] = f->new_modified[0] = '\0';
	header_take(bytes, len, "etag:", f->new_etag);
	header_take(bytes, len, "last-modified:", f->new_modified);
	return len;
}

/* ---- asking ---- */

static struct curl_slist *headers_of(const struct fetch *f)
{
	struct curl_slist *all = NULL;
	char line[VALUE_MAX + 32];

	if (*f->etag && strlen(f->etag) < VALUE_MAX) {
		snprintf(line, sizeof line, "If-None-Match: %s", f->etag);
		all = curl_slist_append(all, line);
	}
	if (*f->modified && strlen(f->modified) < VALUE_MAX) {
		snprintf(line, sizeof line, "If-Modified-Since: %s", f->modified);
		all = curl_slist_append(all, line);
	}
	return all;
}

static int run(CURL *curl, struct fetch *f)
{
	const char *scheme = strncmp(f->url, "https:", 6) == 0 ? "https" : "http";
	struct curl_slist *headers = headers_of(f);
	char reason[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, f->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* A redirect may lead elsewhere, but neither out of TLS nor to another kind of thing. */
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, scheme);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, f->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
		f->timeout_ms < CONNECT_MAX_MS ? f->timeout_ms : (long)CONNECT_MAX_MS);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, f->max);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "xmppwall/" XMPPWALL_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, f);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (f->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return answer_error("it is larger than its ceiling");
	if (code != CURLE_OK)
		return answer_error(*reason ? reason : curl_easy_strerror(code));
	return answer(json_pack("{s:i,s:s,s:s,s:I}", "status", (int)status, "etag", f->new_etag,
		"modified", f->new_modified, "bytes", (json_int_t)f->taken));
}

static const char *text_of(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

int main(void)
{
	json_t *request = json_loadf(stdin, 0, NULL);
	struct fetch f = { text_of(request, "url"), text_of(request, "etag"),
		text_of(request, "modified"), text_of(request, "user"),
		(curl_off_t)json_integer_value(json_object_get(request, "max")),
		(long)json_integer_value(json_object_get(request, "timeout")), 0, 0, false, "",
		"" };
	CURL *curl;
	int r;

	close_range(FETCH_FD_BODY + 1, ~0u, 0);
	if (!*f.url || f.max <= 0 || f.timeout_ms <= 0) {
		fprintf(stderr, "xmppwall-fetch is started by xmppwalld to fetch a feed\n");
		return 2;
	}
	if (!privileges_drop(&f))
		return answer_error("cannot give up privileges");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(curl = curl_easy_init()))
		return answer_error("libcurl does not start");
	r = run(curl, &f);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	json_decref(request);
	return r;
}
