/* step_slots.c: which slots of a step are written. */
#include "lua/step.h"

/* slots() -> list of the names of the slots that hold a tensor now */
int lua_agad_step_slots(lua_State *L) {
  step_state *s = lua_agad_check_step(L, 1);
  lua_newtable(L);
  for (int i = 0, n = 0; i < s->n_slots; i++)
    if (s->slots[i]) lua_pushstring(L, s->slot_names[i]), lua_seti(L, -2, ++n);
  return 1;
}
