-- A campaign that is killed at random moments ends in the table of an undisturbed one, to the bit. The moments are
-- random parts of the time that the undisturbed campaign took, from a seed, so that they mean the same on any machine.
-- AGAD_KILLS=20 kills more often than the suite does, and AGAD_SEED=N at other moments.

local campaign = require "agad.campaign"
local campaigns = dofile "spec/support/campaigns.lua"
local cli = dofile "spec/support/cli.lua"
local core = require("agad").core
local luv = require "luv"

local KILLS, SEED = tonumber(os.getenv "AGAD_KILLS") or 4, tonumber(os.getenv "AGAD_SEED") or 1
local EACH = 4                                    -- kills of one campaign, before it goes on to its end

teardown(function()
  cli.remove()
  campaigns.remove()
end)

-- A file of six runs of some seconds.
local function file(name)
  return campaigns.write(campaigns.path(name .. ".lua"), [[return {data = "weave", options = {net = "naive", size = 32,
    epochs = 2, limit = 128, batch = 16, test_limit = 60, deterministic = true, checkpoint_steps = 2},
    grid = {seed = {1, 2, 3}, gamma = {0, .1}}}]])
end

local function agad_does(arguments)
  local status, out, err = cli.agad(arguments)
  assert.equal(0, status, err)
  return out
end

-- What the campaign of a file ended in: its table, and the rows without their times.
local function outcome(path)
  local rows = {agad_does("campaign " .. path .. " table --format csv")}
  for _, run in ipairs(campaign.plan(campaign.load(path))) do
    assert.equal("finished", run.state)
    rows[#rows + 1] = campaigns.comparable(run.row)
  end
  return table.concat(rows, "\n")
end

-- Processes whose command lines match, by their ids.
local function processes(pattern)
  local pipe, list = io.popen(("pgrep -f '%s'"):format(pattern)), {}
  for id in pipe:lines() do list[#list + 1] = tonumber(id) end
  pipe:close()
  return list
end

local function wait(seconds)
  luv.sleep(math.floor(1000 * seconds))
  luv.run "nowait"                                -- an end is noticed
end

-- Starts `agad campaign` over a file: its process's id, and whether it has ended.
local function start(path)
  local its, handle = {}, nil
  handle, its.id = luv.spawn(campaigns.agad, {args = {"campaign", path, "--quiet"}}, function()
    handle:close()
    its.ended = true
  end)
  return its
end

-- Kills a campaign and its workers in turn, at random moments, and lets it go on to its end; counts the hits.
local function kill(path, most, seconds, hits)
  local own, count = start(path), 0
  while count < most do
    wait(math.random() * 2 * seconds / (EACH + 1))
    if own.ended then break end
    local workers = processes(("[t]rain .*%s"):format(path:gsub("%.lua$", ".runs")))
    local what = #workers > 0 and hits.campaign > hits.worker and "worker" or "campaign"
    local id = what == "worker" and workers[math.random(#workers)] or own.id
    if luv.kill(id, "sigkill") then hits[what], count = hits[what] + 1, count + 1 end
    if what == "campaign" then own = start(path) end
  end
  while not own.ended do wait(.1) end
end

describe("a campaign that is killed at random moments", function()
  it("and its workers, ends in the undisturbed table, to the bit #slow", function()
    math.randomseed(SEED)
    local whole = file "whole"
    local began = core.clock()
    agad_does("campaign " .. whole .. " --quiet")
    local seconds, expected = core.clock() - began, outcome(whole)
    local hits, round = {campaign = 0, worker = 0}, 0
    while hits.campaign + hits.worker < KILLS do
      round = round + 1
      local path = file("killed" .. round)
      kill(path, math.min(EACH, KILLS - hits.campaign - hits.worker), seconds, hits)
      agad_does("campaign " .. path .. " --quiet")
      assert.equal(expected, outcome(path))
      os.execute(("rm -r '%s'"):format((path:gsub("%.lua$", ".runs"))))
    end
    if os.getenv "AGAD_KILLS" then
      print(("%d campaigns and %d workers killed, in %d campaigns of %.0f s"):format(hits.campaign, hits.worker, round,
        seconds))
    end
  end)
end)
