/// os.time, os.date and os.clock: pure, in UTC, from a clock that tests can set.
#include "machine.h"

static uint64_t wall_ns(lua_State *L) {
  tide_machine *machine = machine_of(L);
  return machine->wall_clock_ns ? machine->wall_clock_ns : tide_now_ns(CLOCK_REALTIME);
}

static int field(lua_State *L, const char *name, int fallback) {
  lua_pushstring(L, name);
  lua_rawget(L, 1);
  int is_number = 0;
  lua_Integer value = lua_tointegerx(L, -1, &is_number);
  if (!is_number) {
    if (!lua_isnil(L, -1)) luaL_error(L, "field '%s' is not an integer", name);
    if (fallback < 0) luaL_error(L, "field '%s' missing in date table", name);
    value = fallback;
  }
  if (value < -1000000 || value > 1000000) luaL_error(L, "field '%s' is out-of-bound", name);
  lua_pop(L, 1);
  return (int)value;
}

static int os_time(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, (lua_Integer)(wall_ns(L) / 1000000000u));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  struct tm date = {0};
  date.tm_year = field(L, "year", -1) - 1900;
  date.tm_mon = field(L, "month", -1) - 1;
  date.tm_mday = field(L, "day", -1);
  date.tm_hour = field(L, "hour", 12);
  date.tm_min = field(L, "min", 0);
  date.tm_sec = field(L, "sec", 0);
  lua_pushinteger(L, (lua_Integer)timegm(&date));
  return 1;
}

static int os_clock(lua_State *L) {
  tide_machine *machine = machine_of(L);
  uint64_t now = machine->wall_clock_ns ? machine->wall_clock_ns : tide_now_ns(CLOCK_MONOTONIC);
  lua_pushnumber(L, (lua_Number)now / 1e9);
  return 1;
}

static void set_field(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static int os_date(lua_State *L) {
  size_t length;
  const char *format = luaL_optlstring(L, 1, "%Y-%m-%dT%H:%M:%SZ", &length);
  time_t when = (time_t)luaL_optinteger(L, 2, (lua_Integer)(wall_ns(L) / 1000000000u));
  struct tm date;
  if (*format == '!') format++, length--;
  if (!gmtime_r(&when, &date)) return luaL_error(L, "date result cannot be represented");
  if (strncmp(format, "*t", 2) == 0) {
    lua_createtable(L, 0, 9);
    set_field(L, "year", date.tm_year + 1900);
    set_field(L, "month", date.tm_mon + 1);
    set_field(L, "day", date.tm_mday);
    set_field(L, "hour", date.tm_hour);
    set_field(L, "min", date.tm_min);
    set_field(L, "sec", date.tm_sec);
    set_field(L, "wday", date.tm_wday + 1);
    set_field(L, "yday", date.tm_yday + 1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "isdst");
    return 1;
  }
  if (length > 512) return luaL_error(L, "date format is too long");
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0; i < length; i++) {
    if (format[i] != '%') {
      luaL_addchar(&out, format[i]);
      continue;
    }
    char name = i + 1 < length ? format[++i] : 0;
    if (!name || !strchr("aAbBcdDeFgGHIjmMnprRStTuUVwWxXyYzZ%", name))
      return luaL_error(L, "invalid conversion specifier '%%%c'", name ? name : ' ');
    char conversion[3] = {'%', name, 0}, text[64];
    luaL_addlstring(&out, text, strftime(text, sizeof text, conversion, &date));
  }
  luaL_pushresult(&out);
  return 1;
}

void tide_open_clock(lua_State *L) {
  static const char *const allowed[] = {NULL};
  static const luaL_Reg own[] = {{"time", os_time}, {"clock", os_clock}, {"date", os_date}, {NULL, NULL}};
  lua_newtable(L);
  tide_publish(L, "os", allowed, own);
}
