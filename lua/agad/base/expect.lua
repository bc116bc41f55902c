-- What a function was given: of which kind it is, and an error that says so where it must be another one.

local expect = {}

--- The kind of a value: the name of its metatable, such as "agad.task", or its type.
-- @param v any
-- @return string
function expect.kind(v)
  local meta = getmetatable(v)
  local name = type(v) == "table" and type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or type(v)
end

--- Raises an error, with the line of the user, unless a value is of a kind.
-- @param where string the function that was given it: "trainer"
-- @param v any
-- @param kind string as of `expect.kind`
-- @param what string what it should be: "a task (agad.task.new)"
-- @return any v
function expect.be(where, v, kind, what)
  local its = expect.kind(v)
  if its == kind then return v end
  local instead = v == nil and "" or (", not %s %s"):format(its:find "^[aeiou]" and "an" or "a", its)
  require("agad.core").fail(("%s: give %s%s"):format(where, what, instead))
end

return expect
