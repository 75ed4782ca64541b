/// Slots that hold values between calls: taken, given back, looked into without running anything.
#include "machine.h"

/// [value] -> []: the slot that holds it now.
int32_t tide_new_reference(lua_State *L, tide_machine *machine) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_insert(L, -2);
  int32_t slot = machine->free_count > 0 ? machine->free_references[machine->free_count - 1] : machine->reference_count + 1;
  if (slot > machine->free_capacity) {
    // Room to give every slot back, so that a release can never fail.
    int32_t capacity = machine->free_capacity ? machine->free_capacity * 2 : 64;
    int32_t *moved = realloc(machine->free_references, (size_t)capacity * sizeof *moved);
    if (!moved) luaL_error(L, "not enough memory");
    machine->free_references = moved;
    machine->free_capacity = capacity;
  }
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  if (machine->free_count > 0)
    machine->free_count--;
  else
    machine->reference_count++;
  return slot;
}

void tide_reference_release(tide_machine *machine, int32_t reference) {
  if (reference <= 0 || reference > machine->reference_count || machine->free_count >= machine->free_capacity) return;
  lua_State *L = atomic_load(&machine->running);
  if (!L) L = machine->L;
  if (!lua_checkstack(L, 3)) return;
  // The slot keeps a value, so that setting it again never allocates.
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, reference);
  lua_pop(L, 1);
  machine->free_references[machine->free_count++] = reference;
}

const void *tide_reference_address(tide_machine *machine, int32_t reference) {
  lua_State *L = machine->L;
  if (reference <= 0 || reference > machine->reference_count || !lua_checkstack(L, 2)) return NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_rawgeti(L, -1, reference);
  const void *address = lua_topointer(L, -1);
  lua_pop(L, 2);
  return address;
}

int32_t tide_function_line(tide_machine *machine, int32_t reference, const char *file) {
  lua_State *L = machine->L;
  if (reference <= 0 || reference > machine->reference_count || !lua_checkstack(L, 3)) return 0;
  int top = lua_gettop(L);
  int32_t line = 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_rawgeti(L, -1, reference);
  lua_Debug record;
  if (lua_isfunction(L, -1) && lua_getinfo(L, ">S", &record) && record.linedefined > 0 &&
      (record.source[0] == '@' || record.source[0] == '=') && strcmp(record.source + 1, file) == 0)
    line = record.linedefined;
  lua_settop(L, top);
  return line;
}
