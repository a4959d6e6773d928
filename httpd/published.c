#include "httpd/published.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/der.h"
#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "httpd/handlers.h"
#include "httpd/server.h"

#define ROOT "published/"
#define NAME_MAX_LEN 200
#define KEPT_MAX 128
#define CHAIN_FILE_MAX ((size_t)64 << 10)
#define CHAIN_LOOK_MS 1000

/* A file as it was when it was last looked into. */
struct kept {
	char name[NAME_MAX_LEN];
	struct stat file;
	struct published_facts facts;
	struct buf content; /* of chains alone */
	int64_t looked_ms;  /* of chains: CLOCK_MONOTONIC */
};

struct published {
	pthread_mutex_t lock; /* for what follows */
	struct kept kept[KEPT_MAX];
	size_t count, oldest;
};

struct published *published_new(struct error *err)
{
	struct published *p = calloc(1, sizeof(*p));
	if (!p)
		(void)err_set(err, ERR_INTERNAL, "no memory for the published files");
	else
		(void)pthread_mutex_init(&p->lock, NULL);
	return p;
}

void published_free(struct published *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		buf_free(&p->kept[i].content);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- what is kept ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* With the lock held. */
static struct kept *find_kept(struct published *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->kept[i].name, name) == 0)
			return &p->kept[i];
	return NULL;
}

/* With the lock held. The file's own place, a free one, or the one filled longest ago. */
static struct kept *place_for(struct published *p, const char *name)
{
	struct kept *place = find_kept(p, name);
	if (!place && p->count < KEPT_MAX)
		place = &p->kept[p->count++];
	if (!place) {
		place = &p->kept[p->oldest];
		p->oldest = (p->oldest + 1) % KEPT_MAX;
	}
	buf_free(&place->content);
	(void)snprintf(place->name, sizeof(place->name), "%s", name);
	return place;
}

/* ---- looking into a file ---- */

static bool has_end(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);
	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* thisUpdate and nextUpdate of a CRL. Source: RFC 5280 section 5.1. */
static void read_crl_times(struct bytes crl, struct published_facts *facts)
{
	struct der outer = der_of(crl), list, tbs;
	der_enter(&outer, DER_SEQUENCE, &list);
	der_enter(&list, DER_SEQUENCE, &tbs);
	(void)der_small_integer(&tbs, 1);
	(void)der_take(&tbs, DER_SEQUENCE);
	(void)der_take(&tbs, DER_SEQUENCE);
	int64_t this_s = der_time(&tbs), next_s = der_time(&tbs);
	if (!tbs.failed) {
		facts->modified_s = this_s;
		facts->next_s = next_s;
	}
}

/* The content is hashed through the descriptor that will be sent: a file that is renamed over it
 * meanwhile changes neither. Renamed, never rewritten: the mapping stays whole. */
static int look_into(const char *name, int fd, const struct stat *file, struct published_facts *facts,
		     struct error *err)
{
	*facts = (struct published_facts){ .modified_s = file->st_mtim.tv_sec, .size = (uint64_t)file->st_size };
	size_t len = (size_t)file->st_size;
	void *content = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (content == MAP_FAILED)
		return err_errno(err, ERR_IO, "cannot read published file %s", name);
	uint8_t hash[32];
	sha256(content, len, hash);
	facts->etag[0] = '"';
	(void)text_hex(BYTES(hash, sizeof(hash)), facts->etag + 1);
	facts->etag[65] = '"';
	facts->etag[66] = '\0';
	if (has_end(name, ".crl"))
		read_crl_times(BYTES(content, len), facts);
	if (content)
		(void)munmap(content, len);
	return 0;
}

static int open_file(const char *name, int *fd, struct stat *file, struct error *err)
{
	char path[sizeof(ROOT) + NAME_MAX_LEN];
	(void)snprintf(path, sizeof(path), ROOT "%s", name);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return err_set(err, ERR_NOT_FOUND, "nothing is published at this address");
	if (*fd < 0)
		return err_errno(err, ERR_IO, "cannot open published file %s", name);
	if (fstat(*fd, file) == 0 && S_ISREG(file->st_mode))
		return 0;
	(void)close(*fd);
	*fd = -1;
	return err_set(err, ERR_NOT_FOUND, "nothing is published at this address");
}

int published_open(struct published *p, const char *name, int *fd, struct published_facts *facts, struct error *err)
{
	struct stat file;
	if (strlen(name) >= NAME_MAX_LEN)
		return err_set(err, ERR_NOT_FOUND, "nothing is published at this address");
	if (open_file(name, fd, &file, err) != 0)
		return -1;
	(void)pthread_mutex_lock(&p->lock);
	const struct kept *known = find_kept(p, name);
	bool fresh = known && is_same_file(&known->file, &file);
	if (fresh)
		*facts = known->facts;
	(void)pthread_mutex_unlock(&p->lock);
	if (fresh)
		return 0;
	if (look_into(name, *fd, &file, facts, err) != 0) {
		(void)close(*fd);
		*fd = -1;
		return -1;
	}
	(void)pthread_mutex_lock(&p->lock);
	struct kept *place = place_for(p, name);
	place->file = file;
	place->facts = *facts;
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

/* With the lock held. An issuer's name is a generation of its key: the chain under it hardly ever
 * changes, and looking once a second is enough. */
static int read_chain(struct published *p, const char *name, const char *path, struct kept **kept, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms();
	*kept = find_kept(p, name);
	if (*kept && now_ms - (*kept)->looked_ms < CHAIN_LOOK_MS)
		return 0;
	struct stat file;
	if (stat(path, &file) != 0)
		return err_errno(err, ERR_INTERNAL, "the chain of an issuer, %s, is not published", path);
	if (!*kept || !is_same_file(&(*kept)->file, &file)) {
		*kept = place_for(p, name);
		(*kept)->file = file;
		if (file_read(path, CHAIN_FILE_MAX, &(*kept)->content, err) != 0) {
			(*kept)->name[0] = '\0';
			return -1;
		}
	}
	(*kept)->looked_ms = now_ms;
	return 0;
}

int published_chain(struct published *p, struct bytes issuer, struct buf *out, struct error *err)
{
	/* Kept under a name that no published file has. */
	char name[NAME_MAX_LEN], path[sizeof(ROOT) + NAME_MAX_LEN];
	int shown = (int)(issuer.len < 100 ? issuer.len : 100);
	(void)snprintf(name, sizeof(name), "chain:%.*s", shown, (const char *)issuer.data);
	(void)snprintf(path, sizeof(path), ROOT "ca/%.*s/chain.pem", shown, (const char *)issuer.data);
	struct kept *kept = NULL;
	(void)pthread_mutex_lock(&p->lock);
	int result = read_chain(p, name, path, &kept, err);
	if (result == 0)
		buf_add_bytes(out, buf_bytes(&kept->content));
	(void)pthread_mutex_unlock(&p->lock);
	return result;
}

/* ---- the handler ---- */

#define CRL_AGE_MAX_S 3600
#define CRL_MARGIN_S 60 /* a cached CRL goes stale this long before nextUpdate */

/* What a client or proxy may keep for how long: certificates never change under their name, a CRL
 * until the next may be out, at most an hour. */
static int64_t max_age_s(const char *name, const struct published_facts *facts, int64_t now_s)
{
	if (strncmp(name, "ca/", 3) == 0)
		return 86400;
	if (strncmp(name, "crl/", 4) != 0)
		return 60;
	if (facts->next_s == 0)
		return 300;
	int64_t left_s = facts->next_s - CRL_MARGIN_S - now_s;
	if (left_s < 0)
		return 0;
	return left_s < CRL_AGE_MAX_S ? left_s : CRL_AGE_MAX_S;
}

static const char *content_type(const char *name)
{
	if (has_end(name, ".crl"))
		return "application/pkix-crl";
	if (has_end(name, ".crt"))
		return "application/pkix-cert";
	if (has_end(name, ".pem"))
		return "application/x-pem-file";
	return "application/json";
}

/* Source: RFC 9110 section 13.1.2 (weak comparison) and 13.1.3, in the order of 13.2.2. */
static bool is_unchanged(const struct request *r, const struct published_facts *facts)
{
	const char *tags = request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH);
	if (tags)
		return strcmp(tags, "*") == 0 || strstr(tags, facts->etag) != NULL;
	const char *since = request_header(r, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
	int64_t since_s;
	return since && clock_parse_imf_fixdate(since, &since_s) == 0 && facts->modified_s <= since_s;
}

static void send_file(struct request *r, const char *name, int fd, const struct published_facts *facts)
{
	bool unchanged = is_unchanged(r, facts);
	struct MHD_Response *response = unchanged ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
						  : MHD_create_response_from_fd64(facts->size, fd);
	if (!response || unchanged)
		(void)close(fd); /* otherwise the response has it */
	if (!response)
		return;
	request_reply_response(r, unchanged ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response, facts->size);
	char text[64];
	request_reply_header(r, MHD_HTTP_HEADER_ETAG, facts->etag);
	request_reply_header(r, MHD_HTTP_HEADER_LAST_MODIFIED, clock_imf_fixdate(facts->modified_s, text));
	(void)snprintf(text, sizeof(text), "public, max-age=%lld",
		       (long long)max_age_s(name, facts, clock_now_ms(&r->front->clock) / 1000));
	request_reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, text);
	if (!unchanged)
		request_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type(name));
}

/* The file's name below published/: the path itself, of plain segments alone. */
static int published_name(const struct request *r, char *name, size_t size, struct error *err)
{
	size_t used = 0;
	for (size_t i = 0; i < r->segment_count; i++) {
		struct bytes segment = r->segments[i];
		for (size_t k = 0; k < segment.len; k++) {
			char c = (char)segment.data[k];
			bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				     c == '-' || c == '_' || (c == '.' && k > 0);
			if (!plain)
				return err_set(err, ERR_NOT_FOUND, "nothing is published at this address");
		}
		if (segment.len + 2 > size - used)
			return err_set(err, ERR_NOT_FOUND, "nothing is published at this address");
		used += (size_t)snprintf(name + used, size - used, "%s%.*s", i ? "/" : "", (int)segment.len,
					 (const char *)segment.data);
	}
	return 0;
}

void published_get(struct request *r)
{
	char name[NAME_MAX_LEN];
	int fd = -1;
	struct published_facts facts;
	struct error err = ERR_INIT;
	if (published_name(r, name, sizeof(name), &err) != 0 ||
	    published_open(r->front->published, name, &fd, &facts, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	send_file(r, name, fd, &facts);
}
