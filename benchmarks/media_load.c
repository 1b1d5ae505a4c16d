/* An RTP load over loopback for bench_media.py: one socket a leg, packets of 172 octets every 20 ms, or as many as fit.
 *
 *   media_load bare PORT                  yardstick: recvfrom and sendto back, one socket; until killed
 *   media_load paced|flood PID WARM SECONDS < plan
 *     PID      process whose CPU time is charged
 *     plan     one line a leg: LOCALPORT DESTINATIONPORT PAYLOADTYPE
 * Prints one JSON object: packets sent and received in the measured window, CPU microseconds of PID, and the time from
 * sendto to the arrival at the far socket (kernel receive timestamps) at several quantiles. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LEGS 8192
#define OCTETS 172
#define WINDOW 128
#define DELAYS (1 << 22)

struct leg {
    int fd, pt;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint64_t received, last_ns;
};
static struct leg legs[LEGS];
static int count;
static uint32_t *delays, *steps;
static size_t delay_count, step_count;
static int measuring;
static uint64_t sent, received;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_socket(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 20, one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        perror("bind");
        exit(1);
    }
    return fd;
}

static void bare(int port)
{
    uint8_t data[2048];
    struct sockaddr_in from;
    int fd = open_socket(port), off = 0;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof off);
    puts("ready");
    fflush(stdout);
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (n > 0) sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, size);
    }
}

static void send_one(struct leg *leg)
{
    uint8_t data[OCTETS];
    memset(data, 0x55, sizeof data);
    data[0] = 0x80;
    data[1] = (uint8_t)leg->pt;
    uint16_t sequence = htons(leg->sequence++);
    uint32_t timestamp = htonl(leg->timestamp), ssrc = htonl(leg->ssrc);
    leg->timestamp += 160;
    memcpy(data + 2, &sequence, 2);
    memcpy(data + 4, &timestamp, 4);
    memcpy(data + 8, &ssrc, 4);
    int64_t now = clock_ns(CLOCK_REALTIME);
    memcpy(data + 12, &now, 8);
    if (send(leg->fd, data, sizeof data, MSG_DONTWAIT) == OCTETS) sent++;
}

static void arrived(struct leg *leg, const uint8_t *data, struct msghdr *message)
{
    leg->received++;
    received++;
    if (!measuring) return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        int64_t at = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec, from;
        memcpy(&from, data + 12, 8);
        if (at > from && at - from < 4000000000 && delay_count < DELAYS) delays[delay_count++] = (uint32_t)(at - from);
        if (leg->last_ns != 0 && step_count < DELAYS) steps[step_count++] = (uint32_t)(at - (int64_t)leg->last_ns);
        leg->last_ns = (uint64_t)at;
    }
}

static void drain(struct leg *leg)
{
    static uint8_t data[16][2048], control[16][64];
    static struct mmsghdr messages[16];
    static struct iovec vectors[16];
    for (int n = 16; n == 16;) {
        for (int i = 0; i < 16; i++) {
            vectors[i] = (struct iovec){data[i], sizeof data[i]};
            messages[i].msg_hdr = (struct msghdr){
                .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
        }
        n = recvmmsg(leg->fd, messages, 16, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) arrived(leg, data[i], &messages[i].msg_hdr);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void quantiles(const char *name, uint32_t *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    double at[] = {0.5, 0.99, 0.999, 1.0};
    const char *names[] = {"p50", "p99", "p999", "max"};
    for (int i = 0; i < 4; i++) {
        size_t place = (size_t)(at[i] * (double)n);
        if (place >= n && n > 0) place = n - 1;
        printf(",\"%s_%s_us\":%.1f", name, names[i], n ? values[place] / 1e3 : 0.0);
    }
}

static void read_plan(int poll)
{
    int local, destination, pt;
    while (count < LEGS && scanf("%d %d %d", &local, &destination, &pt) == 3) {
        struct leg *leg = &legs[count];
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)destination)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *leg = (struct leg){.fd = open_socket(local), .pt = pt, .ssrc = (uint32_t)(count + 1) * 2654435761u};
        if (connect(leg->fd, (struct sockaddr *)&a, sizeof a) != 0) exit(1);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)count};
        epoll_ctl(poll, EPOLL_CTL_ADD, leg->fd, &event);
        count++;
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "bare") == 0) bare(atoi(argv[2]));
    if (argc != 5) return 2;
    int flood = strcmp(argv[1], "flood") == 0, poll = epoll_create1(0), slot = 0, next = 0;
    clockid_t cpu;
    if (clock_getcpuclockid(atoi(argv[2]), &cpu) != 0) return 2;
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    delays = malloc(DELAYS * sizeof *delays);
    steps = malloc(DELAYS * sizeof *steps);
    read_plan(poll);
    double warm = atof(argv[3]), seconds = atof(argv[4]);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(timer, 0, &every, NULL);
    struct epoll_event tick = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &tick);
    int64_t start = clock_ns(CLOCK_MONOTONIC), begin = 0, cpu_begin = 0, own_begin = 0, progress = start;
    uint64_t sent_begin = 0, received_begin = 0;
    for (;;) {
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        if (!measuring && now - start > (int64_t)(warm * 1e9)) {
            measuring = 1;
            begin = now;
            cpu_begin = clock_ns(cpu);
            own_begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
            sent_begin = sent;
            received_begin = received;
        }
        if (measuring && now - begin > (int64_t)(seconds * 1e9)) break;
        int full = flood && now - start > (int64_t)(warm * 6e8);
        while (full && (int64_t)(sent - received) < WINDOW) {
            send_one(&legs[next]);
            next = (next + 1) % count;
        }
        struct epoll_event events[256];
        uint64_t before = received;
        int n = epoll_wait(poll, events, 256, full ? 0 : 20);
        for (int i = 0; i < n; i++)
            if (events[i].data.u32 != UINT32_MAX) drain(&legs[events[i].data.u32]);
        if (received != before) progress = now;
        uint64_t ticks;
        if (read(timer, &ticks, sizeof ticks) != sizeof ticks) continue;
        if (full) {
            if (now - progress > 20000000) sent = received;
            continue;
        }
        for (; ticks > 0; ticks--, slot = (slot + 1) % 20)
            for (int i = slot; i < count; i += 20) send_one(&legs[i]);
    }
    double took = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    double used = (double)(clock_ns(cpu) - cpu_begin) / 1e3;
    double own = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_begin) / 1e3;
    uint64_t got = received - received_begin;
    printf("{\"legs\":%d,\"seconds\":%.3f,\"sent\":%llu,\"received\":%llu,\"cpu_us\":%.0f,\"us_per_packet\":%.4f,"
           "\"generator_us_per_packet\":%.3f", count, took, (unsigned long long)(sent - sent_begin),
           (unsigned long long)got, used, used / (double)(got ? got : 1), own / (double)(got ? got : 1));
    quantiles("delay", delays, delay_count);
    quantiles("step", steps, step_count);
    puts("}");
    return 0;
}
