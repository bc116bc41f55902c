/* host.c: the machine that the process runs on: the terminal, the clock, the processor. */
#include "base/clock.h"
#include "lua/binding.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* processor() -> its name; with family and model where the name has no number that tells one kind from another, as on
 * rented machines ("AMD EPYC family 26 model 2") */
static int processor(lua_State *L) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[512], text[600];
  int family = -1, model = -1;
  const char *name = "unknown";
  while (f && fgets(line, sizeof line, f)) {
    sscanf(line, "cpu family : %d", &family);
    sscanf(line, "model : %d", &model);
    if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
      name = strchr(line, ':') + 2;
      line[strcspn(line, "\n")] = 0;
      break;
    }
  }
  if (f) fclose(f);
  if (family >= 0 && model >= 0 && !strpbrk(name, "0123456789")) {
    snprintf(text, sizeof text, "%s family %d model %d", name, family, model);
    name = text;
  }
  lua_pushstring(L, name); /* may raise: nothing is held any more */
  return 1;
}

static const luaL_Reg functions[] = {{"isatty", is_a_tty},
                                     {"wait_input", wait_input},
                                     {"terminal_width", terminal_width},
                                     {"terminal_size", terminal_size},
                                     {"output_failed", output_failed},
                                     {"clock", clock_seconds},
                                     {"processor", processor},
                                     {NULL, NULL}};

void lua_agad_open_host(lua_State *L) { luaL_setfuncs(L, functions, 0); }
