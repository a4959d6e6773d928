/*
 * base/cleanup.h - the one ownership idiom.
 *
 * Whoever gets a `T *` from x_new, x_get or x_parse frees it with x_free; const
 * means borrowed. A local that owns is declared with a cleanup attribute, so a
 * function has one way out and no clean-up labels:
 *
 *     auto_buf tbs = BUF_INIT;
 *     auto_free char *path = strdup(name);
 *
 * A type's own header defines its `auto_x`; this one defines the common ones.
 */
#ifndef CHANCERY_BASE_CLEANUP_H
#define CHANCERY_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Defines NAME_cleanup(T **), which frees what the local holds with FREE. */
#define CLEANUP_POINTER(NAME, T, FREE)                                                          \
	static inline void NAME##_cleanup(T **pointer) /* NOLINT(bugprone-macro-parentheses) */ \
	{                                                                                       \
		if (*pointer)                                                                   \
			FREE(*pointer);                                                         \
	}

static inline void free_cleanup(void *pointer)
{
	free(*(void **)pointer);
}
static inline void fd_cleanup(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

#define auto_free CLEANUP(free_cleanup) /* auto_free char *p = ... */
#define auto_fd CLEANUP(fd_cleanup) int /* auto_fd fd = -1; */

/* Hands an owned pointer on to the caller: return TAKE(p); */
#define TAKE(pointer)                                   \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

#endif
