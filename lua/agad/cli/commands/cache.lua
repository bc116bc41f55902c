-- agad cache: the decoded pictures that are kept, and their limit.

local common = require "agad.cli.common"
local size = require("agad.base.text").bytes

local function show(args, decoded)
  local limit, list, sum = common.usage(decoded.limit), decoded.list(), 0
  local lines = {{"last used", "size", "", "file"}}
  for i = #list, 1, -1 do
    local file = list[i]
    sum = sum + file.bytes
    if args.json then
      common.print_json {path = file.path, bytes = file.bytes, used = file.used, in_use = file.in_use}
    end
    lines[#lines + 1] = {os.date("%Y-%m-%d %H:%M", file.used), size(file.bytes), file.in_use and "in use" or "",
      file.path}
  end
  if args.json then return common.print_json {files = #list, bytes = sum, limit = limit} end
  if #list > 0 then common.print_table(lines) end
  require("agad.evaluate.report").out(("  %d file%s of decoded pictures, %s; the limit is %s (AGAD_CACHE_GB)"):format(
    #list, #list == 1 and "" or "s", size(sum), size(limit)))
end

local function empty(args, decoded)
  local removed, kept = decoded.trim(0)
  local bytes = 0
  for _, file in ipairs(removed) do bytes = bytes + file.bytes end
  if args.json then return common.print_json {removed = #removed, bytes = bytes, in_use = #kept} end
  require("agad.evaluate.report").out(("  %d file%s removed, %s%s"):format(#removed, #removed == 1 and "" or "s",
    size(bytes), #kept > 0 and ("; %d in use stay"):format(#kept) or ""))
end

return {
  help = "Show or empty the cache of decoded pictures",
  arguments = function(c)
    c:argument "action":args "?":choices {"show", "empty"}:description "show (the default), or empty it"
  end,
  run = function(args)
    require "agad"
    local decoded = require "agad.data.decoded"
    if args.action == "empty" then empty(args, decoded) else show(args, decoded) end
  end,
}
