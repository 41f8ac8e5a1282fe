/* A calibrated HTTP/1.1 server for latency benchmarks: one epoll thread, nanosecond timers by epoll_pwait2.
 *
 * Each request is held for a known time, counted from the moment its last byte was read, and the time it was really
 * held is returned in the header X-Srv-Ns. A client's overhead is then its own reported latency minus X-Srv-Ns, request
 * by request, whatever this machine's timers do.
 *
 *   hold_server [--port N] [--cpu N] [--hold-ms X] [--lognormal MEDIAN_MS SIGMA SEED] [--stall AFTER_S FOR_S]
 *
 * --stall freezes the server's clock once: AFTER_S after the first request it stands still for FOR_S, so whatever is
 * held then is held that much longer, and whatever arrives meanwhile begins when the clock goes on. POST /reset arms
 * it again (the next request is the first). A request header "X-Hold-Ns: N" overrides the hold of that request.
 * Prints "port N" on one line, then serves until it is killed. Only 127.0.0.1 is bound.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 8192
#define HEAD_BYTES 16384

struct connection {
    int open;
    uint32_t generation;    /* so that a timer of a closed connection hits nobody else */
    size_t head_used;       /* bytes of the head read so far */
    long long body_left;    /* -1 while reading the head */
    int closing;            /* the client asked for "Connection: close" */
    int reset_stall;
    int stores;             /* a PUT, as to S3: answered without a body */
    int64_t own_hold_ns;    /* from X-Hold-Ns, or -1 */
    int64_t read_ns;        /* the last byte of the request was read */
    char head[HEAD_BYTES];
};

struct timer { int64_t due_virtual_ns; int fd; uint32_t generation; };

static struct connection connections[MAX_FD];
static struct timer heap[MAX_FD * 2];
static int heap_size;
static int epoll_fd;
static int64_t hold_ns;
static double lognormal_median_ms, lognormal_sigma;
static uint64_t random_state = 1;
static int64_t stall_after_ns = -1, stall_for_ns, origin_ns;
static char scratch[1 << 18];

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t to_virtual(int64_t t)    /* the server's own clock, which stands still during the stall */
{
    if (stall_after_ns < 0 || !origin_ns) return t;
    int64_t begin = origin_ns + stall_after_ns;
    if (t <= begin) return t;
    return t < begin + stall_for_ns ? begin : t - stall_for_ns;
}

static int64_t to_real(int64_t v)
{
    if (stall_after_ns < 0 || !origin_ns) return v;
    return v < origin_ns + stall_after_ns ? v : v + stall_for_ns;
}

static double uniform(void)             /* xorshift64*, in (0, 1) */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return ((random_state * 2685821657736338717ULL >> 11) + 0.5) / 9007199254740992.0;
}

static int64_t draw_hold(void)
{
    if (lognormal_median_ms <= 0) return hold_ns;
    double z = sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
    return (int64_t)(lognormal_median_ms * exp(lognormal_sigma * z) * 1e6);
}

static void push_timer(struct timer t)
{
    if (heap_size == MAX_FD * 2) abort();
    int i = heap_size++;
    while (i && heap[(i - 1) / 2].due_virtual_ns > t.due_virtual_ns) { heap[i] = heap[(i - 1) / 2]; i = (i - 1) / 2; }
    heap[i] = t;
}

static struct timer pop_timer(void)
{
    struct timer top = heap[0], last = heap[--heap_size];
    int i = 0;
    for (int child; (child = 2 * i + 1) < heap_size; i = child) {
        if (child + 1 < heap_size && heap[child + 1].due_virtual_ns < heap[child].due_virtual_ns) child++;
        if (heap[child].due_virtual_ns >= last.due_virtual_ns) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static void drop(int fd)
{
    connections[fd].open = 0;
    connections[fd].generation++;
    close(fd);
}

static void answer(int fd)
{
    static const char body[] = "{\"label\": \"class-0\", \"confidence\": 1.0}";
    struct connection *c = &connections[fd];
    char out[512];
    size_t length = c->stores ? 0 : sizeof body - 1;
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nX-Srv-Ns: %lld\r\n%s\r\n%s",
                     length, (long long)(now_ns() - c->read_ns), c->closing ? "Connection: close\r\n" : "",
                     c->stores ? "" : body);
    int whole = send(fd, out, n, MSG_NOSIGNAL) == n;
    if (!whole || c->closing) drop(fd);
}

static void request_is_whole(int fd)
{
    struct connection *c = &connections[fd];
    c->read_ns = now_ns();
    c->head_used = 0;
    c->body_left = -1;
    if (c->reset_stall) { origin_ns = 0; answer(fd); return; }
    if (!origin_ns) origin_ns = c->read_ns;
    int64_t hold = c->own_hold_ns >= 0 ? c->own_hold_ns : draw_hold();
    if (hold <= 0 && to_real(to_virtual(c->read_ns)) <= c->read_ns) { answer(fd); return; }
    push_timer((struct timer){to_virtual(c->read_ns) + hold, fd, c->generation});
}

static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = strchr(head, '\n'); p; p = strchr(p, '\n'))
        if (!strncasecmp(++p, name, n) && p[n] == ':') return p + n + 1 + strspn(p + n + 1, " ");
    return NULL;
}

/* One request at a time: a client of this benchmark never pipelines, so what follows the head is the body. */
static void readable(int fd)
{
    struct connection *c = &connections[fd];
    for (;;) {
        int in_head = c->body_left < 0;
        ssize_t n = in_head ? recv(fd, c->head + c->head_used, HEAD_BYTES - 1 - c->head_used, 0) : recv(fd, scratch, sizeof scratch, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) { drop(fd); return; }
        if (!in_head) {
            c->body_left -= n;
        } else {
            c->head_used += n;
            c->head[c->head_used] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) { if (c->head_used == HEAD_BYTES - 1) { drop(fd); return; } continue; }
            size_t extra = c->head_used - (size_t)(end + 4 - c->head);
            end[2] = 0;
            const char *v = header(c->head, "content-length");
            c->body_left = (v ? atoll(v) : 0) - (long long)extra;
            v = header(c->head, "x-hold-ns");
            c->own_hold_ns = v ? atoll(v) : -1;
            v = header(c->head, "connection");
            c->closing = v && !strncasecmp(v, "close", 5);
            c->stores = !strncmp(c->head, "PUT ", 4);
            v = header(c->head, "expect");
            if (v && !strncasecmp(v, "100-continue", 12) && c->body_left > 0)
                send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
            c->reset_stall = !strncmp(c->head, "POST /reset ", 12);
        }
        if (c->body_left <= 0) { request_is_whole(fd); return; }
    }
}

int main(int argc, char **argv)
{
    int port = 0, cpu = -1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--port") && i + 1 < argc) port = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--cpu") && i + 1 < argc) cpu = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--hold-ms") && i + 1 < argc) hold_ns = (int64_t)(atof(argv[++i]) * 1e6);
        else if (!strcmp(argv[i], "--lognormal") && i + 3 < argc) {
            lognormal_median_ms = atof(argv[i + 1]);
            lognormal_sigma = atof(argv[i + 2]);
            random_state = strtoull(argv[i + 3], NULL, 10) * 2 + 1;
            i += 3;
        } else if (!strcmp(argv[i], "--stall") && i + 2 < argc) {
            stall_after_ns = (int64_t)(atof(argv[i + 1]) * 1e9);
            stall_for_ns = (int64_t)(atof(argv[i + 2]) * 1e9);
            i += 2;
        } else { fprintf(stderr, "unknown argument %s\n", argv[i]); return 2; }
    }
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set)) perror("sched_setaffinity");
    }
    signal(SIGPIPE, SIG_IGN);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) { perror("bind"); return 1; }
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct timespec wait, *timeout = NULL;
        if (heap_size) {
            int64_t left = to_real(heap[0].due_virtual_ns) - now_ns();
            if (left < 0) left = 0;
            wait.tv_sec = left / 1000000000;
            wait.tv_nsec = left % 1000000000;
            timeout = &wait;
        }
        int n = epoll_pwait2(epoll_fd, events, 256, timeout, NULL);
        for (int64_t t = now_ns(); heap_size && to_real(heap[0].due_virtual_ns) <= t;) {
            struct timer due = pop_timer();
            if (connections[due.fd].open && connections[due.fd].generation == due.generation) answer(due.fd);
        }
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) { if (connections[fd].open) readable(fd); continue; }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= MAX_FD) { close(fd); continue; }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                connections[fd].open = 1;
                connections[fd].head_used = 0;
                connections[fd].body_left = -1;
                struct epoll_event added = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &added);
            }
        }
    }
}
