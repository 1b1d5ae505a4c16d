#define _GNU_SOURCE
#include "vg_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS 1024    /* places of the command ring, a power of two */
#define READS 8          /* packets of one socket per wake-up */
#define FRAMES 64        /* frames of one line per wake-up */
#define PERIOD_READS 64  /* packets of one socket in 10 ms: 6400 a second, over a hundred times a stream's rate */
#define BUFFER_OCTETS 2048
#define PERIOD_NS 10000000
#define TAG_COMMAND UINT64_MAX
#define TAG_CLOCK (UINT64_MAX - 1)

typedef struct {
    int fd[3];           /* by channel; -1: none */
    int family;          /* AF_INET or AF_INET6 of the sockets */
    uint32_t period[2];  /* in which taken was counted */
    uint16_t taken[2];
    uint8_t resting[2];  /* not watched until the next tick */
} leg_descriptors;

struct vg_io {
    vg_core *core;
    pthread_t thread;
    int epoll, clock, command_fd, event_fd;
    int clock_runs;
    int open;
    int resting;         /* sockets that rest */
    uint32_t period;     /* ticks so far */
    int stopping;
    uint32_t told;       /* events that the reader has been woken for */
    int32_t max_legs;
    leg_descriptors *legs;
    vg_io_counters counters;
    uint32_t command_head, command_tail;
    vg_command commands[COMMANDS];
    int used;            /* messages whose fields the last read has changed */
    struct mmsghdr messages[READS];
    struct iovec vectors[READS];
    struct sockaddr_in6 names[READS];
    uint8_t buffers[READS][BUFFER_OCTETS];
};

int64_t vg_io_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void from_sockaddr(const void *name, vg_address *out)
{
    const struct sockaddr_in *v4 = name;
    const struct sockaddr_in6 *v6 = name;
    *out = (vg_address){0};
    if (v4->sin_family == AF_INET) {
        out->family = 4;
        out->port = ntohs(v4->sin_port);
        memcpy(out->ip, &v4->sin_addr, 4);
    } else if (v4->sin_family == AF_INET6) {
        int mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        out->family = mapped ? 4 : 6;
        out->port = ntohs(v6->sin6_port);
        memcpy(out->ip, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

static socklen_t to_sockaddr(const vg_address *address, int family, struct sockaddr_in6 *out)
{
    if (family == AF_INET6) {
        *out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        if (address->family == 4) {
            out->sin6_addr.s6_addr[10] = out->sin6_addr.s6_addr[11] = 0xff;
            memcpy(out->sin6_addr.s6_addr + 12, address->ip, 4);
        } else {
            memcpy(out->sin6_addr.s6_addr, address->ip, 16);
        }
        return sizeof *out;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
    memcpy(&v4->sin_addr, address->ip, 4);
    return sizeof *v4;
}

/* Sends what the core has made. A pending error of the socket (a peer's ICMP) is read once and forgotten. */
static void flush(vg_io *io)
{
    const vg_output *outputs;
    size_t count = vg_core_outputs(io->core, &outputs);
    for (size_t i = 0; i < count; i++) {
        const vg_output *o = &outputs[i];
        const leg_descriptors *leg = &io->legs[o->leg];
        struct sockaddr_in6 name;
        socklen_t size = to_sockaddr(&o->to, leg->family, &name);
        int fd = leg->fd[o->channel];
        if (fd < 0) continue;
        ssize_t sent = sendto(fd, o->data, o->length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&name, size);
        if (sent < 0 && (errno == ECONNREFUSED || errno == EINTR || errno == EHOSTUNREACH || errno == ENETUNREACH))
            sent = sendto(fd, o->data, o->length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&name, size);
        if (sent < 0)
            io->counters.send_errors++;
        else
            io->counters.packets_out++;
    }
}

static void set_watched(vg_io *io, int leg, int channel, int on)
{
    leg_descriptors *d = &io->legs[leg];
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.u64 = (uint64_t)leg << 2 | (uint64_t)channel};
    if (d->resting[channel] == !on || epoll_ctl(io->epoll, EPOLL_CTL_MOD, d->fd[channel], &event) != 0) return;
    d->resting[channel] = (uint8_t)!on;
    io->resting += on ? -1 : 1;
    if (!on) io->counters.rested++;
}

/* Counts what a socket brought in this period; one that brings too much rests until the next. */
static void account(vg_io *io, int leg, int channel, int count)
{
    leg_descriptors *d = &io->legs[leg];
    if (d->period[channel] != io->period) {
        d->period[channel] = io->period;
        d->taken[channel] = 0;
    }
    d->taken[channel] = (uint16_t)(d->taken[channel] + count);
    if (d->taken[channel] >= PERIOD_READS) set_watched(io, leg, channel, 0);
}

static void read_socket(vg_io *io, int leg, int channel)
{
    int fd = io->legs[leg].fd[channel];
    for (int i = 0; i < io->used; i++) io->messages[i].msg_hdr.msg_namelen = sizeof io->names[i];
    int count = recvmmsg(fd, io->messages, READS, MSG_DONTWAIT, NULL);
    io->used = count > 0 ? count : 0;
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) io->counters.receive_errors++;
        return;
    }
    int64_t now_us = vg_io_now_us();
    io->counters.packets_in += (uint64_t)count;
    for (int i = 0; i < count; i++) {
        vg_address source;
        from_sockaddr(&io->names[i], &source);
        vg_core_packet(io->core, leg, channel, io->buffers[i], io->messages[i].msg_len, &source, now_us);
    }
    flush(io);
    account(io, leg, channel, count);
}

static void read_line(vg_io *io, int leg)
{
    int fd = io->legs[leg].fd[VG_CHANNEL_LINE];
    uint8_t in[VG_MAX_FRAME_SAMPLES + 1], out[VG_MAX_FRAME_SAMPLES];
    for (int i = 0; i < FRAMES; i++) {
        ssize_t n = read(fd, in, sizeof in);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) { /* the card is gone */
            io->counters.line_errors++;
            epoll_ctl(io->epoll, EPOLL_CTL_DEL, fd, NULL);
            return;
        }
        if (n < 0) return;
        if (vg_core_line_frame(io->core, leg, in, (size_t)n, out, vg_io_now_us()) != VG_OK) {
            io->counters.line_errors++;
            continue;
        }
        if (write(fd, out, (size_t)n) != n) io->counters.line_errors++;
        flush(io);
    }
}

static void watch(vg_io *io, int leg, int channel, int fd)
{
    io->legs[leg].fd[channel] = fd;
    if (fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)leg << 2 | (uint64_t)channel};
    if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &event) != 0) io->counters.receive_errors++;
}

static void run_clock(vg_io *io, int on)
{
    if (io->clock_runs == on) return;
    io->clock_runs = on;
    struct itimerspec spec = {.it_interval = {0, on ? PERIOD_NS : 0}, .it_value = {0, on ? PERIOD_NS : 0}};
    timerfd_settime(io->clock, 0, &spec, NULL);
}

static int family_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    return fd >= 0 && getsockname(fd, (struct sockaddr *)&name, &size) == 0 ? name.ss_family : AF_INET;
}

static void perform(vg_io *io, const vg_command *command)
{
    int leg = command->leg, opens = command->kind == VG_CMD_OPEN_RTP || command->kind == VG_CMD_OPEN_LINE;
    int64_t now_us = vg_io_now_us();
    if (command->kind == VG_CMD_CLOSE && leg >= 0 && leg < io->max_legs) {
        vg_command bye = {.kind = VG_CMD_BYE, .leg = leg};
        vg_core_apply(io->core, &bye, now_us);
        flush(io);
        for (int channel = 0; channel < 3; channel++) {
            if (channel < 2 && io->legs[leg].resting[channel]) {
                io->legs[leg].resting[channel] = 0;
                io->resting--;
            }
            if (io->legs[leg].fd[channel] >= 0) epoll_ctl(io->epoll, EPOLL_CTL_DEL, io->legs[leg].fd[channel], NULL);
            io->legs[leg].fd[channel] = -1;
        }
        io->open--;
    }
    if (vg_core_apply(io->core, command, now_us) == VG_OK && opens) {
        io->open++;
        io->legs[leg].family = AF_INET;
        if (command->kind == VG_CMD_OPEN_LINE) {
            watch(io, leg, VG_CHANNEL_LINE, command->rtp_fd);
        } else {
            io->legs[leg].family = family_of(command->rtp_fd);
            watch(io, leg, VG_CHANNEL_RTP, command->rtp_fd);
            watch(io, leg, VG_CHANNEL_RTCP, command->rtcp_fd);
        }
    }
    flush(io);
    run_clock(io, io->open > 0);
}

static void take_commands(vg_io *io)
{
    uint64_t count;
    if (read(io->command_fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR) return;
    while (io->command_tail != __atomic_load_n(&io->command_head, __ATOMIC_ACQUIRE)) {
        perform(io, &io->commands[io->command_tail & (COMMANDS - 1)]);
        __atomic_store_n(&io->command_tail, io->command_tail + 1, __ATOMIC_RELEASE);
    }
}

static void tick(vg_io *io)
{
    uint64_t periods;
    if (read(io->clock, &periods, sizeof periods) != sizeof periods) return;
    if (periods > 2) io->counters.late_ticks += periods - 1;
    io->period++;
    for (int leg = 0; io->resting > 0 && leg < io->max_legs; leg++)
        for (int channel = 0; channel < 2; channel++)
            if (io->legs[leg].resting[channel]) set_watched(io, leg, channel, 1);
    int64_t now_us = vg_io_now_us();
    int more;
    do {
        more = vg_core_tick(io->core, now_us);
        flush(io);
    } while (more);
}

/* Wakes the reader of events once for everything that has happened. */
static void tell(vg_io *io)
{
    uint32_t count = vg_core_event_count(io->core);
    if (count == io->told) return;
    io->told = count;
    uint64_t one = 1;
    while (write(io->event_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void *run(void *argument)
{
    vg_io *io = argument;
    struct epoll_event events[256];
    while (!__atomic_load_n(&io->stopping, __ATOMIC_ACQUIRE)) {
        int count = epoll_wait(io->epoll, events, 256, -1);
        io->counters.wakeups++;
        for (int i = 0; i < count; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag == TAG_COMMAND) {
                take_commands(io);
            } else if (tag == TAG_CLOCK) {
                tick(io);
            } else {
                int leg = (int)(tag >> 2), channel = (int)(tag & 3);
                if (io->legs[leg].fd[channel] < 0) continue;
                if (channel == VG_CHANNEL_LINE)
                    read_line(io, leg);
                else
                    read_socket(io, leg, channel);
            }
        }
        tell(io);
    }
    take_commands(io);
    return NULL;
}

static void release(vg_io *io)
{
    int descriptors[] = {io->epoll, io->clock, io->command_fd, io->event_fd};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
    vg_core_free(io->core);
    free(io->legs);
    free(io);
}

static int prepare(vg_io *io, const vg_core_settings *settings)
{
    io->max_legs = settings->max_legs;
    io->core = vg_core_new(settings);
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    io->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    io->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (io->core == NULL || io->epoll < 0 || io->clock < 0 || io->command_fd < 0 || io->event_fd < 0) return VG_ESYSTEM;
    io->legs = malloc((size_t)settings->max_legs * sizeof *io->legs);
    if (io->legs == NULL) return VG_ESYSTEM;
    for (int i = 0; i < settings->max_legs; i++) io->legs[i] = (leg_descriptors){.fd = {-1, -1, -1}, .family = AF_INET};
    io->used = READS;
    for (int i = 0; i < READS; i++) {
        io->vectors[i] = (struct iovec){io->buffers[i], BUFFER_OCTETS};
        io->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &io->names[i], .msg_iov = &io->vectors[i], .msg_iovlen = 1};
    }
    struct epoll_event command = {.events = EPOLLIN, .data.u64 = TAG_COMMAND};
    struct epoll_event clock = {.events = EPOLLIN, .data.u64 = TAG_CLOCK};
    if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->command_fd, &command) != 0) return VG_ESYSTEM;
    return epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->clock, &clock) != 0 ? VG_ESYSTEM : VG_OK;
}

vg_io *vg_io_start(const vg_core_settings *settings, int realtime)
{
    vg_io *io = calloc(1, sizeof *io);
    if (io == NULL) return NULL;
    io->epoll = io->clock = io->command_fd = io->event_fd = -1;
    sigset_t all, before;
    sigfillset(&all);
    int status = prepare(io, settings);
    if (status == VG_OK) {
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's thread */
        errno = pthread_create(&io->thread, NULL, run, io);
        status = errno == 0 ? VG_OK : VG_ESYSTEM;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (status != VG_OK) {
        release(io);
        return NULL;
    }
    pthread_setname_np(io->thread, "voipgw-media");
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    if (realtime && pthread_setschedparam(io->thread, SCHED_RR, &lowest) == 0) io->counters.realtime = 1;
    return io;
}

static void wake(vg_io *io)
{
    uint64_t one = 1;
    while (write(io->command_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

void vg_io_stop(vg_io *io)
{
    __atomic_store_n(&io->stopping, 1, __ATOMIC_RELEASE);
    wake(io);
    pthread_join(io->thread, NULL);
    release(io);
}

int vg_io_submit(vg_io *io, const vg_command *command)
{
    for (int tries = 0; io->command_head - __atomic_load_n(&io->command_tail, __ATOMIC_ACQUIRE) >= COMMANDS; tries++) {
        if (tries == 100) return VG_EFULL;
        struct timespec ms = {0, 1000000};
        nanosleep(&ms, NULL);
    }
    io->commands[io->command_head & (COMMANDS - 1)] = *command;
    __atomic_store_n(&io->command_head, io->command_head + 1, __ATOMIC_RELEASE);
    wake(io);
    return VG_OK;
}

int vg_io_wake_fd(const vg_io *io)
{
    return io->event_fd;
}

void vg_io_clear_wake(vg_io *io)
{
    uint64_t count;
    while (read(io->event_fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

vg_core *vg_io_core(vg_io *io)
{
    return io->core;
}

void vg_io_get_counters(const vg_io *io, vg_io_counters *out)
{
    *out = io->counters;
    clockid_t clock;
    struct timespec t;
    if (pthread_getcpuclockid(io->thread, &clock) == 0 && clock_gettime(clock, &t) == 0)
        out->cpu_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}
