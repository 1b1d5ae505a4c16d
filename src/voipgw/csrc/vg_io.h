/* The thin thread around the media engine's core: sockets, line descriptors, a 10 ms clock. It never calls Python.
 *
 * One thread owns the core. Commands reach it through a ring with one writer, events leave it through the core's ring with
 * one reader; a file descriptor on each side says when something waits. Descriptors are opened and closed by the caller, who
 * must not close those of a leg before its VG_EVENT_CLOSED. Reads per descriptor are bounded, per wake-up and per 10 ms, so
 * that no stream starves another or the machine; what a flood brings beyond is dropped by the kernel. Linux: epoll, timerfd, eventfd. */
#ifndef VG_IO_H
#define VG_IO_H

#include "vg_core.h"

/* cffi: begin */
typedef struct vg_io vg_io;

typedef struct {
    uint64_t wakeups;
    uint64_t packets_in;
    uint64_t packets_out;
    uint64_t send_errors;    /* packets that the kernel did not take */
    uint64_t receive_errors;
    uint64_t line_errors;    /* frames that a line did not take or that had no size we know */
    uint64_t late_ticks;     /* clock ticks that were missed by more than one period */
    uint64_t rested;         /* times that a flooded socket was left alone until the next tick */
    uint64_t cpu_us;         /* of the thread */
    uint64_t realtime;       /* 1: the thread runs at a real-time priority */
} vg_io_counters;

/* Starts the thread; realtime: at the lowest real-time priority (SCHED_RR) where the system allows that, else as any other.
 * NULL when a setting is out of range or the system refuses a descriptor or the thread; errno says why. */
vg_io *vg_io_start(const vg_core_settings *settings, int realtime);
/* Ends the thread, frees the core. Closes no descriptor that was handed in. */
void vg_io_stop(vg_io *io);
/* From one thread: hands over a command. VG_EFULL when the ring stayed full for a tenth of a second. */
int vg_io_submit(vg_io *io, const vg_command *command);
/* Readable when events wait. */
int vg_io_wake_fd(const vg_io *io);
/* From one thread: makes wake_fd unreadable; call before taking events. */
void vg_io_clear_wake(vg_io *io);
vg_core *vg_io_core(vg_io *io);
void vg_io_get_counters(const vg_io *io, vg_io_counters *out);
/* CLOCK_MONOTONIC in microseconds, the engine's clock. */
int64_t vg_io_now_us(void);
/* cffi: end */

#endif
