/* readline.c: what lua-readline leaves out of readline: job control and resizing while a line is read, leaving a line,
 * editing inputs of several lines.  lua-readline has the library loaded; its functions are looked up there, and what an
 * older one lacks is left out.  (Nothing else needs readline, so that the core is not linked with it.) */
#include "lua/binding.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int command_t(int, int);

static struct {
  void (*callback_sigcleanup)(void), (*deprep_terminal)(void), (*free_line_state)(void),
      (*get_screen_size)(int *, int *), (*on_new_line)(void), (*prep_terminal)(int), (*redisplay)(void),
      (*reset_screen_size)(void), (*resize_terminal)(void);
  int (*clear_visible_line)(void), (*forced_update_display)(void), (*parse_and_bind)(char *), (*where_history)(void);
  int (*bind_keyseq)(const char *, command_t *), (*variable_bind)(const char *, const char *);
  command_t *(*function_of_keyseq)(const char *, void *, int *), *previous, *next, *first, *last;
  void *(*remove_history)(int), *(*free_history_entry)(void *);
  char **line_buffer, **prompt;
  void (**redisplay_function)(void);
  FILE **outstream;
  int *point, *end, *eof_found, *history_length, *completes_paths, *marks_links;
} rl;

static volatile sig_atomic_t stopped, continued, resized;
static int has_all;   /* all of the above were found */
static int scrolling; /* the line is taller than the screen and shown as one that scrolls sideways */

/* ---- display ---- */

/* The rows that the line takes, at most `most`; escape codes of a prompt are counted too. */
static int rows(int columns, int most) {
  int row = 1, column = 0;
  for (const char *c = *rl.prompt; c && *c; c++) column += *c != 1 && *c != 2;
  for (int i = 0; i < *rl.end && row <= most; i++) {
    unsigned char c = (unsigned char)(*rl.line_buffer)[i];
    if (c == '\n') row++, column = 0;
    else if ((c & 0xc0) != 0x80 && ++column > columns) row++, column = 1;
  }
  return row;
}

static void redisplay(void) {
  int height = 24, width = 80;
  rl.get_screen_size(&height, &width);
  int tall = rows(width, height) >= height;
  if (tall != scrolling) {
    rl.clear_visible_line();
    rl.on_new_line();
    rl.variable_bind("horizontal-scroll-mode", tall ? "on" : "off");
    scrolling = tall;
  }
  rl.redisplay();
}

/* ---- the arrow keys, Home and End move inside an input of several lines before they leave it ---- */

static int line_start(int at) {
  while (at > 0 && (*rl.line_buffer)[at - 1] != '\n') at--;
  return at;
}

static int line_end(int at) {
  while (at < *rl.end && (*rl.line_buffer)[at] != '\n') at++;
  return at;
}

/* To a column of the line that begins at `start`, or to its end if it is shorter. */
static int move_to(int start, int column) {
  int end = line_end(start), at = start + column < end ? start + column : end;
  while (at < end && ((unsigned char)(*rl.line_buffer)[at] & 0xc0) == 0x80) at++;
  *rl.point = at;
  return 0;
}

static int up(int count, int key) {
  int start = line_start(*rl.point);
  if (start == 0) return rl.previous(count, key);
  return move_to(line_start(start - 1), *rl.point - start);
}

static int down(int count, int key) {
  int start = line_start(*rl.point), end = line_end(*rl.point);
  if (end == *rl.end) return rl.next(count, key);
  return move_to(end + 1, *rl.point - start);
}

static int home(int count, int key) {
  (void)count, (void)key;
  *rl.point = line_start(*rl.point);
  return 0;
}

static int to_end(int count, int key) {
  (void)count, (void)key;
  *rl.point = line_end(*rl.point);
  return 0;
}

/* A key that the user has given another meaning keeps it. */
static void rebind(const char *keys, command_t *before, command_t *now) {
  if (rl.function_of_keyseq(keys, NULL, NULL) == before) rl.bind_keyseq(keys, now);
}

/* ---- for Lua ---- */

/* readline_open(path of lua-readline's library) -> whether all of readline was found; before the first line is read */
static int readline_open(lua_State *L) {
  static const struct {
    const char *name;
    void *place;
  } symbols[] = {{"rl_callback_sigcleanup", &rl.callback_sigcleanup},
                 {"rl_deprep_terminal", &rl.deprep_terminal},
                 {"rl_free_line_state", &rl.free_line_state},
                 {"rl_get_screen_size", &rl.get_screen_size},
                 {"rl_on_new_line", &rl.on_new_line},
                 {"rl_prep_terminal", &rl.prep_terminal},
                 {"rl_redisplay", &rl.redisplay},
                 {"rl_reset_screen_size", &rl.reset_screen_size},
                 {"rl_resize_terminal", &rl.resize_terminal},
                 {"rl_clear_visible_line", &rl.clear_visible_line},
                 {"rl_forced_update_display", &rl.forced_update_display},
                 {"rl_parse_and_bind", &rl.parse_and_bind},
                 {"rl_bind_keyseq", &rl.bind_keyseq},
                 {"rl_variable_bind", &rl.variable_bind},
                 {"rl_function_of_keyseq", &rl.function_of_keyseq},
                 {"rl_get_previous_history", &rl.previous},
                 {"rl_get_next_history", &rl.next},
                 {"rl_beg_of_line", &rl.first},
                 {"rl_end_of_line", &rl.last},
                 {"rl_line_buffer", &rl.line_buffer},
                 {"rl_prompt", &rl.prompt},
                 {"rl_redisplay_function", &rl.redisplay_function},
                 {"rl_outstream", &rl.outstream},
                 {"rl_point", &rl.point},
                 {"rl_end", &rl.end},
                 {"rl_eof_found", &rl.eof_found},
                 {"rl_filename_completion_desired", &rl.completes_paths},
                 {"rl_completion_mark_symlink_dirs", &rl.marks_links},
                 {"where_history", &rl.where_history},
                 {"remove_history", &rl.remove_history},
                 {"free_history_entry", &rl.free_history_entry},
                 {"history_length", &rl.history_length}};
  void *library = dlopen(luaL_checkstring(L, 1), RTLD_LAZY | RTLD_NOLOAD);
  has_all = library != NULL;
  for (size_t i = 0; library && i < sizeof symbols / sizeof *symbols; i++) {
    void *found = dlsym(library, symbols[i].name);
    memcpy(symbols[i].place, &found, sizeof found);
    if (!found) has_all = 0;
  }
  if (library) dlclose(library); /* lua-readline keeps it loaded */
  lua_pushboolean(L, has_all);
  return 1;
}

/* Whether readline is at work: before its first line it has no streams. */
static int begun(void) { return has_all && *rl.outstream; }

/* Once the user's own keys are known, which is when the first line is read. */
static void bind_keys(void) {
  static int done;
  char newline[] = "\"\\e\\C-m\": \"\\C-v\\C-j\"";
  if (done++) return;
  static const struct {
    const char *keys;
    command_t **before, *now;
  } keys[] = {{"\033[A", &rl.previous, up}, {"\033OA", &rl.previous, up}, {"\033[B", &rl.next, down},
              {"\033OB", &rl.next, down},   {"\001", &rl.first, home},    {"\033[H", &rl.first, home},
              {"\033OH", &rl.first, home},  {"\033[1~", &rl.first, home}, {"\005", &rl.last, to_end},
              {"\033[F", &rl.last, to_end}, {"\033OF", &rl.last, to_end}, {"\033[4~", &rl.last, to_end}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) rebind(keys[i].keys, *keys[i].before, keys[i].now);
  rl.parse_and_bind(newline);
  *rl.redisplay_function = redisplay;
}

static void on_stop(int signal_number) { (void)signal_number, stopped = 1; }
static void on_continue(int signal_number) { (void)signal_number, continued = 1; }
static void on_resize(int signal_number) { (void)signal_number, resized = 1; }

/* Ignored signals stay so: a shell without job control ignores SIGTSTP. */
static void handle(int number, void (*handler)(int), struct sigaction *before) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  if (!sigaction(number, NULL, before) && before->sa_handler != SIG_IGN) sigaction(number, &action, NULL);
}

static struct sigaction before_stop, before_continue, before_resize;

/* readline_begin(): after the prompt of a line */
static int readline_begin(lua_State *L) {
  (void)L;
  if (!has_all) return 0;
  stopped = continued = resized = 0;
  *rl.eof_found = 0; /* otherwise each prompt after a Ctrl-D is followed by an empty line */
  rl.reset_screen_size();
  handle(SIGTSTP, on_stop, &before_stop);
  handle(SIGCONT, on_continue, &before_continue);
  handle(SIGWINCH, on_resize, &before_resize);
  return 0;
}

/* readline_end(): after it */
static int readline_end(lua_State *L) {
  (void)L;
  if (!has_all) return 0;
  sigaction(SIGTSTP, &before_stop, NULL);
  sigaction(SIGCONT, &before_continue, NULL);
  sigaction(SIGWINCH, &before_resize, NULL);
  return 0;
}

/* readline_signals(): while a line is read, does what Ctrl-Z, `fg` and a new size of the terminal ask for */
static int readline_signals(lua_State *L) {
  (void)L;
  if (!begun()) return 0;
  bind_keys();
  if (stopped) {
    struct sigaction ours;
    rl.deprep_terminal();
    sigaction(SIGTSTP, &before_stop, &ours);
    raise(SIGTSTP); /* returns after SIGCONT */
    sigaction(SIGTSTP, &ours, NULL);
    stopped = 0;
    continued = 1;
  }
  if (continued) {
    continued = 0;
    rl.deprep_terminal();
    rl.prep_terminal(1);
    rl.reset_screen_size();
    rl.forced_update_display();
  }
  if (resized) {
    resized = 0;
    *rl.redisplay_function = rl.redisplay; /* only with its own does readline clear what it had drawn */
    rl.resize_terminal();
    *rl.redisplay_function = redisplay;
  }
  return 0;
}

/* readline_leave(text): gives the line up, writes the text after it, and leaves the terminal as it was */
static int readline_leave(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  if (!begun()) return 0;
  rl.callback_sigcleanup();
  rl.free_line_state();
  *rl.point = *rl.end;
  redisplay();
  fputs(text, *rl.outstream);
  rl.deprep_terminal();
  return 0;
}

/* readline_recalled() -> whether the line that was just read was made of the last entry of the history */
static int readline_recalled(lua_State *L) {
  lua_pushboolean(L, has_all && rl.where_history() == *rl.history_length - 1);
  return 1;
}

/* readline_forget(): removes the last entry of the history */
static int readline_forget(lua_State *L) {
  void *entry = has_all && *rl.history_length > 0 ? rl.remove_history(*rl.history_length - 1) : NULL;
  (void)L;
  if (entry) free(rl.free_history_entry(entry));
  return 0;
}

/* readline_lists_files(): tells readline, which calls back for candidates, that they are paths; it then lists their last
 * parts only, and folders end in a slash */
static int readline_lists_files(lua_State *L) {
  (void)L;
  if (has_all) *rl.completes_paths = *rl.marks_links = 1;
  return 0;
}

static const luaL_Reg functions[] = {{"readline_open", readline_open},
                                     {"readline_begin", readline_begin},
                                     {"readline_end", readline_end},
                                     {"readline_signals", readline_signals},
                                     {"readline_leave", readline_leave},
                                     {"readline_recalled", readline_recalled},
                                     {"readline_forget", readline_forget},
                                     {"readline_lists_files", readline_lists_files},
                                     {NULL, NULL}};

void lua_agad_open_readline(lua_State *L) { luaL_setfuncs(L, functions, 0); }
