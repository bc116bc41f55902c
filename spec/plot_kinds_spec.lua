-- agad.plot: every kind read back from SVG, PNG and CSV, and what is said of bad input.
-- To add a case: a plot, and the points, boxes or colours that must be found in it.

local agad = require "agad"
local cli = dofile "spec/support/cli.lua"
local svg = dofile "spec/support/svg.lua"

local plot, dir = agad.plot, cli.dir
local present = os.execute "command -v gnuplot > /dev/null 2>&1"

local function drawn(what, o)
  if not present then pending "no gnuplot" end
  plot(what, dir .. "/p.svg")
  local bytes = cli.read(dir .. "/p.svg")
  return svg.read(bytes, o), svg.texts(bytes), bytes
end

local function refused(form, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_nil(err:find "\n")
  assert.is_truthy(err:find(form, 1, true), err)
end

local function has(list, text)
  for _, one in ipairs(list) do if one == text then return end end
  error(("%q is not among: %s"):format(text, table.concat(list, " | ")), 2)
end

-- Runs Lua code as a program of its own: its status, stdout, stderr.
local function run(code, before)
  return cli.agad(("-e '%s'"):format(("agad = require \"agad\"; %s"):format(code)), before)
end

describe("agad.plot draws", function()
  it("a list and a tensor over 1, 2, …", function()
    local plots = drawn {1, 4, 9, 16}
    assert.equal(1, #plots)
    svg.same({{1, 1}, {2, 4}, {3, 9}, {4, 16}}, plots[1].points)
    svg.same({{1, -2}, {2, .5}}, drawn(agad.tensor {-2, .5})[1].points)
  end)

  it("several series with titles, colours and labels", function()
    local plots, texts = drawn {{y = {1, 2, 4}, x = {10, 20, 40}, title = "it's <a>"},
      {y = agad.tensor {3, 1}, x = {10, 20}, kind = "points", colour = "#ff0000"}, title = "T_1", xlabel = "x^2",
      ylabel = "γ"}
    svg.same({{10, 1}, {20, 2}, {40, 4}}, plots[1].points)
    svg.same({{10, 3}, {20, 1}}, plots[2].points)
    assert.same({"rgb(  0, 114, 178)", "rgb(255,   0,   0)"}, {plots[1].colour, plots[2].colour})
    for _, text in ipairs {"T_1", "x^2", "γ", "2"} do has(texts, text) end
    assert.equal("it's &lt;a>", plots[1].title)
  end)

  it("rows of two dimensions as curves", function()
    local plots = drawn(agad.tensor {{1, 2}, {5, 3}})
    svg.same({{1, 5}, {2, 3}}, plots[2].points)
    assert.same({"1", "2"}, {plots[1].title, plots[2].title})
  end)

  it("logarithmic axes", function()
    local plots = drawn({y = {1, 10, 1000}, x = {1, 100, 10000}, log = "xy"}, {logx = true, logy = true})
    svg.same({{1, 1}, {100, 10}, {10000, 1000}}, plots[1].points)
  end)

  it("ranges and text that cannot end the script", function()
    local plots, texts = drawn {y = {1, 2}, yrange = {0, 10}, title = "a'\nset output 'x'"}
    svg.same({{1, 1}, {2, 2}}, plots[1].points)
    has(texts, "a'\\x0Aset output 'x'")
    assert.is_nil(cli.read "x")
  end)

  it("a gap where a value is not finite", function()
    local plots = drawn {y = {1, 2, 0 / 0, 4, 5}}
    svg.same({{1, 1}, {2, 2}, {4, 4}, {5, 5}}, plots[1].points)
    assert.equal(2, plots[1].breaks)
  end)

  it("of a long line the lowest and the highest points", function()
    local y = agad.zeros(100000)
    y[4321], y[54321], y[77777] = 1, 5, -3
    local points = drawn({y = y, yrange = {-5, 5}})[1].points
    assert.is_true(#points <= 2000 and #points >= 1000, #points)
    local found = {}
    for _, p in ipairs(points) do
      if math.abs(p[2]) > .5 then found[#found + 1] = {math.floor(p[1] / 200 + .5), math.floor(p[2] + .5)} end
    end
    assert.same({{22, 1}, {272, 5}, {389, -3}}, found)
  end)

  it("error bars, and bars with errors over categories", function()
    local plots, texts = drawn({y = {3, 5}, x = {"u", "v"}, error = {1, .5}, kind = "bars"}, {categories = 2})
    has(texts, "u")
    svg.same({{.6, 0}, {1.4, 0}, {1.4, 3}, {.6, 3}}, plots[1].polygons[1])
    svg.same({{1.6, 0}, {2.4, 0}, {2.4, 5}, {1.6, 5}}, plots[1].polygons[2])
    svg.same({{1, 2}, {1, 4}}, {plots[2].points[1], plots[2].points[2]})
    local low = drawn {y = {2, 3}, low = {1, 2.5}, high = {4, 3.5}, kind = "points"}[1].points
    svg.same({{1, 1}, {1, 4}}, {low[1], low[2]})
  end)

  it("two series of bars side by side", function()
    local plots = drawn({{y = {1, 2}, x = {"u", "v"}}, {y = {3, 4}, x = {"u", "v"}}, kind = "bars"}, {categories = 2})
    svg.same({{.6, 0}, {1, 0}, {1, 1}, {.6, 1}}, plots[1].polygons[1])
    svg.same({{1, 0}, {1.4, 0}, {1.4, 3}, {1, 3}}, plots[2].polygons[1])
  end)

  it("a band with its line", function()
    local plots = drawn {y = {1, 2}, low = {.5, 1}, high = {2, 4}, kind = "band"}
    svg.same({{1, .5}, {2, 1}, {2, 4}, {1, 2}}, plots[1].polygons[1])
    svg.same({{1, 1}, {2, 2}}, plots[2].points)
  end)

  it("histograms in equal bins, shared by the series", function()
    local plots = drawn {{y = {0, 1, 1, 10}}, {y = agad.tensor {5, 5.5}}, kind = "histogram", bins = 5}
    local function counts(p)
      local list = {}
      for i, polygon in ipairs(p.polygons) do
        list[i] = {math.floor(polygon[1][1] + .5), math.floor(polygon[2][1] + .5), math.floor(polygon[3][2] + .5)}
      end
      return list
    end
    local first, second = {}, {}
    for _, c in ipairs(counts(plots[1])) do if c[3] > 0 then first[#first + 1] = c end end
    for _, c in ipairs(counts(plots[2])) do if c[3] > 0 then second[#second + 1] = c end end
    assert.same({{0, 2, 3}, {8, 10, 1}}, first)
    assert.same({{4, 6, 2}}, second)
  end)

  it("box plots by Tukey's rule", function()
    local plots = drawn {y = {{1, 2, 3, 4, 5, 30}, {2, 2, 3}}, kind = "box"}
    svg.same({{.6, 2.25}, {1.4, 2.25}, {1.4, 4.75}, {.6, 4.75}}, (function()
      local b = plots[1].polygons[1]
      for _, p in ipairs(b) do p[1] = p[1] < 1 and .6 or 1.4 end     -- the width is a matter of looks
      return b
    end)())
    local lows, highs = {}, {}
    for _, p in ipairs(plots[1].points) do
      if math.abs(p[1] - 1) < .01 then lows[#lows + 1] = p[2] end
    end
    table.sort(lows)
    highs[1], highs[2] = math.floor(lows[1] * 100 + .5), math.floor(lows[#lows] * 100 + .5)
    assert.same({100, 500}, highs)                       -- whiskers: 1 and 5; 30 lies beyond 4.75 + 1.5 * 2.5
    assert.is_true(math.abs(plots[2].points[1][2] - 3.5) < .05)      -- the median
    svg.same({{1, 30}}, plots[3].points)
    assert.equal(2, #drawn {y = {{1, 2, 3, 4, 5, 30}}, kind = "box", outliers = false})
  end)

  it("a heat map, its first row on top", function()
    if not present then pending "no gnuplot" end
    plot({y = agad.tensor {{0, 0, 0}, {0, 0, 9}}, kind = "heat", width = 300, height = 200}, dir .. "/h.png")
    local t = agad.data.read(dir .. "/h.png")
    assert.same({3, 200, 300}, t.shape)
    local bright, dark = {252, 255, 164}, {0, 0, 4}
    local function pixel(x, y) return t:select(3, x):select(2, y):totable() end
    assert.same({dark, dark, bright}, {pixel(60, 60), pixel(200, 60), pixel(200, 140)})
  end)

  it("panels, each with its title", function()
    local _, texts, bytes = drawn {panels = {{1, 2, title = "one"}, {y = {3, 4}, title = "two"}}, title = "both"}
    for _, text in ipairs {"one", "two", "both"} do has(texts, text) end
    local borders = select(2, bytes:gsub("id=\"gnuplot_plot_1[ab]\"", ""))
    assert.equal(2, borders)
  end)
end)

describe("agad.plot writes", function()
  it("a PNG of the size asked for, with the line in its colour", function()
    if not present then pending "no gnuplot" end
    plot({y = {5, 5}, width = 400, height = 200, yrange = {0, 10}}, dir .. "/p.png")
    local t = agad.data.read(dir .. "/p.png"):to "int64"
    assert.same({3, 200, 400}, t.shape)
    local line = t:select(1, 1):eq(0):logical_and(t:select(1, 2):eq(114)):logical_and(t:select(1, 3):eq(178))
    local rows = line:any {dim = 2}:nonzero():flatten():totable()
    assert.is_true(#rows >= 1 and #rows <= 3)                        -- level, and 2 pixels thick
    assert.is_true(rows[1] > 70 and rows[#rows] < 130)               -- half way up
  end)

  it("a PDF, and bytes where only an ending is given", function()
    if not present then pending "no gnuplot" end
    plot({1, 2}, dir .. "/p.pdf")
    assert.equal("%PDF", cli.read(dir .. "/p.pdf"):sub(1, 4))
    assert.equal("\137PNG", plot({1, 2}, ".png"):sub(1, 4))
    assert.is_truthy(plot({1, 2}, ".svg"):find("<svg", 1, true))
    assert.is_nil(plot({1, 2}, dir .. "/p.svg"))
  end)

  it("characters without escape codes where there is no terminal", function()
    if not present then pending "no gnuplot" end
    local status, out, err = run "agad.plot({{1, 2}, {2, 1}, title = \"A title\"}) print \"end\""
    assert.same({0, ""}, {status, err})
    assert.is_nil(out:find "[\27\f]")
    assert.matches("A title", out)
    assert.matches("\nend\n$", out)
    local lines = select(2, out:gsub("\n", ""))
    assert.is_true(lines > 15 and lines <= 25, lines)
  end)

  it("a heat map in characters", function()
    local status, out = run "agad.plot {y = {{0, 0}, {0, 1}}, kind = \"heat\", title = \"map\"}"
    assert.equal(0, status)
    assert.matches("^map\n", out)
    assert.matches("\n +%%+\n", out)
    assert.matches("dark: 0, bright: 1\n$", out)
  end)

  it("sixels where the terminal says that it draws them, and characters in colour where not", function()
    if not present or not os.execute "command -v script > /dev/null 2>&1" then pending "no gnuplot, or no script" end
    local function terminal(answer)
      cli.write(dir .. "/t.sh", ([[stty cols 40; exec %s -e 'require("agad").plot({1, 4, 2})']]):format(cli.launcher))
      os.execute(([[cd %s; (printf '%s'; sleep 1) | env -u NO_COLOR TERM=xterm-256color script -qec "sh t.sh" /dev/null
        > drawn]]):gsub("\n", " "):format(dir, answer))
      return cli.read(dir .. "/drawn")
    end
    local sixels = terminal "\\033[?62;4;22c"
    assert.is_truthy(sixels:find "\27P[%d;]*q")
    assert.is_truthy(sixels:find '"1;1;320;200')
    cli.write(dir .. "/t.sh", ([[set -m; %s -e 'require("agad").plot {1, 4, 2}' & wait $!; echo "status $?"]]):format(
      cli.launcher))                                                 -- in the background it would be stopped
    os.execute(("cd %s; TERM=xterm-256color script -qec 'sh t.sh' /dev/null < /dev/null > drawn"):format(dir))
    assert.matches("status 0", cli.read(dir .. "/drawn"))
    local characters = terminal "\\033[?62;22c"
    assert.is_nil(characters:find "\27P")
    assert.is_truthy(characters:find "\27%[38;5;")
    characters = characters:gsub("^%^%[%[[?%d;]*c", "")              -- the answer, which came before it was asked for
    for line in characters:gsub("\27%[[%d;?]*%a", ""):gmatch "[^\r\n]+" do
      assert.is_true((utf8.len(line) or #line) <= 40, line)
    end
  end)
end)

describe("agad.plot says", function()
  it("what is left out", function()
    if not present then pending "no gnuplot" end
    local function notes(code) return select(3, run("agad.plot(" .. code .. ", \"n.svg\")")) end
    assert.equal("note: 2 of 3 values are left out: they are not finite\n", notes "{1, 0/0, 1/0}")
    assert.equal("note: 1 of 2 values of series b are left out: they are not finite, or not above 0 on a logarithmic "
      .. "axis\n", notes "{{1, 2}, {y = {-1, 3}, title = \"b\"}, log = \"y\"}")
    assert.equal("note: series 2 is left out: it is empty\n", notes "{{1, 2}, {}}")
    assert.equal("note: 1 of 4 values are left out: they are not finite\n",
      notes "{y = {{1, 2, 0/0}, {3}}, kind = \"box\"}")
  end)

  it("what cannot be drawn, in one line", function()
    local function says(what, message) refused(message, plot, what, dir .. "/n.svg") end
    says({}, "there is nothing to plot")
    says({y = {}}, "there is nothing to draw: y is empty")
    says({0 / 0, 1 / 0}, "y has no value that can be drawn")
    says({-1, 0, log = "y"}, "y has no value that can be drawn")
    says({y = {0 / 0}, kind = "histogram"}, "y has no value that can be drawn")
    says({y = {1, 2}, x = {1}}, "x has 1 values, and y has 2")
    says({y = {1, 2}, kind = "band"}, "a band needs low and high, or error")
    says({y = {1, 2}, low = {1, 2}}, "low and high must be given together")
    says({y = {{1, 2}, {3}}, kind = "heat"}, "row 2 of y has 1 values, and row 1 has 2")
    says({1, "a"}, 'y[2] is "a"; a number is needed')
    says({y = {1}, kinds = "box"}, "unknown option kinds; did you mean kind?")
    says({y = {1}, kind = "boxes"}, "it must be one of lines")
    says({y = {1}, colour = "red"}, "it must be written like #0072B2")
    says(agad.rand(2, 2, 2), "y has 3 dimensions")
    says(true, "true cannot be plotted")
    assert.is_nil(cli.read(dir .. "/n.svg.csv"))
    refused("must end in .png, .svg or .pdf", plot, {1, 2}, dir .. "/n.gif")
    refused("not to a table; options of agad.plot such as title belong in its first table", plot, {1, 2},
      {title = "a"})
    refused("cannot plot to /nowhere/n.png: ", plot, {1, 2}, "/nowhere/n.png")
  end)

  it("that gnuplot is missing, and leaves the data as CSV", function()
    cli.write(dir .. "/b.sh", [[mkdir -p bin; for p in sh lua5.4 readlink; do ln -sf $(command -v $p) bin/$p; done]])
    os.execute(("cd %s && sh b.sh"):format(dir))
    local status, out, err = run([[agad.plot({{1, 4.5}, {y = {2, 0/0}, title = "b, c"}, x = {"u", "v,w"}}, "c.png")]],
      "PATH=$PWD/bin")
    assert.same({1, ""}, {status, out})
    assert.equal("note: 1 of 2 values of series b, c are left out: they are not finite\n" ..
      "agad: plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox; the data are in " ..
      "c.png.csv\n", err)
    assert.equal('panel,series,kind,x,y\n1,1,lines,u,1\n1,1,lines,"v,w",4.5\n1,"b, c",lines,u,2\n' ..
      '1,"b, c",lines,"v,w",nan\n', cli.read(dir .. "/c.png.csv"))
    assert.is_nil(cli.read(dir .. "/c.png"))
    status, out, err = run("agad.plot {1, 2}", "PATH=$PWD/bin")
    assert.same({1, "", "agad: plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox\n"},
      {status, out, err})
  end)

  it("that there is no font", function()
    if not present or not os.execute "command -v fc-match > /dev/null 2>&1" then pending "no gnuplot or fc-match" end
    cli.write(dir .. "/fonts.conf", [[<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
      <dir>/nowhere</dir></fontconfig>]])
    local status, _, err = run("agad.plot({1, 2}, \"f.png\")", "FONTCONFIG_FILE=$PWD/fonts.conf")
    assert.equal(0, status)
    assert.equal("note: no font is installed, and f.png has no text; on Debian: apt-get install fonts-dejavu-core\n",
      err)
    assert.equal("\137PNG", cli.read(dir .. "/f.png"):sub(1, 4))
  end)
end)

teardown(cli.remove)
