-- busted output handler: one line a spec file, failures in full as they happen, skipped tests with their
-- reason.  test.sh runs one process a file, so a crash costs one file; the counts go to $AGAD_COUNTS.

local function text(message)
  if type(message) == "string" then return message end
  return message == nil and "(no message)" or require("pl.pretty").write(message)
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local tty = io.popen("test -t 1 && echo yes"):read("l") == "yes"
  local run, file = 0, "?"

  local function place(element)
    local t = element.trace
    return t and t.short_src and ("%s:%d"):format(t.short_src, t.currentline) or file
  end

  local function report(kind, element, message, trace)
    io.write(tty and "\r\27[K" or "", ("  %s  %s\n    %s\n"):format(kind, place(element), handler.getFullName(element)))
    io.write("      ", (text(message):gsub("\n", "\n      ")), "\n")
    if kind == "ERROR" and trace and trace.traceback then
      io.write("      ", (trace.traceback:gsub("^\n", ""):gsub("\n", "\n      ")), "\n")
    end
    io.flush()
  end

  function handler.fileStart(element)
    file = element.name
    return nil, true
  end

  function handler.testEnd(_, _, status)
    run = run + 1
    if status == "pending" then
      local p = handler.pendings[#handler.pendings]
      local why = type(p.message) == "string" and ": " .. p.message:gsub("^[^:]*:%d+: ", "") or ""
      io.write(tty and "\r\27[K" or "", "  skipped  ", p.name, why, "\n")
    end
    if tty then io.write(("\r  %s  %d"):format(file, run)); io.flush() end
    return nil, true
  end

  function handler.testFailure(element, _, message, trace)
    report("FAILED", element, message, trace)
    return nil, true
  end

  function handler.testError(element, _, message, trace)
    report("ERROR", element, message, trace)
    return nil, true
  end

  function handler.error(element, _, message, trace)
    if element.descriptor ~= "it" then report("ERROR", element, message, trace) end
    return nil, true
  end

  function handler.suiteEnd()
    local passed, failed = handler.successesCount, handler.failuresCount + handler.errorsCount
    local skipped = handler.pendingsCount
    if tty then io.write "\r\27[K" end
    if passed + failed + skipped > 0 then
      local parts = {passed .. " passed"}
      if failed > 0 then parts[#parts + 1] = failed .. " failed" end
      if skipped > 0 then parts[#parts + 1] = skipped .. " skipped" end
      io.write(("%-34s %6.1f s  %s\n"):format(file, handler.getDuration(), table.concat(parts, ", ")))
    end
    io.flush()
    local counts = os.getenv "AGAD_COUNTS"
    if counts then
      local f = assert(io.open(counts, "w"))
      f:write(("%d %d %d\n"):format(passed, failed, skipped))
      f:close()
    end
    return nil, true
  end

  local subscribe = handler.subscribe
  function handler:subscribe(options)
    subscribe(self, options)
    busted.subscribe({"file", "start"}, handler.fileStart)
    busted.subscribe({"test", "end"}, handler.testEnd, {predicate = handler.cancelOnPending})
    busted.subscribe({"failure", "it"}, handler.testFailure)
    busted.subscribe({"error", "it"}, handler.testError)
    busted.subscribe({"failure"}, handler.error)
    busted.subscribe({"error"}, handler.error)
    busted.subscribe({"suite", "end"}, handler.suiteEnd)
  end

  return handler
end
