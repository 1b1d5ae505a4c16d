/* What every C unit of voipgw shares: statuses and spans.
 *
 * The text between the cffi marks of each header is the cdef that Python is given; it holds plain declarations only.
 * Functions return VG_OK or a negative status and leave their out-parameters untouched on failure. */
#ifndef VG_COMMON_H
#define VG_COMMON_H

#include <stddef.h>
#include <stdint.h>

/* cffi: begin */
#define VG_OK 0
#define VG_ETRUNCATED -1  /* the octets end before the thing they announce */
#define VG_EMALFORMED -2  /* the octets break the format's rules */
#define VG_ELIMIT -3      /* a stated limit would be exceeded */
#define VG_EINVAL -4      /* our caller passed a value out of its range */
#define VG_EFULL -5       /* a pool or ring has no room */
#define VG_EEMPTY -6      /* a ring or queue has nothing */
#define VG_ESYSTEM -7     /* a system call failed; errno says why */
#define VG_EAUTH -8       /* an authentication tag is wrong */
#define VG_EREPLAY -9     /* a packet that has been, or is too old to tell */

/* A stretch of a buffer, in octets. */
typedef struct {
    size_t at;
    size_t length;
} vg_span;
/* cffi: end */

#if defined(__GNUC__)
#define VG_EXPORT __attribute__((visibility("default")))
#else
#define VG_EXPORT
#endif

#endif
