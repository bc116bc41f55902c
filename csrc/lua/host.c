/* host.c: the machine that the process runs on: signals, the terminal, the clock, the processor. */
#include "base/clock.h"
#include "lua/binding.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- Ctrl-C and the requests to end: the handlers set a flag that C loops poll and the host interprets ---- */

enum { ENOUGH = 3 }; /* requests to end before the system's own action is taken */

static volatile sig_atomic_t requests, request;

/* Kernels of oneDNN (up to 3.11: issue 4845 there) let the stack pointer point into the heap for a while. A handler that
 * ran on that stack would overwrite what lies there, hence a stack of its own. */
enum { STACK = 1 << 16 };

static void use_own_stack(void) {
  static char memory[STACK];
  stack_t own = {.ss_sp = memory, .ss_size = sizeof memory}, before;
  if (!sigaltstack(NULL, &before) && before.ss_flags & SS_DISABLE) sigaltstack(&own, NULL);
}

static void on_interrupt(int signal_number) {
  (void)signal_number;
  agad_interrupt = 1;
}

static void on_request(int signal_number) {
  agad_interrupt = 1;
  request = signal_number;
  if (++requests < ENOUGH) return;
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

/* One that was ignored when the program began, as under nohup, stays so. */
static void handle_request(int signal_number) {
  struct sigaction action = {.sa_handler = on_request, .sa_flags = SA_ONSTACK}, before;
  if (sigaction(signal_number, NULL, &before) || before.sa_handler == SIG_IGN) return;
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, NULL);
}

static int arm_interrupt(lua_State *L) {
  (void)L;
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_ONSTACK};
  use_own_stack();
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  handle_request(SIGTERM);
  handle_request(SIGHUP);
  return 0;
}

/* end_requested() -> the number of the signal (SIGTERM or SIGHUP) that has asked the program to end, or nil */
static int end_requested(lua_State *L) {
  if (request) lua_pushinteger(L, request);
  else lua_pushnil(L);
  return 1;
}

static int interrupted(lua_State *L) {
  lua_pushboolean(L, agad_interrupt);
  return 1;
}

static int interrupt_clear(lua_State *L) {
  (void)L;
  agad_interrupt = 0;
  return 0;
}

/* ---- the terminal and the clock ---- */

static int is_a_tty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* wait_input(fd[, seconds]) -> whether there is something to read; false also after a signal */
static int wait_input(lua_State *L) {
  struct pollfd fd = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
  lua_Number seconds = luaL_optnumber(L, 2, -1);
  lua_pushboolean(L, poll(&fd, 1, seconds < 0 ? -1 : (int)(seconds * 1000)) > 0);
  return 1;
}

static int terminal_width(lua_State *L) {
  struct winsize size;
  int known = ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  lua_pushinteger(L, known ? size.ws_col : 80);
  return 1;
}

/* terminal_size(fd) -> columns, lines; 80 and 24 where they are not known */
static int terminal_size(lua_State *L) {
  struct winsize size;
  int known = ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
  lua_pushinteger(L, known ? size.ws_col : 80);
  lua_pushinteger(L, known ? size.ws_row : 24);
  return 2;
}

/* output_failed() -> nil, or why something written to standard output was lost; "closed": its reader is gone */
static int output_failed(lua_State *L) {
  errno = 0;
  if (!fflush(stdout) && !ferror(stdout)) return 0;
  int reason = errno ? errno : write(1, "", 0) < 0 ? errno : 0;
  struct pollfd fd = {.fd = 1, .events = POLLOUT};
  int closed = reason == EPIPE || (poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR));
  lua_pushstring(L, closed ? "closed" : reason ? strerror(reason) : "a write failed; the disk may be full");
  return 1;
}

static int clock_seconds(lua_State *L) {
  lua_pushnumber(L, base_clock());
  return 1;
}

/* processor() -> its name */
static int processor(lua_State *L) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[512];
  const char *name = "unknown";
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
      name = strchr(line, ':') + 2;
      line[strcspn(line, "\n")] = 0;
      break;
    }
  if (f) fclose(f);
  lua_pushstring(L, name); /* may raise: nothing is held any more */
  return 1;
}

static const luaL_Reg functions[] = {{"arm_interrupt", arm_interrupt},
                                     {"interrupted", interrupted},
                                     {"end_requested", end_requested},
                                     {"interrupt_clear", interrupt_clear},
                                     {"isatty", is_a_tty},
                                     {"wait_input", wait_input},
                                     {"terminal_width", terminal_width},
                                     {"terminal_size", terminal_size},
                                     {"output_failed", output_failed},
                                     {"clock", clock_seconds},
                                     {"processor", processor},
                                     {NULL, NULL}};

void lua_agad_open_host(lua_State *L) { luaL_setfuncs(L, functions, 0); }
